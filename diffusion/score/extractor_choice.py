"""Which extractor a user chooses instead of the built-in one; torch is not imported."""

import re
from dataclasses import dataclass
from pathlib import Path

INCEPTION = "inception"


@dataclass(frozen=True)
class ExtractorChoice:
    """An extractor to be used instead of the built-in one.

    Attributes:
        source: "inception", or the path of a classifier's file.
        weights: the file of the Inception weights; None for the published ones, downloaded once.
        sha256: the SHA-256 that the weights must have; None for that of the published Inception
            weights, or any of a classifier.
    """

    source: str = INCEPTION
    weights: Path | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and self.source != INCEPTION:
            raise ValueError(
                f"weights is {str(self.weights)!r} with extractor {self.source!r}; allowed: with "
                f"{INCEPTION!r} only"
            )
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 is {self.sha256!r}; allowed: 64 hexadecimal digits")
