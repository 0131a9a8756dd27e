"""What a search would do, said before it begins: its knobs, its first trainings and their cost."""

from collections.abc import Iterable
from contextlib import suppress
from statistics import mean

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import RandomSampler

from diffusion.errors import InvalidRecipe
from diffusion.recipe import DataConfig, Recipe
from diffusion.score.extractor import UntrainedExtractor
from search_spaces.space import SearchSpace
from study.engine.design import design
from study.engine.design_draws import network_cost
from study.engine.draws import begun, suggested
from study.results.words import format_count, format_seconds, name_precision, name_recipe
from study.run.run import Run
from study.run.settings import RunSettings

NUM_DRAWS = 200  # They meet every knob but such as hardly ever plays a part.
MOST_NAMED = 12  # choices of a knob, and trainings
INDENT = "  "


def plan_lines(run: Run, space: SearchSpace) -> list[str]:
    """Return what a search would do, line by line.

    Args:
        run: that it would begin, or go on with from its trials.
        space: that is searched.
    """
    settings, data = run.settings, DataConfig.from_dict(run.settings.data)
    pixels = f"{data.image_size}x{data.image_size}, {'grey' if data.channels == 1 else 'colour'}"
    each = f"{settings.cpus_per_trial:g} CPU and {settings.gpus_per_trial:g} GPU each"
    return [
        f"A study as python -m study.search --config FILE takes it, in {run.folder}",
        f"data     {data.name}: {pixels}, {data.num_classes} classes, {data.fingerprint}",
        f"scored   by {settings.fid_num_images:,} images a trial, {_extractor(settings)}",
        f"workers  {settings.concurrent_trials} at once on {settings.device}, {each}"
        f"{name_precision(settings.precision, settings.drawing_precision)}",
        *_knob_lines(space, data),
        *_training_lines(space, data, settings.seed, settings.trials, screens=settings.reuse),
        f"time     {_time(run)}",
        "",
    ]


def _extractor(settings: RunSettings) -> str:
    if settings.extractor_sha256 == UntrainedExtractor.sha256:
        return "a classifier of these images, which the search trains first"
    return f"extractor {settings.extractor or 'built in'}"


def _knob_lines(space: SearchSpace, data: DataConfig) -> Iterable[str]:
    """Say what every knob may be."""
    known: dict[str, BaseDistribution] = {}
    for seed in range(NUM_DRAWS):
        trial = begun((), RandomSampler(seed=seed))
        with suppress(InvalidRecipe):  # whose knobs up to there count too
            suggested(space, trial, data)
        known.update(trial.distributions)
    yield f"knobs    of space {space.name}:"
    for name in sorted(known):
        yield f"{INDENT}{name}: {_values(known[name])}"


def _values(distribution: BaseDistribution) -> str:
    """Say what a knob may be."""
    if isinstance(distribution, CategoricalDistribution):
        return _listed([str(choice) for choice in distribution.choices])
    low, high = (getattr(distribution, end) for end in ("low", "high"))
    step, log = getattr(distribution, "step", None), getattr(distribution, "log", False)
    steps = f" by {step:g}" if step is not None else ""
    return f"{low:g} to {high:g}{steps}{', evenly by its logarithm' if log else ''}"


def _training_lines(
    space: SearchSpace, data: DataConfig, seed: int, num_trials: int, *, screens: bool
) -> Iterable[str]:
    """Say which trainings the study begins with, and what they cost."""
    rows = space.covering or design(space, data, seed, num_trials, screens=screens)
    recipes = [space.recipe(row, data) for row in rows]
    trainings: dict[str, Recipe] = {}
    for recipe in recipes:
        trainings.setdefault(recipe.backbone_key, recipe)
    yield f"begins   with {len(recipes)} recipes of {len(trainings)} trainings:"
    for recipe in list(trainings.values())[:MOST_NAMED]:
        yield f"{INDENT}{_cost(recipe, data)}"
    if len(trainings) > MOST_NAMED:
        yield f"{INDENT}and {len(trainings) - MOST_NAMED} more"
    macs = sum(network_cost(r.network, data).train_macs(r) for r in trainings.values())
    yield f"cost     of these trainings: {macs / 1e12:.3g} T multiply-accumulates"


def _cost(recipe: Recipe, data: DataConfig) -> str:
    cost = network_cost(recipe.network, data)
    return (
        f"{name_recipe(recipe)}: {recipe.training.train_images:,} images, "
        f"{format_count(cost.parameters)} parameters, {format_count(cost.macs)} "
        "multiply-accumulates a call"
    )


def _time(run: Run) -> str:
    """Say what is known of how long it takes."""
    settings = run.settings
    took = [r.wall_seconds for r in run.records if r.finished and r.wall_seconds is not None]
    missing = settings.trials - sum(record.finished for record in run.records)
    budget = settings.time_budget_seconds
    bound = "no --time-budget" if budget is None else f"at most {format_seconds(budget)} in all"
    if not took:
        return f"{bound}; how long a trial takes is known once some have ended"
    left = max(missing, 0) * mean(took) / settings.concurrent_trials
    return (
        f"{bound}; {max(missing, 0)} more trials in about {format_seconds(left)}, at the "
        f"{format_seconds(mean(took))} each that {len(took)} took"
    )


def _listed(words: list[str]) -> str:
    more = [f"and {len(words) - MOST_NAMED} more"] if len(words) > MOST_NAMED else []
    return ", ".join([*words[:MOST_NAMED], *more])
