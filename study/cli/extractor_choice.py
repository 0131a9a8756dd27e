"""Which features score, as the command line asks for them and as a run's settings keep them."""

import argparse

from diffusion.files import whole_path
from diffusion.score.extractor_choice import INCEPTION, ExtractorChoice


def extractor_choice(given: argparse.Namespace) -> ExtractorChoice | None:
    """Return the extractor asked for, its files as whole paths; None for the built-in one.

    Raises:
        ValueError: options of one extractor are given with another.
    """
    weights, sha256 = given.inception_weights, given.inception_sha256
    if given.extractor == INCEPTION:
        weights = None if weights is None else whole_path(weights)
        return ExtractorChoice(INCEPTION, weights, None if sha256 is None else sha256.lower())
    for option, value in (("--inception-weights", weights), ("--inception-sha256", sha256)):
        if value is not None:
            raise ValueError(f"{option} is {str(value)!r}; allowed: with --extractor {INCEPTION}")
    if given.extractor is None:
        return None
    return ExtractorChoice(str(whole_path(given.extractor)))


def extractor_settings(extractor: ExtractorChoice | None) -> dict[str, str | None]:
    """Return an extractor's part of a run's settings, all but its hash."""
    if extractor is None:
        return {"extractor": None, "inception_weights": None}
    weights = extractor.weights
    return {
        "extractor": extractor.source,
        "inception_weights": None if weights is None else str(weights),
    }
