"""A recipe: everything that defines one model, as frozen, validated dataclasses.

A recipe round-trips through JSON. Its backbone key hashes what training depends on and nothing
else, so that recipes that differ only in compression or sampling share one training. A field that
is for some choices `only` has no effect on others, but counts in the keys.
"""

import dataclasses
import hashlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from diffusion.config import Config
from diffusion.errors import InvalidRecipe

Architecture = Literal["ncsn", "ddpm", "mini_ddpm"]
GroupedLayers = Literal["all", "bottleneck"]
Formulation = Literal["edm", "score_matching", "noise_prediction"]
BetaSchedule = Literal["linear", "cosine"]
TrainingQuantization = Literal["none", "linear8", "linear4_frozen", "linear4_straight_through"]
Optimizer = Literal["adam", "adamw", "adam8bit", "adamw8bit"]
Precision = Literal["float32", "bf16"]
Track = Literal["none", "short", "mid", "long", "exponential"]
PruneMethod = Literal["none", "random", "l1"]
PruneRegion = Literal["all", "middle", "extremes"]
PruneScope = Literal["layer", "global"]
PruneProfile = Literal["flat", "central"]
Quantization = Literal["none", "linear8", "linear4", "weights8"]
SamplerName = Literal[
    "dpm_solver_pp_2m",
    "heun",
    "ddim",
    "probability_flow_ode",
    "ancestral",
    "euler_maruyama",
    "predictor_corrector",
]
Schedule = Literal["karras", "uniform", "quadratic"]


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
        widths: channels of each resolution, finest first; `ddpm`: its base width alone.
        groups: groups of the convolutions, or "max" for min(in, out) channels per layer.
        grouped_layers: `ddpm` only; "bottleneck" leaves all other convolutions ungrouped.
        patch_size: `mini_ddpm` only; 2 unshuffles 2x2 pixels into channels first.
        embedding_scale: `ncsn` only; standard deviation of the random Fourier frequencies.
        conditional: whether the network takes class labels.
    """

    architecture: Architecture
    widths: tuple[int, ...]
    groups: int | Literal["max"] = 1
    grouped_layers: GroupedLayers = "all"
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
        if self.architecture == "ddpm":
            self._require(len(self.widths) == 1, "widths", "the base width alone for ddpm")
        else:
            allowed = f"all for {self.architecture}"
            self._require(self.grouped_layers == "all", "grouped_layers", allowed)
        if self.architecture != "mini_ddpm":
            self._require(self.patch_size == 1, "patch_size", f"1 for {self.architecture}")


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How the backbone is trained. `train_images` counts images seen; it is not in the key.

    Attributes:
        warmup_images: the learning rate rises linearly over these, then stays constant.
        log_sigma_mean, log_sigma_std: `edm` only; of the log-normal noise levels trained on.
            Karras et al. 2022 use -1.2 and 1.2 for photographs; digits are learned faster from
            more noise.
        beta_schedule: `noise_prediction` only; how its 1000 noise levels rise.
        label_dropout: share of training images whose label is hidden, for guidance.
        label_dropout_end_images: the share shrinks linearly to none there; 0 keeps it constant.
        ema_decay: of the EMA track `exponential`; 0 keeps no such track.
        ema_copy_steps: that track copies the weights for so many steps before it averages.
        quantization: of the linear layers while they are trained; `linear4_frozen` never moves
            their weights, `linear4_straight_through` learns through the rounding.
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
    beta_schedule: BetaSchedule = "linear"
    label_dropout: float = 0.1
    label_dropout_end_images: int = 0
    ema_decay: float = 0.0
    ema_copy_steps: int = 2_000
    quantization: TrainingQuantization = "none"
    seed: int = 0

    def _check(self) -> None:
        self._require(self.train_images >= 1, "train_images", "at least 1")
        self._require(self.learning_rate > 0, "learning_rate", "above 0")
        self._require(self.warmup_images >= 0, "warmup_images", "0 or more")
        self._require(self.batch_size >= 1, "batch_size", "at least 1")
        self._require(self.log_sigma_std > 0, "log_sigma_std", "above 0")
        self._require(0 <= self.label_dropout <= 1, "label_dropout", "from 0 to 1")
        self._require(self.label_dropout_end_images >= 0, "label_dropout_end_images", "0 or more")
        self._require(0 <= self.ema_decay < 1, "ema_decay", "from 0 to below 1")
        self._require(self.ema_copy_steps >= 0, "ema_copy_steps", "0 or more")
        self._require(0 <= self.seed < 2**63, "seed", "from 0 to 2^63 - 1")


@dataclass(frozen=True)
class EmaConfig(Config):
    """Which average of the trajectory becomes the model; chosen after training."""

    track: Track = "mid"


@dataclass(frozen=True)
class CompressionConfig(Config):
    """What is done to the weights after training.

    Attributes:
        prune_seed: draws random pruning.
        prune_scope: `layer` takes the ratio from every tensor, `global` from all of them ranked
            together.
        prune_profile: `central` lets the ratio of a layer grow from the input and the output to
            the centre, where it is `prune_ratio`.
        filter_ratio: share of each convolution's filters, by smallest L1 norm, that become zero
            before other pruning.
        finetune_images: seen in further training, after pruning; what was pruned stays zero.
    """

    prune_method: PruneMethod = "none"
    prune_ratio: float = 0.0
    prune_region: PruneRegion = "all"
    prune_seed: int = 0
    quantization: Quantization = "none"
    prune_scope: PruneScope = "layer"
    prune_profile: PruneProfile = "flat"
    filter_ratio: float = 0.0
    finetune_images: int = 0
    finetune_learning_rate: float = 1e-4

    def _check(self) -> None:
        self._require(0 <= self.prune_ratio < 1, "prune_ratio", "from 0 to below 1")
        self._require(0 <= self.filter_ratio < 1, "filter_ratio", "from 0 to below 1")
        self._require(self.finetune_images >= 0, "finetune_images", "0 or more")
        self._require(self.finetune_learning_rate > 0, "finetune_learning_rate", "above 0")
        if (self.prune_method == "none") != (self.prune_ratio == 0):
            raise InvalidRecipe(
                f"compression.prune_ratio is {self.prune_ratio} with prune_method "
                f"{self.prune_method!r}; allowed: 0 with none, above 0 with random or l1"
            )
        if self.prune_method == "none":
            self._require(self.prune_region == "all", "prune_region", "all without pruning")
            self._require(self.prune_scope == "layer", "prune_scope", "layer without pruning")
        if self.prune_method == "none" or self.prune_scope == "global":
            allowed = "flat, but for pruning by layer"
            self._require(self.prune_profile == "flat", "prune_profile", allowed)
        self._require(0 <= self.prune_seed < 2**63, "prune_seed", "from 0 to 2^63 - 1")


@dataclass(frozen=True)
class SamplingConfig(Config):
    """How images are drawn from the model.

    Attributes:
        steps: noise levels stepped through. Each is one network call, but two with `heun` and
            `predictor_corrector`; `probability_flow_ode` chooses its own by `tolerance`.
        schedule: where the noise levels lie: as Karras et al. 2022 do, or evenly or
            quadratically in the formulation's own time.
        guidance: 1 is the plain conditional model, 0 the unconditional one, more extrapolates;
            both halves are evaluated in one network call.
        eta: `ddim` only; 0 is deterministic, 1 draws as much noise as ancestral sampling.
        corrector_snr: `predictor_corrector` only; signal-to-noise ratio of its Langevin steps.
        tolerance: `probability_flow_ode` only; relative and absolute.
    """

    sampler: SamplerName = "dpm_solver_pp_2m"
    steps: int = 12
    schedule: Schedule = "karras"
    guidance: float = 2.0
    eta: float = 0.0
    corrector_snr: float = 0.16
    tolerance: float = 1e-5
    seed: int = 0

    def _check(self) -> None:
        self._require(self.steps >= 2, "steps", "at least 2")
        self._require(self.guidance >= 0, "guidance", "0 or more")
        self._require(0 <= self.eta <= 1, "eta", "from 0 to 1")
        self._require(self.corrector_snr > 0, "corrector_snr", "above 0")
        self._require(0 < self.tolerance < 1, "tolerance", "above 0 and below 1")
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

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as nested plain values, ready for JSON."""
        return typing.cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(self))))

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
