"""A training that was cut off goes on from its checkpoint as if nothing had happened."""

from dataclasses import replace

import pytest
import torch

from diffusion import train as train_module
from diffusion.config import choices
from diffusion.errors import TrainingDiverged
from diffusion.recipe import (
    Formulation,
    NetworkConfig,
    Optimizer,
    Recipe,
    TrainingConfig,
    TrainingQuantization,
)
from diffusion.train import train

CPU = torch.device("cpu")
BATCH = 16


class Memory:
    """Keeps every checkpoint that is due at the asked steps, as a file would."""

    def __init__(self, every=2):
        self.every, self.calls, self.kept = every, 0, []

    def load(self):
        return self.kept[-1] if self.kept else None

    def due(self):
        self.calls += 1
        return self.calls % self.every == 0

    def save(self, checkpoint):
        self.kept.append(checkpoint)


@pytest.fixture(autouse=True)
def short_snapshots(monkeypatch):
    """Keep snapshots after 64, 128 ... images."""
    monkeypatch.setattr(train_module, "FIRST_SNAPSHOT_IMAGES", 64)


def run(recipe, dataset, keeper=None, **fields):
    recipe = replace(recipe, training=replace(recipe.training, **fields))
    return train(recipe, dataset.train_images, dataset.train_labels, CPU, keeper=keeper)


def assert_same(first, second):
    assert first.train_images == second.train_images
    assert first.tracks.keys() == second.tracks.keys()
    for track, values in first.tracks.items():
        for name, value in values.items():
            assert torch.equal(value, second.tracks[track][name]), (track, name)


def cut_off_and_finish(recipe, dataset, **fields):
    """Train with checkpoints, forget all after one of them, and go on from that."""
    memory = Memory()
    whole = list(run(recipe, dataset, memory, **fields))
    middle = memory.kept[len(memory.kept) // 2]
    rest = Memory()
    rest.kept = [middle]
    resumed = list(run(recipe, dataset, rest, **fields))
    assert 0 < middle.step * BATCH < fields["train_images"]
    assert len(resumed) < len(whole) or middle.step * BATCH < whole[0].train_images
    return whole, resumed, middle


@pytest.mark.parametrize("optimizer", choices(Optimizer))
def test_the_end_is_the_same_to_the_last_bit(tiny_recipe, tiny_dataset, optimizer):
    whole, resumed, _ = cut_off_and_finish(
        tiny_recipe, tiny_dataset, train_images=320, batch_size=BATCH, optimizer=optimizer
    )
    plain = list(
        run(tiny_recipe, tiny_dataset, train_images=320, batch_size=BATCH, optimizer=optimizer)
    )
    assert_same(whole[-1], plain[-1])
    assert_same(resumed[-1], plain[-1])


@pytest.mark.parametrize("formulation", choices(Formulation))
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_every_formulation_goes_on_as_it_would_have(
    tiny_recipe, tiny_dataset, formulation, precision
):
    whole, resumed, _ = cut_off_and_finish(
        tiny_recipe,
        tiny_dataset,
        train_images=256,
        batch_size=BATCH,
        formulation=formulation,
        precision=precision,
        warmup_images=200,
        label_dropout=0.5,
        label_dropout_end_images=240,
        ema_decay=0.9,
        ema_copy_steps=6,
    )
    assert_same(whole[-1], resumed[-1])


@pytest.mark.parametrize(
    "quantization",
    [
        name if name in ("none", "linear8") else pytest.param(name, marks=pytest.mark.slow)
        for name in choices(TrainingQuantization)
    ],
)
def test_quantized_trainings_go_on_as_they_would_have(tiny_recipe, tiny_dataset, quantization):
    whole, resumed, _ = cut_off_and_finish(
        tiny_recipe, tiny_dataset, train_images=256, batch_size=BATCH, quantization=quantization
    )
    assert_same(whole[-1], resumed[-1])


@pytest.mark.parametrize(
    "network",
    [
        NetworkConfig("ncsn", (8, 8, 16, 16)),
        NetworkConfig("ddpm", (8,)),
        NetworkConfig("mini_ddpm", (8, 16), groups=2, patch_size=2),
    ],
    ids=lambda network: network.architecture,
)
def test_every_architecture_goes_on_as_it_would_have(mnist5k, network):
    few = replace(mnist5k, train_images=mnist5k.train_images[:40])
    recipe = Recipe(mnist5k.config(), network, TrainingConfig(train_images=96))
    whole, resumed, _ = cut_off_and_finish(recipe, few, train_images=96, batch_size=BATCH)
    assert_same(whole[-1], resumed[-1])


def test_snapshots_before_the_checkpoint_are_not_taken_again(tiny_recipe, tiny_dataset):
    memory = Memory(every=10)
    points = [s.train_images for s in run(tiny_recipe, tiny_dataset, memory, train_images=320)]
    assert points == [64, 128, 256, 320]
    memory.kept = [kept for kept in memory.kept if kept.step * BATCH == 160]
    assert len(memory.kept) == 1
    rest = list(run(tiny_recipe, tiny_dataset, memory, train_images=320))
    assert [snapshot.train_images for snapshot in rest] == [256, 320]


def test_a_finished_training_goes_on_to_a_longer_one(tiny_recipe, tiny_dataset):
    memory = Memory()
    list(run(tiny_recipe, tiny_dataset, memory, train_images=160))
    steps = memory.load().step
    longer = list(run(tiny_recipe, tiny_dataset, memory, train_images=320))
    whole = list(run(tiny_recipe, tiny_dataset, train_images=320))
    assert steps == 10
    assert [snapshot.train_images for snapshot in longer] == [256, 320]
    assert_same(longer[-1], whole[-1])


def test_a_shorter_training_does_not_begin_beyond_its_end(tiny_recipe, tiny_dataset):
    memory = Memory()
    list(run(tiny_recipe, tiny_dataset, memory, train_images=320))
    (short,) = run(tiny_recipe, tiny_dataset, memory, train_images=48)
    (alone,) = run(tiny_recipe, tiny_dataset, train_images=48)
    assert_same(short, alone)


def test_seconds_of_both_parts_add_up(tiny_recipe, tiny_dataset):
    _, resumed, middle = cut_off_and_finish(
        tiny_recipe, tiny_dataset, train_images=256, batch_size=BATCH
    )
    assert resumed[-1].train_seconds > middle.train_seconds > 0


def test_a_checkpoint_does_not_move_with_the_training(tiny_recipe, tiny_dataset):
    memory = Memory()
    list(run(tiny_recipe, tiny_dataset, memory, train_images=320))
    first, last = memory.kept[0].state, memory.kept[-1].state
    assert first.keys() == last.keys()
    moved = [name for name in first if not torch.equal(first[name], last[name])]
    assert any(name.startswith("network/") for name in moved)
    assert any(name.startswith("ema.long/") for name in moved)
    assert any(name.startswith("optimizer.0/") for name in moved)
    assert "noise/generator" in moved


def test_a_training_that_diverges_keeps_no_checkpoint_of_it(tiny_recipe, tiny_dataset):
    memory = Memory(every=1000)
    fields = {"train_images": 3_200, "learning_rate": 100.0, "warmup_images": 0}
    with pytest.raises(TrainingDiverged):
        list(run(tiny_recipe, tiny_dataset, memory, **fields))
    assert memory.kept == []
