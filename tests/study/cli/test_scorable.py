"""Scores that every trial of a study would lack are refused before it begins."""

import sys
from dataclasses import replace

import pytest

from diffusion.data import ImageDataset
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.extractor import FeatureExtractor
from search_spaces import load_space
from study.cli.scorable import check_scorable
from study.results.objectives import OBJECTIVES

QUICK = load_space("quick")


@pytest.fixture
def extractor(mnist5k: ImageDataset) -> FeatureExtractor:
    return build_extractor(mnist5k.config(), None, mnist5k.class_names)


def test_the_quick_space_can_be_scored_by_everything_with_and_without_its_design(
    mnist5k: ImageDataset, extractor: FeatureExtractor
) -> None:
    for space in (QUICK, replace(QUICK, covering=())):
        check_scorable(OBJECTIVES, space, mnist5k, extractor)


def test_an_extrapolation_needs_more_than_four_images_a_feature(
    mnist5k: ImageDataset, extractor: FeatureExtractor
) -> None:
    least = 4 * extractor.dimension + 1
    check_scorable(["fid_infinity"], replace(QUICK, fid_num_images=least), mnist5k, extractor)
    few = replace(QUICK, fid_num_images=least - 1)
    check_scorable(["fid", "kid", "label_agreement"], few, mnist5k, extractor)
    why = f"'quick' scores by {least - 1} images, and extractor 'digits' needs {least} for it"
    with pytest.raises(ValueError, match=f"is of 'fid_infinity', but space {why}; allowed: fid, "):
        check_scorable(["fid_infinity"], few, mnist5k, extractor)


def test_a_latency_in_onnxruntime_needs_what_exports(
    mnist5k: ImageDataset, extractor: FeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    check_scorable(["fid", "latency_ms"], QUICK, mnist5k, extractor)
    why = r"'onnx_latency_ms', but onnxruntime is missing; .*paretodiff\[onnx\].*; allowed: fid, "
    with pytest.raises(ValueError, match=why):
        check_scorable(["onnx_latency_ms"], QUICK, mnist5k, extractor)


def test_networks_without_labels_have_no_label_agreement(
    mnist5k: ImageDataset, extractor: FeatureExtractor
) -> None:
    space = load_space("system-a-ncsn")
    check_scorable(["fid"], space, mnist5k, extractor)
    with pytest.raises(ValueError, match=r"networks of space 'system-a-ncsn' take no labels"):
        check_scorable(["label_agreement"], space, mnist5k, extractor)
