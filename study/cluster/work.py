"""What Tune runs in a worker process; apart from the driver's part, which it need not import."""

import json
from typing import Any

from ray import tune

from diffusion.recipe import Recipe
from study.cluster.parcel import unpack
from study.cluster.place import Place
from study.cluster.standby import STANDBY, stand_by
from study.engine.worker import run_trial
from study.evaluation.context import Evaluate, RunContext


def work(config: dict[str, Any], evaluate: Evaluate, context: RunContext) -> None:
    """Stand by, or run a trial of the study."""
    if STANDBY in config:
        stand_by(context.check_worker, tune.report)
    recipe = Recipe.from_dict(json.loads(config["recipe"]))
    tune.report({"place": json.dumps(Place.here().to_dict())})  # Tune flattens dictionaries
    to_screen = [Recipe.from_dict(values) for values in unpack(config["to_screen"])]
    run_trial(config["number"], recipe, to_screen, evaluate, context, tune.report)
