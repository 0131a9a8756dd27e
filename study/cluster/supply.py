"""What workers train on and score with, put into Ray's object store: it reaches each node once."""

import dataclasses
import warnings
from dataclasses import dataclass
from typing import Any, Self

import ray
import torch
from torch import Tensor

from diffusion.data import ImageDataset
from diffusion.score.extractor import FeatureExtractor
from study.evaluation.context import RunContext


@dataclass(frozen=True)
class Supply:
    """A data set and an extractor in the object store; the workers of a node share the images."""

    reference: Any

    @classmethod
    def of(cls, dataset: ImageDataset, extractor: FeatureExtractor) -> Self:
        """Put them into the store, from where each node fetches them when it is first asked."""
        fields = {f.name: getattr(dataset, f.name) for f in dataclasses.fields(dataset)}
        # Of arrays workers see the store's own memory; tensors would be copied to each.
        arrays = {n: v.numpy() if isinstance(v, Tensor) else v for n, v in fields.items()}
        return cls(ray.put((arrays, extractor)))

    def __call__(self) -> tuple[ImageDataset, FeatureExtractor]:
        """Return them from the node's store; the images are not to be written to."""
        arrays, extractor = ray.get(self.reference)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* not writable")
            fields = {n: _tensor(value) for n, value in arrays.items()}
        return ImageDataset(**fields), extractor


def supplied(context: RunContext) -> RunContext:
    """Return a run's context whose workers get data and extractor through Ray, not from files.

    Raises:
        ValueError: the data or the extractor's weights are missing here.
    """
    return dataclasses.replace(context, supply=Supply.of(*context.load()))


def _tensor(value: Any) -> Any:
    return torch.from_numpy(value) if hasattr(value, "__array__") else value
