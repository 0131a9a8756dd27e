"""How well cheap scores rank the trials of a run as sure ones do: Kendall's tau, with intervals.

    python -m study.verify RUN --all
    python -m benchmarks.rank_agreement RUN

Every finished trial is drawn from again with few images and few steps, as a search would, and
the ranks of these scores are compared with those of the verified FIDs. The intervals are of the
bootstrap over trials. Prints a Markdown table.
"""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from scipy.stats import kendalltau

from diffusion.compress.package import PACKAGE_NAME, read_package
from diffusion.score.frechet import GaussianStatistics
from diffusion.score.kernel import kernel_distance
from diffusion.score.labels import score_labels
from study.cluster.resources import resolve_resources
from study.cluster.session import ray_session
from study.cluster.tasks import run_tasks
from study.evaluation.context import RunContext
from study.run.run import Run
from study.verification.file import Verification
from study.verification.point import FEWEST_SEEDS
from study.verification.verified import apply

COUNTS = (100, 250, 500, 1_000)
STEPS = (6, 12)
SEEDS = (0,)
RESAMPLES = 2_000

Cheap = dict[tuple[str, int, int, int], float]  # By measure, images, steps and seed.


def score_cheaply(number: int, context: RunContext) -> Cheap:
    """Return a trial's scores for every count, steps and seed."""
    torch.set_num_threads(context.threads)
    references, scores = context.references(), Cheap()
    path = context.trials_dir / str(number) / PACKAGE_NAME
    labels = score_labels(references.dataset, COUNTS[-1])
    for steps in STEPS:
        for seed in SEEDS:
            model = read_package(path).with_sampling(steps=steps, seed=seed)
            features = references.extractor.features(model.generate(labels))
            for count in COUNTS:
                # Sorted labels: evenly spread positions have the same proportions.
                part = features[np.linspace(0, len(features) - 1, count).round().astype(int)]
                statistics = GaussianStatistics.from_features(part)
                generator = np.random.default_rng(0)
                scores["fid", count, steps, seed] = references.train.frechet.distance(statistics)
                scores["kid", count, steps, seed] = kernel_distance(
                    part, references.train.features, generator
                )[0]
    return scores


def tau(cheap: Sequence[float], sure: Sequence[float]) -> tuple[float, float, float]:
    """Return Kendall's tau of two rankings and its 95 % interval, by the bootstrap."""
    x, y = np.array(cheap), np.array(sure)
    generator = np.random.default_rng(0)
    picks = generator.integers(len(x), size=(RESAMPLES, len(x)))
    values = [kendalltau(x[pick], y[pick]).statistic for pick in picks]
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(kendalltau(x, y).statistic), float(low), float(high)


def most_images(verification: Verification) -> int | None:
    """Return the most images of which every trial that can be read has enough seeds."""
    readable = [r for r in verification.run.complete() if not verification.known(r.number).reason]
    counts = {count for point in verification.points.values() for count in point.seeds}
    whole = [
        count
        for count in counts
        if all(verification.known(record.number).scores(count) for record in readable)
    ]
    return max(whole, default=None)


def main() -> None:
    """Score the run's trials cheaply and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run.resolve()
    searched_run = Run.read(run)
    complete, settings = searched_run.complete(), searched_run.settings
    verification = Verification.load(searched_run)
    num_images = most_images(verification)
    if num_images is None:
        parser.error(f"run python -m study.verify {run} --all first")
    verified = apply(verification, num_images).complete()
    sure = {r.number: r.scores["fid"] for r in verified if r.scores is not None}
    searched = {r.number: r.scores["fid"] for r in complete if r.scores is not None}
    with ray_session(None):
        resources = resolve_resources(
            settings.cpus_per_trial, settings.gpus_per_trial, settings.concurrent_trials
        )
        work = functools.partial(score_cheaply, context=RunContext.of(run, settings))
        outcomes = dict(track(run_tasks(work, list(sure), resources), total=len(sure)))
    numbers = sorted(sure)
    truth = [sure[number] for number in numbers]
    print(
        f"{len(numbers)} trials; sure: {FEWEST_SEEDS} seeds or more, {num_images:,} images each\n"
    )
    print("| measure | images | steps | seed | tau | 95 % |\n|-|-|-|-|-|-|")
    value, low, high = tau([searched[number] for number in numbers], truth)
    print(f"| fid, of the search itself | | | | {value:.3f} | {low:.3f} to {high:.3f} |")
    for measure, count, steps, seed in outcomes[numbers[0]]:
        cheap = [outcomes[number][measure, count, steps, seed] for number in numbers]
        value, low, high = tau(cheap, truth)
        interval = f"{low:.3f} to {high:.3f}"
        print(f"| {measure} | {count:,} | {steps} | {seed} | {value:.3f} | {interval} |")


if __name__ == "__main__":
    main()
