"""The labels that images are asked for when a model is scored."""

import torch
from torch import Tensor

from diffusion.data import ImageDataset


def score_labels(dataset: ImageDataset, count: int) -> Tensor:
    """Return the labels to ask for, [count] int64, sorted, in the training split's proportions."""
    ordered = dataset.train_labels.sort().values
    # The middles of `count` equal parts of the sorted labels.
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) * len(ordered) / count
    return ordered[middles.long()]
