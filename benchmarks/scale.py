"""What a study costs that has many trials already: its journal, its memory, its next proposals.

    python -m benchmarks.scale --trials 1000 10000 100000

Writes journals of the mnist space with made-up scores and screenings, so many trials each, and
opens them as a resume does. Prints what a trial takes in the file and in memory, and the processor
time of opening it and of the next proposals, with what is to be screened beside them.
"""

import argparse
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.overhead import OBJECTIVES, do_nothing_scores, resident_bytes, screened_values
from diffusion.data import load_dataset
from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from search_spaces.knobs import LEAST_STEP, MOST_STEP, STEP_KNOB
from search_spaces.space import SearchSpace
from study.engine.draws import begun, suggested
from study.engine.proposer import Nothing, Proposer
from study.engine.screened import as_screenings
from study.engine.screening_draws import NUM_SCREENED
from study.run.journal_file import Journal
from study.run.opening import STUDY_NAME
from study.run.storage import StudyStorage
from study.run.trial_attributes import OURS

NUM_BACKBONES, NUM_PROPOSALS, AT_ONCE = 100, 20, 1_000


def drawn(space: SearchSpace, data: DataConfig) -> Iterator[tuple[optuna.Trial, Recipe]]:
    """Draw rounded compressions of so many backbones in turns."""
    backbones: dict[str, tuple[optuna.Trial, Recipe]] = {}
    seeds = itertools.count()
    while len(backbones) < NUM_BACKBONES:
        trial = begun((), RandomSampler(next(seeds)))
        recipe = suggested(space, trial, data)
        if STEP_KNOB in trial.params:
            backbones.setdefault(recipe.backbone_key, (trial, recipe))
    return itertools.cycle(backbones.values())


def preload(path: Path, num_trials: int, space_name: str, data: DataConfig) -> None:
    """Write a journal of so many complete trials, each a model of its own."""
    space = load_space(space_name)
    storage = Journal(path)
    study = optuna.create_study(
        storage=storage, study_name=STUDY_NAME, directions=["minimize"] * len(OBJECTIVES)
    )
    generator, source = np.random.default_rng(0), drawn(space, data)
    for start in range(0, num_trials, AT_ONCE):
        with storage.at_once():
            for _ in range(start, min(start + AT_ONCE, num_trials)):
                study.add_trial(_ended(*next(source), generator))


def _ended(trial: optuna.Trial, recipe: Recipe, generator: np.random.Generator) -> FrozenTrial:
    """Return a complete trial with steps of its own, and as many screenings."""
    steps = generator.uniform(LEAST_STEP, MOST_STEP, NUM_SCREENED).tolist()
    asked = [({**trial.params, STEP_KNOB: step}, recipe) for step in steps]
    found = [{**screened_values(recipe), "drift": step / MOST_STEP} for step in steps]
    screenings = [as_screenings([one], [two])[0] for one, two in zip(asked, found, strict=True)]
    scores = do_nothing_scores(recipe, float(generator.uniform()))
    scores["fid"] *= 1 + float(generator.exponential())  # else every trial were on the front
    compression = replace(recipe.compression, quantization_step=round(steps[0], 3))
    return create_trial(
        state=TrialState.COMPLETE,
        params=asked[0][0],
        distributions=trial.distributions,
        values=[scores[name] for name in OBJECTIVES],
        constraints={"recipe": 0.0},
        user_attrs={"wall_seconds": 10.0},
        system_attrs={
            f"{OURS}recipe": replace(recipe, compression=compression).to_dict(),
            f"{OURS}scores": scores,
            f"{OURS}screened": [screening.to_dict() for screening in screenings],
        },
    )


def measure(num_trials: int, folder: Path) -> list[str]:
    """Return the cells of a row: of a study with so many trials."""
    space, data, path = load_space("mnist"), load_dataset("mnist5k").config(), folder / "journal"
    # In a process of its own, whose memory is not this one's.
    writer = multiprocessing.get_context("spawn").Process(
        target=preload, args=(path, num_trials, space.name, data)
    )
    writer.start()
    writer.join()
    if writer.exitcode:
        raise OSError(f"the journal {path} of {num_trials:,} trials could not be written")
    before, start = resident_bytes(), time.process_time()
    source = Proposer(space, data, StudyStorage(path, OBJECTIVES), seed=0)
    opened = time.process_time() - start
    milliseconds = list(itertools.islice(_proposals(source), NUM_PROPOSALS))
    return [
        f"{num_trials:,}",
        f"{path.stat().st_size / num_trials / 1000:.1f}",
        f"{(resident_bytes() - before) / num_trials / 1000:.1f}",
        f"{opened:.1f}",
        f"{statistics.median(milliseconds):.0f}",
        f"{max(milliseconds):.0f}",
    ]


def _proposals(source: Proposer) -> Iterator[float]:
    """Propose trials and end them; yields the milliseconds of each proposal."""
    while True:
        start = time.process_time()
        while (proposal := source.propose()) is Nothing.NOT_YET:
            pass
        if isinstance(proposal, Nothing):
            raise ValueError("the space holds nothing new; allowed: fewer trials")
        number, recipe = proposal
        asked = source.to_screen(number)
        yield 1000 * (time.process_time() - start)
        found: list[dict[str, Any]] = [screened_values(other) for _, other in asked]
        source.storage.keep_screened(number, as_screenings(asked, found))
        source.storage.complete(number, do_nothing_scores(recipe), 10.0)
        source.note_end(number)


def main() -> None:
    """Measure studies of some lengths."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000])
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("| trials | kB a trial, file | kB a trial, memory | s to open | ms a proposal | most |")
    print("|-|-|-|-|-|-|")
    for num_trials in given.trials:
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {' | '.join(measure(num_trials, Path(folder)))} |", flush=True)


if __name__ == "__main__":
    main()
