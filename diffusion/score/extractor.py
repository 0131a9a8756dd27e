"""Feature extractors: what images are compared by, and how a data set gets its own."""

import logging
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from diffusion.errors import MetricUndefined
from diffusion.recipe import DataConfig
from diffusion.score.digits import DIGITS_SHA256, load_digit_classifier

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
DIGIT_SETS = ("mnist5k", "mnist")


class FeatureExtractor(Protocol):
    """Turns uint8 [N, C, H, W] images into [N, dimension] float64 features.

    Attributes:
        sha256: of the weights; two scores compare only when it is the same.
    """

    name: str
    dimension: int
    sha256: str

    def features(self, images: Tensor) -> np.ndarray:
        """Extract the features of [N, C, H, W] uint8 images."""

    def label_agreement(self, images: Tensor, labels: Tensor) -> float | None:
        """Return the share of images recognised as their [N] label; None where undefined."""


class DigitExtractor:
    """The shipped digit classifier's 84 features, for 28x28 grey images."""

    name = "digits"
    dimension = 84
    sha256 = DIGITS_SHA256

    def __init__(self, knows_labels: bool) -> None:
        self._classifier = load_digit_classifier()
        self._knows_labels = knows_labels

    @torch.inference_mode()
    def features(self, images: Tensor) -> np.ndarray:
        batches = [self._classifier.features(batch) for batch in images.split(BATCH_SIZE)]
        return torch.cat(batches).double().numpy()

    @torch.inference_mode()
    def label_agreement(self, images: Tensor, labels: Tensor) -> float | None:
        if not self._knows_labels:
            return None
        guesses = [self._classifier(batch).argmax(dim=1) for batch in images.split(BATCH_SIZE)]
        return float((torch.cat(guesses) == labels).double().mean())


def build_extractor(data: DataConfig) -> FeatureExtractor:
    """Return the extractor that scores a data set.

    Raises:
        MetricUndefined: none is built in for images of this form.
    """
    if (data.channels, data.image_size) != (1, 28):
        kind = "grey" if data.channels == 1 else "colour"
        raise MetricUndefined(
            f"dataset {data.name!r} has {kind} images of {data.image_size} pixels; the built-in "
            "extractor scores grey images of 28 pixels only (mnist5k, mnist, fashion-mnist, "
            "folder:PATH of such)"
        )
    if data.name not in DIGIT_SETS:
        logger.warning(
            "dataset %r is scored by features made for digits: its FID compares within a run "
            "only, and label agreement is left out",
            data.name,
        )
    return DigitExtractor(knows_labels=data.name in DIGIT_SETS)
