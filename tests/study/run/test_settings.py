"""A run's settings come back as they were written, and what is not as we write it is named."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diffusion.errors import LONGEST_LINE
from diffusion.recipe import Recipe
from diffusion.score.extractor_choice import ExtractorChoice
from search_spaces.stored import StoredBackbone
from study.run.database import Database
from study.run.folder import EXTRACTOR_NAME
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


def test_a_run_s_own_classifier_is_found_where_its_folder_lies_now(
    tmp_path: Path, settings: RunSettings
) -> None:
    before, now = tmp_path / "before" / EXTRACTOR_NAME, tmp_path / EXTRACTOR_NAME
    save_settings(tmp_path, dataclasses.replace(settings, extractor=str(before)))
    assert RunSettings.load(tmp_path).extractor == str(before), "there is none here either"
    now.write_bytes(b"")
    assert RunSettings.load(tmp_path).extractor == str(now)
    before.parent.mkdir()
    before.write_bytes(b"")
    assert RunSettings.load(tmp_path).extractor == str(before)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(RunSettings)])
def test_a_missing_field_is_named(tmp_path: Path, settings: RunSettings, field: str) -> None:
    save_settings(tmp_path, settings)
    values = json.loads((tmp_path / "run.json").read_text())
    del values[field]
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=f"lacks {field}"):
        RunSettings.load(tmp_path)


@pytest.mark.parametrize(
    ("version", "field", "value"),
    [
        *((4, "address", None), (6, "backbones", ()), (7, "space_sha256", None)),
        *((9, "storage", None), (9, "study_name", None)),
        *((10, "loggers", ()), (10, "tracking_id", None)),
        *((11, "precision", None), (12, "compiles", False)),
    ],
)
def test_a_run_of_a_format_before_lacks_what_was_added(
    tmp_path: Path, settings: RunSettings, version: int, field: str, value: object
) -> None:
    settings = RunSettings(**{**vars(settings), field: value})
    save_settings(tmp_path, settings)
    values = json.loads((tmp_path / "run.json").read_text())
    del values[field]
    (tmp_path / "run.json").write_text(json.dumps({**values, "format": version}))
    assert RunSettings.load(tmp_path) == settings


def test_trackers_round_trip(tmp_path: Path, settings: RunSettings) -> None:
    kept = replace(settings, loggers=("wandb", "mlflow:http://host"), tracking_id="0" * 16)
    save_settings(tmp_path, kept)
    assert RunSettings.load(tmp_path) == kept
    values = json.loads((tmp_path / "run.json").read_text())
    for change in ({"loggers": ["mlfow"]}, {"loggers": "wandb"}, {"tracking_id": "' or 1"}):
        (tmp_path / "run.json").write_text(json.dumps(values | change))
        with pytest.raises(ValueError, match=r"run\.json is not as we write it: "):
            RunSettings.load(tmp_path)


def test_a_database_round_trips_and_a_journal_is_none(
    tmp_path: Path, settings: RunSettings
) -> None:
    assert settings.database is None
    url = f"sqlite:///{tmp_path}/study.db"
    kept = replace(settings, storage=url, study_name="mine-0a1b2c3d")
    save_settings(tmp_path, kept)
    assert RunSettings.load(tmp_path).database == Database(url, "mine-0a1b2c3d")


def test_no_code_is_run_that_a_run_names(tmp_path: Path, settings: RunSettings) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('it ran')")
    for changes in ({}, {"space_sha256": "0" * 64}):
        named = replace(settings, space=str(trap), **changes)
        save_settings(tmp_path, named)
        with pytest.raises(
            ValueError, match=r"space is '.*trap\.py'|is a file; allowed: one of ours"
        ):
            RunSettings.load(tmp_path).load_space()


@pytest.fixture
def compressing(settings: RunSettings, digit_recipe: Recipe) -> RunSettings:
    """The settings of a run that compresses a stored backbone."""
    backbone = StoredBackbone(
        digit_recipe.backbone_key, digit_recipe.network, digit_recipe.training, ("none", "mid")
    )
    return dataclasses.replace(
        settings, space="compress", space_edition=3, store="/store", backbones=(backbone,)
    )


def test_stored_backbones_round_trip_and_make_the_space(
    tmp_path: Path, compressing: RunSettings, digit_recipe: Recipe
) -> None:
    save_settings(tmp_path, compressing)
    loaded = RunSettings.load(tmp_path)
    assert loaded == compressing
    space = loaded.load_space()
    recipe = space.recipe(space.covering[0], digit_recipe.data)
    assert recipe.backbone_key == digit_recipe.backbone_key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"store": None}, "store is None with backbones; allowed: the one that has them"),
        ({"backbones": []}, "space 'compress' has no backbones"),
        ({"backbones": None}, "backbones is None; allowed: a list, each an object"),
        ({"backbones": [3]}, "allowed: a list, each an object"),
        ({"backbones": [{"key": "0" * 16}]}, "StoredBackbone"),
        ({"space": "quick"}, "space 'quick' trains its backbones"),
    ],
)
def test_backbones_that_are_not_as_we_write_them_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path, compressing: RunSettings
) -> None:
    (tmp_path / "run.json").write_text(json.dumps({**compressing.to_json(), **changes}))
    with pytest.raises(ValueError, match="is not as we write it") as error:
        RunSettings.load(tmp_path)
    assert message in str(error.value)


def test_another_backbone_s_key_is_refused(tmp_path: Path, compressing: RunSettings) -> None:
    (backbone,) = compressing.backbones
    other = dataclasses.replace(backbone, key="0" * 16)
    save_settings(tmp_path, dataclasses.replace(compressing, backbones=(other,)))
    with pytest.raises(ValueError, match=f"key is {'0' * 16}; allowed: {backbone.key}"):
        RunSettings.load(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", "3", "seed is '3'; allowed: a whole number"),
        ("seed", True, "seed is True; allowed: a whole number"),
        ("seed", -1, "seed is -1; allowed: 0 to "),
        ("trials", 0, "trials is 0; allowed: 1 to "),
        ("trials", 10**30, "trials is 1000"),
        ("trials", 5.0, "trials is 5.0; allowed: a whole number"),
        ("time_budget_seconds", "1h", "time_budget_seconds is '1h'; allowed: a finite number"),
        ("time_budget_seconds", float("nan"), "time_budget_seconds is nan; allowed: a finite"),
        ("cpus_per_trial", 1e-320, "cpus_per_trial is 1e-320; allowed: 0.01 to 4096"),
        ("cpus_per_trial", 10**400, "allowed: a finite number"),
        ("reuse", 1, "reuse is 1; allowed: true or false"),
        ("dataset", None, "dataset is None; allowed: a text"),
        ("rows", [1], "rows is (1,); allowed: a list, each a text"),
        ("limits", {"size_bytes": "500k"}, "limit of size_bytes is '500k'"),
        ("limits", [["size_bytes", 1]], "is not as we write it"),
        ("data", {"name": "mnist5k"}, "is not as we write it"),
        ("device", "tpu", "device is 'tpu'; allowed: cpu or cuda"),
        ("store", "backbones", "store is 'backbones'; allowed: an absolute path"),
        ("store", "../other", "store is '../other'; allowed: an absolute path"),
        ("storage", "nowhere", "storage is no URL of a database; allowed: like postgresql"),
        ("storage", "postgresql://me:hidden@host/db", "storage has a password in its URL;"),
        ("storage", "sqlite:////study.db", "study_name is None; allowed: one where there is"),
        ("study_name", "run-1", "study_name is 'run-1'; allowed: one where there is a storage"),
        ("address", 6379, "address is 6379; allowed: a text or "),
        ("objectives", [["fid"]], "is not as we write it"),
    ],
)
def test_a_value_of_another_type_or_range_is_named(
    field: str, value: Any, message: str, tmp_path: Path, settings: RunSettings
) -> None:
    save_settings(tmp_path, settings)
    values = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**values, field: value}))
    with pytest.raises(ValueError, match=r"run\.json is not as we write it: ") as error:
        RunSettings.load(tmp_path)
    assert message in str(error.value)
    assert "hidden" not in str(error.value)
    assert len(str(error.value)) <= LONGEST_LINE


def test_whole_numbers_may_be_written_without_a_point(
    tmp_path: Path, settings: RunSettings
) -> None:
    save_settings(tmp_path, settings)
    values = json.loads((tmp_path / "run.json").read_text())
    changes = {"time_budget_seconds": 1800, "cpus_per_trial": 1, "limits": {"macs": 5}}
    (tmp_path / "run.json").write_text(json.dumps({**values, **changes}))
    loaded = RunSettings.load(tmp_path)
    assert (loaded.time_budget_seconds, loaded.cpus_per_trial, loaded.limits["macs"]) == (
        *(1_800.0, 1.0),
        5.0,
    )


@pytest.mark.parametrize("target", ["/dev/zero", "elsewhere.json"])
def test_settings_are_not_read_through_a_link(
    target: str, tmp_path: Path, settings: RunSettings
) -> None:
    save_settings(tmp_path, settings)
    (tmp_path / "run.json").rename(tmp_path / "elsewhere.json")
    (tmp_path / "run.json").symlink_to(target)
    with pytest.raises(ValueError, match=r"run\.json is no regular file"):
        RunSettings.load(tmp_path)
