"""Whether the scores that a study asks for can be measured at all, told before it begins."""

from collections.abc import Iterable

from diffusion.data import ImageDataset
from diffusion.recipe import DataConfig, Recipe
from diffusion.score.extractor import FeatureExtractor
from diffusion.score.interval import IMAGES_PER_FEATURE
from diffusion.score.latency import ONNX_LATENCY
from search_spaces.space import SearchSpace
from study.engine.design_draws import candidates
from study.results.objectives import OBJECTIVES

MOST_DRAWS = 100  # Until one makes a recipe.


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
