"""What a search that compresses stored backbones is asked for: a store, and backbones of it."""

import argparse
from dataclasses import replace

from diffusion.files import whole_path
from diffusion.recipe import DataConfig
from search_spaces import COMPRESSING
from search_spaces.space import SpaceOptions, refuse_row_options
from study.run.stored_backbones import find_backbones


def check_compressing(given: argparse.Namespace, space: str, options: SpaceOptions) -> bool:
    """Tell whether a space compresses stored backbones.

    Raises:
        ValueError: an option is missing for that, or does not go with it.
    """
    if space not in COMPRESSING:
        if given.backbone is not None:
            raise ValueError(
                f"--backbone is {given.backbone[0]!r} with space {space!r}; allowed: with "
                f"{', '.join(COMPRESSING)}"
            )
        return False
    refuse_row_options(space, options)
    if given.no_reuse:
        raise ValueError(
            f"--no-reuse trains anew for every trial, but space {space!r} trains no backbone; "
            "allowed: without it"
        )
    if given.store is None:
        raise ValueError(
            f"space {space!r} compresses stored backbones; allowed: with --store DIR, like "
            "runs/quick-001/backbones"
        )
    return True


def with_backbones(
    options: SpaceOptions, given: argparse.Namespace, data: DataConfig
) -> SpaceOptions:
    """Return a space's options with the backbones that it compresses.

    Raises:
        ValueError: the store has none, or not those asked for.
    """
    store, wanted = whole_path(given.store), given.backbone or ()
    return replace(options, backbones=find_backbones(store, data, wanted, options.train_images))
