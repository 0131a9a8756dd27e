"""Data that nothing built in can score get a classifier of their own, trained once."""

import argparse
from pathlib import Path
from typing import Any

import pytest
from small_pictures import write_pictures

from diffusion.cache import CACHE_VARIABLE
from diffusion.data import ImageDataset, load_dataset
from diffusion.score.classifier import load_classifier
from study.cli import classifier_training
from study.cli.classifier_training import own_extractor, train_own
from study.cli.resolve import new_settings
from study.cli.search_options import build_parser


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(classifier_training, "default_epochs", lambda dataset: 1)


def settings_of(dataset: str, *arguments: str) -> dict[str, Any]:
    given: argparse.Namespace = build_parser("").parse_args(["--dataset", dataset, *arguments])
    return new_settings(given)


def test_it_is_trained_once_for_its_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(f"folder:{write_pictures(tmp_path / 'pictures')}")
    choice = own_extractor(dataset)
    assert choice is not None
    path = Path(choice.source)
    assert not path.exists()
    train_own(dataset, path)
    _, config, _ = load_classifier(path)
    assert (config.data, config.epochs) == (dataset.config(), 1)
    captured = capsys.readouterr()
    assert choice.source in captured.err
    assert captured.out == "", "a program may read it"
    monkeypatch.setattr(classifier_training, "train_classifier", None)  # calling it would raise
    train_own(dataset, path)


def test_digits_need_none(mnist5k: ImageDataset) -> None:
    assert own_extractor(mnist5k) is None


def test_a_folder_of_pictures_is_searched_by_the_general_space(tmp_path: Path) -> None:
    pictures = f"folder:{write_pictures(tmp_path / 'pictures')}"
    settings = settings_of(pictures)
    assert settings["space"] == "images"
    assert Path(settings["extractor"]).parent.name == "classifiers"
    assert settings_of("mnist5k")["space"] == "quick"
    assert settings_of(pictures, "--space", "mnist")["space"] == "mnist"


def test_pictures_of_one_class_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures", classes=1)
    with pytest.raises(ValueError, match="has one class, of which no classifier can be trained"):
        settings_of(f"folder:{pictures}")
    assert not (tmp_path / "cache").exists()


def test_a_dry_run_trains_none_and_settles_the_same_study(tmp_path: Path) -> None:
    pictures = f"folder:{write_pictures(tmp_path / 'pictures')}"
    planned = settings_of(pictures, "--dry-run")
    assert planned["extractor_sha256"] == ""
    assert not (tmp_path / "cache").exists()
    begun = settings_of(pictures)
    assert planned == {**begun, "extractor_sha256": ""}
    assert settings_of(pictures, "--dry-run") == begun


@pytest.mark.parametrize("options", [["--dry-run"], []])
def test_what_cannot_be_scored_is_refused_before_one_is_trained(
    options: list[str], tmp_path: Path
) -> None:
    pictures = f"folder:{write_pictures(tmp_path / 'pictures', size=16)}"
    asked = ["--space", "system-a-ncsn", "--objective", "label_agreement", *options]
    with pytest.raises(ValueError, match="the networks of space 'system-a-ncsn' take no labels"):
        settings_of(pictures, *asked)
    small = f"folder:{write_pictures(tmp_path / 'small', size=8)}"
    with pytest.raises(ValueError, match="image_size is 8; allowed: at least 16"):
        settings_of(small, *options)
    assert not (tmp_path / "cache").exists()
