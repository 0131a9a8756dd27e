"""Batches: every image once an epoch, labels hidden at the asked rate, and going on."""

import pytest
import torch

from diffusion.batches import Batches
from diffusion.data import to_uint8
from diffusion.recipe import TrainingConfig

HIDDEN = 3


def batches(dataset, **fields):
    config = TrainingConfig(train_images=1, **fields)
    images, labels = dataset.train_images, dataset.train_labels
    return Batches(images, labels, config, HIDDEN, torch.device("cpu"))


def draw(dataset, count, **fields):
    source = batches(dataset, **fields)
    return [source.draw(step) for step in range(count)]


def test_hidden_labels_come_at_the_asked_rate(tiny_dataset):
    for rate in (0.0, 0.1, 0.5, 1.0):
        drawn = draw(tiny_dataset, 2, batch_size=1_800, label_dropout=rate)
        labels = torch.cat([labels for _, labels in drawn])
        hidden = labels == HIDDEN
        # 3,600 draws: the standard deviation of the share is at most 0.0083.
        assert hidden.double().mean().item() == pytest.approx(rate, abs=0.03 * (0 < rate < 1))
        assert labels.min() >= 0
        assert labels.max() <= HIDDEN


@pytest.mark.parametrize(("rate", "end"), [(0.6, 0), (0.6, 14_400), (1.0, 12_000), (0.1, 1)])
def test_share_of_hidden_labels_falls_linearly_to_none(tiny_dataset, rate, end):
    fields = {"label_dropout": rate, "label_dropout_end_images": end}
    drawn = draw(tiny_dataset, 10, batch_size=1_800, **fields)
    shares = [(labels == HIDDEN).double().mean().item() for _, labels in drawn]
    # Of the images seen before each batch; 0 keeps the share.
    expected = [rate * (max(1 - seen / end, 0) if end else 1) for seen in range(0, 18_000, 1_800)]
    # 1,800 draws: the standard deviation of a share is at most 0.012.
    assert shares == pytest.approx(expected, abs=0.05)
    assert all(share == 0 for share, none in zip(shares, expected, strict=True) if none == 0)
    assert (0 in expected) == (end > 0)


def test_shown_labels_are_those_of_their_images(tiny_dataset):
    pairs = zip(tiny_dataset.train_images, tiny_dataset.train_labels.tolist(), strict=True)
    label_of = {image.numpy().tobytes(): label for image, label in pairs}
    for images, labels in draw(tiny_dataset, 23):
        assert images.dtype == torch.float32
        true = [label_of[image.numpy().tobytes()] for image in to_uint8(images)]
        assert all(
            label in (expected, HIDDEN) for label, expected in zip(labels, true, strict=True)
        )


@pytest.mark.parametrize("batch_size", [1, 16, 36, 100])
def test_every_image_is_seen_once_an_epoch(tiny_dataset, batch_size):
    drawn = draw(tiny_dataset, -(-144 // batch_size), batch_size=batch_size)
    seen = [image.numpy().tobytes() for images, _ in drawn for image in to_uint8(images)]
    everything = {image.numpy().tobytes() for image in tiny_dataset.train_images}
    assert len(everything) == 36
    epochs = [seen[start : start + 36] for start in range(0, len(seen) - 35, 36)]
    assert len(epochs) >= 4
    assert all(set(epoch) == everything for epoch in epochs)
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("batch_size", [5, 16, 50])
def test_batches_go_on_from_a_state(tiny_dataset, batch_size):
    fields = {"batch_size": batch_size, "label_dropout": 0.5}
    source, again = batches(tiny_dataset, **fields), batches(tiny_dataset, seed=9, **fields)
    for step in range(4):
        source.draw(step)
    kept = source.state()
    expected = [source.draw(step) for step in range(4, 12)]
    again.load(kept)
    for step, (images, labels) in enumerate(expected, start=4):
        found_images, found_labels = again.draw(step)
        assert torch.equal(found_images, images)
        assert torch.equal(found_labels, labels)
