"""Trainings that diverge: the step is named, and nothing of them is handed out."""

import math

import pytest
from short_trainings import Recorder, run

from diffusion.config import choices
from diffusion.errors import TrainingDiverged
from diffusion.process import EdmDenoiser
from diffusion.recipe import Optimizer


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.nan, 1e3, 1e30])
@pytest.mark.parametrize("step", [1, 5, 32, 33, 40])
def test_divergence_names_the_first_bad_step(tiny_recipe, tiny_dataset, monkeypatch, bad, step):
    # A diverged training stays diverged.
    Recorder(monkeypatch, value=lambda current: bad if current >= step else 0.5)
    with pytest.raises(TrainingDiverged, match=rf"diverged at step {step}: loss") as error:
        run(tiny_recipe, tiny_dataset, train_images=16 * 40)
    assert f"{abs(bad) if math.isnan(bad) else bad:.3g}" in str(error.value)


def test_a_single_bad_step_is_found(tiny_recipe, tiny_dataset, monkeypatch):
    Recorder(monkeypatch, value=lambda current: math.nan if current == 7 else 0.5)
    with pytest.raises(TrainingDiverged, match="diverged at step 7: loss nan"):
        run(tiny_recipe, tiny_dataset, train_images=16 * 40)


@pytest.mark.parametrize("optimizer", choices(Optimizer))
def test_far_too_high_a_learning_rate_diverges(tiny_recipe, tiny_dataset, optimizer):
    fields = {"learning_rate": 100.0, "warmup_images": 0, "optimizer": optimizer}
    with pytest.raises(TrainingDiverged, match="diverged at step 2: loss"):
        run(tiny_recipe, tiny_dataset, **fields)


def test_weights_that_are_not_finite_are_never_handed_out(tiny_recipe, tiny_dataset, monkeypatch):
    def loss(self, images, labels, generator, teacher=None):
        # 0.5, but with a gradient that is not finite: that of a square root at 0.
        return 0.5 + (sum(p.sum() for p in self.parameters()) * 0).sqrt()

    # One step: its loss is still that of the weights before it.
    monkeypatch.setattr(EdmDenoiser, "loss", loss)
    with pytest.raises(TrainingDiverged, match="diverged at step 1: weights are not finite"):
        run(tiny_recipe, tiny_dataset, train_images=16)
