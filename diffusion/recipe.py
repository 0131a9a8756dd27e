"""A recipe: everything that defines one model, as frozen, validated dataclasses.

A recipe round-trips through JSON. Its backbone key hashes what training depends on and nothing
else, so that recipes that differ only in compression or sampling share one training. Its parts
are imported from here, too.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from diffusion.backbone_config import (
    Architecture,
    BetaSchedule,
    DataConfig,
    Formulation,
    GroupedLayers,
    NetworkConfig,
    Optimizer,
    Precision,
    TrainingConfig,
    TrainingQuantization,
)
from diffusion.config import Config
from diffusion.errors import InvalidRecipe
from diffusion.variant_config import (
    CompressionConfig,
    DrawingPrecision,
    EmaConfig,
    PruneMethod,
    PruneProfile,
    PruneRegion,
    PruneScope,
    Quantization,
    SamplerName,
    SamplingConfig,
    Schedule,
    Track,
)

__all__ = [
    "Architecture",
    "BetaSchedule",
    "CompressionConfig",
    "DataConfig",
    "DrawingPrecision",
    "EmaConfig",
    "Formulation",
    "GroupedLayers",
    "NetworkConfig",
    "Optimizer",
    "Precision",
    "PruneMethod",
    "PruneProfile",
    "PruneRegion",
    "PruneScope",
    "Quantization",
    "Recipe",
    "SamplerName",
    "SamplingConfig",
    "Schedule",
    "Track",
    "TrainingConfig",
    "TrainingQuantization",
]

# Fields that recipes of earlier versions lack, with what they mean there. Those that hold this are
# not hashed, so that what was trained is found again.
ADDED_FIELDS: dict[str, Any] = {
    "network.conditioning_width": 0,
    "training.adam_beta2": 0.999,
    "training.standardize": False,
    "compression.finetune_batch_size": 32,
    "compression.finetune_teacher": False,
    "compression.quantization_step": 0.0,
    "sampling.guidance_sigma_min": 0.0,
    "sampling.guidance_sigma_max": 1_000.0,
    "sampling.precision": "as_trained",
}
FOLLOWING_FIELDS = ("pixel_mean", "pixel_std")  # They follow from what is hashed.


@dataclass(frozen=True)
class Recipe(Config):
    """Everything that defines one model."""

    data: DataConfig
    network: NetworkConfig
    training: TrainingConfig
    ema: EmaConfig = field(default_factory=EmaConfig)
    compression: CompressionConfig = field(default_factory=CompressionConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    def _check(self) -> None:
        if self.ema.track == "exponential" and self.training.ema_decay == 0:
            raise InvalidRecipe(
                "ema.track is 'exponential' with training.ema_decay 0; allowed: a decay above 0"
            )
        if not self.network.conditional and self.sampling.guidance != 1:
            raise InvalidRecipe(
                f"sampling.guidance is {self.sampling.guidance:g} for a network without labels; "
                "allowed: 1"
            )

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """Return the recipe with other values of fields named like `network.groups`.

        Raises:
            InvalidRecipe: there is no such field, or the value is not allowed.
        """
        values = self.to_dict()
        for name, value in changes.items():
            part, _, config_field = name.partition(".")
            if config_field not in values.get(part, {}):
                known = [f"{p}.{f}" for p, fields in values.items() for f in fields]
                raise InvalidRecipe(f"recipe has no field {name!r}; allowed: {', '.join(known)}")
            values[part][config_field] = value
        return type(self).from_dict(json.loads(json.dumps(values)))

    @property
    def drawing_precision(self) -> Precision:
        """In which precision images are drawn."""
        drawn = self.sampling.precision
        return self.training.precision if drawn == "as_trained" else drawn

    # The keys are asked for at every decision of a study: hashed once an object, which is frozen.
    @functools.cached_property
    def backbone_key(self) -> str:
        """Hash of what training depends on: the same key, the same trajectory of weights."""
        values = self.to_dict()
        training = {k: v for k, v in values["training"].items() if k != "train_images"}
        return _hash({"data": values["data"], "network": values["network"], "training": training})

    @functools.cached_property
    def cool_down_key(self) -> str:
        """Hash of what the weights depend on after a cool-down, which is all but the sampling."""
        compression = self.to_dict()["compression"]
        if self.compression.prune_method != "random":
            del compression["prune_seed"]
        values = {
            "backbone_key": self.backbone_key,
            "train_images": self.training.train_images,
            "track": self.ema.track,
            "compression": compression,
        }
        return _hash(values)

    @functools.cached_property
    def key(self) -> str:
        """Hash of the whole recipe: two trials with the same key are duplicates."""
        return _hash(self.to_dict())


def _hash(values: dict[str, Any]) -> str:
    text = json.dumps(_without_added(values), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_added(values: dict[str, Any], part: str = "") -> dict[str, Any]:
    return {
        name: _without_added(value, f"{name}.") if isinstance(value, dict) else value
        for name, value in values.items()
        if name not in FOLLOWING_FIELDS
        and (part + name not in ADDED_FIELDS or value != ADDED_FIELDS[part + name])
    }
