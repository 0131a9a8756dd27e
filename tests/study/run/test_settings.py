"""A run's settings come back as they were written; its folder is new and numbered."""

import dataclasses
import json
from pathlib import Path

import pytest

from diffusion.score.choose_extractor import ExtractorChoice
from study.run.folder import exclusive, new_run_dir
from study.run.settings import RunSettings, save_settings


def test_settings_round_trip_with_the_versions_that_made_them(
    tmp_path: Path, settings: RunSettings
) -> None:
    settings = dataclasses.replace(
        settings,
        objectives=("fid", "recall"),
        limits={"size_bytes": 500_000.0, "macs": 2e6},
        reuse=False,
        early_stopping=False,
        train_images_total=2_000_000,
        retries=0,
        sweep_front=True,
    )
    save_settings(tmp_path, settings)
    assert RunSettings.load(tmp_path) == settings
    written = json.loads((tmp_path / "run.json").read_text())
    assert {"paretodiff", "torch", "ray", "optuna"} <= set(written["versions"])


def test_the_extractor_of_a_run_comes_back_with_its_hash(
    tmp_path: Path, settings: RunSettings
) -> None:
    weights, sha256 = tmp_path / "weights.pth", "0" * 64
    run = dataclasses.replace(
        settings,
        extractor="inception",
        inception_weights=str(weights),
        extractor_sha256=sha256,
    )
    save_settings(tmp_path, run)
    choice = RunSettings.load(tmp_path).extractor_choice()
    assert choice == ExtractorChoice("inception", weights, sha256)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(RunSettings)])
def test_a_missing_field_is_named(tmp_path: Path, settings: RunSettings, field: str) -> None:
    save_settings(tmp_path, settings)
    values = json.loads((tmp_path / "run.json").read_text())
    del values[field]
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=f"lacks {field}"):
        RunSettings.load(tmp_path)


def test_a_run_belongs_to_one_driver_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(ValueError, match="is in use by another process"):  # noqa: SIM117
        with exclusive(tmp_path):
            pass
    with exclusive(tmp_path):
        assert (tmp_path / "study.journal").read_bytes() == b""


def test_runs_are_numbered_after_the_largest(tmp_path: Path) -> None:
    assert new_run_dir(tmp_path, None, "quick") == tmp_path / "quick-001"
    for name in ("quick-001", "quick-007", "quick-x", "other-050"):
        (tmp_path / name).mkdir()
    assert new_run_dir(tmp_path, None, "quick") == tmp_path / "quick-008"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/abs", "-x", "a b", "ü"])
def test_names_that_are_no_plain_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="allowed: letters"):
        new_run_dir(tmp_path, name, "quick")
