"""The parts of a recipe that its backbone depends on: data, network and training.

A field that is for some choices `only` has no effect on others, but counts in the keys.
"""

from dataclasses import dataclass, field
from typing import Literal

from diffusion.config import Config

Architecture = Literal["ncsn", "ddpm", "mini_ddpm"]
GroupedLayers = Literal["all", "bottleneck"]
Formulation = Literal["edm", "score_matching", "noise_prediction"]
BetaSchedule = Literal["linear", "cosine"]
TrainingQuantization = Literal["none", "linear8", "linear4_frozen", "linear4_straight_through"]
Optimizer = Literal["adam", "adamw", "adam8bit", "adamw8bit"]
Precision = Literal["float32", "bf16"]

# Above these a field is a slip: what it asks for would run out of memory or never end.
MOST_PIXELS = 1_024  # Along a side; one float32 image in colour is 12 MB there.
MOST_CLASSES = 10_000  # Each has a row in the network; ImageNet has 1,000.
MOST_WIDTHS, WIDEST = 8, 4_096  # Seven halvings leave 8 of the most pixels.
LARGEST_BATCH = 65_536  # All of MNIST is a step of 60,000.
LARGEST_EMBEDDING_SCALE = 10_000.0  # Float32 knows such angles to a hundredth of a turn.
HIGHEST_LEARNING_RATE = 100.0  # Adam's step is about the rate, and weights are of order 1.
LARGEST_LOG_SIGMA = 20.0  # Of float32 noise levels, from e^45 on the square is infinite.


@dataclass(frozen=True)
class DataConfig(Config):
    """What a model is trained on; `fingerprint` hashes the training images and labels.

    Attributes:
        pixel_mean, pixel_std: of the training images in [-1, 1]. They follow from the images, so
            that they count neither where data is compared nor in the keys; those of recipes
            without them are what Karras et al. 2022 assume of all data.
    """

    name: str
    image_size: int
    channels: int
    num_classes: int
    fingerprint: str
    pixel_mean: float = field(default=0.0, compare=False)
    pixel_std: float = field(default=0.5, compare=False)

    def _check(self) -> None:
        pixels = f"from 1 to {MOST_PIXELS} pixels"
        self._require(1 <= self.image_size <= MOST_PIXELS, "image_size", pixels)
        self._require(self.channels in (1, 3), "channels", "1 (grey) or 3 (colour)")
        classes = f"from 1 to {MOST_CLASSES}"
        self._require(1 <= self.num_classes <= MOST_CLASSES, "num_classes", classes)
        self._require(-1 <= self.pixel_mean <= 1, "pixel_mean", "from -1 to 1")
        self._require(0 < self.pixel_std <= 1, "pixel_std", "above 0, at most 1")


@dataclass(frozen=True)
class NetworkConfig(Config):
    """The raw network: its architecture, size and grouped convolutions.

    Attributes:
        widths: channels of each resolution, finest first; `ddpm`: its base width alone.
        groups: groups of the convolutions, or "max" for min(in, out) channels per layer.
        grouped_layers: `ddpm` only; "bottleneck" leaves all other convolutions ungrouped.
        patch_size: `mini_ddpm` only; 2 or 4 unshuffles as many pixels a side into channels first.
        embedding_scale: `ncsn` only; standard deviation of the random Fourier frequencies.
        conditional: whether the network takes class labels.
        conditioning_width: `ncsn` and `mini_ddpm` only; channels of the vector that noise level
            and label are embedded in. 0 is the published width: the last of `widths` in ncsn,
            four times that in mini_ddpm.
    """

    architecture: Architecture
    widths: tuple[int, ...]
    groups: int | Literal["max"] = 1
    grouped_layers: GroupedLayers = "all"
    patch_size: int = 1
    embedding_scale: float = 30.0
    conditional: bool = True
    conditioning_width: int = 0

    def _check(self) -> None:
        self._require(
            1 <= len(self.widths) <= MOST_WIDTHS
            and all(1 <= width <= WIDEST for width in self.widths),
            "widths",
            f"one or more positive channel counts, at most {MOST_WIDTHS} of at most {WIDEST}",
        )
        self._require(
            self.groups == "max" or 1 <= self.groups <= WIDEST,
            "groups",
            f'at least 1, or "max", and at most {WIDEST}',
        )
        self._require(self.patch_size in (1, 2, 4), "patch_size", "1, 2 or 4")
        self._require(
            0 < self.embedding_scale <= LARGEST_EMBEDDING_SCALE,
            "embedding_scale",
            f"above 0, at most {LARGEST_EMBEDDING_SCALE:g}",
        )
        self._require(
            0 <= self.conditioning_width <= WIDEST,
            "conditioning_width",
            f"from 0 to {WIDEST}",
        )
        self._check_architecture()

    def _check_architecture(self) -> None:
        """Refuse what only other architectures take."""
        if self.architecture == "ncsn":
            self._require(len(self.widths) == 4, "widths", "four channel counts for ncsn")
        if self.architecture == "ddpm":
            self._require(len(self.widths) == 1, "widths", "the base width alone for ddpm")
            self._require(self.conditioning_width == 0, "conditioning_width", "0 for ddpm")
        else:
            allowed = f"all for {self.architecture}"
            self._require(self.grouped_layers == "all", "grouped_layers", allowed)
        if self.architecture != "mini_ddpm":
            self._require(self.patch_size == 1, "patch_size", f"1 for {self.architecture}")


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How the backbone is trained. `train_images` counts images seen; it is not in the key.

    Attributes:
        adam_beta2: decay of the optimizer's average of squared gradients.
        warmup_images: the learning rate rises linearly over these, then stays constant.
        log_sigma_mean, log_sigma_std: `edm` only; of the log-normal noise levels trained on.
            Karras et al. 2022 use -1.2 and 1.2 for photographs; digits are learned faster from
            more noise.
        standardize: `edm` only; whether images are brought to mean 0 and deviation 0.5 by their
            own, in place of those that Karras et al. 2022 assume of all data.
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
    adam_beta2: float = 0.999
    warmup_images: int = 1_600
    batch_size: int = 16
    precision: Precision = "float32"
    log_sigma_mean: float = 0.0
    log_sigma_std: float = 1.2
    standardize: bool = False
    beta_schedule: BetaSchedule = "linear"
    label_dropout: float = 0.1
    label_dropout_end_images: int = 0
    ema_decay: float = 0.0
    ema_copy_steps: int = 2_000
    quantization: TrainingQuantization = "none"
    seed: int = 0

    def _check(self) -> None:
        self._require(self.train_images >= 1, "train_images", "at least 1")
        self._require(self.warmup_images >= 0, "warmup_images", "0 or more")
        batches = f"from 1 to {LARGEST_BATCH}"
        self._require(1 <= self.batch_size <= LARGEST_BATCH, "batch_size", batches)
        rates = f"above 0, at most {HIGHEST_LEARNING_RATE:g}"
        self._require(0 < self.learning_rate <= HIGHEST_LEARNING_RATE, "learning_rate", rates)
        self._require(0 <= self.adam_beta2 < 1, "adam_beta2", "from 0 to below 1")
        self._require(
            abs(self.log_sigma_mean) <= LARGEST_LOG_SIGMA,
            "log_sigma_mean",
            f"from {-LARGEST_LOG_SIGMA:g} to {LARGEST_LOG_SIGMA:g}",
        )
        deviations = f"above 0, at most {LARGEST_LOG_SIGMA:g}"
        self._require(0 < self.log_sigma_std <= LARGEST_LOG_SIGMA, "log_sigma_std", deviations)
        self._require(0 <= self.label_dropout <= 1, "label_dropout", "from 0 to 1")
        self._require(self.label_dropout_end_images >= 0, "label_dropout_end_images", "0 or more")
        self._require(0 <= self.ema_decay < 1, "ema_decay", "from 0 to below 1")
        self._require(self.ema_copy_steps >= 0, "ema_copy_steps", "0 or more")
        self._require(0 <= self.seed < 2**63, "seed", "from 0 to 2^63 - 1")
