"""Screenings: compressions whose cost and drift are known, though no image was drawn from them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from diffusion.config import checked
from study.results.objectives import Scores

# What a file and a network tell without a drawn image.
EXACT = ("size_bytes", "macs", "parameters", "nonzero_parameters")
MOST_DRIFT = 1e12  # Of what is any denoiser still; 1 is about as bad as none.
# Counts the ways in which drift was measured: without guidance at first, guided since.
YARDSTICK = 2
SCALARS = (bool, int, float, str, type(None))


@dataclass(frozen=True, slots=True)  # a study holds twenty for each trial
class Screening:
    """One compression of one backbone, without any trial.

    Attributes:
        knobs: that draw it.
        drift: weighted mean squared change of the denoiser's guided output; None where it cannot
            be compressed so.
        cool_down_images: of a training that would follow; it was screened without.
        scores: what is exact without drawing: bytes, parameters, multiply-accumulates.
        reason: why it cannot be compressed so.
        yardstick: the way in which drift was measured.
    """

    knobs: Mapping[str, Any]
    drift: float | None
    cool_down_images: int = 0
    scores: Scores = field(default_factory=dict)
    reason: str | None = None
    yardstick: int = YARDSTICK

    def to_dict(self) -> dict[str, Any]:
        """Return it as the journal keeps it: without what most of them lack."""
        lacking = [name for name in ("cool_down_images", "reason") if not getattr(self, name)]
        return {name: value for name, value in asdict(self).items() if name not in lacking}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: it is not as we write it; the message names the field.
        """
        knobs = values["knobs"]  # not copied: there are twenty of each trial
        if not (isinstance(knobs, dict) and all(isinstance(v, SCALARS) for v in knobs.values())):
            raise ValueError("knobs of a screening are no numbers or texts")
        drift: float | None = checked("drift", values["drift"], float | None)
        if drift is not None and not 0 <= drift < MOST_DRIFT:
            raise ValueError(f"drift is {drift}; allowed: from 0 to {MOST_DRIFT:g}")
        scores: dict[str, int] = checked("scores", values["scores"], dict[str, int])
        images: int = checked("cool_down_images", values.get("cool_down_images", 0), int)
        if images < 0:
            raise ValueError(f"cool_down_images is {images}; allowed: 0 or more")
        if drift is not None and not all(0 < scores.get(name, 0) < 2**63 for name in EXACT):
            # also of weights other than 0: what has none is worth no look
            raise ValueError(f"scores of a screening are {scores}; allowed: {', '.join(EXACT)}")
        return cls(
            knobs=knobs,
            drift=drift,
            cool_down_images=images,
            scores=scores,
            reason=checked("reason", values.get("reason"), str | None),
            yardstick=checked("yardstick", values.get("yardstick", 1), int),
        )
