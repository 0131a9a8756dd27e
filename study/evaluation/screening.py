"""Screening: what many compressions of one backbone weigh and change, before any is drawn from.

A compression is made as a trial makes it, but for its cool-down, and what its package would hold
is compared with the uncompressed network of the best average on held-out images.
"""

import copy
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import nn

from diffusion.compress.original import Original
from diffusion.compress.package import pack, stored_weights
from diffusion.compress.quantize import plain_values
from diffusion.data import ImageDataset
from diffusion.errors import InvalidRecipe
from diffusion.networks import count_parameters
from diffusion.recipe import CompressionConfig, EmaConfig, Recipe, Track
from study.evaluation.originals import forget, original_of
from study.evaluation.yardstick import LoadNetwork, Yardstick


@dataclass(frozen=True)
class Screened:
    """What a compression weighs and changes; of plain values, ready for JSON.

    Attributes:
        recipe_key: of the recipe.
        drift: from the uncompressed network of the best average; None without a package.
        loss: of the compressed network, denoising the same images.
        track_loss: of the uncompressed network of the recipe's own average.
        size_bytes: exact without a cool-down; before it, where the recipe has one.
        seconds: that it took; what is measured once counts where it was first needed.
        reason: why there is no package.
    """

    recipe_key: str
    drift: float | None
    loss: float | None
    track_loss: float
    size_bytes: int | None
    macs: int
    parameters: int
    nonzero_parameters: int | None
    seconds: float
    reason: str | None = None


def screen(
    recipes: Sequence[Recipe],
    load_network: LoadNetwork,
    dataset: ImageDataset,
    device: torch.device,
    tracks: Iterable[Track] = (),
) -> Iterator[Screened]:
    """Compress without training or drawing, and yield what came of it, in an order of its own.

    Args:
        recipes: of one backbone, which was trained on as many images for all of them.
        load_network: returns the float network of an average, on the CPU.
        dataset: its training images guide the rounding, its held-out images judge.
        device: to run the networks on.
        tracks: other averages of the backbone, of which the best may be what drift is from.

    Raises:
        ValueError: the recipes are of several backbones.
    """
    backbones = {(r.backbone_key, r.training.train_images) for r in recipes}
    if len(backbones) > 1:
        raise ValueError(f"recipes are of {len(backbones)} backbones; allowed: one")
    if not recipes:
        return iter(())
    yardstick = Yardstick.of(recipes, load_network, dataset, device, tracks)
    return _screen(recipes, load_network, dataset, device, yardstick)


def _screen(
    recipes: Sequence[Recipe],
    load_network: LoadNetwork,
    dataset: ImageDataset,
    device: torch.device,
    yardstick: Yardstick,
) -> Iterator[Screened]:
    # One average after another, so that one network alone is in memory.
    for track, of_track in groupby(sorted(recipes, key=_track), key=_track):
        network, recipe = load_network(track).to(device), recipes[0]
        with_track = replace(recipe, ema=EmaConfig(track))
        original, scratch = original_of(network, with_track, dataset), copy.deepcopy(network)
        for _, same in groupby(sorted(of_track, key=_weights_key), key=_weights_key):
            yield from _screen_same(list(same), original, scratch, yardstick)
        forget()


def _screen_same(
    recipes: Sequence[Recipe], original: Original, scratch: nn.Module, yardstick: Yardstick
) -> Iterator[Screened]:
    """Screen recipes of the same weights: their packages differ in their headers alone.

    Args:
        recipes: one or more.
        original: of their backbone and average.
        scratch: a copy of its network, written over.
        yardstick: of the backbone.
    """
    start, first = time.perf_counter(), recipes[0]
    narrowed = original.narrowed(first.compression)
    into = scratch if narrowed is original else None
    if into is None:
        yardstick = yardstick.of_network(narrowed.network)
    try:
        network, steps = narrowed.compressed(first.compression, into)
    except InvalidRecipe as error:
        yield from (_refused(recipe, str(error), start, yardstick) for recipe in recipes)
        return
    stored = stored_weights(first, network, steps)
    network.load_state_dict({name: plain_values(value) for name, value in stored.items()})
    drift, loss = yardstick.measure(network)
    parameters, nonzero_parameters = count_parameters(network)
    for recipe in recipes:
        size_bytes = len(pack(recipe, stored))
        yield Screened(
            recipe.key,
            drift,
            loss,
            yardstick.track_losses[recipe.ema.track],
            size_bytes,
            yardstick.macs,
            parameters,
            nonzero_parameters,
            time.perf_counter() - start,
        )
        start = time.perf_counter()


def _refused(recipe: Recipe, reason: str, start: float, yardstick: Yardstick) -> Screened:
    return Screened(
        recipe_key=recipe.key,
        drift=None,
        loss=None,
        track_loss=yardstick.track_losses[recipe.ema.track],
        size_bytes=None,
        macs=yardstick.macs,
        parameters=yardstick.parameters,
        nonzero_parameters=None,
        seconds=time.perf_counter() - start,
        reason=reason,
    )


def _track(recipe: Recipe) -> Track:
    return recipe.ema.track


def _weights_key(recipe: Recipe) -> str:
    """Return the same for recipes whose weights are the same while none is cooled down."""
    compression, default = recipe.compression, CompressionConfig()
    to_nearest = compression.quantization == "uniform" and compression.finetune_images > 0
    untrained = replace(
        compression,
        finetune_images=int(to_nearest),
        finetune_learning_rate=default.finetune_learning_rate,
        finetune_batch_size=default.finetune_batch_size,
        finetune_teacher=default.finetune_teacher,
    )
    return replace(recipe, compression=untrained).cool_down_key
