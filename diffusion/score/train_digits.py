"""Train the digit classifier that scores generated digits, and write its weights.

    python -m diffusion.score.train_digits --data-dir DIR --out FILE

DIR holds torchvision's MNIST. The test digits are read once, after the last epoch, to report
the accuracy: nothing is chosen by them.
"""

import argparse
import hashlib
import json
import math
import os
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from diffusion.data import load_dataset
from diffusion.score.digits import DigitClassifier

EPOCHS = 20
BATCH_SIZE = 128
MAX_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-2
MAX_ROTATION_DEGREES = 10.0
MAX_SCALING = 0.1  # Digits grow or shrink by up to this share ...
MAX_SHIFT_PIXELS = 2.0  # ... and move by up to this many pixels, each way.


def main(arguments: list[str] | None = None) -> None:
    """Train the digit classifier, measure it, write its file; print accuracy and SHA-256."""
    parser = argparse.ArgumentParser(description="train the digit classifier")
    parser.add_argument("--data-dir", type=Path, required=True, help="torchvision's MNIST")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    data = load_dataset("mnist", options.data_dir)
    classifier = train(data.train_images, data.train_labels, options.epochs, options.seed)
    share = accuracy(classifier, data.held_out_images, data.held_out_labels)
    digest = save(
        classifier,
        options.out,
        test_accuracy=share,
        epochs=options.epochs,
        seed=options.seed,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
    )
    print(f"test accuracy {share:.2%}")
    print(f"SHA-256 {digest}")


def train(images: Tensor, labels: Tensor, epochs: int, seed: int) -> DigitClassifier:
    """Train a new classifier for a fixed number of epochs and return its last weights.

    Args:
        images: [N, 1, 28, 28] uint8.
        labels: [N] int64.
        epochs: how often the images are passed over.
        seed: what the first weights, the order of the images and their augmentation are drawn by.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = DigitClassifier()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=MAX_LEARNING_RATE,
        epochs=epochs,
        steps_per_epoch=math.ceil(len(images) / BATCH_SIZE),
    )
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(images), generator=generator), BATCH_SIZE):
            logits = classifier(augment(images[batch], generator))
            loss = F.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate, scale and shift each of the [N, 1, H, W] uint8 images a little."""
    draws = torch.rand(len(images), 4, generator=generator) * 2 - 1
    angle = draws[:, 0] * math.radians(MAX_ROTATION_DEGREES)
    scale = 1 + draws[:, 1] * MAX_SCALING
    # affine_grid measures in half image sides.
    shift = draws[:, 2:] * (2 * MAX_SHIFT_PIXELS / images.shape[-1])
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    matrix = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], dim=1)
    grid = F.affine_grid(matrix.reshape(-1, 2, 3), list(images.shape), align_corners=False)
    moved = F.grid_sample(images.to(torch.float32), grid, align_corners=False)
    return moved.round_().to(torch.uint8)


def accuracy(classifier: DigitClassifier, images: Tensor, labels: Tensor) -> float:
    """Return the share of [N, 1, 28, 28] uint8 images that get their [N] label."""
    with torch.no_grad():
        guesses = torch.cat([classifier(batch).argmax(1) for batch in torch.split(images, 1000)])
    return (guesses == labels).double().mean().item()


def save(classifier: DigitClassifier, path: Path, **training: object) -> str:
    """Write the weights with how they were trained as metadata; return the file's SHA-256."""
    # One entry, because the order of several is not fixed and would change the hash.
    metadata = {"training": json.dumps(training, sort_keys=True)}
    content = safetensors.torch.save(classifier.state_dict(), metadata=metadata)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
