"""Search spaces by name: which recipes a study may try."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from diffusion.errors import did_you_mean
from diffusion.recipe import DataConfig, Recipe
from search_spaces import compress, images, mnist, quick, quick_grid, system_a, system_b
from search_spaces.space import SearchSpace, SpaceOptions

if TYPE_CHECKING:
    import optuna

SPACES: dict[str, Callable[[SpaceOptions], SearchSpace]] = {
    "quick": quick.SPACE.with_options,
    "quick-grid": quick_grid.SPACE.with_options,
    "mnist": mnist.SPACE.with_options,
    "images": images.SPACE.with_options,
    compress.NAME: compress.space,
    "system-a-ncsn": system_a.ncsn,
    "system-a-ddpm": system_a.ddpm,
    "system-a-samplers": system_a.samplers,
    "system-a-colour": system_a.colour,
    "system-b-mini": system_b.mini,
}


# Spaces that compress what is stored, and train no backbone.
COMPRESSING = (compress.NAME,)


def known_space(name: str) -> str:
    """Return the name of a search space.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SPACES:
        hint = did_you_mean(name, SPACES)
        raise ValueError(f"space is {name!r}{hint}; allowed: {', '.join(SPACES)}")
    return name


def load_space(name: str, options: SpaceOptions | None = None) -> SearchSpace:
    """Return a search space.

    Raises:
        ValueError: there is none of that name, or it does not have the options.
    """
    options = options or SpaceOptions()
    if options.backbones and known_space(name) not in COMPRESSING:
        raise ValueError(
            f"space {name!r} trains its backbones; stored ones go with {', '.join(COMPRESSING)}"
        )
    return with_precision(SPACES[known_space(name)](options), options)


def with_precision(space: SearchSpace, options: SpaceOptions) -> SearchSpace:
    """Return a space whose recipes are trained and drawn in the precisions of the options."""
    trained, drawn = options.precision, options.drawing_precision
    if space.name in COMPRESSING:  # What is stored was trained; it may be drawn otherwise.
        trained, drawn = None, trained or drawn
    if trained is drawn is None:
        return space

    def suggest(trial: "optuna.Trial", data: DataConfig) -> Recipe:
        recipe = space.suggest(trial, data)
        training, sampling = recipe.training, recipe.sampling
        if trained is not None:
            training = replace(training, precision=trained)
        if drawn is not None and sampling.precision == "as_trained":
            sampling = replace(sampling, precision=drawn)
        return replace(recipe, training=training, sampling=sampling)

    return replace(space, suggest=suggest)
