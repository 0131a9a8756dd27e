"""The features that score, from options to a run's settings."""

from pathlib import Path

import pytest

from diffusion.score.extractor_choice import ExtractorChoice
from study.cli.extractor_choice import extractor_choice, extractor_settings
from study.cli.search_options import build_parser


def choice(*arguments: str) -> ExtractorChoice | None:
    return extractor_choice(build_parser("").parse_args(arguments))


def test_nothing_asked_for_is_the_built_in_one() -> None:
    assert choice() is None
    assert extractor_settings(None) == {"extractor": None, "inception_weights": None}


def test_files_are_kept_as_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = choice("--extractor", "inception", "--inception-weights", "w.pth")
    assert extractor_settings(found) == {
        "extractor": "inception",
        "inception_weights": str(tmp_path / "w.pth"),
    }
    classifier = choice("--extractor", "f.safetensors")
    assert classifier is not None
    assert classifier.source == str(tmp_path / "f.safetensors")
