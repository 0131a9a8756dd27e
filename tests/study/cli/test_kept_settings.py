"""What makes a run's study is kept as the run began, and a resume with another is refused."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from refusals import Refused
from resolved_settings import new, resumed

from diffusion.recipe import DataConfig
from diffusion.score.choose_extractor import ExtractorChoice
from diffusion.score.digits import DIGITS_SHA256
from study.cli.resolve import KEPT
from study.run.settings import RunSettings, save_settings
from study.search import main as search

pytestmark = pytest.mark.usefixtures("one_dataset")


@pytest.fixture
def extractors(monkeypatch: pytest.MonkeyPatch) -> list[ExtractorChoice | None]:
    """Build no extractor, but keep what was asked for."""
    asked: list[ExtractorChoice | None] = []

    def build_extractor(
        data: DataConfig, choice: ExtractorChoice | None, class_names: object
    ) -> object:
        asked.append(choice)
        return SimpleNamespace(sha256=DIGITS_SHA256)

    for module in ("resolve", "scorable"):
        monkeypatch.setattr(f"study.cli.{module}.build_extractor", build_extractor)
    return asked


def test_an_extractor_is_kept_as_a_whole_path(
    extractors: list[ExtractorChoice | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    whole = str(tmp_path / "digits.safetensors")
    assert new("--extractor", "digits.safetensors").extractor == whole
    assert new("--extractor", "~/digits.safetensors").extractor == whole
    assert extractors == [ExtractorChoice(whole)] * 2


@pytest.mark.usefixtures("extractors")
def test_a_file_named_like_a_word_can_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert new("--extractor", "./inception").extractor == str(tmp_path / "inception")
    assert new("--extractor", "inception").extractor == "inception"


def test_inception_is_kept_with_its_weights_and_their_hash(
    extractors: list[ExtractorChoice | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    published = new("--extractor", "inception")
    assert (published.inception_weights, published.extractor_sha256) == (None, DIGITS_SHA256)
    others = ["--inception-weights", "w.pth", "--inception-sha256", "AB" * 32]
    own = new("--extractor", "inception", *others)
    assert own.inception_weights == str(tmp_path / "w.pth")
    assert extractors == [
        ExtractorChoice("inception"),
        ExtractorChoice("inception", tmp_path / "w.pth", "ab" * 32),
    ]
    # A worker, and a resume, must find the weights that the run began with.
    assert own.extractor_choice() == replace(extractors[1], sha256=DIGITS_SHA256)
    assert resumed(own) == own
    assert resumed(own, "--extractor", "inception") == own
    assert extractors[2:] == [own.extractor_choice()] * 2
    assert new().extractor_choice() is None


@pytest.fixture
def table_run(settings: RunSettings, tmp_path: Path) -> RunSettings:
    """A run over two rows with everything that an option can change."""
    return replace(
        settings,
        space="system-a-ncsn",
        space_edition=1,
        train_images=500,
        formulation="published",
        rows=("base", "L1 30"),
        limits={"size_bytes": 500_000.0},
        extractor=str(tmp_path / "digits.safetensors"),
    )


@pytest.mark.usefixtures("extractors")
def test_a_resumed_run_keeps_what_makes_its_study(table_run: RunSettings, tmp_path: Path) -> None:
    same = ["--space", "system-a-ncsn", "--train-images", "500", "--formulation", "published"]
    same += ["--row", "base", "--row", "L1 30", "--extractor", str(table_run.extractor)]
    same += ["--max", "size_bytes=0.5M"]
    for arguments in ([], same):
        again = resumed(table_run, *arguments)
        for name in KEPT:
            assert getattr(again, name) == getattr(table_run, name)


def test_a_run_of_another_edition_of_its_space_is_refused(settings: RunSettings) -> None:
    earlier = replace(settings, space_edition=1)
    with pytest.raises(ValueError, match=r"'quick' is of edition 1 in the run, but of 7 now;"):
        resumed(earlier, "--trials", "30")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "system-a-ddpm"], "space is 'system-a-ddpm', but the run has 'system-a-n"),
        (["--train-images", "501"], "train_images is 501, but the run has 500; allowed: the same"),
        (["--formulation", "edm"], "formulation is 'edm', but the run has 'published'; allowed:"),
        (["--row", "base"], r"rows is ('base',), but the run has ('base', 'L1 30'); allowed: the"),
        (["--extractor", "/other"], "extractor is '/other', but the run has '"),
        (["--extractor", "inception"], "extractor is 'inception', but the run has '"),
        (["--objective", "macs"], "objectives is ('macs',), but the run has ('fid', 'size_bytes'"),
        (["--objective", "fid", "--objective", "recall"], "objectives is ('fid', 'recall'), but"),
        (["--seed", "4"], "seed is 4, but the run has 3; allowed: the same"),
        (["--max", "size_bytes=600k"], "limits is {'size_bytes': 600000.0}, but the run has {'si"),
        (["--max", "macs=1M"], "limits is {'macs': 1000000.0}, but the run has {'size_byt"),
        (["--no-reuse"], "reuse is False, but the run has True; allowed: the same"),
        (["--no-early-stopping"], "early_stopping is False, but the run has True; allowed: the s"),
    ],
)
def test_a_resume_that_would_make_another_study_is_refused(
    arguments: list[str],
    message: str,
    table_run: RunSettings,
    tmp_path: Path,
    refused: Refused,
) -> None:
    save_settings(tmp_path, table_run)
    assert message in refused(lambda: search(["--resume", str(tmp_path), *arguments]))
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--train-images", "501"],
            "train_images is 501, but the run has None; allowed: the same",
        ),
        (["--row", "base"], "rows is ('base',), but the run has (); allowed: the same"),
        (["--formulation", "published"], "'published', but the run has 'edm'; allowed: the same"),
        (["--extractor", "/other"], "extractor is '/other', but the run has None; allowed: the"),
    ],
)
def test_a_resume_may_not_add_what_the_run_began_without(
    arguments: list[str], message: str, settings: RunSettings
) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011, the text is looked at below
        resumed(settings, *arguments)
    assert message in str(error.value)


def test_a_resume_without_its_extractor_is_refused_before_any_trial(
    table_run: RunSettings, tmp_path: Path, refused: Refused
) -> None:
    save_settings(tmp_path, table_run)
    line = refused(lambda: search(["--resume", str(tmp_path)]))
    assert str(table_run.extractor) in line
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_table_s_settings_round_trip(table_run: RunSettings, tmp_path: Path) -> None:
    save_settings(tmp_path, table_run)
    assert RunSettings.load(tmp_path) == table_run
