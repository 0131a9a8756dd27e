"""Training: its repeats, its snapshots, its learning rate and what it tells of its progress."""

import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from short_trainings import CPU, Recorder, run, with_training

from diffusion import checkpointing
from diffusion import descent as descent_module
from diffusion import train as train_module
from diffusion.config import choices
from diffusion.networks import build_network
from diffusion.recipe import Formulation, NetworkConfig, Recipe, TrainingConfig
from diffusion.train import snapshot_points, train

TRACKS = {"none", "short", "mid", "long"}


def same(first, second):
    """Whether two snapshots hold the same bits in every track."""
    assert first.tracks.keys() == second.tracks.keys() == TRACKS
    return all(
        torch.equal(first.tracks[track][name], second.tracks[track][name])
        for track in TRACKS
        for name in first.tracks[track]
    )


@pytest.fixture
def short_snapshots(monkeypatch):
    """Keep snapshots after 16, 32, 64 ... images."""
    monkeypatch.setattr(train_module, "FIRST_SNAPSHOT_IMAGES", 16)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_training_repeats_with_its_seed(tiny_recipe, tiny_dataset, precision):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    (first,) = run(tiny_recipe, tiny_dataset, precision=precision)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    (again,) = run(tiny_recipe, tiny_dataset, precision=precision)
    (other,) = run(tiny_recipe, tiny_dataset, precision=precision, seed=1)
    assert same(first, again)
    assert first.loss == again.loss != other.loss
    assert not same(first, other)


def test_weights_move_and_the_tracks_follow_them(tiny_recipe, tiny_dataset):
    (short,) = run(tiny_recipe, tiny_dataset, train_images=16)
    (snapshot,) = run(tiny_recipe, tiny_dataset, train_images=320)
    plain = snapshot.tracks["none"]
    lags = {}
    for track in ("short", "mid", "long"):
        # After one step every track is a copy of the weights.
        values = short.tracks[track]
        assert all(torch.equal(values[name], short.tracks["none"][name]) for name in plain)
        lags[track] = sum((snapshot.tracks[track][n] - plain[n]).norm().item() for n in plain)
    assert 0 < lags["short"] < lags["mid"] < lags["long"]
    moved = sum((short.tracks["none"][name] - plain[name]).norm().item() for name in plain)
    assert moved > lags["long"]


@pytest.mark.parametrize(
    ("train_images", "points"),
    [
        (1, [1]),
        (15_999, [15_999]),
        (16_000, [16_000]),
        (16_001, [16_000, 16_001]),
        (100_000, [16_000, 32_000, 64_000, 100_000]),
        (128_000, [16_000, 32_000, 64_000, 128_000]),
    ],
)
def test_snapshot_points_double_and_end_with_the_training(train_images, points):
    assert snapshot_points(train_images) == points


@pytest.mark.parametrize(
    ("train_images", "batch_size", "points"),
    [(64, 16, [16, 32, 64]), (70, 16, [16, 32, 64, 70]), (64, 50, [16, 32, 64]), (10, 16, [10])],
)
def test_snapshots_come_at_their_points(
    tiny_recipe, tiny_dataset, short_snapshots, train_images, batch_size, points
):
    fields = {"train_images": train_images, "batch_size": batch_size}
    snapshots = run(tiny_recipe, tiny_dataset, **fields)
    assert [snapshot.train_images for snapshot in snapshots] == points
    seconds = [snapshot.train_seconds for snapshot in snapshots]
    assert seconds[0] > 0
    assert seconds == sorted(seconds)
    for earlier, later in pairwise(snapshots):
        steps = [math.ceil(s.train_images / batch_size) for s in (earlier, later)]
        assert same(earlier, later) == (steps[0] == steps[1])


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_snapshot_equals_the_end_of_a_shorter_training(
    tiny_recipe, tiny_dataset, short_snapshots, precision
):
    long = run(tiny_recipe, tiny_dataset, train_images=64, precision=precision)
    for snapshot in long:
        fields = {"train_images": snapshot.train_images, "precision": precision}
        *_, end = run(tiny_recipe, tiny_dataset, **fields)
        assert same(snapshot, end)
    assert not same(long[0], long[1])


def test_handed_out_snapshots_do_not_move(tiny_recipe, tiny_dataset, short_snapshots):
    recipe = tiny_recipe
    trajectory = train(recipe, tiny_dataset.train_images, tiny_dataset.train_labels, CPU)
    first = next(trajectory)
    kept = {name: value.clone() for name, value in first.tracks["none"].items()}
    list(trajectory)
    assert all(torch.equal(first.tracks["none"][name], kept[name]) for name in kept)


def test_loss_falls(tiny_recipe, tiny_dataset, short_snapshots):
    half = tiny_dataset.train_labels % 2
    flat = torch.tensor([40, 200], dtype=torch.uint8)[half][:, None, None, None]
    images = flat.expand(-1, 1, 8, 8).contiguous()
    # At half of these the loss of about 1 that it starts from is often on a plateau of 0.7 still.
    recipe = with_training(tiny_recipe, train_images=4_096, learning_rate=1e-2, warmup_images=0)
    snapshots = list(train(recipe, images, half, CPU))
    assert 0.5 < snapshots[0].loss < 2
    assert snapshots[-1].loss < 0.6 * snapshots[0].loss


def test_loss_is_the_mean_since_the_last_look(tiny_recipe, tiny_dataset, monkeypatch):
    Recorder(monkeypatch, value=float)
    (snapshot,) = run(tiny_recipe, tiny_dataset, train_images=16 * 36)
    assert snapshot.loss == pytest.approx((33 + 34 + 35 + 36) / 4)


def test_learning_rate_warms_up_then_stays(tiny_recipe, tiny_dataset, monkeypatch):
    rates = []
    build = descent_module.build_optimizer

    def spied(network, config):
        optimizer = build(network, config)
        optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return optimizer

    monkeypatch.setattr(descent_module, "build_optimizer", spied)
    run(tiny_recipe, tiny_dataset, train_images=96, warmup_images=64, learning_rate=0.004)
    assert rates == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.004, 0.004])
    rates.clear()
    run(tiny_recipe, tiny_dataset, train_images=32, warmup_images=0, learning_rate=0.004)
    assert rates == pytest.approx([0.004, 0.004])


def test_progress_rises_to_the_end(tiny_recipe, tiny_dataset, monkeypatch):
    Recorder(monkeypatch)
    told = []
    recipe = with_training(tiny_recipe, train_images=16 * 70)
    images, labels = tiny_dataset.train_images, tiny_dataset.train_labels
    list(train(recipe, images, labels, CPU, told.append))
    assert told == [0, 16 * 32, 16 * 64, 16 * 70]


def test_seconds_are_those_of_the_steps_alone(
    tiny_recipe, tiny_dataset, short_snapshots, monkeypatch
):
    now = [0.0]
    advance = descent_module.Descent.advance
    monkeypatch.setattr(checkpointing.time, "perf_counter", lambda: now[0])

    def step(descent):
        now[0] += 1
        return advance(descent)

    def others(*_):
        now[0] += 100

    monkeypatch.setattr(descent_module.Descent, "advance", step)
    images, labels = tiny_dataset.train_images, tiny_dataset.train_labels
    keeper = SimpleNamespace(load=lambda: None, due=lambda: True, kept=[])
    keeper.save = lambda checkpoint: others(keeper.kept.append(checkpoint))
    recipe = with_training(tiny_recipe, train_images=64, batch_size=16)
    seconds = []
    for snapshot in train(recipe, images, labels, CPU, others, keeper):
        seconds.append(snapshot.train_seconds)
        others()
    assert seconds == [1, 2, 4]
    assert [checkpoint.train_seconds for checkpoint in keeper.kept] == [1, 2, 3, 4]


def test_images_stay_as_they_are(tiny_recipe, tiny_dataset):
    images, labels = tiny_dataset.train_images.clone(), tiny_dataset.train_labels.clone()
    list(train(tiny_recipe, images, labels, CPU))
    assert torch.equal(images, tiny_dataset.train_images)
    assert torch.equal(labels, tiny_dataset.train_labels)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("optimizer", ["adam", "adam8bit"])
def test_averages_lie_in_memory_as_the_weights_do(mnist5k, monkeypatch, precision, optimizer):
    # From another layout an update takes two to three times as long.
    layouts = []

    def update(averages, train_images, batch_size):
        for track in averages.tracks.values():
            for name, parameter in averages._parameters.items():
                layouts.append((name, track[name].stride(), parameter.stride()))

    monkeypatch.setattr(train_module.EmaTracks, "update", update)
    training = TrainingConfig(48, precision=precision, optimizer=optimizer)
    recipe = Recipe(mnist5k.config(), NetworkConfig("ncsn", (4, 8, 8, 16)), training)
    list(train(recipe, mnist5k.train_images[:64], mnist5k.train_labels[:64], CPU))
    assert len(layouts) == 3 * 3 * sum(
        1 for _ in build_network(recipe.network, recipe.data).parameters()
    )
    assert all(average == weight for _, average, weight in layouts)
    kernel = next(weight for name, _, weight in layouts if name == "encoder.1.conv.weight")
    assert (kernel[1] == 1) == (optimizer == "adam"), "channels last"


@pytest.mark.parametrize("formulation", choices(Formulation))
@pytest.mark.parametrize(
    "network",
    [
        NetworkConfig("ncsn", (4, 8, 8, 16)),
        NetworkConfig("ddpm", (4,), groups=2, grouped_layers="bottleneck"),
        NetworkConfig("mini_ddpm", (8, 16), patch_size=2),
    ],
    ids=lambda network: network.architecture,
)
def test_every_formulation_trains_every_architecture(mnist5k, network, formulation):
    training = TrainingConfig(train_images=48, formulation=formulation, ema_decay=0.9)
    recipe = Recipe(mnist5k.config(), network, training)
    images, labels = mnist5k.train_images[:64], mnist5k.train_labels[:64]
    (snapshot,) = train(recipe, images, labels, CPU)
    assert snapshot.loss < 10
    assert set(snapshot.tracks) == {*TRACKS, "exponential"}
    moved = [
        not torch.equal(values, snapshot.tracks["exponential"][name])
        for name, values in build_network(network, recipe.data).state_dict().items()
    ]
    assert sum(moved) > 0.8 * len(moved)
