"""The cool-down: what was pruned stays zero, what is rounded stays on its steps."""

import copy
from dataclasses import replace

import pytest
import small_networks
import torch

from diffusion import descent as descent_module
from diffusion.batches import Batches
from diffusion.compress.channels import remove_channels
from diffusion.compress.package import read_package, write_package
from diffusion.compress.prune import prune, pruned_masks, region_layers
from diffusion.compress.quantize import QuantizedTensor, quantize_weights
from diffusion.compress.straight_through import StraightThrough
from diffusion.compress.uniform import relative_steps, round_weights
from diffusion.config import choices
from diffusion.cool_down import cool_down
from diffusion.ema import RELATIVE_LENGTHS, power_exponent
from diffusion.errors import InvalidRecipe, TrainingDiverged
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.process import build_denoiser
from diffusion.recipe import CompressionConfig, Formulation
from diffusion.train import train

PRUNED = CompressionConfig(
    "l1",
    0.3,
    filter_ratio=0.1,
    finetune_images=160,
    finetune_learning_rate=1e-3,
    finetune_batch_size=16,
)


class Memory:
    """Keeps a checkpoint every second time that it is asked."""

    def __init__(self):
        self.calls, self.kept = 0, []

    def load(self):
        return self.kept[-1] if self.kept else None

    def due(self):
        self.calls += 1
        return self.calls % 2 == 0

    def save(self, checkpoint):
        self.kept.append(checkpoint)


def tuned(network, recipe, dataset, compression=PRUNED, on_progress=lambda images: None):
    """Prune a network and train it on, in place; return its state before that."""
    recipe = replace(recipe, compression=compression)
    prune(network, compression)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    images, labels = dataset.train_images, dataset.train_labels
    (end,) = cool_down(network, recipe, images, labels, on_progress=on_progress)
    network.load_state_dict(end.state)
    return before


def test_pruned_weights_stay_zero_and_others_learn(tiny_network, tiny_recipe, tiny_dataset):
    prune(tiny_network, PRUNED)
    masks = [mask.clone() for _, mask in pruned_masks(tiny_network)]
    before = tuned(tiny_network, tiny_recipe, tiny_dataset)
    for mask, (values, _) in zip(masks, pruned_masks(tiny_network), strict=True):
        assert not values[mask].any()
    assert any(mask.any() for mask in masks)
    moved = [
        (values != before[name])[before[name] != 0].float().mean().item()
        for name, values in tiny_network.named_parameters()
        if before[name].any()
    ]
    assert min(moved) > 0.5


def test_connections_lost_with_channels_are_learned_anew(tiny_recipe, tiny_dataset):
    config = small_networks.config("mini_ddpm", (4, 8), groups="max", patch_size=2)
    recipe = replace(tiny_recipe, network=config)
    network = small_networks.perturb(build_network(config, recipe.data))
    remove_channels(network, config, 0.5)
    lost = {name: values == 0 for name, values in network.named_parameters()}
    assert any(zero.any() for zero in lost.values())
    compression = replace(PRUNED, prune_method="channels_l1", prune_ratio=0.5, filter_ratio=0.0)
    tuned(network, recipe, tiny_dataset, compression)
    for name, values in network.named_parameters():
        assert values[lost[name]].all(), name


def test_a_cool_down_repeats_and_its_seed_is_not_the_trainings(
    tiny_network, tiny_recipe, tiny_dataset
):
    start = {name: values.clone() for name, values in tiny_network.state_dict().items()}
    states = []
    for seed in (0, 0, 1):
        tiny_network.load_state_dict(start)
        training = replace(tiny_recipe.training, seed=seed)
        tuned(tiny_network, replace(tiny_recipe, training=training), tiny_dataset)
        states.append(torch.cat([v.flatten() for v in tiny_network.state_dict().values()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.parametrize(("images", "steps"), [(1, 1), (16, 1), (17, 2), (160, 10)])
def test_length_and_learning_rate_are_the_compressions(
    tiny_network, tiny_recipe, tiny_dataset, monkeypatch, images, steps
):
    rates, seen = [], []
    build = descent_module.build_optimizer

    def spied(network, config):
        optimizer = build(network, config)
        optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return optimizer

    monkeypatch.setattr(descent_module, "build_optimizer", spied)
    assert tiny_recipe.training.warmup_images > 0
    config = replace(PRUNED, finetune_images=images, finetune_learning_rate=3e-5)
    tuned(tiny_network, tiny_recipe, tiny_dataset, config, seen.append)
    falling = [3e-5 * (1 - step / steps) for step in range(steps)]
    assert rates == pytest.approx(falling), "no warm-up, and 0 after the last step"
    assert seen[-1] == 16 * steps


def test_a_bad_learning_rate_is_named(tiny_network, tiny_recipe, tiny_dataset):
    wild = replace(PRUNED, finetune_learning_rate=100.0)
    with pytest.raises(TrainingDiverged, match="training diverged at step"):
        tuned(tiny_network, tiny_recipe, tiny_dataset, wild)


def mean_loss(network, recipe, dataset):
    """Average the loss over ten draws of noise, always the same ones."""
    generator = torch.Generator().manual_seed(5)
    images = dataset.train_images / 127.5 - 1
    denoiser = build_denoiser(network, recipe)
    with torch.no_grad():
        losses = [denoiser.loss(images, dataset.train_labels, generator) for _ in range(10)]
    return torch.stack(losses).mean().item()


@pytest.fixture(scope="module")
def flat_dataset(tiny_dataset):
    """The tiny data with images of one grey level for each label, which are soon learned."""
    levels = torch.tensor([40, 120, 200], dtype=torch.uint8)[tiny_dataset.train_labels]
    images = levels[:, None, None, None].expand(-1, 1, 8, 8).contiguous()
    return replace(tiny_dataset, train_images=images)


def by_hand(network, recipe, dataset):
    """Take a cool-down's steps as a plain loop of Adam; return the weights and their average."""
    compression = recipe.compression
    seed, size = recipe.training.seed + 1, compression.finetune_batch_size
    config = replace(
        recipe.training, batch_size=size, seed=seed, warmup_images=0, label_dropout_end_images=0
    )
    batches = Batches(dataset.train_images, dataset.train_labels, config, 3, torch.device("cpu"))
    noise, denoiser = torch.Generator().manual_seed(seed), build_denoiser(network, recipe).train()
    named = dict(network.named_parameters())
    optimizer = torch.optim.Adam(named.values(), betas=(0.9, config.adam_beta2), fused=True)
    steps = compression.finetune_images // size
    average = {name: value.detach().clone() for name, value in named.items()}
    exponent = power_exponent(RELATIVE_LENGTHS["short"])
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = compression.finetune_learning_rate * (1 - step / steps)
        optimizer.zero_grad()
        denoiser.loss(*batches.draw(step), noise).backward()
        optimizer.step()
        keep = (step / (step + 1)) ** (exponent + 1)
        for name, value in named.items():
            average[name] = keep * average[name] + (1 - keep) * value.detach()
    return average


def test_without_compression_it_is_plain_steps_at_a_falling_rate(
    tiny_network, tiny_recipe, tiny_dataset
):
    config = CompressionConfig(
        finetune_images=96, finetune_learning_rate=1e-3, finetune_batch_size=16
    )
    recipe = replace(tiny_recipe, compression=config)
    twin = copy.deepcopy(tiny_network)
    images, labels = tiny_dataset.train_images, tiny_dataset.train_labels
    (end,) = cool_down(tiny_network, recipe, images, labels)
    average = by_hand(twin, recipe, tiny_dataset)
    for name, value in twin.named_parameters():
        assert torch.allclose(tiny_network.get_parameter(name), value, atol=2e-6), name
        assert torch.allclose(end.state[name], average[name], atol=2e-6), name


RESUMED = {
    "none": {},
    "uniform": {"compression.quantization": "uniform", "compression.quantization_step": 0.3},
    "weights8": {"compression.quantization": "weights8"},
    "linear4": {"compression.quantization": "linear4"},
    "bf16": {"training.precision": "bf16"},
    "score matching": {"training.formulation": "score_matching"},
    "noise prediction": {"training.formulation": "noise_prediction"},
    "adam8bit": {"training.optimizer": "adam8bit"},
}


@pytest.mark.parametrize("changes", RESUMED.values(), ids=RESUMED)
@pytest.mark.parametrize("has_teacher", [False, True])
def test_a_killed_cool_down_ends_the_same_to_the_last_bit(
    tiny_network, tiny_recipe, tiny_dataset, changes, has_teacher
):
    compression = replace(PRUNED, finetune_teacher=has_teacher)
    recipe = replace(tiny_recipe, compression=compression).with_changes(changes)
    teacher = copy.deepcopy(tiny_network)
    prune(tiny_network, compression)
    step = recipe.compression.quantization_step
    steps = relative_steps(tiny_network, step) if step else None
    zeros = [(name, layer.weight == 0) for name, layer in conv_layers(tiny_network)]
    data = tiny_dataset.train_images, tiny_dataset.train_labels
    memory, ends = Memory(), []
    for _ in range(2):
        network, guide = copy.deepcopy(tiny_network), copy.deepcopy(teacher)
        (end,) = cool_down(network, recipe, *data, steps=steps, teacher=guide, keeper=memory)
        ends.append(end.state)
        memory.kept = memory.kept[: len(memory.kept) // 2]
        assert 0 < memory.kept[-1].step < 10
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
    for name, size in (steps or {}).items():
        assert torch.equal(ends[0][name], (ends[0][name] / size).round() * size), name
    assert sum(int(zero.sum()) for _, zero in zeros) > 0.3 * sum(z.numel() for _, z in zeros)
    for name, zero in zeros:
        assert not ends[0][f"{name}.weight"][zero].any(), name
        moved = ends[0][f"{name}.weight"] != tiny_network.state_dict()[f"{name}.weight"]
        assert moved.any() or zero.all(), name


def conv_layers(network):
    return list(small_networks.convolutions(network).items())


@pytest.mark.parametrize("quantization", ["uniform", "weights8", "linear4"])
def test_the_weights_are_rounded_as_in_the_package_and_put_back(tiny_network, quantization):
    before = copy.deepcopy(tiny_network.state_dict())
    steps, expected = relative_steps(tiny_network, 0.5), copy.deepcopy(tiny_network)
    if quantization == "uniform":
        round_weights(expected, steps)
    for name, stored in quantize_weights(tiny_network, quantization).items():
        if isinstance(stored, QuantizedTensor):
            expected.get_parameter(name).data.copy_(stored.dequantize())
    with StraightThrough(tiny_network, quantization, steps).rounded():
        for name, value in tiny_network.state_dict().items():
            assert torch.equal(value, expected.state_dict()[name]), name
    for name, value in tiny_network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("formulation", choices(Formulation))
def test_an_identical_teacher_leaves_nothing_to_learn(
    tiny_network, tiny_recipe, tiny_dataset, formulation
):
    training = replace(tiny_recipe.training, formulation=formulation)
    recipe = replace(tiny_recipe, training=training)
    denoiser = build_denoiser(tiny_network, recipe)
    teacher = build_denoiser(copy.deepcopy(tiny_network), recipe)
    images = tiny_dataset.train_images[:8] / 127.5 - 1
    loss = denoiser.loss(images, tiny_dataset.train_labels[:8], torch.Generator(), teacher)
    loss.backward()
    assert loss.item() == 0
    assert all(not p.grad.any() for p in tiny_network.parameters() if p.grad is not None)
    assert all(p.grad is None for p in teacher.parameters())


def test_a_cool_down_without_images_is_refused(tiny_network, tiny_recipe, tiny_dataset):
    recipe = replace(tiny_recipe, compression=PRUNED)
    images, labels = tiny_dataset.train_images[:0], tiny_dataset.train_labels[:0]
    with pytest.raises(ValueError, match="training images of the cool-down are 0; allowed: 1"):
        next(cool_down(tiny_network, recipe, images, labels))


def test_steps_that_leave_no_weights_are_refused_before_training(
    tiny_network, tiny_recipe, tiny_dataset
):
    config = replace(PRUNED, quantization="uniform", quantization_step=16.0)
    recipe = replace(tiny_recipe, compression=config)
    steps = relative_steps(tiny_network, 16.0)
    seen = []
    message = r"compression.quantization_step is 16, which rounds all weights to 0; allowed: a sm"
    with pytest.raises(InvalidRecipe, match=message):
        next(
            cool_down(
                *(tiny_network, recipe, tiny_dataset.train_images, tiny_dataset.train_labels),
                steps=steps,
                on_progress=seen.append,
            )
        )
    assert seen == []


@pytest.mark.slow
def test_system_b_prunes_filters_and_weights_and_cools_down(tmp_path, tiny_recipe, flat_dataset):
    training = replace(
        tiny_recipe.training, train_images=1_600, learning_rate=1e-2, warmup_images=0
    )
    compression = CompressionConfig(
        "l1", 0.3, filter_ratio=0.1, finetune_images=640, finetune_learning_rate=1e-3
    )
    recipe = replace(tiny_recipe, training=training, compression=compression)
    images, labels = flat_dataset.train_images, flat_dataset.train_labels
    (snapshot,) = train(recipe, images, labels, torch.device("cpu"))
    network = build_network(recipe.network, recipe.data)
    network.load_state_dict(snapshot.tracks["mid"])
    losses = [mean_loss(network, recipe, flat_dataset)]
    prune(network, compression)
    masks = [mask for _, mask in pruned_masks(network)]
    losses.append(mean_loss(network, recipe, flat_dataset))
    (end,) = cool_down(network, recipe, images, labels)
    network.load_state_dict(end.state)
    losses.append(mean_loss(network, recipe, flat_dataset))
    write_package(tmp_path / "model.pdm", recipe, network)
    model = read_package(tmp_path / "model.pdm")

    trained, pruned, tuned = losses
    assert trained < tuned < pruned, "fine-tuning wins back some of what pruning has cost"
    assert [mask.tolist() for _, mask in pruned_masks(model.network)] == [
        m.tolist() for m in masks
    ]
    for layer in region_layers(model.network, "all"):
        assert int((layer.weight == 0).sum()) >= round(0.3 * layer.weight.numel())
        if layer.weight.ndim == 4 and layer is not model.network.out:
            whole = layer.weight.transpose(0, 1) if layer.transposed else layer.weight
            gone = (whole.flatten(1) == 0).all(dim=1)
            assert int(gone.sum()) >= round(0.1 * len(gone))
    drawn = [
        each.generate(torch.arange(6) % 3) for each in (model, DiffusionModel(recipe, network))
    ]
    assert torch.equal(*drawn)
