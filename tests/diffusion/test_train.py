"""Training: its repeats, its snapshots, its optimizers, its batches and its failures."""

import math
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from diffusion import descent as descent_module
from diffusion import train as train_module
from diffusion.config import choices
from diffusion.data import to_uint8
from diffusion.errors import TrainingDiverged
from diffusion.networks import build_network
from diffusion.process import EdmDenoiser
from diffusion.recipe import Formulation, NetworkConfig, Optimizer, Recipe, TrainingConfig
from diffusion.train import snapshot_points, train

CPU = torch.device("cpu")
TRACKS = {"none", "short", "mid", "long"}


def with_training(recipe, **fields):
    return replace(recipe, training=replace(recipe.training, **fields))


def run(recipe, dataset, **fields):
    recipe = with_training(recipe, **fields)
    return list(train(recipe, dataset.train_images, dataset.train_labels, CPU))


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


class Recorder:
    """Stands in for the loss: keeps the batches and takes its values from a function of step."""

    def __init__(self, monkeypatch, value=lambda step: 0.5):
        self.images, self.labels, self.value = [], [], value
        recorder = self

        def loss(self, images, labels, generator):
            recorder.images.append(images)
            recorder.labels.append(labels)
            gradient = sum(p.sum() for p in self.parameters()) * 0
            return gradient + recorder.value(len(recorder.images))

        monkeypatch.setattr(EdmDenoiser, "loss", loss)


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
    recipe = with_training(tiny_recipe, train_images=2_048, learning_rate=1e-2, warmup_images=0)
    snapshots = list(train(recipe, images, half, CPU))
    assert 0.5 < snapshots[0].loss < 2
    assert snapshots[-1].loss < 0.6 * snapshots[0].loss


def test_loss_is_the_mean_since_the_last_look(tiny_recipe, tiny_dataset, monkeypatch):
    Recorder(monkeypatch, value=float)
    (snapshot,) = run(tiny_recipe, tiny_dataset, train_images=16 * 36)
    assert snapshot.loss == pytest.approx((33 + 34 + 35 + 36) / 4)


@pytest.mark.parametrize("optimizer", choices(Optimizer))
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_every_optimizer_takes_steps_of_the_learning_rate(
    tiny_recipe, tiny_dataset, optimizer, precision
):
    # The first step of Adam moves each weight by the learning rate, whatever its gradient.
    fields = {"optimizer": optimizer, "precision": precision, "warmup_images": 0, "batch_size": 8}
    wide = NetworkConfig(architecture="mini_ddpm", widths=(16, 32), patch_size=2)
    recipe = replace(tiny_recipe, network=wide)
    (still,) = run(recipe, tiny_dataset, train_images=8, learning_rate=1e-30, **fields)
    (one,) = run(recipe, tiny_dataset, train_images=8, learning_rate=1e-3, **fields)
    name = "out.weight"
    step = (one.tracks["none"][name] - still.tracks["none"][name]).abs()
    torch.testing.assert_close(step, torch.full_like(step, 1e-3), rtol=0.05, atol=0)
    (many,) = run(recipe, tiny_dataset, train_images=160, learning_rate=1e-3, **fields)
    assert all(value.isfinite().all() for value in many.tracks["none"].values())
    assert many.loss < one.loss


@pytest.mark.parametrize(("eight_bit", "exact"), [("adam8bit", "adam"), ("adamw8bit", "adamw")])
def test_8bit_optimizers_stay_near_the_exact_ones(tiny_recipe, tiny_dataset, eight_bit, exact):
    # Only tensors of 4,096 elements and more are kept in 8 bits: this network has some.
    wide = NetworkConfig(architecture="mini_ddpm", widths=(16, 32), patch_size=2)
    recipe = replace(tiny_recipe, network=wide)
    fields = {"train_images": 160, "learning_rate": 1e-3, "warmup_images": 0}
    (start,) = run(recipe, tiny_dataset, **{**fields, "learning_rate": 1e-30})
    ends = [run(recipe, tiny_dataset, optimizer=o, **fields)[0] for o in (eight_bit, exact)]
    name = "bottleneck1.conv1.weight"
    assert start.tracks["none"][name].numel() > 4_096
    coarse, fine = ((end.tracks["none"][name] - start.tracks["none"][name]) for end in ends)
    cosine = torch.nn.functional.cosine_similarity(coarse.flatten(), fine.flatten(), dim=0)
    assert cosine > 0.8
    assert not torch.equal(coarse, fine)


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
    def loss(self, images, labels, generator):
        # 0.5, but with a gradient that is not finite: that of a square root at 0.
        return 0.5 + (sum(p.sum() for p in self.parameters()) * 0).sqrt()

    # One step: its loss is still that of the weights before it.
    monkeypatch.setattr(EdmDenoiser, "loss", loss)
    with pytest.raises(TrainingDiverged, match="diverged at step 1: weights are not finite"):
        run(tiny_recipe, tiny_dataset, train_images=16)


def test_hidden_labels_come_at_the_asked_rate(tiny_recipe, tiny_dataset, monkeypatch):
    for rate in (0.0, 0.1, 0.5, 1.0):
        recorder = Recorder(monkeypatch)
        run(tiny_recipe, tiny_dataset, train_images=3_600, batch_size=1_800, label_dropout=rate)
        labels = torch.cat(recorder.labels)
        hidden = labels == 3
        # 3,600 draws: the standard deviation of the share is at most 0.0083.
        assert hidden.double().mean().item() == pytest.approx(rate, abs=0.03 * (0 < rate < 1))
        assert labels.min() >= 0
        assert labels.max() <= 3


def test_shown_labels_are_those_of_their_images(tiny_recipe, tiny_dataset, monkeypatch):
    recorder = Recorder(monkeypatch)
    run(tiny_recipe, tiny_dataset, train_images=360)
    pairs = zip(tiny_dataset.train_images, tiny_dataset.train_labels.tolist(), strict=True)
    label_of = {image.numpy().tobytes(): label for image, label in pairs}
    for images, labels in zip(recorder.images, recorder.labels, strict=True):
        assert images.dtype == torch.float32
        true = [label_of[image.numpy().tobytes()] for image in to_uint8(images)]
        assert all(label in (expected, 3) for label, expected in zip(labels, true, strict=True))


@pytest.mark.parametrize("batch_size", [1, 16, 36, 100])
def test_every_image_is_seen_once_an_epoch(tiny_recipe, tiny_dataset, monkeypatch, batch_size):
    recorder = Recorder(monkeypatch)
    run(tiny_recipe, tiny_dataset, train_images=144, batch_size=batch_size)
    seen = [image.numpy().tobytes() for image in to_uint8(torch.cat(recorder.images))]
    everything = {image.numpy().tobytes() for image in tiny_dataset.train_images}
    assert len(everything) == 36
    epochs = [seen[start : start + 36] for start in range(0, len(seen) - 35, 36)]
    assert len(epochs) >= 4
    assert all(set(epoch) == everything for epoch in epochs)
    assert epochs[0] != epochs[1]


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
    advance = train_module.Descent.advance
    monkeypatch.setattr(train_module.time, "perf_counter", lambda: now[0])

    def step(descent):
        now[0] += 1
        return advance(descent)

    def others(*_):
        now[0] += 100

    monkeypatch.setattr(train_module.Descent, "advance", step)
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


@pytest.mark.parametrize(("rate", "end"), [(0.6, 0), (0.6, 14_400), (1.0, 12_000), (0.1, 1)])
def test_share_of_hidden_labels_falls_linearly_to_none(
    tiny_recipe, tiny_dataset, monkeypatch, rate, end
):
    recorder = Recorder(monkeypatch)
    fields = {"train_images": 18_000, "batch_size": 1_800}
    run(tiny_recipe, tiny_dataset, label_dropout=rate, label_dropout_end_images=end, **fields)
    shares = [(labels == 3).double().mean().item() for labels in recorder.labels]
    # Of the images seen before each batch; 0 keeps the share.
    expected = [rate * (max(1 - seen / end, 0) if end else 1) for seen in range(0, 18_000, 1_800)]
    # 1,800 draws: the standard deviation of a share is at most 0.012.
    assert shares == pytest.approx(expected, abs=0.05)
    assert all(share == 0 for share, none in zip(shares, expected, strict=True) if none == 0)
    assert (0 in expected) == (end > 0)


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
