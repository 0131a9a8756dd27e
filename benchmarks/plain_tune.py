"""The baseline: Ray Tune with its stock OptunaSearch, as a tutorial would write it.

python -m benchmarks.plain_tune --trials 16 --seed 0 --out plain.json

Every trial trains its own model from scratch on the quick space and the embedded digits; training,
compression and scoring are this project's own, so that only the engine differs. Workers are kept
between trials, which stock Tune does not do, so that their starts do not count against it.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")

import ray
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from diffusion.data import load_dataset
from search_spaces import load_space
from study.evaluation.context import RunContext, TrialContext
from study.trial import evaluate

SPACE, DATASET = load_space("quick"), "mnist5k"


def draw(trial: Any) -> dict[str, Any]:
    """Draw the knobs; they arrive in the trainable's config."""
    SPACE.suggest(trial, load_dataset(DATASET).config())
    return {}


def trainable(config: dict[str, Any]) -> None:
    """Train, compress and score one recipe."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["PLAIN_TUNE_DIR"]))
    knobs = {name: value for name, value in config.items() if "." in name}
    recipe = SPACE.recipe(knobs, load_dataset(DATASET).config())
    run = RunContext(DATASET, None, folder, folder / "backbones", SPACE.fid_num_images)
    scores = evaluate(recipe, TrialContext(run, folder))
    tune.report(
        {
            "fid": scores["fid"],
            "size_bytes": scores["size_bytes"],
            "trained_images": scores["trained_images"],
            "end": time.time(),
        }
    )


def main() -> None:
    """Run the baseline and write how it went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    start = time.time()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PLAIN_TUNE_DIR"] = folder
        ray.init(address="local", include_dashboard=False, log_to_driver=False)
        search = OptunaSearch(
            draw, metric=["fid", "size_bytes"], mode=["min", "min"], seed=given.seed
        )
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=search,
                num_samples=given.trials,
                max_concurrent_trials=int(ray.cluster_resources()["CPU"]),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = [result.metrics or {} for result in tuner.fit()]
        ray.shutdown()
    names = ("fid", "size_bytes", "trained_images")
    trials = [
        {"seconds": result["end"] - start, **{name: result[name] for name in names}}
        for result in results
        if "fid" in result
    ]
    given.out.write_text(json.dumps(sorted(trials, key=lambda trial: trial["seconds"]), indent=1))


if __name__ == "__main__":
    main()
