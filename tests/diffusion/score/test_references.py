"""The references that images are scored against, and their cache."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion.score import references as module
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.frechet import GaussianStatistics
from diffusion.score.references import Reference, References


class Counting:
    """An extractor of three features, by hand, that counts the images it saw."""

    name, dimension, layer, preprocessing, sha256 = "sums", 3, "top", "bytes", "abc"

    def __init__(self, **changes):
        self.seen = 0
        for name, value in changes.items():
            setattr(self, name, value)

    def features(self, images):
        self.seen += len(images)
        flat = images.double().flatten(1).numpy()
        return np.stack([flat.mean(axis=1), flat[:, 0], flat[:, -1] ** 2 / 3], axis=1)

    def guess_labels(self, images):
        return None


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (60, 1, 4, 4), dtype=torch.uint8, generator=generator)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PARETODIFF_CACHE", str(tmp_path))
    return tmp_path / "references"


def test_second_look_comes_from_the_cache_to_the_last_bit(images, cache):
    first, again = Counting(), Counting()
    computed, read = Reference.of(images, first), Reference.of(images, again)
    assert first.seen >= len(images)
    assert again.seen == 0
    for name in ("mean", "covariance"):
        kept = getattr(read.frechet.statistics, name)
        np.testing.assert_array_equal(kept, getattr(computed.frechet.statistics, name))
    np.testing.assert_array_equal(read.frechet.root, computed.frechet.root)
    np.testing.assert_array_equal(read.features, computed.features)
    other = GaussianStatistics.from_features(Counting().features(images[:20]))
    assert read.frechet.distance(other) == computed.frechet.distance(other)
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


@pytest.mark.parametrize("changed", ["sha256", "layer", "preprocessing"])
def test_another_extractor_has_another_reference(changed, images, cache):
    Reference.of(images, Counting())
    other = Counting(**{changed: "another"})
    Reference.of(images, other)
    assert other.seen > 0
    assert len(list(cache.iterdir())) == 2


def test_another_image_another_order_or_count_is_another_reference(images, cache):
    changed = images.clone()
    changed[0, 0, 0, 0] ^= 1
    hashes = {
        Reference.of(part, Counting()).sha256
        for part in (images, changed, images.flip(0), images[:-1])
    }
    assert len(hashes) == 4


def test_name_of_the_extractor_alone_changes_nothing(images, cache):
    assert (
        Reference.of(images, Counting()).sha256
        == Reference.of(images, Counting(name="other")).sha256
    )


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", b"text"])
def test_damaged_entry_is_said_and_computed_anew(damage, images, cache, caplog):
    whole = Reference.of(images, Counting())
    (path,) = cache.iterdir()
    path.write_bytes(damage)
    anew = Counting()
    again = Reference.of(images, anew)
    assert anew.seen > 0
    assert f"reference {path} cannot be read" in caplog.text
    np.testing.assert_array_equal(again.features, whole.features)
    assert len(path.read_bytes()) > 500


def test_entry_that_lost_an_array_is_computed_anew(images, cache, caplog):
    Reference.of(images, Counting())
    (path,) = cache.iterdir()
    with np.load(path) as arrays:
        rest = {name: arrays[name] for name in arrays if name != "root"}
    np.savez(path, **rest)
    Reference.of(images, Counting())
    assert "cannot be read" in caplog.text


def rewrite(path, **changes):
    """Change arrays of a cached file, which stays a readable one."""
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize("name", ["count", "mean", "covariance", "root", "features"])
def test_changed_array_is_said_and_computed_anew(name, images, cache, caplog):
    whole = Reference.of(images, Counting())
    (path,) = cache.iterdir()
    with np.load(path) as arrays:
        changed = arrays[name].copy()
    changed.flat[0] += changed.dtype.type(1)
    rewrite(path, **{name: changed})
    anew = Counting()
    again = Reference.of(images, anew)
    assert anew.seen > 0
    assert f"reference {path} cannot be read (its arrays have SHA-256" in caplog.text
    assert again.frechet.statistics.count == whole.frechet.statistics.count
    for part in ("mean", "covariance"):
        kept = getattr(again.frechet.statistics, part)
        np.testing.assert_array_equal(kept, getattr(whole.frechet.statistics, part))
    np.testing.assert_array_equal(again.frechet.root, whole.frechet.root)
    np.testing.assert_array_equal(again.features, whole.features)
    read = Counting()
    Reference.of(images, read)
    assert read.seen == 0, "what was computed anew is kept"


def test_array_of_another_shape_or_type_is_computed_anew(images, cache):
    Reference.of(images, Counting())
    (path,) = cache.iterdir()
    for change in (np.transpose, np.float32):
        with np.load(path) as arrays:
            features = change(arrays["features"].astype(np.float64))
        rewrite(path, features=features)
        anew = Counting()
        Reference.of(images, anew)
        assert anew.seen > 0


def test_without_a_place_for_the_cache_the_scores_still_come(
    images, tmp_path, monkeypatch, caplog
):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("PARETODIFF_CACHE", str(blocked))
    reference = Reference.of(images, Counting())
    assert reference.frechet.statistics.count == len(images)
    assert "reference statistics are not kept" in caplog.text


def test_statistics_are_of_all_images_whatever_the_chunks(images, cache, monkeypatch):
    whole = GaussianStatistics.from_features(Counting().features(images))
    monkeypatch.setattr(module, "CHUNK_IMAGES", 7)
    chunked = Reference.of(images, Counting()).frechet.statistics
    assert chunked.count == len(images)
    np.testing.assert_allclose(chunked.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(chunked.covariance, whole.covariance, rtol=1e-10)


def test_kept_features_are_a_random_part_of_the_images(images, cache, monkeypatch):
    monkeypatch.setattr(module, "MOST_FEATURES", 25)
    kept = Reference.of(images, Counting()).features
    everyone = Counting().features(images)
    rows = {tuple(row) for row in everyone}
    assert kept.shape == (25, 3)
    assert len({tuple(row) for row in kept}) == 25
    assert {tuple(row) for row in kept} <= rows
    assert not np.array_equal(kept, everyone[:25])


def test_both_splits_have_their_own_reference(mnist5k, cache):
    extractor = build_extractor(mnist5k.config())
    references = References.of(mnist5k, extractor)
    assert references.train.frechet.statistics.count == 4_000
    assert references.held_out.frechet.statistics.count == 1_000
    assert references.train.sha256 != references.held_out.sha256
    same = replace(mnist5k, held_out_images=mnist5k.train_images)
    assert References.of(same, extractor).held_out.sha256 == references.train.sha256
