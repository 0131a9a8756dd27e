"""Tables of trials: everything a replay looks up, of a run that may still be running."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler

from benchmarks.hand_made import backbone_row
from diffusion.recipe import DataConfig
from search_spaces import knobs, load_space
from study.evaluation import replay_table
from study.evaluation.replay_table import make_table, read_table, write_table
from study.record import main
from study.results.screenings import Screening
from study.run.files import write_json
from study.run.folder import JOURNAL_NAME
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage

ROWS = [
    knobs.variant_row(backbone_row("mini_ddpm", widths, groups), "mid", "none")
    for widths in ("12-32", "24-64")
    for groups in (1, 2)
]
SCORES = {"fid": 9.5, "size_bytes": 70, "train_seconds": 80.0, "generate_seconds": 2.0}
COUNTS = {"size_bytes": 65, "macs": 9, "parameters": 8, "nonzero_parameters": 7}
SCREENED = Screening(ROWS[0], 0.25, scores=COUNTS)
RUNG = {"fid": 90.0, "size_bytes": 90, "train_seconds": 20.0}


@pytest.fixture
def run(tmp_path: Path, settings: RunSettings) -> Path:
    """A run of one complete, one failed, one early stopped and one running trial."""
    folder = tmp_path / "grid"
    folder.mkdir()
    save_settings(folder, settings)
    storage = StudyStorage(folder / JOURNAL_NAME, settings.objectives)
    space, data = load_space("quick"), DataConfig.from_dict(settings.data)
    for row in ROWS:
        storage.enqueue([row])
        trial = storage.ask(RandomSampler(seed=0))
        storage.accept(trial, space.suggest(trial, data))
    storage.keep_rung(0, 16_000, RUNG)
    storage.keep_screened(0, [SCREENED])
    storage.complete(0, {**SCORES, "elsewhere": "x"}, 1.0)
    storage.fail(1, "broke")
    storage.keep_rung(2, 16_000, {**RUNG, "fid": 99.0})
    storage.prune(2, "stopped early", 1.0)
    return folder


def test_a_table_holds_the_complete_trials_and_every_training_s_rungs(run: Path) -> None:
    table = make_table(run)
    space = load_space("quick")
    (only,) = table["trials"]
    recipes = [
        space.recipe(row, DataConfig.from_dict(table["conditions"]["data"])) for row in ROWS
    ]
    assert (only["key"], only["backbone_key"]) == (recipes[0].key, recipes[0].backbone_key)
    assert only["knobs"] == ROWS[0]
    assert only["scores"] == SCORES
    assert [Screening.from_dict(values) for values in table["screenings"]] == [SCREENED]
    rungs = {key: backbone["rungs"] for key, backbone in table["backbones"].items()}
    assert rungs == {
        recipes[0].backbone_key: {"16000": RUNG},
        recipes[1].backbone_key: {},
        recipes[2].backbone_key: {"16000": {**RUNG, "fid": 99.0}},
        recipes[3].backbone_key: {},
    }
    assert table["conditions"]["fid_num_images"] == 500
    assert "torch" in table["conditions"]["versions"]


def test_recording_leaves_the_journal_as_it_is(run: Path) -> None:
    before = (run / JOURNAL_NAME).read_bytes()
    make_table(run)
    assert (run / JOURNAL_NAME).read_bytes() == before


@pytest.mark.parametrize("name", ["table.json", "table.json.gz"])
def test_a_table_is_read_as_it_was_written(run: Path, name: str) -> None:
    assert main([str(run), "--out", str(run / name)]) == 0
    table = read_table(run / name)
    assert table == make_table(run)
    first = (run / name).read_bytes()
    write_table(table, run / name)
    assert (run / name).read_bytes() == first, "the same table gives the same file"


def test_the_usual_place_is_in_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run)]) == 0
    assert "1 trial of 4 trainings" in capsys.readouterr().out
    assert json.loads(gzip.decompress((run / "table.json.gz").read_bytes()))["format"] == 2


def test_a_link_in_the_usual_place_is_replaced_and_not_followed(run: Path) -> None:
    outside = run.parent / "outside"
    outside.write_text("mine")
    (run / "table.json.gz").symlink_to(outside)
    assert main([str(run)]) == 0
    assert outside.read_text() == "mine"
    assert read_table(run / "table.json.gz") == make_table(run)


def test_a_table_is_unpacked_up_to_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_table, "MOST_BYTES", 1_000)
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(b" " * 1_001))
    with pytest.raises(ValueError, match="it is too long; allowed: up to 1,000 bytes unpacked"):
        read_table(tmp_path / "t.json.gz")


@pytest.mark.parametrize("name", ["python", "versions"])
def test_conditions_that_are_missing_are_named(run: Path, name: str) -> None:
    values = json.loads((run / "run.json").read_text())
    del values[name]
    write_json(run / "run.json", values)
    with pytest.raises(ValueError, match=rf"run\.json lacks {name}"):
        make_table(run)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "run.json").unlink(), "run.json"),
        (lambda run: (run / JOURNAL_NAME).unlink(), JOURNAL_NAME),
        (lambda run: (run / JOURNAL_NAME).write_bytes(b""), "no complete trial; allowed: one"),
        (lambda run: (run / JOURNAL_NAME).write_bytes(b"nothing\n"), "no journal of a study"),
    ],
    ids=["no run", "no journal", "empty journal", "no journal of ours"],
)
def test_a_wrong_folder_is_one_line(
    run: Path,
    refused: Callable[[Callable[[], int]], str],
    spoil: Callable[[Path], object],
    message: str,
) -> None:
    spoil(run)
    assert message in refused(lambda: main([str(run)]))
    assert not (run / "table.json.gz").exists()


def test_a_name_of_another_kind_is_refused(
    run: Path, refused: Callable[[Callable[[], int]], str]
) -> None:
    line = refused(lambda: main([str(run), "--out", str(run / "table.csv")]))
    assert "allowed: a name that ends in .json or .json.gz" in line


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\x1f\x8b\x08 torn", gzip.compress(b'{"format": 2}', mtime=0)[:-9]],
)
@pytest.mark.parametrize("name", ["t.json", "t.json.gz"])
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="is no table of trials"):
        read_table(tmp_path / name)


def test_a_table_of_another_version_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", {"format": 1})
    with pytest.raises(ValueError, match="has format 1; allowed: 2"):
        read_table(tmp_path / "t.json")
