"""Extractors and settings that mean nothing, or no longer what they did, are refused."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from refusals import Refused
from resolved_settings import resumed

from diffusion.score.digits import DIGITS_SHA256
from study.run.settings import RunSettings, save_settings
from study.run.settings_format import FORMAT_VERSION
from study.search import main as search

pytestmark = pytest.mark.usefixtures("one_dataset")

BAD_EXTRACTORS = [
    (["--inception-weights", "w.pth"], "--inception-weights is 'w.pth'; allowed: with --extrac"),
    (
        ["--extractor", "digits.safetensors", "--inception-weights", "w.pth"],
        "--inception-weights is 'w.pth'; allowed: with --extractor inception",
    ),
    (["--inception-sha256", "0" * 64], "--inception-sha256 is '000"),
    (
        ["--extractor", "digits.safetensors", "--inception-sha256", "0" * 64],
        "allowed: with --extractor inception",
    ),
    (
        ["--extractor", "inception", "--inception-sha256", "6726825d"],
        "sha256 is '6726825d'; allowed: 64 hexadecimal digits",
    ),
    (["--extractor", "inception", "--inception-sha256", ""], "sha256 is ''; allowed: 64 hex"),
    (["--extractor", "inception", "--inception-sha256", "xy" * 32], "allowed: 64 hexadecimal"),
    (["--extractor", "inception", "--inception-weights", "/no/w.pth"], "weights /no/w.pth cannot"),
    (["--extractor", "Inception"], "Inception cannot be read"),
    (["--extractor", ""], "cannot be read"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_EXTRACTORS)
def test_extractors_that_mean_nothing_are_refused(
    arguments: list[str], message: str, tmp_path: Path, refused: Refused
) -> None:
    assert message in refused(lambda: search(["--out", str(tmp_path / "runs"), *arguments]))
    assert list(tmp_path.iterdir()) == []


def test_other_inception_weights_than_asked_for_are_refused(
    tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "w.pth").write_bytes(b"")
    weights = ["--extractor", "inception", "--inception-weights", str(tmp_path / "w.pth")]
    found = "have SHA-256 e3b0c44298fc1c14"
    for sha256, allowed in (
        ([], "for others on purpose, give theirs with --inception-sha256"),
        (["--inception-sha256", "0" * 64], f"; allowed: {'0' * 64}"),
    ):
        line = refused(lambda sha256=sha256: search([*weights, *sha256]))
        assert found in line
        assert allowed in line


def test_a_resume_on_other_built_in_features_is_refused(settings: RunSettings) -> None:
    run = replace(settings, extractor_sha256="0" * 64)
    message = rf"has SHA-256 {DIGITS_SHA256[:16]}, but the run has 0{{16}}; allowed: the features"
    with pytest.raises(ValueError, match=message):
        resumed(run)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inception-weights", "/w.pth"], "inception_weights is '/w.pth', but the run has None"),
        (["--inception-sha256", "1" * 64], "extractor_sha256 is '1111"),
    ],
)
def test_a_resume_on_other_inception_weights_is_refused(
    arguments: list[str], message: str, settings: RunSettings
) -> None:
    run = replace(settings, extractor="inception", extractor_sha256="0" * 64)
    with pytest.raises(ValueError, match=r"but the run has .*; allowed: the same") as error:
        resumed(run, "--extractor", "inception", *arguments)
    assert message in str(error.value)


def test_a_resume_finds_out_that_the_weights_were_replaced(
    settings: RunSettings, tmp_path: Path, refused: Refused
) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"replaced")
    run = replace(
        settings,
        extractor="inception",
        inception_weights=str(weights),
        extractor_sha256="0" * 64,
    )
    (tmp_path / "run").mkdir()
    save_settings(tmp_path / "run", run)
    line = refused(lambda: search(["--resume", str(tmp_path / "run")]))
    assert f"weights {weights} have SHA-256 " in line
    assert line.endswith(f"; allowed: {'0' * 64}")


def test_a_run_of_an_older_format_is_refused(
    settings: RunSettings, tmp_path: Path, refused: Refused
) -> None:
    values = dataclasses.asdict(settings) | {"format": 3}
    values["versions"] = {"paretodiff": "0.1"}
    (tmp_path / "run.json").write_text(json.dumps(values))
    line = refused(lambda: search(["--resume", str(tmp_path)]))
    allowed = " or ".join(map(str, range(4, FORMAT_VERSION + 1)))
    assert f"{tmp_path / 'run.json'} has format 3; allowed: {allowed}. " in line
    assert line.endswith("is read by that one: paretodiff 0.1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "nope"}, "space is 'nope'; allowed: quick, "),
        (
            {"formulation": "score_matching"},
            "formulation is 'score_matching'; allowed: edm, published",
        ),
        ({"formulation": "published"}, "space 'quick' has no named rows"),
        ({"rows": ["base"]}, "space 'quick' has no named rows"),
        ({"space": "system-a-ncsn", "rows": ["rand 20"]}, "row is 'rand 20' in space"),
        ({"rows": 3}, "is not as we write it"),
        (
            {"extractor": "inception", "extractor_sha256": "12"},
            "sha256 is '12'; allowed: 64 hexadecimal digits",
        ),
        ({"extractor": "/e", "inception_weights": "/w"}, "weights is '/w' with extractor '/e'"),
        ({"train_images": 0}, "train_images is 0; allowed: 1 or more"),
        ({"limits": None}, "is not as we write it"),
        ({"limits": {"recall": 1}}, "limit is of 'recall'; allowed: fid, "),
        ({"limits": {"size_bytes": 0}}, "limit of size_bytes is 0; allowed: a finite number"),
        ({"limits": {"macs": "few"}}, "limit of macs is 'few'; allowed: a finite number above 0"),
    ],
)
def test_settings_that_name_nothing_are_refused(
    change: dict[str, Any], message: str, settings: RunSettings, tmp_path: Path
) -> None:
    values = dataclasses.asdict(settings) | {"format": FORMAT_VERSION} | change
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="is not as we write it") as error:
        RunSettings.load(tmp_path)
    assert message in str(error.value)
