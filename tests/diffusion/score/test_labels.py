"""The labels that images are asked for: in the proportions of the data."""

from dataclasses import replace

import pytest
import torch

from diffusion.data import ImageDataset
from diffusion.score.labels import score_labels


def with_labels(counts):
    """A data set of these labels, in a mixed order."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    names = tuple(map(str, range(len(counts))))
    return ImageDataset("some", names, images, labels[order], images, labels[order])


@pytest.mark.parametrize("counts", [[400] * 10, [5_923, 6_742, 5_958], [1, 99], [10, 0, 30]])
@pytest.mark.parametrize("count", [20, 100, 1_000])
def test_labels_come_in_the_proportions_of_the_training_split(counts, count):
    labels = score_labels(with_labels(counts), count)
    assert len(labels) == count
    assert labels.dtype == torch.int64
    assert torch.equal(labels, labels.sort().values)
    found = labels.bincount(minlength=len(counts)).double()
    expected = torch.tensor(counts).double() * count / sum(counts)
    assert (found - expected).abs().max() <= 1


def test_labels_of_the_whole_split_are_its_own(mnist5k):
    labels = score_labels(mnist5k, 4_000)
    assert torch.equal(labels, mnist5k.train_labels.sort().values)
    held_out = replace(mnist5k, held_out_labels=mnist5k.held_out_labels[:1])
    assert torch.equal(score_labels(held_out, 4_000), labels)
