"""What a training scores on its way: its averaged weights, uncompressed, in a quick drawing."""

import dataclasses
import tempfile
from pathlib import Path

from diffusion.compress.package import PACKAGE_NAME, read_package, write_package
from diffusion.errors import MetricUndefined
from diffusion.networks import count_macs, count_parameters
from diffusion.recipe import CompressionConfig, EmaConfig, Recipe, Track
from study.backbones import BackboneStore
from study.context import Context
from study.records import Scores
from study.scoring import draw_and_score

RUNG_NUM_IMAGES = 200
# The best of the averages while a training is short; all trainings are judged by the same.
RUNG_TRACK: Track = "short"


def score_rung(
    recipe: Recipe, train_images: int, store: BackboneStore, context: Context
) -> Scores | None:
    """Score a snapshot of a recipe's training as the file it would be without compression.

    Args:
        recipe: of the trial that trains.
        train_images: a length at which its training is kept.
        store: holds the snapshot.
        context: says against what to score; a fixed small number of images is drawn.

    Returns:
        The scores, or None where the snapshot is not there any more.
    """
    plain = plain_recipe(recipe, train_images)
    backbone = store.find(plain)
    if backbone is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PACKAGE_NAME
        size_bytes = write_package(path, plain, backbone.network())
        model = read_package(path, context.device)
    quick = dataclasses.replace(
        context, fid_num_images=RUNG_NUM_IMAGES, on_progress=lambda stage, share: None
    )
    try:
        drawn = draw_and_score(model, quick).scores
    except MetricUndefined:  # it draws what is not finite yet: it is placed last
        drawn = {}
    parameters, nonzero_parameters = count_parameters(model.network)
    return {
        "size_bytes": size_bytes,
        "parameters": parameters,
        "nonzero_parameters": nonzero_parameters,
        "macs": count_macs(model.network, recipe.data),
        **drawn,
        "train_seconds": backbone.train_seconds,
    }


def plain_recipe(recipe: Recipe, train_images: int) -> Recipe:
    """Return the uncompressed recipe of a snapshot, by which its training is judged."""
    training = dataclasses.replace(recipe.training, train_images=train_images)
    return dataclasses.replace(
        recipe, training=training, ema=EmaConfig(RUNG_TRACK), compression=CompressionConfig()
    )
