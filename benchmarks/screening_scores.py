"""Random compressions of a backbone with their FIDs, kept in a folder so that reruns are cheap."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import torch
from torch import nn

from benchmarks.hand_made import backbone_row
from diffusion.compress.original import Original
from diffusion.compress.package import PACKAGE_NAME, read_package, write_package
from diffusion.data import ImageDataset
from diffusion.recipe import EmaConfig, Recipe, Track
from diffusion.score.frechet import GaussianStatistics
from diffusion.score.labels import score_labels
from diffusion.score.references import References
from search_spaces import knobs, quick
from study.run.backbones import BackboneStore

NUM_IMAGES = 1_000
GUIDANCE = 2.0  # The same for all: how strongly labels guide is no part of a compression.


@dataclass(frozen=True)
class Trained:
    """A backbone as the quick space trains it, but for its length and seed."""

    architecture: str
    widths: str
    conditioning: str
    train_images: int
    seed: int

    @property
    def name(self) -> str:
        """What a table calls it."""
        words = self.architecture, self.widths, self.conditioning, f"{self.train_images:,} images"
        return f"{', '.join(words)}, seed {self.seed}"

    def recipe(self, dataset: ImageDataset) -> Recipe:
        """Return its uncompressed recipe."""
        row = backbone_row(self.architecture, self.widths, 1, self.conditioning)
        knob_values = knobs.variant_row(row, "short", "none", guidance=GUIDANCE)
        recipe = quick.SPACE.recipe(knob_values, dataset.config())
        training = replace(recipe.training, train_images=self.train_images, seed=self.seed)
        return replace(recipe, training=training)


class Networks:
    """The averages of a backbone that is in a store, or is trained into it first."""

    def __init__(self, folder: Path, recipe: Recipe, dataset: ImageDataset) -> None:
        self._store = BackboneStore(folder / "backbones")
        self._recipe, self._dataset = recipe, dataset
        self._originals: dict[Track, Original] = {}
        self._store.obtain(recipe, dataset, torch.device("cpu"), lambda *_: None)

    def load(self, track: Track) -> nn.Module:
        """Return the float network of an average."""
        found = self._store.find(replace(self._recipe, ema=EmaConfig(track)))
        if found is None:
            raise FileNotFoundError(f"average {track} of {self._recipe.backbone_key}")
        return found.network()

    def original(self, track: Track) -> Original:
        """Return an average with what is measured of it for all its compressions."""
        if track not in self._originals:
            data = self._dataset.train_images, self._dataset.train_labels
            self._originals[track] = Original(self.load(track), self._recipe, *data)
        return self._originals[track]


def random_compressions(
    recipe: Recipe, count: int, finetune_images: tuple[int, ...], seed: int = 0
) -> list[Recipe]:
    """Draw averages and compressions from all knobs, none twice."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    found: dict[str, Recipe] = {}
    while len(found) < count:
        trial = study.ask()
        compression = knobs.compression(trial, finetune_images)
        drawn = replace(recipe, ema=knobs.ema(trial), compression=compression)
        found[drawn.key] = drawn
    return list(found.values())


def score(
    recipes: list[Recipe], networks: Networks, references: References, path: Path
) -> Iterator[tuple[Recipe, float]]:
    """Yield each recipe with its FID, drawing where the file does not hold it yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {}
    if path.exists():
        known = dict(json.loads(line) for line in path.read_text().splitlines())
    for recipe in recipes:
        if recipe.key not in known:
            known[recipe.key] = _fid(recipe, networks.original(recipe.ema.track), references)
            with path.open("a") as file:
                file.write(json.dumps([recipe.key, known[recipe.key]]) + "\n")
        yield recipe, known[recipe.key]


def _fid(recipe: Recipe, original: Original, references: References) -> float:
    """Draw from the package of a compression without cool-down and score the images."""
    compressed, steps = original.compressed(recipe.compression)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PACKAGE_NAME
        write_package(path, recipe, compressed, steps)
        images = read_package(path).generate(score_labels(references.dataset, NUM_IMAGES))
    statistics = GaussianStatistics.from_features(references.extractor.features(images))
    return references.train.frechet.distance(statistics)
