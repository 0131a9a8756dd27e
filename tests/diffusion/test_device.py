"""Devices: every tensor is where it is needed, as a GPU that is not there shows."""

import pytest
import torch
from fake_cuda import CUDA, fake_cuda, network_on_cuda
from small_networks import DIGITS, config

from diffusion.compress.calibration import Calibration
from diffusion.compress.prune import prune, pruned_masks
from diffusion.compress.straight_through import StraightThrough
from diffusion.descent import Descent, Phase
from diffusion.device import full_float32, gpu_conditions, prepare
from diffusion.ema import EmaTracks
from diffusion.guidance import guide
from diffusion.process import build_denoiser
from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    EmaConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)
from diffusion.samplers import SAMPLERS
from diffusion.score.batched import in_batches
from diffusion.score.classifier import build_classifier
from diffusion.score.extractor import DigitExtractor

ARCHITECTURES = "ncsn", "ddpm", "mini_ddpm"
FORMULATIONS = "edm", "score_matching", "noise_prediction"
ON_THE_HOST = {"probability_flow_ode"}  # Its solver is scipy's.
BATCH_SIZE = 4
PRUNING = (
    CompressionConfig(prune_method="l1", prune_ratio=0.3),
    CompressionConfig(prune_method="random", prune_ratio=0.3, prune_scope="global"),
    CompressionConfig(filter_ratio=0.5),
)


@pytest.fixture
def recipe(request):
    architecture, formulation, precision = request.param
    training = TrainingConfig(
        train_images=16_000,
        batch_size=BATCH_SIZE,
        formulation=formulation,
        precision=precision,
    )
    parts = training, EmaConfig("mid"), CompressionConfig(), SamplingConfig()
    return Recipe(DIGITS, config(architecture), *parts)


def digits(count=20):
    """Return images and labels as a data set holds them: on the CPU."""
    return torch.zeros(count, 1, 28, 28, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64)


def guided(recipe):
    """Return a guided denoiser on the GPU, and noise for it."""
    denoiser = build_denoiser(network_on_cuda(recipe), recipe)
    labels = torch.zeros(BATCH_SIZE, dtype=torch.int64, device=CUDA)
    denoise = guide(denoiser, labels, DIGITS.num_classes, guidance=2.0)
    return denoise, torch.zeros(BATCH_SIZE, 1, 28, 28, device=CUDA)


def of_kinds(kinds):
    return pytest.mark.parametrize("recipe", kinds, indirect=True, ids="-".join)


of_each_network = of_kinds([(name, "edm", "float32") for name in ARCHITECTURES])
of_each_formulation = of_kinds([("mini_ddpm", name, "float32") for name in FORMULATIONS])
of_every_kind = of_kinds(
    [
        *((network, name, "float32") for network in ARCHITECTURES for name in FORMULATIONS),
        ("mini_ddpm", "edm", "bf16"),
    ]
)


@of_every_kind
@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_a_training_stays_on_its_device(recipe):
    with fake_cuda():
        network = network_on_cuda(recipe)
        descent = Descent(network, recipe, recipe.training, *digits())
        averages = EmaTracks(network, decay=0.9)
        losses = [descent.advance() for _ in range(2)]
        averages.update(descent.images_seen, BATCH_SIZE)
        assert {loss.device for loss in losses} == {CUDA}
        assert {value.device for value in network.parameters()} == {CUDA}
        assert all(value.grad is not None for value in network.parameters())
        tracks = averages.tracks.values()
        assert {value.device for track in tracks for value in track.values()} == {CUDA}
        kept = {**descent.state(), **averages.state()}
        assert {value.device.type for value in kept.values()} == {"cpu"}
        averages.load(averages.state())


@of_every_kind
@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_a_denoiser_stays_on_its_device(recipe):
    with fake_cuda():
        denoise, noise = guided(recipe)
        assert denoise(noise, 2.0).device == CUDA


@of_each_formulation
def test_every_sampler_stays_on_its_device(recipe):
    with fake_cuda():
        denoise, noise = guided(recipe)
        for name in SAMPLERS.keys() - ON_THE_HOST:
            images = SAMPLERS[name](denoise, noise, [5.0, 2.0, 1.0, 0.0], torch.Generator())
            assert (images.device, images.shape) == (CUDA, noise.shape), name


@of_every_kind
@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_calibration_stays_on_its_device(recipe):
    with fake_cuda():
        network = network_on_cuda(recipe)
        calibration = Calibration.of(recipe, network, *digits(), num_images=8)
        distances = calibration.distances(calibration.denoise(network), calibration.clean)
        assert distances.device == CUDA


@of_each_network
def test_a_cool_down_stays_on_its_device(recipe):
    with fake_cuda():
        network, teacher = network_on_cuda(recipe), network_on_cuda(recipe)
        steps = dict.fromkeys((name for name, _ in network.named_parameters()), 0.1)
        rounding = StraightThrough(network, "uniform", steps)
        phase = Phase(lambda step: 0.1, rounding.rounded, teacher=build_denoiser(teacher, recipe))
        descent = Descent(network, recipe, recipe.training, *digits(), phase)
        assert descent.advance().device == CUDA


@of_each_network
@pytest.mark.parametrize("compression", PRUNING, ids=["l1", "random", "filters"])
def test_pruning_stays_on_its_device(compression, recipe):
    with fake_cuda():
        network = network_on_cuda(recipe)
        prune(network, compression)
        for values, is_zero in pruned_masks(network):
            assert (values.device, is_zero.device) == (CUDA, CUDA)


def test_what_scores_runs_on_its_device_and_gives_to_the_cpu():
    extractor = DigitExtractor(knows_labels=True)
    with fake_cuda():
        extractor.move_to(CUDA)
        guesses = extractor.guess_labels(digits(7)[0])
        assert (guesses.device.type, guesses.shape) == ("cpu", (7,))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_trained_classifier_runs_on_its_device(channels):
    form = DataConfig("some", 32, channels, 10, "")
    classifier = build_classifier(form, seed=0).eval()
    images = torch.zeros(7, channels, 32, 32, dtype=torch.uint8)
    with fake_cuda():
        found = in_batches(classifier.to(CUDA), images, 3, CUDA)
        assert (found.device.type, found.shape) == ("cpu", (7, 10))


def test_a_tensor_on_another_device_is_found():
    with fake_cuda(), pytest.raises(RuntimeError, match="device"):
        torch.zeros(2, device=CUDA) + torch.zeros(2)


def test_scores_take_products_in_full_where_a_training_does_not(monkeypatch):
    told = []
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", told.append)
    before = torch.get_float32_matmul_precision()
    try:
        prepare(CUDA)
        assert (torch.get_float32_matmul_precision(), told) == ("high", [CUDA])
        assert not torch.backends.cudnn.benchmark
        with full_float32():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
            assert torch.backends.cudnn.enabled
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_cpu_computes_as_it_did_before():
    before = torch.get_float32_matmul_precision()
    prepare(torch.device("cpu"))
    assert torch.get_float32_matmul_precision() == before
    assert gpu_conditions(torch.device("cpu")) == {}


def test_a_gpu_s_name_and_peak_memory_are_conditions(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 5)
    assert gpu_conditions(CUDA) == {"gpu": "Some GPU", "gpu_peak_memory_bytes": 5}
