"""Where and how trials run, and what they are scored against: of a whole run, and of one trial."""

import functools
import platform
import resource
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch

from diffusion.data import ImageDataset, load_dataset
from diffusion.device import gpu_conditions, prepare
from diffusion.recipe import Recipe
from diffusion.score.choose_extractor import ExtractorChoice, build_extractor
from diffusion.score.extractor import FeatureExtractor
from diffusion.score.latency import ONNX_LATENCY
from diffusion.score.references import References
from study.results.limits import scores_of
from study.results.objectives import Scores
from study.run.mark import check_driver, check_mark, read_mark
from study.run.settings import RunSettings

TRAIN = "train"  # The stage in which a backbone is trained.
VERSIONS = ("paretodiff", "torch", "numpy")

# on_progress(stage, share): how far the trial is in a stage, from 0 to 1.
StageProgress = Callable[[str, float], None]
# on_rung(train_images, scores): what the training scores on its way; may end the trial.
RungReport = Callable[[int, Scores], None]
# on_trained(images): how many the trial was trained on so far, over all its attempts.
TrainedReport = Callable[[int], None]
# on_screened(found): plain values of each compression that was screened.
ScreenedReport = Callable[[list[dict[str, Any]]], None]
Supply = Callable[[], tuple[ImageDataset, FeatureExtractor]]


@dataclass(frozen=True)
class RunContext:
    """Where and how the trials of a run work; what defines their models is in the recipes.

    Attributes:
        trials_dir: holds each trial's folder, by its number.
        store_dir: of the backbones, shared by all trials.
        extractor: of the features that score; None for the built-in ones.
        gpus: that a trial has on a device that has them; a share of one, where below 1.
        threads: torch's threads; recorded, since they may change the last digits.
        reuse: whether a training feeds every trial that can use it.
        judges: whether trainings are judged on their way.
        compiles: whether networks are compiled for trainings that repay it.
        trains: whether a backbone that is missing is trained; without, it is an error.
        mark: what the driver left in the run's folder, for workers to find; None where they need
            not look.
        times_onnx: whether models are timed in onnxruntime, too, which takes an export of each.
        supply: returns the data and the extractor where they need not be read from files.
    """

    dataset: str
    data_dir: Path | None
    trials_dir: Path
    store_dir: Path
    fid_num_images: int
    extractor: ExtractorChoice | None = None
    device: str = "cpu"
    gpus: float = 1.0
    threads: int = 1
    reuse: bool = True
    judges: bool = False
    compiles: bool = True
    trains: bool = True
    mark: str | None = None
    times_onnx: bool = False
    supply: Supply | None = None

    @classmethod
    def of(cls, run_dir: Path, settings: RunSettings, data_dir: Path | None = None) -> Self:
        """Return the context of a run.

        Args:
            data_dir: where the data lies now, if not where the run began with it.
        """
        known = None if settings.data_dir is None else Path(settings.data_dir)
        return cls(
            dataset=settings.dataset,
            data_dir=data_dir or known,
            trials_dir=run_dir / "trials",
            store_dir=Path(settings.store) if settings.store else run_dir / "backbones",
            fid_num_images=settings.fid_num_images,
            extractor=settings.extractor_choice(),
            device=settings.device,
            gpus=settings.gpus_per_trial,
            threads=settings.threads,
            reuse=settings.reuse,
            judges=settings.early_stopping,
            compiles=settings.compiles,
            trains=not settings.backbones,
            mark=read_mark(run_dir),
            times_onnx=ONNX_LATENCY in (*settings.objectives, *scores_of(settings.limits)),
        )

    def take_share(self) -> None:
        """Keep this process to a trial's share: torch's threads, and memory of a shared GPU."""
        torch.set_num_threads(self.threads)
        prepare(torch.device(self.device))
        if self.device == "cuda" and self.gpus < 1:
            torch.cuda.set_per_process_memory_fraction(self.gpus)

    def check_worker(self) -> None:
        """Prove that trials can run here, before any does.

        Raises:
            Exception: they cannot; what a trial would meet.
        """
        self.check_seen()
        torch.zeros(1, device=self.device)

    def check_seen(self) -> None:
        """Prove that the run's folder is seen from here.

        Raises:
            FolderUnseen: it is not.
            TakenOver: a later driver has the run.
        """
        self.check_driver()
        if self.mark is not None:
            check_mark(self.trials_dir.parent, self.mark)

    def check_driver(self) -> None:
        """Make sure that the driver of the run is the one that is worked for.

        Raises:
            TakenOver: a later one is.
        """
        if self.mark is not None:
            check_driver(self.trials_dir.parent, self.mark)

    def load(self) -> tuple[ImageDataset, FeatureExtractor]:
        """Return the data, and the extractor of its features.

        Raises:
            ValueError: the data or the extractor's weights are missing, or are others.
        """
        return _load(self.dataset, self.data_dir, self.extractor, self.supply)

    def references(self) -> References:
        """Load the data and what scores it; a worker does so once."""
        return _references(self.dataset, self.data_dir, self.extractor, self.supply, self.device)

    def conditions(self) -> Scores:
        """Return under what the scores of a trial were measured."""
        return {
            "device": self.device,
            "threads": self.threads,
            **gpu_conditions(torch.device(self.device)),
            # Of the worker so far; a reused one keeps the peak of its earlier trials.
            "peak_memory_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONS},
        }


@dataclass(frozen=True)
class TrialContext:
    """Where one trial of a run works, and who is told of it.

    Attributes:
        trial_dir: gets recipe.json, model.pdm, samples.png and scores.json, and training.json
            where the trial trains.
        on_rung: takes what the training scores on its way; None where it is not judged.
        to_screen: other compressions of the trial's backbone.
        on_screened: takes what was found of them.
    """

    run: RunContext
    trial_dir: Path
    on_progress: StageProgress = lambda stage, share: None
    on_rung: RungReport | None = None
    on_trained: TrainedReport = lambda images: None
    to_screen: tuple[Recipe, ...] = ()
    on_screened: ScreenedReport = lambda found: None

    @property
    def store_dir(self) -> Path:
        """The folder of the backbones: the run's, or the trial's own where none is reused."""
        return self.run.store_dir if self.run.reuse else self.run.store_dir / self.trial_dir.name


# Trains, compresses and scores a recipe: what a trial does.
Evaluate = Callable[[Recipe, TrialContext], Scores]


def _load(
    name: str, data_dir: Path | None, extractor: ExtractorChoice | None, supply: Supply | None
) -> tuple[ImageDataset, FeatureExtractor]:
    if supply is not None:
        return supply()
    dataset = load_dataset(name, data_dir)
    return dataset, build_extractor(dataset.config(), extractor, dataset.class_names)


@functools.lru_cache(maxsize=1)
def _references(
    name: str,
    data_dir: Path | None,
    choice: ExtractorChoice | None,
    supply: Supply | None,
    device: str,
) -> References:
    dataset, extractor = _load(name, data_dir, choice, supply)
    extractor.move_to(device)
    return References.of(dataset, extractor)
