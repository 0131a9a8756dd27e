"""Runs for tests of the report: trials of every kind, with pictures, as a search leaves them."""

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from small_run import run_of

from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)
from study.display.page import write_report
from study.results.front import front_rows
from study.results.records import TrialRecord
from study.results.rows import SEARCHED
from study.results.screenings import Screening
from study.run.folder import REPORT_NAME
from study.run.run import Run

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
SCREENED = 20  # beside each trial that has scores
WIDTHS = ((12, 32), (16, 32), (24, 64))
START = 1_700_000_000.0


def record(number: int, seed: int = 0) -> TrialRecord:
    """Return a trial; of ten in turn one is stopped, one failed, one refused, one like noise."""
    draw = random.Random(seed * 100_000 + number)
    recipe = _recipe(draw)
    begun = {"start_time": START + 30 * number, "knobs": _knobs(recipe)}
    ended: dict[str, Any] = {**begun, "end_time": START + 30 * number + 45, "wall_seconds": 45.0}
    kind = number % 10
    if kind == 3:
        rungs = {images: _scores(draw, recipe, 200.0) for images in (16_000, 32_000)}
        reason = "stopped early after 32,000 training images, far behind another training"
        return TrialRecord(number, "pruned", recipe, None, reason, rungs=rungs, **ended)
    if kind == 5:
        return TrialRecord(number, "failed", recipe, None, "RuntimeError: it broke", **ended)
    if kind == 7:
        return TrialRecord(number, "infeasible", None, None, "groups do not divide", **begun)
    scores = _scores(draw, recipe, 3.0 + 800 * draw.random() ** 6)
    if kind == 9:
        reason = "fid 751.0 is worse than uniform noise's 691.0"
        worse = {**scores, "fid": 751.0}
        return TrialRecord(number, "complete", recipe, worse, reason, feasible=False, **ended)
    rungs = {16_000: _scores(draw, recipe, 90.0), 48_000: _scores(draw, recipe, 20.0)}
    screened = tuple(_screening(draw, recipe) for _ in range(SCREENED))
    more = {"rungs": rungs if kind == 0 else {}, "screened": screened}
    return TrialRecord(number, "complete", recipe, scores, **more, **ended)


def verified(record: TrialRecord) -> TrialRecord:
    """Return a trial as if it had been scored again, with a FID that is lower by a tenth."""
    if record.state != "complete" or record.scores is None:
        return record
    names = ("fid", "fid_low", "fid_high", "fid_num_images", "latency_ms")
    searched = {name: record.scores[name] for name in names}
    scores = {**record.scores, **{name: 0.9 * searched[name] for name in names[:3]}}
    again = {"fid_num_images": 1_000, "verified_seeds": 3, "front_probability": 0.75}
    return replace(record, scores={**scores, **again, SEARCHED: searched})


def small_report(folder: Path, records: Sequence[TrialRecord], **changes: Any) -> Path:
    """Write the report of a run with these trials, and the samples of those that have any."""
    run = run_of(folder, records, data=vars(DATA), **changes)
    for each in records:
        if each.scores is not None:
            write_samples(folder / "trials" / str(each.number))
    return report_of(run)


def report_of(run: Run, *, is_live: bool = False) -> Path:
    """Write a run's report; return its path."""
    write_report(run, front_rows(run.records, run.objectives), is_live=is_live)
    return run.folder / REPORT_NAME


def data_of(page: Path) -> dict[str, Any]:
    """Return the data that a report's page holds."""
    element = r'<script type="application/json" id="data">(.*?)</script>'
    (text,) = re.findall(element, page.read_text(), re.S)
    data: dict[str, Any] = json.loads(text)
    return data


def write_samples(folder: Path, columns: int = 10) -> None:
    """Write a sheet of samples as trials leave them: strokes that compress as digits do."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(int(folder.name))
    sheet = np.full((2 + 8 * 30, 2 + columns * 30), 128, dtype=np.uint8)
    down, across = np.mgrid[:28, :28]
    for row in range(8):
        for column in range(columns):
            y, x = draw.uniform(8, 20, 2)
            ring = np.hypot(down - y, across - x) - draw.uniform(4, 8)
            image = 255 * np.exp(-(ring**2) / 3) + draw.normal(0, 6, (28, 28))
            place = np.s_[2 + 30 * row : 30 + 30 * row, 2 + 30 * column : 30 + 30 * column]
            sheet[place] = image.clip(0, 255).astype(np.uint8)
    zoomed = sheet.repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(zoomed).convert("RGB").save(folder / "samples.png")


def _recipe(draw: random.Random) -> Recipe:
    quantization = draw.choice(("none", "weights8", "uniform"))
    step = draw.uniform(0.5, 3) if quantization == "uniform" else 0.0
    method = draw.choice(("none", "l1"))
    ratio = draw.uniform(0.1, 0.6) if method == "l1" else 0.0
    return Recipe(
        DATA,
        NetworkConfig("mini_ddpm", draw.choice(WIDTHS), groups=draw.choice((1, 2)), patch_size=2),
        TrainingConfig(train_images=80_000),
        EmaConfig(draw.choice(("none", "short", "mid"))),
        CompressionConfig(method, ratio, "all", quantization=quantization, quantization_step=step),
        SamplingConfig(steps=draw.choice((6, 8, 12)), guidance=draw.choice((1.5, 2.0, 2.5))),
    )


def _knobs(recipe: Recipe) -> dict[str, Any]:
    knobs = {
        "backbone.widths": "-".join(map(str, recipe.network.widths)),
        "backbone.groups": recipe.network.groups,
        "ema.track": recipe.ema.track,
        "compression.quantization": recipe.compression.quantization,
        "compression.prune_method": recipe.compression.prune_method,
        "sampling.steps": recipe.sampling.steps,
    }
    if recipe.compression.quantization_step:
        knobs["compression.quantization_step"] = recipe.compression.quantization_step
    return knobs


def _scores(draw: random.Random, recipe: Recipe, fid: float) -> dict[str, Any]:
    size = int(math.exp(draw.uniform(9.5, 14)))
    fid = fid + 60_000 / size * draw.uniform(0.8, 2)
    shares = {name: draw.random() for name in ("precision", "recall", "label_agreement")}
    floors = {"fid_floor": 1.93, "precision_floor": 0.9, "label_agreement_floor": 0.99}
    return {
        **{"fid": fid, "fid_low": 0.93 * fid, "fid_high": 1.07 * fid, "fid_held_out": 1.1 * fid},
        **{"fid_num_images": 500, "fid_noise": 691.0, "num_images_floor": 500},
        **{"size_bytes": size, "latency_ms": draw.uniform(3, 20), "macs": 6_048_512},
        **{"parameters": 85_892, "nonzero_parameters": draw.randrange(20_000, 85_892)},
        **{"train_images": 80_000, "train_seconds": 90.7, "device": "cpu", "threads": 1},
        **{"extractor": "digits", "extractor_sha256": "9c1c25d6b50d", "torch": "2.14.1"},
        **shares,
        **floors,
    }


def _screening(draw: random.Random, recipe: Recipe) -> Screening:
    exact = {"size_bytes": int(math.exp(draw.uniform(9.5, 13))), "macs": 6_048_512}
    counts = {"parameters": 85_892, "nonzero_parameters": 40_000}
    return Screening(_knobs(recipe), drift=draw.uniform(0, 2), scores={**exact, **counts})
