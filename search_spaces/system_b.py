"""System B, "Mini Diffusion Model for MNIST": its table as a fixed list of recipes.

Its blocks were not published; `mini_ddpm` comes within 5 % of its three parameter counts. Trained
our way, the images are unshuffled into 2x2 patches first, which costs a quarter and keeps the
counts within 5 %.
"""

from typing import Any

from diffusion.recipe import (
    DataConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)
from search_spaces.space import ROWS_FID_NUM_IMAGES, Row, SearchSpace, SpaceOptions, fixed_list

PUBLISHED_EPOCHS = 50
FID_NOTE = (
    "The published FIDs are by the features of another classifier, of a number of images that "
    "was not published: they compare with none of ours."
)


def _figures(
    parameters: int, size: int, fid: float, ssim: float, seconds: float
) -> dict[str, float]:
    return {
        "parameters": parameters,
        "size_bytes": size,
        "fid": fid,
        "ssim": ssim,
        "latency_ms": seconds / 10,  # its seconds are for 10,000 images
    }


def rows(train_images: int) -> tuple[Row, ...]:
    """Return the table's rows; fine-tuning keeps its published share of the training."""

    def finetune(epochs: int, learning_rate: float) -> dict[str, Any]:
        return {
            "compression.finetune_images": train_images * epochs // PUBLISHED_EPOCHS,
            "compression.finetune_learning_rate": learning_rate,
        }

    filters_and_weights = {
        "compression.filter_ratio": 0.1,
        "compression.prune_method": "l1",
        "compression.prune_ratio": 0.3,
    }
    return (
        Row("baseline", {}, _figures(2_530_000, 9_720_000, 10.75, 0.3475, 57.6)),
        Row(
            "pruned",
            {**filters_and_weights, **finetune(20, 1e-4)},
            _figures(2_530_000, 9_720_000, 2.77, 0.3674, 57.6),
        ),
        Row(
            "reduced",
            {"network.widths": [16, 32, 64], **finetune(10, 1e-5)},
            _figures(634_000, 2_500_000, 1.76, 0.3688, 31.3),
        ),
        Row(
            "shallow",
            {"network.widths": [64, 128], **finetune(20, 1e-4)},
            _figures(2_150_000, 8_200_000, 2.39, 0.3659, 81.6),
        ),
    )


def mini_base(data: DataConfig, options: SpaceOptions) -> Recipe:
    """Return the recipe that the rows change."""
    published = options.formulation == "published"
    if published:
        # Optimizer and batch size were not published.
        training = TrainingConfig(
            train_images=options.rows_train_images,
            formulation="noise_prediction",
            learning_rate=1e-3,
            batch_size=64,
            label_dropout=0.0,
        )
        sampling = SamplingConfig("ancestral", 999, "uniform", guidance=1.0)
    else:
        training = TrainingConfig(train_images=options.rows_train_images, batch_size=32)
        sampling = SamplingConfig(steps=20, guidance=1.0)
    return Recipe(
        data=data,
        network=NetworkConfig(
            "mini_ddpm", (32, 64, 128), patch_size=1 if published else 2, conditional=False
        ),
        training=training,
        ema=EmaConfig("none" if published else "mid"),
        sampling=sampling,
    )


def mini(options: SpaceOptions) -> SearchSpace:
    """Return the mini DDPM's table."""
    table = rows(options.rows_train_images)
    return fixed_list("system-b-mini", table, mini_base, options, ROWS_FID_NUM_IMAGES, FID_NOTE)
