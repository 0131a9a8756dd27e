"""System A, "Generative-AI-Diffusion-MNIST-Optimization": its tables as fixed lists of recipes.

Names are those of its report, with its page's as alias where the two differ. `published` values
are its authors': the gzipped state dict, milliseconds an image and a FID of 16 images against 16,
which ranks nothing. Where sizes show that a model is not the one its name says, the model is ours
and the name is theirs.
"""

from diffusion.recipe import (
    DataConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)
from search_spaces.space import ROWS_FID_NUM_IMAGES, SearchSpace, SpaceOptions, fixed_list
from search_spaces.system_a_rows import (
    BATCH_SIZE,
    COLOUR_ROWS,
    DDPM_ROWS,
    EMA,
    NCSN_ROWS,
    SAMPLER_ROWS,
)

EMA_DECAY, EMA_COPY_STEPS = 0.995, 2_000
FID_NOTE = (
    "The published FIDs compare 16 images with 16, by other features: they rank nothing, and "
    "compare with none of ours."
)


def ncsn_base(data: DataConfig, options: SpaceOptions) -> Recipe:
    """Return the recipe that the rows of the NCSN change."""
    if options.formulation == "published":
        return Recipe(
            data=data,
            network=NetworkConfig("ncsn", (32, 64, 128, 256), conditional=False),
            training=TrainingConfig(
                train_images=options.rows_train_images,
                formulation="score_matching",
                learning_rate=1e-4,
                warmup_images=0,
                batch_size=BATCH_SIZE,
                label_dropout=0.0,
            ),
            ema=EmaConfig("none"),
            sampling=SamplingConfig("euler_maruyama", 500, "uniform", guidance=1.0),
        )
    return Recipe(
        data=data,
        network=NetworkConfig("ncsn", (32, 64, 128, 256), embedding_scale=1.0, conditional=False),
        training=TrainingConfig(train_images=options.rows_train_images, batch_size=BATCH_SIZE),
        ema=EmaConfig("mid"),
        sampling=SamplingConfig(steps=20, guidance=1.0),
    )


def ddpm_base(data: DataConfig, options: SpaceOptions, width: int = 56) -> Recipe:
    """Return the recipe that the rows of the DDPM change."""
    published = options.formulation == "published"
    return Recipe(
        data=data,
        network=NetworkConfig("ddpm", (width,), grouped_layers="bottleneck"),
        training=TrainingConfig(
            train_images=options.rows_train_images,
            formulation="noise_prediction" if published else "edm",
            optimizer="adamw",
            learning_rate=3e-4,
            warmup_images=0 if published else 1_600,
            ema_decay=EMA_DECAY,
            ema_copy_steps=EMA_COPY_STEPS,
        ),
        ema=EmaConfig("none"),
        sampling=SamplingConfig("ancestral", 999, "uniform", guidance=3.0)
        if published
        else SamplingConfig(steps=20),
    )


def colour_base(data: DataConfig, options: SpaceOptions) -> Recipe:
    """Return the recipe that the rows in colour change."""
    recipe = ddpm_base(data, options, width=64)
    return recipe.with_changes({"network.embedding_scale": 1.0, **EMA})


def ncsn(options: SpaceOptions) -> SearchSpace:
    """Return the NCSN's table."""
    return fixed_list(
        "system-a-ncsn", NCSN_ROWS, ncsn_base, options, ROWS_FID_NUM_IMAGES, FID_NOTE
    )


def ddpm(options: SpaceOptions) -> SearchSpace:
    """Return the DDPM's table."""
    return fixed_list(
        "system-a-ddpm", DDPM_ROWS, ddpm_base, options, ROWS_FID_NUM_IMAGES, FID_NOTE
    )


def samplers(options: SpaceOptions) -> SearchSpace:
    """Return the samplers of one trained NCSN."""
    return fixed_list("system-a-samplers", SAMPLER_ROWS, ncsn_base, options, ROWS_FID_NUM_IMAGES)


def colour(options: SpaceOptions) -> SearchSpace:
    """Return the recipes carried over to colour."""
    return fixed_list("system-a-colour", COLOUR_ROWS, colour_base, options, ROWS_FID_NUM_IMAGES)
