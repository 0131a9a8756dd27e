"""Train the classifier that scores a data set without a built-in feature extractor.

The held-out images are read once, after the last epoch, to report the accuracy: nothing is
chosen by them. `python -m study.train_extractor` is the command.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffusion.data import ImageDataset
from diffusion.score.classifier import ClassifierConfig, ImageClassifier, build_classifier

TRAIN_IMAGES = 96_000  # What is seen by default, as far as the epochs stay in their limits.
FEWEST_EPOCHS, MOST_EPOCHS = 12, 100
BATCH_SIZE = 128
MAX_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-2
MAX_SHIFT = 1 / 8  # Images move by up to this share of their side, each way.
ACCURACY_BATCH_SIZE = 500

# on_progress(images): how many images, over all epochs, the training has seen.
Progress = Callable[[int], None]


def default_epochs(dataset: ImageDataset) -> int:
    """Return the passes that train a classifier well: the more, the fewer images there are."""
    passes = math.ceil(TRAIN_IMAGES / len(dataset.train_images))
    return min(max(passes, FEWEST_EPOCHS), MOST_EPOCHS)


def train_classifier(
    dataset: ImageDataset,
    *,
    epochs: int,
    seed: int = 0,
    flip: bool = False,
    on_progress: Progress = lambda images: None,
) -> tuple[ImageClassifier, ClassifierConfig]:
    """Train a classifier on a data set's own labels and measure its accuracy.

    Args:
        dataset: the data set whose training split it is trained on, and whose held-out one
            measures it.
        epochs: how often the training images are passed over; the last weights are kept.
        seed: what the first weights, the order of the images and their augmentation are drawn by.
        flip: whether half of the images, drawn anew each time, are mirrored; not for digits or
            letters.
        on_progress: called after every step.

    Returns:
        The classifier, in eval mode, and what its file says of it.

    Raises:
        ValueError: the images are too small, or there is one class only.
    """
    data = dataset.config()
    classifier = build_classifier(data, seed)
    _fit(classifier, dataset, epochs, torch.Generator().manual_seed(seed), flip, on_progress)
    config = ClassifierConfig(
        data=data,
        class_names=dataset.class_names,
        accuracy=accuracy(classifier, dataset.held_out_images, dataset.held_out_labels),
        epochs=epochs,
        seed=seed,
        flip=flip,
        threads=torch.get_num_threads(),
        torch_version=str(torch.__version__),
    )
    return classifier, config


def _fit(
    classifier: ImageClassifier,
    dataset: ImageDataset,
    epochs: int,
    generator: torch.Generator,
    flip: bool,
    on_progress: Progress,
) -> None:
    images, labels = dataset.train_images, dataset.train_labels
    steps = math.ceil(len(images) / BATCH_SIZE)
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=MAX_LEARNING_RATE, epochs=epochs, steps_per_epoch=steps
    )
    seen = 0
    classifier.train()
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        # Batches of one size, or one less: normalisation over a lone last image is noise.
        for batch in order.tensor_split(steps):
            logits = classifier(augment(images[batch], generator, flip))
            loss = F.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            seen += len(batch)
            on_progress(seen)
    _settle(
        classifier, images, torch.randperm(len(images), generator=generator).tensor_split(steps)
    )
    classifier.eval()


@torch.no_grad()
def _settle(classifier: ImageClassifier, images: Tensor, batches: Sequence[Tensor]) -> None:
    """Measure the means and variances to normalise with once more, for the last weights.

    Those gathered along the way lag behind them: after few steps, too far to recognise anything.
    """
    for module in classifier.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # The mean over all batches.
    for batch in batches:
        classifier(images[batch])


def augment(images: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Shift each of the [N, C, H, W] uint8 images a little, repeating its edge; mirror half.

    Args:
        images: the images, which stay as they are.
        generator: the source of the shifts and of the choice whom to mirror.
        flip: whether any are mirrored, from left to right.
    """
    count, channels, height, width = images.shape
    rows = _shifted(height, count, generator)
    columns = _shifted(width, count, generator)
    if flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    return images[
        torch.arange(count)[:, None, None, None],
        torch.arange(channels)[:, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def _shifted(side: int, count: int, generator: torch.Generator) -> Tensor:
    """Return [count, side] indices along a side, each row shifted by its own random amount."""
    most = int(side * MAX_SHIFT)
    shifts = torch.randint(-most, most + 1, (count, 1), generator=generator)
    return (torch.arange(side) + shifts).clamp(0, side - 1)


def accuracy(classifier: ImageClassifier, images: Tensor, labels: Tensor) -> float:
    """Return the share of [N, C, H, W] uint8 images that get their [N] label."""
    with torch.inference_mode():
        guesses = [classifier(batch).argmax(1) for batch in images.split(ACCURACY_BATCH_SIZE)]
    return (torch.cat(guesses) == labels).double().mean().item()
