"""The published tables: theirs and ours side by side, and what is missing said."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import injected
import optuna
import pytest
from refusals import Refused

from diffusion.recipe import DataConfig, Recipe
from study import tables
from study.display.published import as_csv, as_markdown, conditions, table_rows
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.folder import exclusive
from study.run.reading import read_journal
from study.run.run import Run
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage

INJECTED = Path(injected.__file__)
ROWS = ("base", "rand 30", "L1 10", "2 groups")
PUBLISHED = {  # gzipped bytes and FID
    "base": (4_147_037, 182.1),
    "rand 30": (3_676_115, 326.1),
    "L1 10": (4_002_980, 163.6),
    "2 groups": (2_537_197, 154.3),
}


@pytest.fixture
def ncsn_settings(settings: RunSettings) -> RunSettings:
    """A run of four rows of the NCSN's table."""
    return replace(settings, space="system-a-ncsn", rows=ROWS, fid_num_images=1_000)


def recipe_of(settings: RunSettings, row: str) -> Recipe:
    space = settings.load_space()
    return space.recipe(space.row(row).knobs, DataConfig.from_dict(settings.data))


def scores(fid: float, **others: Any) -> Scores:
    return {
        "fid": fid,
        "fid_held_out": fid + 1,
        "fid_noise": 690.4,
        "fid_floor": 4.0,
        "size_bytes": 3_700_000,
        "gzip_state_dict_bytes": 4_080_000,
        "parameters": 1_115_297,
        "nonzero_parameters": 1_010_488,
        "latency_ms": 12.5,
        "train_images": 300_000,
        "train_ms_per_epoch": 61_234.5,
        "extractor": "digits",
        "extractor_sha256": "0123456789abcdef",
        "ssim": 0.4321,
        "label_balance": 0.98,
        "label_agreement": None,
        **others,
    }


@pytest.fixture
def records(ncsn_settings: RunSettings) -> list[TrialRecord]:
    """Two rows complete, out of their order, one failed; the last one was not run."""
    pruned, base, failed = (recipe_of(ncsn_settings, row) for row in ("L1 10", "base", "rand 30"))
    return [
        TrialRecord(0, "complete", pruned, scores(51.25)),
        TrialRecord(1, "infeasible", None, None, "network.groups"),
        TrialRecord(2, "complete", base, scores(48.0, nonzero_parameters=1_115_297)),
        TrialRecord(3, "failed", failed, None, "ValueError: a | b\nand more"),
    ]


def cells(markdown: str) -> list[list[str]]:
    """Return a Markdown table's cells, without the line below its heading."""
    # A bar that belongs to a text is escaped.
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in markdown.splitlines()]
    return [[cell.strip() for cell in line] for line in [lines[0], *lines[2:]]]


def write_run(run: Path, settings: RunSettings, records: list[TrialRecord]) -> StudyStorage:
    """Write a run's folder as a study leaves it; return its open storage."""
    run.mkdir(exist_ok=True)
    save_settings(run, settings)
    storage = StudyStorage(run / "study.journal", settings.objectives)
    for record in records:
        trial = storage.ask(optuna.samplers.RandomSampler(seed=0))
        if record.recipe is None:
            storage.refuse(trial, record.reason or "")
            continue
        storage.accept(trial, record.recipe)
        if record.scores is not None:
            storage.complete(trial.number, record.scores, 1.0)
        elif record.reason is not None:
            storage.fail(trial.number, record.reason)
    return storage


def in_run(settings: RunSettings, records: Sequence[TrialRecord]) -> Run:
    return Run(Path("run"), settings, tuple(records))


def test_rows_stand_in_the_published_order_with_both_values(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    rows = table_rows(in_run(ncsn_settings, records))
    assert [row["row"] for row in rows] == list(ROWS)
    for row in rows:
        published = (row["gzip_state_dict_bytes_published"], row["fid_published"])
        assert published == PUBLISHED[row["row"]]
    assert [row["fid"] for row in rows] == [48.0, None, 51.25, None]
    assert [row["trial"] for row in rows] == [2, 3, 0, None]
    assert [row["state"] for row in rows] == ["complete", "failed", "complete", "not run"]
    assert rows[1]["reason"] == "ValueError: a | b\nand more"
    assert rows[0]["seconds_per_10000_images"] == pytest.approx(125)


def test_a_row_over_a_limit_is_told_with_its_values(ncsn_settings: RunSettings) -> None:
    over = TrialRecord(
        0, "complete", recipe_of(ncsn_settings, "base"), scores(48.0), "too large", feasible=False
    )
    pruned = TrialRecord(
        1, "pruned", recipe_of(ncsn_settings, "L1 10"), None, "stopped early after 9 images"
    )
    rows = table_rows(in_run(ncsn_settings, [over, pruned]))
    assert (rows[0]["state"], rows[0]["fid"]) == ("over a limit", 48.0)
    heading, *table = cells(as_markdown(rows))
    states = [line[heading.index("state")] for line in table]
    assert states == [
        "over a limit: too large",
        "not run",
        "stopped early after 9 images",
        "not run",
    ]


def test_all_rows_are_listed_where_none_was_asked_for(ncsn_settings: RunSettings) -> None:
    rows = table_rows(in_run(replace(ncsn_settings, rows=()), []))
    assert len(rows) == 17
    assert {row["state"] for row in rows} == {"not run"}


def test_a_recipe_that_another_option_made_is_no_row_of_the_table(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    other = replace(ncsn_settings, train_images=500)
    assert {row["state"] for row in table_rows(in_run(other, records))} == {"not run"}


def test_markdown_columns_align_and_hold_theirs_beside_ours(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    markdown = as_markdown(table_rows(in_run(ncsn_settings, records)))
    lines = markdown.splitlines()
    bars = [[m.start() for m in re.finditer(r"(?<!\\)\|", line)] for line in lines]
    assert all(places == bars[0] for places in bars)
    heading, *table = cells(markdown)
    sides = [":" + "-" * 3, "-" * 3 + ":"]
    found = [sides[cell.endswith(":")] for cell in lines[1].strip("|").split("|")]
    assert found == [sides[name not in ("row", "state")] for name in heading]
    size, fid = heading.index("gzip bytes, theirs"), heading.index("FID, theirs")
    assert heading[size + 1] == "gzip bytes, ours"
    assert heading[fid + 1] == "FID, ours"
    assert [line[size : size + 2] for line in table] == [
        ["4,147,037", "4,080,000"],
        ["3,676,115", "-"],
        ["4,002,980", "4,080,000"],
        ["2,537,197", "-"],
    ]
    assert [line[fid : fid + 2] for line in table] == [
        ["182.10", "48.00"],
        ["326.10", "-"],
        ["163.60", "51.25"],
        ["154.30", "-"],
    ]
    counts = [line[heading.index("non-zero, ours")] for line in table]
    assert counts == ["1,115,297 of 1,115,297", "-", "1,010,488 of 1,115,297", "-"]


def test_markdown_says_why_a_row_has_no_values(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    _, *table = cells(as_markdown(table_rows(in_run(ncsn_settings, records))))
    states = [line[1] for line in table]
    assert states == ["-", r"failed: ValueError: a \| b and more", "-", "not run"]


@pytest.mark.parametrize("state", ["running", "failed"])
def test_a_row_without_a_reason_shows_its_state(ncsn_settings: RunSettings, state: Any) -> None:
    record = TrialRecord(0, state, recipe_of(ncsn_settings, "base"))
    _, first, *_ = cells(as_markdown(table_rows(in_run(ncsn_settings, [record]))))
    assert first[:2] == ["base", state]


def test_columns_that_say_nothing_are_left_out(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    whole = replace(ncsn_settings, rows=("base", "L1 10"))
    heading, *_ = cells(as_markdown(table_rows(in_run(whole, records))))
    assert "state" not in heading, "every row is complete"
    assert "SSIM, theirs" not in heading, "system A has none"
    assert "SSIM, ours" in heading
    assert len(set(heading)) == len(heading)


def test_an_alias_stands_beside_the_name(settings: RunSettings) -> None:
    options = {"space": "system-a-ddpm", "rows": ("2 groups + EMA + rand 10",)}
    _, (name, *_) = cells(as_markdown(table_rows(in_run(replace(settings, **options), []))))
    assert name == "4 groups + random 30 (page: 2 groups + EMA + rand 10)"


def test_csv_keeps_every_value_in_full(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    third = 1 / 3
    record = replace(records[0], scores=scores(third, ssim=1e-17, latency_ms=1e300))
    rows = table_rows(in_run(ncsn_settings, [record, records[3]]))
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [list(line) for line in read] == [list(row) for row in rows]
    for line, row in zip(read, rows, strict=True):
        for name, text in line.items():
            value = row[name]
            assert text == ("" if value is None else str(value))
            if isinstance(value, float):
                assert float(text) == value
    assert read[1]["reason"] == "ValueError: a | b\nand more"


def test_the_conditions_say_what_the_values_hold_for(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    text = conditions(in_run(ncsn_settings, records))
    for part in (
        *("system-a-ncsn", "mnist5k", "formulation edm", "300,000 training images"),
        *("dpm_solver_pp_2m in 20 steps", "1,000 images", "digits (01234567)", "noise 690;"),
        *("1 torch thread a trial, 2 at once on cpu.", "16 images with 16", "rank nothing"),
    ):
        assert part in text, part


def test_a_damaged_trial_without_the_fid_of_noise_has_conditions_none_the_less(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    lacking = {name: v for name, v in (records[0].scores or {}).items() if name != "fid_noise"}
    text = conditions(in_run(ncsn_settings, [replace(records[0], scores=lacking)]))
    assert "uniform noise unknown; " in text


@pytest.mark.parametrize(
    ("space", "row", "said", "unsaid"),
    [
        ("system-b-mini", "baseline", "another classifier", "16 images"),
        ("system-a-samplers", "Euler-Maruyama", "euler_maruyama in 500 steps", "published"),
    ],
)
def test_the_conditions_are_those_of_the_table(
    settings: RunSettings, space: str, row: str, said: str, unsaid: str
) -> None:
    run = replace(settings, space=space)
    text = conditions(in_run(run, [TrialRecord(0, "complete", recipe_of(run, row), scores(1.0))]))
    assert said in text
    assert unsaid not in text


def test_the_conditions_of_a_run_without_a_complete_row_say_so(
    ncsn_settings: RunSettings, records: list[TrialRecord]
) -> None:
    assert conditions(in_run(ncsn_settings, records[3:])).endswith("no row is complete yet.")


@pytest.mark.parametrize("written", ["markdown", "csv"])
def test_the_command_writes_what_it_prints(
    written: str,
    ncsn_settings: RunSettings,
    records: list[TrialRecord],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, out = tmp_path / "run", tmp_path / "table"
    write_run(run, ncsn_settings, records)
    assert tables.main([str(run), "--format", written]) == 0
    printed = capsys.readouterr().out
    assert tables.main([str(run), "--format", written, "--out", str(out)]) == 0
    assert capsys.readouterr().out == ""
    assert out.read_text() == printed
    rows = table_rows(
        in_run(ncsn_settings, read_journal(run / "study.journal", ("fid", "size_bytes")))
    )
    assert [row["fid"] for row in rows] == [48.0, None, 51.25, None]
    if written == "csv":
        assert printed == as_csv(rows)
    else:
        assert printed == f"{as_markdown(rows)}\n{conditions(in_run(ncsn_settings, records))}\n"


def test_a_run_of_another_space_is_refused(
    settings: RunSettings, tmp_path: Path, refused: Refused
) -> None:
    write_run(tmp_path, settings, [])
    line = refused(lambda: tables.main([str(tmp_path)]))
    assert "space 'quick' has no published rows; allowed: system-..." in line


def test_what_is_no_run_is_refused(
    tmp_path: Path, ncsn_settings: RunSettings, refused: Refused
) -> None:
    assert f"{tmp_path} is no run of a study" in refused(lambda: tables.main([str(tmp_path)]))
    save_settings(tmp_path, ncsn_settings)
    line = refused(lambda: tables.main([str(tmp_path)]))
    assert f"journal {tmp_path / 'study.journal'} cannot be read" in line
    (tmp_path / "study.journal").write_text("no\njournal\n")
    line = refused(lambda: tables.main([str(tmp_path)]))
    assert (
        f"journal {tmp_path / 'study.journal'} cannot be read" in line or "study.journal" in line
    )


@pytest.mark.parametrize("torn", [b"", b'{"op_code": 5, "torn'])
def test_a_journal_is_read_while_its_writer_holds_it(
    torn: bytes, ncsn_settings: RunSettings, records: list[TrialRecord], tmp_path: Path
) -> None:
    path = tmp_path / "study.journal"
    with exclusive(tmp_path):
        storage = write_run(tmp_path, ncsn_settings, records[:2])
        known = storage.records()
        with path.open("ab") as journal:
            journal.write(torn)
        content, written = path.read_bytes(), path.stat().st_mtime_ns
        assert read_journal(path, ncsn_settings.objectives) == known
        assert path.read_bytes() == content
        assert path.stat().st_mtime_ns == written
        assert {p.name for p in tmp_path.iterdir()} == {"run.json", "study.journal"}
        path.write_bytes(content.removesuffix(torn))
        write_run(tmp_path, ncsn_settings, records[2:])  # and the writer goes on
        assert len(read_journal(path, ncsn_settings.objectives)) == 4


def test_a_run_that_has_just_begun_has_no_records(
    ncsn_settings: RunSettings, tmp_path: Path
) -> None:
    with exclusive(tmp_path):  # makes an empty journal
        assert read_journal(tmp_path / "study.journal", ncsn_settings.objectives) == []
        assert (tmp_path / "study.journal").read_bytes() == b""


@pytest.mark.slow
@pytest.mark.timeout(900)  # starts Ray, on a busy machine too
def test_a_search_over_rows_ends_in_their_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--row", "L1-30", "--row", "base", "--row", "2 groups", "--train-images", "500"]
    command = [sys.executable, str(INJECTED), "failing", "--space", "system-a-ncsn", *asked]
    command += ["--concurrent-trials", "1", "--out", str(tmp_path), "--name", "rows"]
    command += ["--no-verify"]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    run = tmp_path / "rows"
    settings = RunSettings.load(run)
    assert (settings.rows, settings.train_images) == (("L1-30", "base", "2 groups"), 500)
    assert settings.trials == 3
    assert tables.main([str(run)]) == 0
    heading, *table = cells(capsys.readouterr().out.split("\n\n")[0])
    assert [line[:2] for line in table] == [
        ["base", "-"],
        ["L1 30", "failed: RuntimeError: boom"],
        ["2 groups", "failed: fid is nan; allowed: a finite number"],
    ]
    front = json.loads((run / "front" / "front.json").read_text())
    fid = heading.index("FID, theirs")
    assert table[0][fid : fid + 2] == ["182.10", f"{front['points'][0]['fid']:.2f}"]
