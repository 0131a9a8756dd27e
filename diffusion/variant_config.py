"""The parts of a recipe that are chosen after training: average, compression and sampling.

A field that is for some choices `only` has no effect on others, but counts in the key.
"""

from dataclasses import dataclass
from typing import Literal

from diffusion.backbone_config import HIGHEST_LEARNING_RATE, LARGEST_BATCH
from diffusion.config import Config
from diffusion.errors import InvalidRecipe

Track = Literal["none", "short", "mid", "long", "exponential"]
PruneMethod = Literal["none", "random", "l1", "channels_l1", "channels_loss"]
PruneRegion = Literal["all", "middle", "extremes"]
PruneScope = Literal["layer", "global"]
PruneProfile = Literal["flat", "central"]
Quantization = Literal["none", "linear8", "linear4", "weights8", "uniform"]
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
DrawingPrecision = Literal["as_trained", "float32", "bf16"]

CHANNEL_METHODS: tuple[PruneMethod, ...] = ("channels_l1", "channels_loss")

# Beyond these a field is a slip: what it asks for never ends, or clips every pixel.
MOST_STEPS = 10_000  # Ten times the levels of the published processes.
LARGEST_GUIDANCE = 100.0  # Published values end at about 10.
LARGEST_SNR = 10.0  # 0.16 is published; from 1 on a step adds more noise than it takes.
LARGEST_STEP = 16.0  # Standard deviations: from about 8 on every weight is rounded to 0.
ANY_SIGMA = 1_000.0  # Above all noise levels that samplers walk through.
LEAST_TOLERANCE = 1e-8  # Networks are float32, exact to 6e-8: below it a solver chases rounding.


@dataclass(frozen=True)
class EmaConfig(Config):
    """Which average of the trajectory becomes the model; chosen after training."""

    track: Track = "mid"


@dataclass(frozen=True)
class CompressionConfig(Config):
    """What is done to the weights after training.

    Attributes:
        prune_method: `random` and `l1` set single weights to zero; `channels_l1` and
            `channels_loss` remove whole channels, by the magnitude of their weights or by what
            the denoising loss would change.
        prune_ratio: the share of the weights, or of the channels of every width.
        prune_seed: draws random pruning.
        prune_scope: `layer` takes the ratio from every tensor, `global` from all of them ranked
            together.
        prune_profile: `central` lets the ratio of a layer grow from the input and the output to
            the centre, where it is `prune_ratio`.
        filter_ratio: share of each convolution's filters, by smallest L1 norm, that become zero
            before other pruning.
        quantization_step: `uniform` only; the distance of neighbouring values, in standard
            deviations of each tensor, on the geometric mean over all weights.
        finetune_images: seen in the cool-down, further training after pruning whose learning
            rate falls to 0; what was pruned stays zero, what will be rounded is rounded in it.
        finetune_teacher: whether the cool-down learns from the uncompressed backbone's outputs
            instead of the images.
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
    finetune_batch_size: int = 32
    finetune_teacher: bool = False
    quantization_step: float = 0.0

    def _check(self) -> None:
        self._require(0 <= self.prune_ratio < 1, "prune_ratio", "from 0 to below 1")
        self._require(0 <= self.filter_ratio < 1, "filter_ratio", "from 0 to below 1")
        self._require(self.finetune_images >= 0, "finetune_images", "0 or more")
        self._require(
            0 < self.finetune_learning_rate <= HIGHEST_LEARNING_RATE,
            "finetune_learning_rate",
            f"above 0, at most {HIGHEST_LEARNING_RATE:g}",
        )
        self._require(
            1 <= self.finetune_batch_size <= LARGEST_BATCH,
            "finetune_batch_size",
            f"from 1 to {LARGEST_BATCH}",
        )
        if self.quantization == "uniform":
            steps = f"above 0, at most {LARGEST_STEP:g} with uniform"
            self._require(0 < self.quantization_step <= LARGEST_STEP, "quantization_step", steps)
        else:
            steps = f"0 with quantization {self.quantization!r}"
            self._require(self.quantization_step == 0, "quantization_step", steps)
        if (self.prune_method == "none") != (self.prune_ratio == 0):
            raise InvalidRecipe(
                f"compression.prune_ratio is {self.prune_ratio} with prune_method "
                f"{self.prune_method!r}; allowed: 0 with none, above 0 with others"
            )
        if not self.prunes_weights:
            self._require(self.prune_region == "all", "prune_region", f"all {self._with_method}")
            self._require(self.prune_scope == "layer", "prune_scope", f"layer {self._with_method}")
        if not self.prunes_weights or self.prune_scope == "global":
            allowed = "flat, but for pruning weights by layer"
            self._require(self.prune_profile == "flat", "prune_profile", allowed)
        if self.channel_ratio:
            self._require(self.filter_ratio == 0, "filter_ratio", f"0 {self._with_method}")
        self._require(0 <= self.prune_seed < 2**63, "prune_seed", "from 0 to 2^63 - 1")

    @property
    def prunes_weights(self) -> bool:
        """Whether single weights become zero, one by one."""
        return self.prune_method in ("random", "l1")

    @property
    def channel_ratio(self) -> float:
        """The share of the channels that are removed; 0 where none are."""
        return self.prune_ratio if self.prune_method in CHANNEL_METHODS else 0.0

    @property
    def _with_method(self) -> str:
        return f"with prune_method {self.prune_method!r}"


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
        guidance_sigma_min, guidance_sigma_max: the noise levels between which guidance acts;
            outside of them the plain conditional model is used (Kynkaanniemi et al. 2024).
        eta: `ddim` only; 0 is deterministic, 1 draws as much noise as ancestral sampling.
        corrector_snr: `predictor_corrector` only; signal-to-noise ratio of its Langevin steps.
        tolerance: `probability_flow_ode` only; relative and absolute.
        precision: of the network's products; the steps between its calls are in float32.
    """

    sampler: SamplerName = "dpm_solver_pp_2m"
    steps: int = 12
    schedule: Schedule = "karras"
    guidance: float = 2.0
    guidance_sigma_min: float = 0.0
    guidance_sigma_max: float = ANY_SIGMA
    eta: float = 0.0
    corrector_snr: float = 0.16
    tolerance: float = 1e-5
    seed: int = 0
    precision: DrawingPrecision = "as_trained"

    def _check(self) -> None:
        self._require(2 <= self.steps <= MOST_STEPS, "steps", f"at least 2, at most {MOST_STEPS}")
        guidances = f"0 or more, at most {LARGEST_GUIDANCE:g}"
        self._require(0 <= self.guidance <= LARGEST_GUIDANCE, "guidance", guidances)
        least, most = self.guidance_sigma_min, self.guidance_sigma_max
        self._require(0 <= least <= ANY_SIGMA, "guidance_sigma_min", f"from 0 to {ANY_SIGMA:g}")
        highest = f"from guidance_sigma_min to {ANY_SIGMA:g}"
        self._require(least <= most <= ANY_SIGMA, "guidance_sigma_max", highest)
        self._require(0 <= self.eta <= 1, "eta", "from 0 to 1")
        ratios = f"above 0, at most {LARGEST_SNR:g}"
        self._require(0 < self.corrector_snr <= LARGEST_SNR, "corrector_snr", ratios)
        tolerances = f"from {LEAST_TOLERANCE:g} to below 1"
        self._require(LEAST_TOLERANCE <= self.tolerance < 1, "tolerance", tolerances)
        self._require(0 <= self.seed < 2**63, "seed", "from 0 to 2^63 - 1")
