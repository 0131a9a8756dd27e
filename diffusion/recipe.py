"""A recipe: everything that defines one model, as frozen, validated dataclasses.

A recipe round-trips through JSON. Its backbone key hashes what training depends on and nothing
else, so that recipes that differ only in compression or sampling share one training.
"""

import dataclasses
import hashlib
import json
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from diffusion.config import Config

Architecture = Literal["ncsn", "mini_ddpm"]
Formulation = Literal["edm"]
Optimizer = Literal["adam", "adamw", "adam8bit", "adamw8bit"]
Precision = Literal["float32", "bf16"]
Track = Literal["none", "short", "mid", "long"]
PruneMethod = Literal["none", "random", "l1"]
PruneRegion = Literal["all", "middle", "extremes"]
Quantization = Literal["none", "linear8", "linear4", "weights8"]
SamplerName = Literal["dpm_solver_pp_2m", "euler_maruyama"]


@dataclass(frozen=True)
class DataConfig(Config):
    """What a model is trained on; `fingerprint` hashes the training images and labels."""

    name: str
    image_size: int
    channels: int
    num_classes: int
    fingerprint: str

    def _check(self) -> None:
        self._require(self.image_size >= 1, "image_size", "a positive number of pixels")
        self._require(self.channels in (1, 3), "channels", "1 (grey) or 3 (colour)")
        self._require(self.num_classes >= 1, "num_classes", "at least 1")


@dataclass(frozen=True)
class NetworkConfig(Config):
    """The raw network: its architecture, size and grouped convolutions.

    Attributes:
        widths: channels of each resolution, finest first.
        groups: groups of the convolutions, or "max" for min(in, out) channels per layer.
        patch_size: `mini_ddpm` only; 2 unshuffles 2x2 pixels into channels first.
        embedding_scale: `ncsn` only; standard deviation of the random Fourier frequencies.
        conditional: whether the network takes class labels.
    """

    architecture: Architecture
    widths: tuple[int, ...]
    groups: int | Literal["max"] = 1
    patch_size: int = 1
    embedding_scale: float = 30.0
    conditional: bool = True

    def _check(self) -> None:
        self._require(
            len(self.widths) >= 1 and all(width >= 1 for width in self.widths),
            "widths",
            "one or more positive channel counts",
        )
        self._require(self.groups == "max" or self.groups >= 1, "groups", 'at least 1, or "max"')
        self._require(self.patch_size in (1, 2), "patch_size", "1 or 2")
        self._require(self.embedding_scale > 0, "embedding_scale", "above 0")
        if self.architecture == "ncsn":
            self._require(len(self.widths) == 4, "widths", "four channel counts for ncsn")
            self._require(self.patch_size == 1, "patch_size", "1 for ncsn")


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How the backbone is trained. `train_images` counts images seen; it is not in the key.

    Attributes:
        label_dropout: share of training images whose label is hidden, for guidance.
        log_sigma_mean, log_sigma_std: of the log-normal noise levels trained on. Karras et al.
            2022 use -1.2 and 1.2 for photographs; digits are learned faster from more noise.
        warmup_images: the learning rate rises linearly over these, then stays constant.
    """

    train_images: int
    formulation: Formulation = "edm"
    optimizer: Optimizer = "adam"
    learning_rate: float = 2e-3
    warmup_images: int = 1_600
    batch_size: int = 16
    precision: Precision = "float32"
    log_sigma_mean: float = 0.0
    log_sigma_std: float = 1.2
    label_dropout: float = 0.1
    seed: int = 0

    def _check(self) -> None:
        self._require(self.train_images >= 1, "train_images", "at least 1")
        self._require(self.learning_rate > 0, "learning_rate", "above 0")
        self._require(self.warmup_images >= 0, "warmup_images", "0 or more")
        self._require(self.batch_size >= 1, "batch_size", "at least 1")
        self._require(self.log_sigma_std > 0, "log_sigma_std", "above 0")
        self._require(0 <= self.label_dropout <= 1, "label_dropout", "from 0 to 1")
        self._require(0 <= self.seed < 2**63, "seed", "from 0 to 2^63 - 1")


@dataclass(frozen=True)
class EmaConfig(Config):
    """Which average of the trajectory becomes the model; chosen after training."""

    track: Track = "mid"


@dataclass(frozen=True)
class CompressionConfig(Config):
    """What is done to the weights after training; `prune_seed` draws random pruning."""

    prune_method: PruneMethod = "none"
    prune_ratio: float = 0.0
    prune_region: PruneRegion = "all"
    prune_seed: int = 0
    quantization: Quantization = "none"

    def _check(self) -> None:
        self._require(0 <= self.prune_ratio < 1, "prune_ratio", "from 0 to below 1")
        if (self.prune_method == "none") != (self.prune_ratio == 0):
            raise ValueError(
                f"compression.prune_ratio is {self.prune_ratio} with prune_method "
                f"{self.prune_method!r}; allowed: 0 with none, above 0 with random or l1"
            )
        if self.prune_method == "none":
            self._require(self.prune_region == "all", "prune_region", "all without pruning")
        self._require(0 <= self.prune_seed < 2**63, "prune_seed", "from 0 to 2^63 - 1")


@dataclass(frozen=True)
class SamplingConfig(Config):
    """How images are drawn from the model.

    Attributes:
        steps: network calls an image; guidance evaluates both its halves in one call.
        guidance: 1 is the plain conditional model, 0 the unconditional one, more extrapolates.
    """

    sampler: SamplerName = "dpm_solver_pp_2m"
    steps: int = 12
    guidance: float = 2.0
    seed: int = 0

    def _check(self) -> None:
        self._require(self.steps >= 2, "steps", "at least 2")
        self._require(self.guidance >= 0, "guidance", "0 or more")
        self._require(0 <= self.seed < 2**63, "seed", "from 0 to 2^63 - 1")


@dataclass(frozen=True)
class Recipe(Config):
    """Everything that defines one model."""

    data: DataConfig
    network: NetworkConfig
    training: TrainingConfig
    ema: EmaConfig = field(default_factory=EmaConfig)
    compression: CompressionConfig = field(default_factory=CompressionConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as nested plain values, ready for JSON."""
        return typing.cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(self))))

    @property
    def backbone_key(self) -> str:
        """Hash of what training depends on: the same key, the same trajectory of weights."""
        values = self.to_dict()
        training = {k: v for k, v in values["training"].items() if k != "train_images"}
        return _hash({"data": values["data"], "network": values["network"], "training": training})

    @property
    def key(self) -> str:
        """Hash of the whole recipe: two trials with the same key are duplicates."""
        return _hash(self.to_dict())


def _hash(values: dict[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
