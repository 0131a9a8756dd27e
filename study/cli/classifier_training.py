"""Training of the classifier that scores a data set, by a command or where a search lacks one."""

import dataclasses
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from diffusion.cache import cache_dir
from diffusion.data import ImageDataset
from diffusion.files import write_bytes
from diffusion.score.choose_extractor import ExtractorChoice, is_built_in
from diffusion.score.classifier import save_classifier
from diffusion.score.train_classifier import default_epochs, train_classifier
from study.display.console import say
from study.run.files import locked
from study.run.folder import EXTRACTOR_NAME
from study.run.settings import RunSettings

FOLDER_NAME = "classifiers"


def own_extractor(dataset: ImageDataset) -> ExtractorChoice | None:
    """Return a data set's classifier in the cache, trained or not; None where one is built in.

    Raises:
        ValueError: there is one class only.
    """
    data = dataset.config()
    if is_built_in(data):
        return None
    if len(dataset.class_names) < 2:
        raise ValueError(
            f"dataset {data.name!r} has one class, of which no classifier can be trained to score "
            "it; allowed: a folder for each of several classes, or --extractor"
        )
    path = cache_dir() / FOLDER_NAME / f"{data.fingerprint}.safetensors"
    return ExtractorChoice(str(path))


def train_own(dataset: ImageDataset, path: Path) -> None:
    """Train a data set's classifier into the cache, unless it is there by now.

    Args:
        dataset: that it is trained on.
        path: of its file there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):  # another search may be training it
        if not path.exists():
            console = Console(stderr=True)  # what a search prints may be read by a program
            say(
                console,
                f"dataset {dataset.name!r} has no extractor yet: its classifier is trained",
            )
            train_extractor(dataset, path, console)


def keep_extractor(settings: RunSettings, run_dir: Path, asked: str | None) -> RunSettings:
    """Copy the classifier that was trained for a new run into its folder; no cache outlives it.

    Args:
        settings: of the run.
        run_dir: its folder, which every worker sees.
        asked: the extractor that was asked for; with one nothing is copied.
    """
    if asked is not None or settings.extractor is None:
        return settings
    kept = run_dir / EXTRACTOR_NAME
    write_bytes(kept, Path(settings.extractor).read_bytes())
    return dataclasses.replace(settings, extractor=str(kept))


def train_extractor(
    dataset: ImageDataset,
    out: Path,
    console: Console,
    *,
    epochs: int | None = None,
    seed: int = 0,
    flip: bool = False,
) -> None:
    """Train a classifier with a bar of its progress, write it, and say what became of it.

    Args:
        dataset: that it is trained on.
        out: its file.
        console: to say it on.
        epochs: passes; None for more of them where there are fewer images.
        seed: of weights, order and shifts.
        flip: whether images are mirrored, too.
    """
    epochs = epochs or default_epochs(dataset)
    start = time.perf_counter()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("training", total=epochs * len(dataset.train_images))
        classifier, config = train_classifier(
            dataset,
            epochs=epochs,
            seed=seed,
            flip=flip,
            on_progress=lambda images: progress.update(task, completed=images),
        )
    digest = save_classifier(classifier, config, out)
    seconds = time.perf_counter() - start
    held_out = len(dataset.held_out_images)
    for line in (
        f"trained on {len(dataset.train_images):,} images in {seconds:.1f} s: {out}",
        f"accuracy {config.accuracy:.2%} of {held_out:,} held-out images",
        f"SHA-256 {digest}",
    ):
        say(console, line)
