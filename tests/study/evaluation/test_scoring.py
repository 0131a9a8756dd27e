"""Images drawn and scored: what their latency is taken from."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from diffusion.model import Progress
from diffusion.recipe import Recipe
from diffusion.score.latency import BatchClock
from study.evaluation import scoring
from study.evaluation.context import RunContext


class Machine:
    """Stands for a model; each of its batches takes 2 seconds of its clock, the first 9."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.now = recipe, 0.0
        self.drawn: list[int] = []

    def generate(self, labels: Tensor, on_progress: Progress) -> Tensor:
        for done in range(0, len(labels), 100):
            self.now += 2.0 if self.now else 9.0
            on_progress(min(done + 100, len(labels)))
        self.drawn.append(len(labels))
        noise = torch.Generator().manual_seed(0)
        shape = (len(labels), 1, 28, 28)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=noise)


@pytest.mark.parametrize(
    ("num_images", "drawn"),
    [(300, [300]), (200, [200]), (120, [120, 100])],
    ids=["three batches", "two", "one and a part"],
)
def test_the_latency_of_a_search_is_of_whole_batches_after_the_first(
    num_images: int,
    drawn: list[int],
    digit_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine: Any = Machine(digit_recipe)
    clock = functools.partial(BatchClock, clock=lambda: machine.now)
    monkeypatch.setattr(scoring, "BatchClock", clock)
    told: list[tuple[str, float]] = []
    context = RunContext("mnist5k", None, tmp_path, tmp_path, num_images)
    drawing = scoring.draw_and_score(machine, context, lambda *progress: told.append(progress))
    assert drawing.scores["latency_ms"] == pytest.approx(20.0)
    assert machine.drawn == drawn
    assert len(drawing.images) == len(drawing.labels) == num_images
    assert told[-1] == ("generate", 1.0)
    assert [share for _, share in told] == sorted(share for _, share in told)


def test_a_model_is_exported_only_where_its_latency_there_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = "diffusion.score.onnx_latency.measure_onnx_latency_ms"
    monkeypatch.setattr(measured, lambda package, threads: 2.5 * threads)
    context = RunContext("mnist5k", None, tmp_path, tmp_path, 10, threads=2)
    assert scoring.time_onnx(tmp_path, context) == {}
    asked = replace(context, times_onnx=True)
    assert scoring.time_onnx(tmp_path, asked) == {"onnx_latency_ms": 5.0}


def test_the_latency_of_a_verification_is_of_as_large_batches(
    digit_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(digit_recipe)
    monkeypatch.setattr(scoring, "read_package", lambda path, device: machine)
    context = RunContext("mnist5k", None, tmp_path, tmp_path, 10)
    assert scoring.rescore_latency(tmp_path, context) >= 0
    assert machine.drawn == [400]
