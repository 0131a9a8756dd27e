"""Which search space a command line asks for: one of ours by its name, or a file of its user's."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from optuna.samplers import RandomSampler

from diffusion.errors import InvalidRecipe
from diffusion.recipe import DataConfig, Recipe
from search_spaces import SPACES, known_space, load_space, with_precision
from search_spaces.space import BACKBONE_PREFIX, SAMPLING_PREFIX, SearchSpace, SpaceOptions, Value
from search_spaces.space_file import SUFFIX, read_space_file
from study.engine.design_draws import candidates, network_cost
from study.engine.draws import begun, suggested
from study.engine.knob_sets import backbone_knobs, model_knobs
from study.run.settings import RunSettings

NUM_DRAWS = 100  # One of them has to make a network.
NUM_REDRAWN = 16  # Of which each is drawn again with some of its knobs fixed.


@dataclass(frozen=True)
class SpaceChoice:
    """A search space before its options.

    Attributes:
        name: of the space, as runs are named.
        make: returns it with options.
        sha256: of its file; None for one of ours.
    """

    name: str
    make: Callable[[SpaceOptions], SearchSpace]
    sha256: str | None = None


def space_choice(text: str, wanted_sha256: str | None = None) -> SpaceChoice:
    """Return the space that `--space` names; a file is run.

    Args:
        text: a name, or a file's path.
        wanted_sha256: that a file must have to be run; None for any.

    Raises:
        ValueError: there is none of that name, or the file makes none.
    """
    if not text.endswith(SUFFIX):
        return SpaceChoice(known_space(text), functools.partial(load_space, text))
    space, sha256 = read_space_file(Path(text), wanted_sha256)
    if space.name in SPACES:
        raise ValueError(
            f"space is {text!r}; allowed: a file of another name than our spaces have"
        )
    return SpaceChoice(space.name, functools.partial(_own_space, space), sha256)


def _own_space(space: SearchSpace, options: SpaceOptions) -> SearchSpace:
    return with_precision(space.with_options(options), options)


def run_space(settings: RunSettings, text: str | None) -> SearchSpace:
    """Return a run's space; code never comes from what a run's folder names.

    Args:
        settings: of the run.
        text: what `--space` names now, or None.

    Raises:
        ValueError: the space is a file that is not given, or another one than the run began with.
    """
    if settings.space_sha256 is None:
        return settings.load_space()
    if text is None or not text.endswith(SUFFIX):
        raise ValueError(
            f"space {settings.space!r} of the run is a file; allowed: with --space and its path"
        )
    if Path(text).stem != settings.space:
        raise ValueError(f"space is {text!r}; allowed: the run's file {settings.space}{SUFFIX}")
    return space_choice(text, settings.space_sha256).make(settings.space_options)


def check_own_space(space: SearchSpace, data: DataConfig) -> None:
    """Refuse a space of which nothing can be built, or whose knobs are named against their use.

    Raises:
        ValueError: says which.
    """
    _check_buildable(space, data)
    for candidate in candidates(space, data, range(NUM_REDRAWN)):
        _check_prefixes(space, data, candidate.knobs, candidate.recipe)


def _check_buildable(space: SearchSpace, data: DataConfig) -> None:
    reasons = []
    for seed in range(NUM_DRAWS):
        try:
            recipe = suggested(space, begun((), RandomSampler(seed=seed)), data)
            network_cost(recipe.network, data)
            return
        except InvalidRecipe as error:
            reasons.append(str(error))
    raise ValueError(
        f"space {space.name!r} makes no network in {NUM_DRAWS} draws; the first: {reasons[0]}"
    )


def _check_prefixes(
    space: SearchSpace, data: DataConfig, knobs: Mapping[str, Value], recipe: Recipe
) -> None:
    """Compare a recipe with another draw of the same training, and of the same model."""
    training, model = dict(backbone_knobs(knobs)), dict(model_knobs(knobs))
    for other in candidates(space, data, [NUM_DRAWS], training):
        if _training_of(other.recipe) != _training_of(recipe):
            raise ValueError(
                f"space {space.name!r} trains anew where no knob named {BACKBONE_PREFIX}* "
                "differs; allowed: that prefix for all that shapes the training"
            )
    for other in candidates(space, data, [NUM_DRAWS], model):
        if replace(other.recipe, sampling=recipe.sampling) != recipe:
            raise ValueError(
                f"space {space.name!r} has a knob named {SAMPLING_PREFIX}* that changes the "
                "model; allowed: that prefix for what acts on drawing alone"
            )


def _training_of(recipe: Recipe) -> tuple[str, int]:
    return recipe.backbone_key, recipe.training.train_images
