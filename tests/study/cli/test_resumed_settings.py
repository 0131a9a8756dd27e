"""The search's options on a resume: what may change, and what is kept unless told."""

from dataclasses import replace
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler
from refusals import Refused
from resolved_settings import new, resumed

from diffusion.data import ImageDataset
from diffusion.recipe import DataConfig, Recipe
from study.cli.resolve import resumed_settings
from study.cli.search_options import build_parser
from study.run.folder import JOURNAL_NAME
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage
from study.search import main as search

pytestmark = pytest.mark.usefixtures("one_dataset")


def test_a_resume_runs_as_many_at_once_as_fit_now_unless_a_number_was_asked_for() -> None:
    run = replace(new(), concurrent_trials=16)
    assert resumed(run).concurrent_trials_asked is None
    asked = replace(run, concurrent_trials_asked=16)
    assert resumed(asked).concurrent_trials == 16
    assert resumed(asked, "--concurrent-trials", "3").concurrent_trials_asked == 3
    assert resumed(asked, "--concurrent-trials", "auto").concurrent_trials_asked is None


def test_a_resume_may_ask_for_more(settings: RunSettings) -> None:
    run = replace(settings, trials=100, train_images_total=1_000_000)
    assert resumed(run, "--trials", "200").trials == 200, "the 100 that are there count"
    longer = resumed(run, "--train-images-total", "2M", "--retries", "0")
    assert (longer.trials, longer.train_images_total, longer.retries) == (100, 2_000_000, 0)
    again = resumed(longer)
    assert (again.train_images_total, again.retries) == (2_000_000, 0)


@pytest.mark.parametrize(
    ("option", "kept"),
    [([], None), (["--address", "local"], None), (["--address", "auto"], "auto")],
)
def test_a_resume_goes_on_where_the_run_began_unless_told(
    option: list[str], kept: str | None
) -> None:
    begun = new(*option)
    assert begun.address == kept
    assert resumed(begun).address == kept
    assert resumed(begun, "--address", "10.0.0.1:6379").address == "10.0.0.1:6379"
    assert resumed(begun, "--address", "local").address is None


def test_a_resume_keeps_the_time_budget_or_adds_to_what_is_spent(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    begun = new("--time-budget", "30m")
    assert begun.time_budget_seconds == 1_800
    storage = StudyStorage(tmp_path / JOURNAL_NAME, begun.objectives)
    storage.accept(storage.ask(RandomSampler(seed=0)), digit_recipe)
    storage.fail(0, "broke", 600.0)
    for more, seconds in (([], 1_800), (["--time-budget", "10m"], 1_200)):
        given = build_parser("").parse_args(["--resume", str(tmp_path), *more])
        assert resumed_settings(given, begun)["time_budget_seconds"] == seconds
    assert resumed(replace(begun, time_budget_seconds=None)).time_budget_seconds is None


def test_the_same_folder_of_images_may_be_named_again_from_elsewhere(
    mnist5k: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = f"folder:{tmp_path / 'photos'}"
    images = replace(mnist5k, name=whole)
    monkeypatch.setattr("study.cli.resolve.load_dataset", lambda *given, download: images)
    run = replace(new(), dataset=whole, data=vars(images.config()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("folder:photos", "folder:./photos", "folder:~/photos", whole):
        assert resumed(run, "--dataset", name).dataset == whole
    with pytest.raises(ValueError, match=r"dataset is 'folder:/.*other', but the run has"):
        resumed(run, "--dataset", "folder:other")


def test_a_resume_keeps_the_precisions() -> None:
    begun = new("--precision", "bf16")
    assert resumed(begun).precision == "bf16"
    assert resumed(begun, "--precision", "auto").precision == "bf16"
    assert resumed(new()).drawing_precision == "bf16"
    with pytest.raises(ValueError, match="precision is 'float32', but the run has 'bf16'"):
        resumed(begun, "--precision", "float32")


def test_a_resume_may_compile_no_more_but_not_begin_to() -> None:
    assert resumed(new()).compiles
    assert not resumed(new(), "--no-compile").compiles
    assert not resumed(new("--no-compile")).compiles


def test_a_shared_store_is_refused_where_every_trial_trains_anew(
    settings: RunSettings, tmp_path: Path, refused: Refused
) -> None:
    run, store = tmp_path / "run", ["--store", str(tmp_path / "store")]
    run.mkdir()
    save_settings(run, replace(settings, reuse=False))
    before = (run / "run.json").read_text()
    new_run = ["--no-reuse", "--out", str(tmp_path)]
    for arguments in (new_run, ["--resume", str(run)], ["--resume", str(run), "--no-reuse"]):
        line = refused(lambda arguments=arguments: search([*arguments, *store]))
        assert line == (
            f"error: --store is '{tmp_path / 'store'}', but with --no-reuse every trial trains "
            "anew; allowed: one of the two"
        )
    assert list(tmp_path.iterdir()) == [run]
    assert (run / "run.json").read_text() == before
    assert resumed(replace(settings, reuse=False)).store is None


def test_a_run_of_before_the_pixels_statistics_is_resumed_without_them() -> None:
    run = new()
    lacking = {k: v for k, v in run.data.items() if not k.startswith("pixel_")}
    assert len(lacking) == len(run.data) - 2
    kept = DataConfig.from_dict(resumed(replace(run, data=lacking)).data)
    assert (kept.pixel_mean, kept.pixel_std) == (0.0, 0.5)


@pytest.mark.parametrize(
    "change", [["--max", "fid=9"], ["--min", "recall=0.5"], ["--objective", "kid"]]
)
def test_a_resume_with_another_aim_says_how_to_pick_from_what_is_finished(
    change: list[str], tmp_path: Path, refused: Refused
) -> None:
    save_settings(tmp_path, new("--max", "fid=8"))
    line = refused(lambda: search(["--resume", str(tmp_path), *change]))
    assert "; allowed: the same, or from what is finished: python -m study.pick RUN --max" in line


def test_a_resume_may_say_less_of_its_data_than_the_run_has(
    monkeypatch: pytest.MonkeyPatch, mnist5k: ImageDataset
) -> None:
    names: list[str] = []

    def load(name: str, data_dir: Path | None, download: bool) -> ImageDataset:
        names.append(name)
        return replace(mnist5k, name=name)

    monkeypatch.setattr("study.cli.resolve.load_dataset", load)
    run = new("--dataset", "mnist5k", "--image-size", "28", "--space", "quick")
    assert run.dataset == run.data["name"] == "28px:mnist5k"
    for again in ([], ["--dataset", "mnist5k"], ["--image-size", "28"]):
        assert resumed(run, *again).dataset == run.dataset
    assert set(names) == {run.dataset}
    for other in (["--image-size", "32"], ["--dataset", "mnist"]):
        with pytest.raises(ValueError, match=r"dataset is '.*', but the run has '28px:mnist5k'"):
            resumed(run, *other)
