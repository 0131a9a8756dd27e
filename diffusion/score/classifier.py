"""The convolutional classifier whose features score a data set without built-in ones; its file.

A classifier is one safetensors file. Its metadata holds, as JSON, what the weights were trained
on and a checksum of everything else in it. Nothing in it is ever unpickled.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from diffusion.config import Config
from diffusion.data import to_signed_range
from diffusion.files import read_bounded, write_bytes
from diffusion.recipe import DataConfig

FORMAT_VERSION = 1
METADATA_KEY = "classifier"  # One entry, because the order of several would change the hash.
SMALLEST_IMAGE_SIZE = 16
MAX_FILE_BYTES = 2**26  # Of a classifier's file; with ten classes it has a fortieth of it.
NARROWEST, WIDEST = 16, 128  # Channels of the first and the last blocks.
# What a file that is missing, damaged or another kind may raise; RuntimeError for deep nesting.
DAMAGE = (OSError, LookupError, TypeError, ValueError, RuntimeError, SafetensorError)


@dataclass(frozen=True)
class ClassifierConfig(Config):
    """What a classifier was trained on and how, with the conditions of its accuracy.

    Attributes:
        data: the data set whose training split it was trained on.
        class_names: the names of the classes, in the order of the logits.
        accuracy: the share of the held-out split that it recognises.
        flip: whether mirrored images were trained on, too.
    """

    data: DataConfig
    class_names: tuple[str, ...]
    accuracy: float
    epochs: int
    seed: int
    flip: bool
    threads: int
    torch_version: str

    def _check(self) -> None:
        self._require(
            len(self.class_names) == self.data.num_classes,
            "class_names",
            f"the names of {self.data.num_classes} classes",
        )
        self._require(0 <= self.accuracy <= 1, "accuracy", "a share from 0 to 1")


class ImageClassifier(nn.Module):
    """Pairs of 3x3 convolutions that halve the images down to 3 or 4 pixels: 96 features.

    Wider blocks see smaller images, so that large images cost little more than small ones.
    """

    num_features = 96

    def __init__(self, channels: int, image_size: int, num_classes: int) -> None:
        super().__init__()
        if image_size < SMALLEST_IMAGE_SIZE:
            raise ValueError(
                f"image_size is {image_size}; allowed: at least {SMALLEST_IMAGE_SIZE} pixels"
            )
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}; allowed: at least 2 to tell apart")
        self.image_shape = (channels, image_size, image_size)
        halvings = (image_size - 1).bit_length() - 2
        blocks: list[nn.Module] = []
        for i in range(halvings + 1):
            width = max(NARROWEST, WIDEST >> (halvings - i))
            blocks.append(_convolution(channels, width, stride=2 if i else 1))
            blocks.append(_convolution(width, width, stride=1))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        # Normalised, so that no feature is zero for every image.
        self.hidden = nn.Sequential(
            nn.Linear(channels, self.num_features, bias=False),
            nn.BatchNorm1d(self.num_features),
            nn.ReLU(inplace=True),
        )
        self.output = nn.Linear(self.num_features, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Compute the activations of the hidden layer.

        Args:
            images: [N, C, H, W] uint8, of the size the classifier was built for.

        Returns:
            [N, 96] float32, none negative.

        Raises:
            ValueError: the images have another shape or type.
        """
        if images.dtype != torch.uint8 or images.shape[1:] != self.image_shape:
            shape = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"images are {list(images.shape)} {images.dtype}; allowed: [N, {shape}] "
                "torch.uint8"
            )
        # On CPUs this order of the pixels is faster by a fifth or more.
        x = to_signed_range(images).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.hidden(self.blocks(x).mean(dim=(2, 3)))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of the classes, [N, num_classes] float32, of uint8 images."""
        logits: Tensor = self.output(self.features(images))
        return logits


def build_classifier(data: DataConfig, seed: int) -> ImageClassifier:
    """Return an untrained classifier for a data set, leaving the global seed alone.

    Raises:
        ValueError: the images are too small, or there is one class only.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ImageClassifier(data.channels, data.image_size, data.num_classes)


def save_classifier(classifier: ImageClassifier, config: ClassifierConfig, path: Path) -> str:
    """Write a classifier as one file, aside and then renamed; return the file's SHA-256."""
    state = classifier.state_dict()
    description = {"format": FORMAT_VERSION, **dataclasses.asdict(config)}
    description["checksum"] = _checksum(description, *_split(safetensors.torch.save(state)))
    metadata = {METADATA_KEY: json.dumps(description, sort_keys=True)}
    content = safetensors.torch.save(state, metadata)
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def load_classifier(path: Path) -> tuple[ImageClassifier, ClassifierConfig, str]:
    """Load a classifier: on the CPU, in eval mode, without gradients.

    Returns:
        The classifier, what it was trained on, and its file's SHA-256.

    Raises:
        ValueError: the file is missing, damaged, not a classifier's or of another version.
    """
    try:
        content = read_bounded(path, MAX_FILE_BYTES)
        state = safetensors.torch.load(content)
        layout, weights = _split(content)
        description = json.loads(layout.pop("__metadata__", {}).get(METADATA_KEY, "null"))
    except DAMAGE as error:
        raise ValueError(f"extractor {path} cannot be read: {_one_line(error)}") from error
    version = description.pop("format", None) if isinstance(description, dict) else None
    if version != FORMAT_VERSION:
        raise ValueError(
            f"extractor {path} has format {version!r}; allowed: {FORMAT_VERSION}, which "
            "python -m study.train_extractor writes"
        )
    checksum = description.pop("checksum", None)
    if checksum != _checksum({"format": version, **description}, layout, weights):
        raise ValueError(
            f"extractor {path} is damaged: its checksum does not match; write it anew"
        )
    try:
        config = ClassifierConfig.from_dict(description)
        classifier = build_classifier(config.data, seed=0)
        classifier.load_state_dict(state)
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"extractor {path} holds no classifier: {_one_line(error)}") from error
    return classifier.eval().requires_grad_(False), config, hashlib.sha256(content).hexdigest()


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the tensors' bytes of a safetensors file."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def _checksum(description: dict[str, Any], layout: dict[str, Any], weights: bytes) -> str:
    digest = hashlib.sha256(json.dumps([description, layout], sort_keys=True).encode())
    digest.update(weights)
    return digest.hexdigest()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _convolution(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
