"""The search's options: what a new run is made of, and what a resumed one keeps."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.samplers import RandomSampler

from benchmarks.hand_made import HAND_MADE
from diffusion.data import ImageDataset
from diffusion.recipe import DataConfig, Recipe
from diffusion.score.choose_extractor import ExtractorChoice, build_extractor
from diffusion.score.digits import DIGITS_SHA256
from diffusion.score.extractor import FeatureExtractor
from diffusion.score.inception import InceptionExtractor
from study.cli.parser import AUTO
from study.cli.resolve import KEPT, new_settings, resumed_settings
from study.cli.search_options import build_parser
from study.engine.design import design
from study.evaluation.context import RunContext
from study.results.objectives import aims
from study.run.folder import JOURNAL_NAME
from study.run.settings import RunSettings, save_settings
from study.run.settings_format import FORMAT_VERSION
from study.run.storage import StudyStorage
from study.search import main as search

pytestmark = pytest.mark.usefixtures("one_dataset")
Refused = Callable[[Callable[[], int]], str]
RESOURCES = {
    "cpus_per_trial": 1.0,
    "gpus_per_trial": 0.0,
    "concurrent_trials": 2,
    "threads": 1,
    "device": "cpu",
}


def new(*arguments: str) -> RunSettings:
    """Return the settings of a new run with these options."""
    given = build_parser("").parse_args(arguments)
    wanted = new_settings(given)
    if wanted["drawing_precision"] == AUTO:
        wanted["drawing_precision"] = "bf16"
    return RunSettings(**{**wanted, **RESOURCES})


def resumed(run: RunSettings, *arguments: str) -> RunSettings:
    """Return the settings of a run that is resumed with these options."""
    given = build_parser("").parse_args(["--resume", "run", *arguments])
    wanted = resumed_settings(given, run)
    asked = wanted["concurrent_trials"]
    at_once = {"concurrent_trials": asked or 2, "concurrent_trials_asked": asked}
    return RunSettings(**{**RESOURCES, **wanted, **at_once})


def test_a_resume_runs_as_many_at_once_as_fit_now_unless_a_number_was_asked_for() -> None:
    run = replace(new(), concurrent_trials=16)
    assert resumed(run).concurrent_trials_asked is None
    asked = replace(run, concurrent_trials_asked=16)
    assert resumed(asked).concurrent_trials == 16
    assert resumed(asked, "--concurrent-trials", "3").concurrent_trials_asked == 3
    assert resumed(asked, "--concurrent-trials", "auto").concurrent_trials_asked is None


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


def test_a_run_is_the_space_as_it_is_unless_told() -> None:
    settings = new()
    assert (settings.train_images, settings.formulation, settings.rows) == (None, "edm", ())
    assert (settings.space, settings.trials, settings.extractor) == ("quick", 24, None)


def test_a_run_reuses_stops_early_and_retries_unless_told() -> None:
    settings = new()
    assert (settings.reuse, settings.early_stopping) == (True, True)
    assert (settings.limits, settings.train_images_total, settings.retries) == ({}, None, 2)
    told = new("--no-reuse", "--no-early-stopping", "--retries", "0")
    assert (told.reuse, told.early_stopping) == (False, False)
    assert told.retries == 0


def test_named_rows_are_never_stopped_early() -> None:
    assert not new("--space", "system-b-mini").early_stopping


@pytest.mark.parametrize(
    ("text", "value"), [("250000", 250_000), ("500k", 500_000), ("1.5M", 1_500_000), ("2G", 2e9)]
)
def test_amounts_may_have_a_unit(text: str, value: float) -> None:
    limits = new("--max", f"size_bytes={text}", "--max", "latency_ms=2.5").limits
    assert limits == {"size_bytes": value, "latency_ms": 2.5}
    total = new("--train-images-total", text).train_images_total
    assert total == value
    assert isinstance(total, int)


def test_scores_of_either_direction_can_be_objectives() -> None:
    names = ["fid", "size_bytes", "label_agreement", "precision", "recall"]
    settings = new(*(word for name in names for word in ("--objective", name)))
    assert settings.objectives == tuple(names)
    assert aims(settings.objectives) == (
        "minimising fid and size_bytes, maximising label_agreement, precision and recall"
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--extractor", "inception"], "extractor 'inception' does not know the labels of 'mni"),
        (["--dataset", "fashion-mnist"], "extractor 'digits' does not know the labels of 'fashi"),
        (["--space", "system-a-ncsn"], "the networks of space 'system-a-ncsn' take no labels"),
        (["--space", "system-b-mini", "--formulation", "published"], "system-b-mini' take no la"),
    ],
)
def test_label_agreement_is_refused_as_an_objective_that_no_trial_could_have(
    arguments: list[str],
    why: str,
    mnist5k: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    refused: Refused,
) -> None:
    def load(name: str, data_dir: Path | None, download: bool) -> ImageDataset:
        return replace(mnist5k, name=name)

    def build(data: DataConfig, choice: ExtractorChoice | None, names: Any) -> FeatureExtractor:
        # Without its weights, which nothing here needs.
        return object.__new__(InceptionExtractor) if choice else build_extractor(data, None, names)

    monkeypatch.setattr("study.cli.resolve.load_dataset", load)
    monkeypatch.setattr("study.cli.scorable.build_extractor", build)
    asked = ["--out", str(tmp_path), "--objective", "size_bytes", "--objective", "label_agreement"]
    line = refused(lambda: search([*asked, *arguments]))
    assert "--objective, --max or --min is of 'label_agreement', but " in line
    assert why in line
    assert "; allowed: fid, fid_held_out, " in line
    assert "label_agreement" not in line.partition("allowed: ")[2]
    assert list(tmp_path.iterdir()) == []


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


def test_a_row_may_be_given_again_for_more() -> None:
    settings = new("--space", "system-a-ncsn", "--row", "L1 30", "--row", "base", "--row", "l1-30")
    assert settings.rows == ("L1 30", "base", "l1-30")
    assert settings.trials == 2, "the same row twice is one"
    names = [knobs["row"] for knobs in settings.load_space().covering]
    assert names == ["base", "L1 30"], "in the published order"


@pytest.mark.parametrize(("space", "rows"), [("system-a-ddpm", 21), ("system-b-mini", 4)])
def test_without_rows_all_are_tried(space: str, rows: int) -> None:
    assert new("--space", space).trials == rows


@pytest.mark.parametrize("space", ["quick", "mnist", "system-a-ncsn"])
def test_train_images_reach_every_recipe(space: str) -> None:
    settings = new("--space", space, "--train-images", "777")
    resolved, data = settings.load_space(), DataConfig.from_dict(settings.data)
    rows = resolved.covering or design(resolved, data, 0, 24, screens=True)
    lengths = {resolved.recipe(row, data).training.train_images for row in rows}
    assert lengths == {777}


def test_the_full_published_budget_is_one_option() -> None:
    settings = new("--space", "system-a-ncsn", "--formulation", "published")
    space, data = settings.load_space(), DataConfig.from_dict(settings.data)
    recipes = [space.recipe(row, data) for row in space.covering]
    assert {recipe.training.train_images for recipe in recipes} == {3_000_000}
    assert {recipe.training.formulation for recipe in recipes} == {"score_matching"}


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


def test_a_table_s_settings_round_trip(table_run: RunSettings, tmp_path: Path) -> None:
    save_settings(tmp_path, table_run)
    assert RunSettings.load(tmp_path) == table_run


@pytest.mark.parametrize(
    ("arguments", "trained", "drawn"),
    [
        ([], None, AUTO),
        (["--precision", "float32"], "float32", None),
        (["--space", "system-b-mini"], None, None),
        (["--space", "system-b-mini", "--precision", "bf16"], "bf16", None),
        (["--space", "system-b-mini", "--precision", "auto"], None, AUTO),
    ],
)
def test_named_rows_keep_their_precision_unless_asked(
    arguments: list[str], trained: str | None, drawn: str | None
) -> None:
    wanted = new_settings(build_parser("").parse_args(arguments))
    assert (wanted["precision"], wanted["drawing_precision"]) == (trained, drawn)


def test_a_resume_keeps_the_precisions() -> None:
    begun = new("--precision", "bf16")
    assert resumed(begun).precision == "bf16"
    assert resumed(begun, "--precision", "auto").precision == "bf16"
    assert resumed(new()).drawing_precision == "bf16"
    with pytest.raises(ValueError, match="precision is 'float32', but the run has 'bf16'"):
        resumed(begun, "--precision", "float32")


def test_a_run_s_space_has_its_precisions() -> None:
    for begun, trained in ((new("--precision", "bf16"), "bf16"), (new(), "float32")):
        recipe = begun.load_space().recipe(HAND_MADE[0], DataConfig.from_dict(begun.data))
        assert (recipe.training.precision, recipe.drawing_precision) == (trained, "bf16")


def test_backbones_lie_in_the_run_unless_a_store_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, shared = tmp_path / "run", tmp_path / "shared"
    assert RunContext.of(run, new()).store_dir == run / "backbones"
    monkeypatch.chdir(tmp_path)
    begun = new("--store", "shared")
    assert RunContext.of(run, begun).store_dir == shared
    assert resumed(begun).store == str(shared)
    assert resumed(begun, "--store", str(tmp_path / "moved")).store == str(tmp_path / "moved")


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match=f"store {file} is a file; allowed: a folder"):
        new("--store", str(file))


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


def test_a_floor_is_a_limit_of_the_run() -> None:
    given = ["--min", "label_agreement=0.9", "--min", "size_bytes=10KB", "--max", "size_bytes=1MB"]
    assert new(*given).limits == {
        "size_bytes": 1e6,
        "min label_agreement": 0.9,
        "min size_bytes": 10e3,
    }


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
