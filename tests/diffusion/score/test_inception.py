"""The Inception extractor, with random weights: torch-fidelity's own FID, and what is refused."""

import hashlib
import io
import pickle
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity
from torch_fidelity import feature_extractor_inceptionv3 as inceptionv3

from diffusion.cache import cache_dir
from diffusion.errors import MetricUndefined
from diffusion.recipe import DataConfig
from diffusion.score import inception
from diffusion.score.choose_extractor import ExtractorChoice, build_extractor
from diffusion.score.frechet import FrechetReference, GaussianStatistics
from diffusion.score.inception import PUBLISHED_SHA256, InceptionExtractor
from diffusion.score.kernel import squared_discrepancy

COLOUR = DataConfig("folder:/mine", 32, 3, 2, "")
GREY = DataConfig("folder:/mine", 28, 1, 2, "")


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def choice_of(path):
    """Choose a file on purpose, with its own hash."""
    return ExtractorChoice("inception", path, sha256_of(path))


def random_images(count, channels, size, seed, darkest=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(darkest, 256, (count, channels, size, size), generator=generator)
    return images.to(torch.uint8)


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory):
    """Weights of the right shapes, of a spread that keeps activations neither 0 nor infinite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inceptionv3, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(inceptionv3.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = inceptionv3.FeatureExtractorInceptionV3("random", ["2048"])
    generator = torch.Generator().manual_seed(0)
    for name, weights in network.named_parameters():
        if weights.ndim == 4:
            fan_in = weights[0].numel()
            weights.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
        elif name.endswith("bn.bias"):
            weights.uniform_(-0.2, 0.2, generator=generator)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def extractor(weights_file):
    return build_extractor(COLOUR, choice_of(weights_file))


class Images(torch.utils.data.Dataset):
    """Images as torch-fidelity takes them."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


@pytest.mark.slow  # torch-fidelity takes its time
def test_fid_and_kid_are_torch_fidelity_s_own(extractor, weights_file):
    # Fewer images than features, as ever here: it is the same number, if not a good one.
    real, drawn = random_images(16, 3, 32, seed=1), random_images(16, 3, 32, seed=2, darkest=160)
    features, drawn_features = extractor.features(real), extractor.features(drawn)
    reference = FrechetReference(GaussianStatistics.from_features(features))
    fid = reference.distance(GaussianStatistics.from_features(drawn_features))
    theirs = torch_fidelity.calculate_metrics(
        input1=Images(drawn),
        input2=Images(real),
        fid=True,
        kid=True,
        kid_subset_size=16,  # All of them, so that chance has no part in it.
        kid_subsets=1,
        feature_extractor_weights_path=str(weights_file),
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    assert fid == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)
    # Theirs is the small difference of float32 sums.
    kid = squared_discrepancy(drawn_features, features)
    assert kid == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-6, rel=1e-6)
    assert kid > 1e-2


def test_features_are_2048_finite_numbers_that_tell_images_apart(extractor, weights_file):
    images = random_images(3, 3, 32, seed=3)
    features = extractor.features(images)
    assert isinstance(extractor, InceptionExtractor)
    assert (extractor.name, extractor.layer) == ("inception", "2048")
    assert extractor.sha256 == sha256_of(weights_file)
    assert features.shape == (3, extractor.dimension) == (3, 2048)
    assert features.dtype == np.float64
    assert np.isfinite(features).all()
    assert np.abs(features[0] - features[1]).max() > 0.01
    assert extractor.guess_labels(images) is None
    assert extractor.features(images[:0]).shape == (0, 2048)


def test_grey_images_are_their_repetition_in_rgb(weights_file):
    extractor = build_extractor(GREY, choice_of(weights_file))
    images = random_images(3, 1, 28, seed=4)
    features = extractor.features(images)
    assert features.std(axis=0).max() > 0
    np.testing.assert_array_equal(features, extractor.features(images.repeat(1, 3, 1, 1)))


def test_features_do_not_depend_on_the_batches(extractor, monkeypatch):
    images = random_images(4, 3, 20, seed=5)
    features = extractor.features(images)
    monkeypatch.setattr(inception, "BATCH_SIZE", 3)
    np.testing.assert_allclose(extractor.features(images), features, rtol=1e-4, atol=1e-5)


def test_building_leaves_the_global_seed_alone(weights_file):
    state = torch.get_rng_state()
    build_extractor(COLOUR, choice_of(weights_file))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 2, 32, 32, dtype=torch.uint8),
        torch.zeros(2, 4, 32, 32, dtype=torch.uint8),
        torch.zeros(3, 32, 32, dtype=torch.uint8),
        torch.full((2, 3, 32, 32), torch.nan),
    ],
)
def test_images_of_another_form_are_refused(images, extractor):
    message = r"allowed: \[N, 1 or 3, H, W\] torch.uint8"
    with pytest.raises(ValueError, match=message) as error:
        extractor.features(images)
    assert f"images are {list(images.shape)} {images.dtype}" in str(error.value)


def test_weights_other_than_the_published_ones_are_meant_on_purpose(weights_file):
    with pytest.raises(ValueError, match="give theirs with --inception-sha256") as error:
        build_extractor(COLOUR, ExtractorChoice("inception", weights_file))
    assert sha256_of(weights_file) in str(error.value)
    assert f"allowed: {PUBLISHED_SHA256}" in str(error.value)
    with pytest.raises(ValueError, match=f"{sha256_of(weights_file)}; allowed: {'0' * 64}$"):
        build_extractor(COLOUR, ExtractorChoice("inception", weights_file, "0" * 64))


@pytest.mark.parametrize("name", ["missing.pth", "."])
def test_a_file_that_cannot_be_read_is_named(name, tmp_path):
    with pytest.raises(ValueError, match=r"weights .* cannot be read: .*(No such|no regular)"):
        build_extractor(COLOUR, ExtractorChoice("inception", tmp_path / name))


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no weights, but text",
        b"PK\x03\x04 no archive",
        saved([torch.zeros(2)]),
        saved({"Conv2d_1a_3x3.conv.weight": 3.5}),
        saved(torch.nn.Linear(2, 2)),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(content, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    refuse(path, "are not a state dict of tensors")


def test_a_file_that_is_cut_off_is_refused(weights_file, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(weights_file.read_bytes()[:-1000])
    refuse(path, "are not a state dict of tensors")


def test_code_in_a_file_never_runs(tmp_path):
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    torch.save({"Conv2d_1a_3x3.conv.weight": Payload(trace)}, path)
    refuse(path, "are not a state dict of tensors")
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "it would have run"


def test_code_in_a_plain_pickle_never_runs(tmp_path):
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Payload(trace), protocol=2))
    refuse(path, "are not a state dict of tensors")
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "it would have run"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop("fc.bias"), 'Missing key(s) in state_dict: "fc.bias"'),
        # As in torchvision's Inception, which is another network.
        (lambda state: state.update({"fc.bias": torch.zeros(1000)}), "size mismatch for fc.bias"),
        (lambda state: state.update({f"aux.{i}": torch.zeros(1) for i in range(99)}), "aux.0"),
        (lambda state: state.clear(), "Missing key(s)"),
    ],
)
def test_weights_of_another_network_are_refused(change, reason, weights_file, tmp_path):
    state = torch.load(weights_file, weights_only=True)
    change(state)
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    assert reason in refuse(path, "do not fit torch-fidelity's Inception")


def refuse(path, message):
    """Check that a file is refused in one readable line, and return it."""
    with pytest.raises(ValueError, match=f"weights {path} {message}: |{message}, but") as error:
        build_extractor(COLOUR, choice_of(path))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    return str(error.value)


def test_without_torch_fidelity_the_error_says_how_to_install_it(weights_file, monkeypatch):
    monkeypatch.setitem(sys.modules, inceptionv3.__name__, None)
    with pytest.raises(MetricUndefined, match=r"pip install 'paretodiff\[inception\]'"):
        build_extractor(COLOUR, choice_of(weights_file))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PARETODIFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def serve(content, monkeypatch):
    """Answer each download with these bytes or this error; return the addresses asked for."""
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)

    monkeypatch.setattr(inception.urllib.request, "urlopen", urlopen)
    return asked


def test_published_weights_are_downloaded_once(weights_file, cache, monkeypatch):
    monkeypatch.setattr(inception, "PUBLISHED_SHA256", sha256_of(weights_file))
    asked = serve(weights_file.read_bytes(), monkeypatch)
    for _ in range(2):
        assert build_extractor(COLOUR, ExtractorChoice()).sha256 == sha256_of(weights_file)
    assert asked == [inceptionv3.URL_INCEPTION_V3]
    assert [path.name for path in cache.iterdir()] == ["weights-inception-2015-12-05-6726825d.pth"]


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"PARETODIFF_CACHE": "~/ours", "XDG_CACHE_HOME": "/shared"}, "ours"),
        ({"XDG_CACHE_HOME": "~/shared"}, "shared/paretodiff"),
        ({"PARETODIFF_CACHE": "", "XDG_CACHE_HOME": ""}, ".cache/paretodiff"),
        ({}, ".cache/paretodiff"),
    ],
)
def test_the_cache_lies_where_the_variables_say(variables, folder, tmp_path, monkeypatch):
    for name in ("PARETODIFF_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == tmp_path / folder
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"<html>please log in</html>"])
def test_a_download_of_something_else_is_not_kept(content, cache, monkeypatch):
    serve(content, monkeypatch)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(ValueError, match=f"SHA-256 {found}; allowed: {PUBLISHED_SHA256}"):
        build_extractor(COLOUR, ExtractorChoice())
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (urllib.error.URLError("Name or service not known"), "Name or service not known"),
        (TimeoutError("timed out"), "timed out"),
        (inception.http.client.IncompleteRead(b"half"), "IncompleteRead"),
    ],
)
def test_without_a_network_the_error_names_the_option(error, reason, cache, monkeypatch):
    serve(error, monkeypatch)
    with pytest.raises(ValueError, match=rf"{reason}.*give it with --inception-weights FILE"):
        build_extractor(COLOUR, ExtractorChoice())
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(cache, monkeypatch):
    cache.write_text("a file")
    asked = serve(b"", monkeypatch)
    with pytest.raises(ValueError, match=rf"cannot be downloaded to {cache}.*--inception-weights"):
        build_extractor(COLOUR, ExtractorChoice())
    assert asked == []


def test_other_weights_than_the_published_are_never_downloaded(cache, monkeypatch):
    asked = serve(b"", monkeypatch)
    with pytest.raises(ValueError, match=f"have SHA-256 {PUBLISHED_SHA256}; allowed: {'0' * 64}"):
        build_extractor(COLOUR, ExtractorChoice("inception", sha256="0" * 64))
    assert asked == []
    assert not cache.exists()


def test_a_damaged_file_in_the_cache_is_named(cache, monkeypatch):
    path = cache / inceptionv3.URL_INCEPTION_V3.rsplit("/", 1)[-1]
    cache.mkdir()
    path.write_bytes(b"damaged")
    serve(urllib.error.URLError("no network"), monkeypatch)
    with pytest.raises(ValueError, match=f"weights {path} have SHA-256 .*; allowed: 6726825d"):
        build_extractor(COLOUR, ExtractorChoice())
