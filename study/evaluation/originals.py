"""Backbones before they are compressed, each measured once by a worker process.

How sensitive a network's tensors are takes a forward pass for each of them, a good part of a
small trial; many trials and screenings compress the same network.
"""

from collections import OrderedDict
from dataclasses import replace

from torch import nn

from diffusion.compress.original import Original
from diffusion.data import ImageDataset
from diffusion.recipe import CompressionConfig, Recipe, SamplingConfig

MOST_KEPT = 64  # Networks; of each a number for every tensor.
_known: OrderedDict[str, dict[str, float]] = OrderedDict()


def original_of(network: nn.Module, recipe: Recipe, dataset: ImageDataset) -> Original:
    """Return a backbone's network as what is to be compressed.

    Args:
        network: of the recipe's backbone and track, on the device to run on; stays as it is.
        recipe: with any compression.
        dataset: its training images are measured on.
    """
    known = _known.get(_key(recipe))
    return Original(network, recipe, dataset.train_images, dataset.train_labels, known)


def keep_measured(original: Original, recipe: Recipe) -> None:
    """Keep what was measured of a backbone, where it was."""
    if (measured := original.measured_sensitivities) is not None:
        _known[_key(recipe)] = measured
        _known.move_to_end(_key(recipe))
        if len(_known) > MOST_KEPT:
            _known.popitem(last=False)


def _key(recipe: Recipe) -> str:
    """Return the same for all recipes of one network."""
    plain = SamplingConfig(guidance=1.0)  # which a network without labels allows, too
    return replace(recipe, compression=CompressionConfig(), sampling=plain).key
