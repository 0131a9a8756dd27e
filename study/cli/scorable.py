"""What scores a study, and whether all its scores can be measured: told before it begins."""

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from diffusion.data import ImageDataset
from diffusion.recipe import DataConfig, Recipe
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.extractor import FeatureExtractor, UntrainedExtractor
from diffusion.score.extractor_choice import ExtractorChoice
from diffusion.score.interval import IMAGES_PER_FEATURE
from diffusion.score.latency import ONNX_LATENCY
from search_spaces.space import SearchSpace
from study.cli.classifier_training import own_extractor, train_own
from study.cli.extractor_choice import extractor_choice
from study.engine.design_draws import candidates
from study.results.objectives import OBJECTIVES

MOST_DRAWS = 100  # Until one makes a recipe.


def scorable_features(
    given: Namespace, names: Iterable[str], space: SearchSpace, dataset: ImageDataset
) -> tuple[ExtractorChoice | None, FeatureExtractor]:
    """Return which extractor scores a new study, None for the built-in one, and the extractor.

    Where it is a classifier of the data that is missing, it is trained once nothing else is
    wrong; a dry run trains none, and has an extractor that stands for it.

    Args:
        given: the command line.
        names: of the scores that are asked for.
        space: that is searched.
        dataset: that is scored.

    Raises:
        ValueError: the extractor cannot be had, or a score cannot be measured by it.
    """
    data, asked = dataset.config(), extractor_choice(given)
    choice = asked or own_extractor(dataset)
    if asked is not None or choice is None or Path(choice.source).exists():
        features = build_extractor(data, choice, dataset.class_names)
        check_scorable(names, space, dataset, features)
        return choice, features
    stand_in = UntrainedExtractor(data)
    check_scorable(names, space, dataset, stand_in)
    if given.dry_run:
        return choice, stand_in
    train_own(dataset, Path(choice.source))
    return choice, build_extractor(data, choice, dataset.class_names)


def check_scorable(
    names: Iterable[str], space: SearchSpace, dataset: ImageDataset, extractor: FeatureExtractor
) -> None:
    """Refuse scores, asked for as objectives or limits, that every trial would lack.

    Raises:
        ValueError: names the score, and why it cannot be measured.
    """
    for name in names:
        if why := _why_not(name, space, dataset, extractor):
            others = ", ".join(other for other in OBJECTIVES if other != name)
            raise ValueError(
                f"--objective, --max or --min is of {name!r}, but {why}; allowed: {others}"
            )


def _why_not(
    name: str, space: SearchSpace, dataset: ImageDataset, extractor: FeatureExtractor
) -> str | None:
    if name == "fid_infinity":
        fewest = IMAGES_PER_FEATURE * extractor.dimension + 1
        if space.fid_num_images < fewest:
            return (
                f"space {space.name!r} scores by {space.fid_num_images} images, and extractor "
                f"{extractor.name!r} needs {fewest} for it"
            )
    if name == ONNX_LATENCY:
        from diffusion.export.onnx import why_not_installed  # slow to import

        return why_not_installed()
    if name == "label_agreement":
        if extractor.guess_labels(dataset.train_images[:1]) is None:
            return f"extractor {extractor.name!r} does not know the labels of {dataset.name!r}"
        if not _some_recipe(space, dataset.config()).network.conditional:
            return f"the networks of space {space.name!r} take no labels"
    return None


def _some_recipe(space: SearchSpace, data: DataConfig) -> Recipe:
    """Return a recipe of a space: the first of its design, else one that is drawn."""
    if space.covering:
        return space.recipe(space.covering[0], data)
    for candidate in candidates(space, data, range(MOST_DRAWS)):
        return candidate.recipe
    raise ValueError(f"search space {space.name!r} makes no recipe in {MOST_DRAWS} draws")
