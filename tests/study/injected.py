"""What a trial does in tests of the engine: pretends, fails or dies instead of training.

As a command it runs the real search with one of these: `python injected.py NAME [ARGUMENTS]`.
"""

import errno
import hashlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from diffusion.errors import PackageError, TrainingDiverged
from diffusion.recipe import Recipe
from study import search
from study.cli import parser as cli
from study.evaluation.context import RunContext, TrialContext
from study.evaluation.scoring import latest_rung
from study.results.objectives import Scores
from study.run import mirror
from study.run.backbones import BackboneStore
from study.run.checkpoints import CheckpointFile
from study.run.cool_downs import CoolDownStore
from study.run.key_folder import CHECKPOINT
from study.trial import evaluate
from study.verification import short

# What keeps a trial of a test from being scored again lies in its folder.
FAULT, NO_MODEL = "fault", "no model"
STEP_IMAGES = 8_000  # of a pretended training


def tabulated(recipe: Recipe, context: TrialContext) -> Scores:
    """Score by the recipe's hash, so that every run of it gives the same values."""
    share = int(recipe.key[:8], 16) / 16**8
    context.trial_dir.mkdir(parents=True, exist_ok=True)
    (context.trial_dir / "model.pdm").write_text(recipe.key)
    context.on_progress("train", 0.5)
    return {
        "fid": 10 + 90 * share,
        "fid_low": 5.0,
        "fid_high": 100.0,
        "fid_held_out": 11 + 90 * share,
        "fid_noise": 600.0,
        "fid_floor": 4.0,
        "fid_num_images": 10,
        "label_agreement": 0.5,
        "label_balance": 0.9,
        "ssim": 0.3,
        "extractor": "digits",
        "extractor_sha256": "0123456789abcdef",
        "package_sha256": hashlib.sha256(recipe.key.encode()).hexdigest(),
        "size_bytes": int(1e6 * (1.5 - share) ** 2),
        "gzip_state_dict_bytes": 1,
        "parameters": 1,
        "nonzero_parameters": 1,
        "macs": 1,
        "latency_ms": 1.0,
        "train_images": recipe.training.train_images,
        "trained_images": 0,
        "train_seconds": 64.0,
        "generate_seconds": 3.0,
        "score_seconds": 1.0,
        "train_ms_per_epoch": 1000.0,
    }


def slow(recipe: Recipe, context: TrialContext) -> Scores:
    """Take half a second, and note each start in the run's folder."""
    with (context.trial_dir.parent.parent / "starts.txt").open("a") as starts:
        starts.write(f"{context.trial_dir.name}\n")
    time.sleep(0.5)
    return tabulated(recipe, context)


def staged(recipe: Recipe, context: TrialContext) -> Scores:
    """Pretend a training: steps that are kept, so that the next attempt goes on, and rungs.

    Trials from the number on that the file RUN.hold holds do not begin while it is there.
    """
    wait_while_held(context)
    kept = context.store_dir / recipe.backbone_key
    kept.parent.mkdir(parents=True, exist_ok=True)
    seen = begin = int(kept.read_text()) if kept.exists() else 0
    judged = 0
    while seen < recipe.training.train_images:
        rung = latest_rung(recipe, seen)
        if context.on_rung is not None and rung > judged:
            judged = rung
            context.on_rung(rung, rung_scores(recipe, rung, rung - begin))
        time.sleep(0.03)
        seen += STEP_IMAGES
        kept.with_suffix(f".{os.getpid()}").write_text(str(seen))
        kept.with_suffix(f".{os.getpid()}").replace(kept)
    return {**tabulated(recipe, context), "trained_images": seen - begin}


def is_cut_off(recipe: Recipe, store_dir: Path) -> bool:
    """Whether a recipe's training or cool-down has a checkpoint, but did not end."""
    begun = [recipe.backbone_key] if BackboneStore(store_dir).find(recipe) is None else []
    if recipe.compression.finetune_images and CoolDownStore(store_dir).find(recipe) is None:
        begun.append(recipe.cool_down_key)
    return any((store_dir / key / CHECKPOINT).exists() for key in begun)


def held(recipe: Recipe, context: TrialContext) -> Scores:
    """Evaluate for real; a trial that is held, as in `staged`, does not end but after that.

    Checkpoints are kept every second, and what is trained takes some seconds on any machine. The
    file RUN.resumed gets a line wherever an attempt goes on with what was cut off.
    """
    CheckpointFile.__init__.__defaults__ = (1.0,)
    run = context.run.trials_dir.parent
    if is_cut_off(recipe, context.store_dir):
        with run.with_suffix(".resumed").open("a") as file:
            file.write(f"{context.trial_dir.name}\n")

    def slowly(images: int) -> None:
        time.sleep(0.15)
        context.on_trained(images)

    scores = evaluate(recipe, replace(context, on_trained=slowly))
    wait_while_held(context)
    return scores


def wait_while_held(context: TrialContext) -> None:
    """Wait while the file RUN.hold is there and holds this trial's number or one below.

    The file RUN.held gets a line for each attempt that does.
    """
    hold = context.run.trials_dir.parent.with_suffix(".hold")
    if hold.exists():
        with hold.with_suffix(".held").open("a") as held:
            held.write(f"{context.trial_dir.name}\n")
    while hold.exists() and int(context.trial_dir.name) >= int(hold.read_text()):
        time.sleep(0.03)


def dragging(recipe: Recipe, context: TrialContext) -> Scores:
    """Take half a second more, so that there is time to be killed."""
    time.sleep(0.5)
    return staged(recipe, context)


def rung_scores(recipe: Recipe, rung: int, trained_images: int) -> Scores:
    """Score a pretended training: wide ones are good and large, NCSNs and groups are bad."""
    size_bytes = sum(recipe.network.widths)
    badness = recipe.network.groups * (20 if recipe.network.architecture == "ncsn" else 1)
    fid = 1e8 * badness / size_bytes / rung
    return {"fid": fid, "size_bytes": size_bytes, "trained_images": trained_images}


def failing(recipe: Recipe, context: TrialContext) -> Scores:
    """Raise, diverge, return NaN or die, by trial number; else succeed. Notes every attempt."""
    number = int(context.trial_dir.name)
    with (context.trial_dir.parent.parent / "starts.txt").open("a") as starts:
        starts.write(f"{number}\n")
    if number == 1:
        raise RuntimeError("boom")
    scores = tabulated(recipe, context)
    if number == 2:
        scores["fid"] = float("nan")
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 4:
        del scores["size_bytes"]
    if number == 5:
        raise TrainingDiverged("training diverged at step 7: loss nan")
    if number == 6:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 1 TB")
    return scores


def shaky(recipe: Recipe, context: TrialContext) -> Scores:
    """Break each trial's first attempt: by raising, or by dying, in turn."""
    attempt = context.trial_dir / "attempt"
    if not attempt.exists():
        context.trial_dir.mkdir(parents=True, exist_ok=True)
        attempt.touch()
        if int(context.trial_dir.name) % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("shaky")
    return tabulated(recipe, context)


def full(recipe: Recipe, context: TrialContext) -> Scores:
    """Find the disk full from the third trial on, while `full` lies beside the run's folder."""
    if int(context.trial_dir.name) > 1 and (context.run.trials_dir.parents[1] / "full").exists():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return tabulated(recipe, context)


def unreachable(recipe: Recipe, context: TrialContext) -> Scores:
    """Leave one model on the front that cannot be scored again for now."""
    scores = tabulated(recipe, context)
    if context.trial_dir.name != "0":
        return scores
    (context.trial_dir / FAULT).write_text("no data")
    return {**scores, "size_bytes": 1}


def hopeless(recipe: Recipe, context: TrialContext) -> Scores:
    """Fail always."""
    raise RuntimeError("nothing works")


def noisy(recipe: Recipe, context: TrialContext) -> Scores:
    """Draw what is worse than noise."""
    return {**tabulated(recipe, context), "fid": 700.0}


def rescored(trial_dir: Path, seed: int, context: RunContext) -> Scores:
    """Score a file by the hash that `tabulated` wrote into it, a little apart for each seed."""
    key = (trial_dir / "model.pdm").read_text()
    if (trial_dir / FAULT).exists():
        fault = (trial_dir / FAULT).read_text()
        raise PackageError(fault) if fault == NO_MODEL else OSError(fault)
    fid = 10 + 90 * int(key[:8], 16) / 16**8 + seed % 7 / 10
    return {"fid": fid, "fid_num_images": context.fid_num_images, "label_agreement": 0.75}


def timed(trial_dir: Path, context: RunContext) -> float:
    """Return a latency that no search measures."""
    return 0.125


CHOICES = {
    f.__name__: f
    for f in (
        *(evaluate, held, tabulated, slow, staged, dragging, failing, shaky, full, unreachable),
        *(hopeless, noisy),
    )
}

if __name__ == "__main__":
    short.SECONDS = 3_600.0  # no verification is cut short on a busy machine
    mirror.EVERY_SECONDS = 0.2
    cli.run_command(lambda: search.main(sys.argv[2:], CHOICES[sys.argv[1]], rescored, timed))
