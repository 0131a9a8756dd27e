"""The extractor that a data set is scored by: the built-in one, or one that is chosen instead."""

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

from diffusion.errors import MetricUndefined
from diffusion.recipe import DataConfig
from diffusion.score.extractor import ClassifierExtractor, DigitExtractor, FeatureExtractor
from diffusion.score.extractor_choice import INCEPTION, ExtractorChoice
from diffusion.score.inception import InceptionExtractor

logger = logging.getLogger(__name__)

DIGIT_SETS = ("mnist5k", "mnist")


def is_built_in(data: DataConfig) -> bool:
    """Whether the built-in extractor scores images of this form."""
    return (data.channels, data.image_size) == (1, 28)


def build_extractor(
    data: DataConfig, choice: ExtractorChoice | None = None, class_names: Sequence[str] = ()
) -> FeatureExtractor:
    """Return the extractor that scores a data set.

    Args:
        data: the data set whose images are scored.
        choice: the extractor to use instead of the built-in one.
        class_names: the names of the data's classes; without them a classifier guesses no labels.

    Raises:
        MetricUndefined: the chosen classifier is for other images, or none is chosen and none
            is built in for images of this form, or torch-fidelity is not installed.
        ValueError: the weights are missing, damaged, of another kind or not those that are meant.
    """
    if choice is not None and choice.source == INCEPTION:
        return InceptionExtractor(choice.weights, choice.sha256)
    if choice is not None:
        return _classifier_extractor(data, choice, class_names)
    if not is_built_in(data):
        raise MetricUndefined(
            f"dataset {data.name!r} has {_form(data)}; the built-in extractor scores grey images "
            "of 28 pixels only (mnist5k, mnist, fashion-mnist, folder:PATH of such). Train one: "
            f"python -m study.train_extractor --dataset {shlex.quote(data.name)} --out FILE; "
            "then give it with --extractor FILE, or use --extractor inception"
        )
    if data.name not in DIGIT_SETS:
        logger.warning(
            "dataset %r is scored by features made for digits: its FID compares within a run "
            "only, and label agreement is left out; python -m study.train_extractor makes one "
            "of its own",
            data.name,
        )
    return DigitExtractor(knows_labels=data.name in DIGIT_SETS)


def _classifier_extractor(
    data: DataConfig, choice: ExtractorChoice, class_names: Sequence[str]
) -> ClassifierExtractor:
    extractor = ClassifierExtractor(Path(choice.source), class_names, choice.sha256)
    known = extractor.trained_on.data
    if (data.channels, data.image_size) != (known.channels, known.image_size):
        raise MetricUndefined(
            f"dataset {data.name!r} has {_form(data)}; extractor {choice.source} is for "
            f"{_form(known)} (trained on {known.name!r})"
        )
    return extractor


def _form(data: DataConfig) -> str:
    return f"{'grey' if data.channels == 1 else 'colour'} images of {data.image_size} pixels"
