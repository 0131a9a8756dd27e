"""Feature extractors: what images are compared by, and those that are a classifier's layer."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from diffusion.device import device_of
from diffusion.recipe import DataConfig
from diffusion.score.batched import in_batches
from diffusion.score.classifier import ImageClassifier, build_classifier, load_classifier
from diffusion.score.digits import DIGITS_SHA256, DigitClassifier, load_digit_classifier

# Larger images go through a network in smaller batches; larger batches are no faster, and in
# float64 slower.
BATCH_PIXELS = 100 * 28 * 28


class FeatureExtractor(Protocol):
    """Turns uint8 [N, C, H, W] images into [N, dimension] float64 features.

    Two scores compare only when sha256, layer and preprocessing are the same.

    Attributes:
        name: what the extractor is called where its scores are shown.
        dimension: the length of a feature vector.
        sha256: the SHA-256 of the weights.
        layer: the network's layer whose activations are the features.
        preprocessing: what is done to the bytes before the network, and the precision of both.
    """

    name: str
    dimension: int
    sha256: str
    layer: str
    preprocessing: str

    def move_to(self, device: torch.device | str) -> None:
        """Run on a device from now on, the CPU until then; images and features stay there."""

    def features(self, images: Tensor) -> np.ndarray:
        """Extract the features of [N, C, H, W] uint8 images."""

    def guess_labels(self, images: Tensor) -> Tensor | None:
        """Return [N] int64, the class each image looks like; None without a classifier."""


class _NetworkExtractor:
    """A classifier's hidden layer as features, and its guesses where they mean something."""

    def __init__(self, classifier: DigitClassifier | ImageClassifier, knows_labels: bool) -> None:
        self.dimension = classifier.num_features
        self._classifier = classifier
        self._knows_labels = knows_labels

    def move_to(self, device: torch.device | str) -> None:
        self._classifier.to(device)

    def features(self, images: Tensor) -> np.ndarray:
        return self._in_batches(self._classifier.features, images).double().numpy()

    def guess_labels(self, images: Tensor) -> Tensor | None:
        if not self._knows_labels:
            return None
        return self._in_batches(self._classifier, images).argmax(dim=1)

    def _in_batches(self, network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Apply a network to [N, C, H, W] images, as many at once as memory holds with ease."""
        height, width = images.shape[2:]
        batch_size = max(1, BATCH_PIXELS // (height * width))
        return in_batches(network, images, batch_size, device_of(self._classifier))


class DigitExtractor(_NetworkExtractor):
    """The shipped digit classifier's 84 features, for 28x28 grey images.

    In float64, so that the same images have the same FID to 1e-9 in whatever batches.
    """

    name = "digits"
    sha256 = DIGITS_SHA256
    layer = "hidden2"
    preprocessing = "bytes / 255, float64"

    def __init__(self, knows_labels: bool) -> None:
        super().__init__(load_digit_classifier().double(), knows_labels)


class ClassifierExtractor(_NetworkExtractor):
    """The features of a classifier that was trained on the data's own labels.

    Args:
        path: the classifier's file.
        class_names: the names of the classes of the data to score; labels are guessed only where
            the classifier's classes have the same.
        sha256: the SHA-256 that the file must have; None for any file.

    Raises:
        ValueError: the file is missing, damaged, not a classifier's, of another version or not
            the one that is meant.
    """

    layer = "hidden"
    preprocessing = "bytes / 127.5 - 1, float32"

    def __init__(
        self, path: Path, class_names: Sequence[str] = (), sha256: str | None = None
    ) -> None:
        classifier, self.trained_on, self.sha256 = load_classifier(path)
        if sha256 not in (None, self.sha256):
            raise ValueError(
                f"extractor {path} has SHA-256 {self.sha256}; allowed: {sha256}, as asked for"
            )
        self.name = f"classifier:{self.trained_on.data.name}"
        super().__init__(classifier, tuple(class_names) == self.trained_on.class_names)


class UntrainedExtractor(_NetworkExtractor):
    """Stands for the classifier that a data set will have: of the same form, but scores nothing.

    Args:
        data: that the classifier will be trained on.

    Raises:
        ValueError: the images are too small, or there is one class only.
    """

    sha256 = ""  # There are no weights yet.
    layer = ClassifierExtractor.layer
    preprocessing = ClassifierExtractor.preprocessing

    def __init__(self, data: DataConfig) -> None:
        self.name = f"classifier:{data.name}"
        super().__init__(build_classifier(data, seed=0).eval(), knows_labels=True)
