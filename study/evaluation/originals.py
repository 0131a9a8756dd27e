"""Backbones before they are compressed, each measured once by a worker process.

How sensitive a network's tensors are takes a forward pass for each of them, and how its errors
spread a factorization for each layer: a good part of a small trial, and many trials and
screenings compress the same network.
"""

from collections import OrderedDict
from dataclasses import replace

from torch import nn

from diffusion.compress.original import Measured, Original
from diffusion.data import ImageDataset
from diffusion.recipe import CompressionConfig, Recipe, SamplingConfig
from study.run.files import MEGABYTE

MOST_KEPT = 64  # Networks; of each a number for every tensor.
MOST_BYTES = 256 * MEGABYTE  # Of spreads: mini_ddpm 12-32 has 7 MB, ncsn 32-64-128-256 113 MB.
_known: OrderedDict[str, Measured] = OrderedDict()


def original_of(network: nn.Module, recipe: Recipe, dataset: ImageDataset) -> Original:
    """Return a backbone's network as what is to be compressed; call `forget` once it is done.

    Args:
        network: of the recipe's backbone and track, on the device to run on; stays as it is.
        recipe: with any compression.
        dataset: its training images are measured on.
    """
    key = _key(recipe)
    measured = _known.setdefault(key, Measured())
    _known.move_to_end(key)
    return Original(network, recipe, dataset.train_images, dataset.train_labels, measured)


def forget() -> None:
    """Let go of what there is no room for: of what was asked for longest ago first."""
    while len(_known) > MOST_KEPT:
        _known.popitem(last=False)
    room = MOST_BYTES
    for measured in reversed(_known.values()):
        if measured.memory_bytes > room:
            measured.forget_spreads()
        room -= measured.memory_bytes


def _key(recipe: Recipe) -> str:
    """Return the same for all recipes of one network."""
    plain = SamplingConfig(guidance=1.0)  # which a network without labels allows, too
    return replace(recipe, compression=CompressionConfig(), sampling=plain).key
