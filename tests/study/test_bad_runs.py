"""Bad runs: what a command cannot read, go on with or write over is named and stays as it is."""

import dataclasses
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from refusals import Refused

from diffusion.recipe import Recipe
from study.generate import main as generate
from study.record import main as record
from study.run.folder import JOURNAL_NAME
from study.run.settings import RunSettings, save_settings
from study.run.settings_format import FORMAT_VERSION, OLDEST_VERSION
from study.run.storage import StudyStorage
from study.search import main as search
from study.tables import main as tables
from study.train_extractor import main as train_extractor
from study.verify import main as verify

FORMATS = " or ".join(map(str, range(OLDEST_VERSION, FORMAT_VERSION + 1)))


@pytest.mark.parametrize("kind", ["fifo", "device"])
@pytest.mark.parametrize("command", ["generate", "record", "train_extractor"])
def test_no_file_takes_the_place_of_a_fifo_or_a_device(
    command: str, kind: str, run: Path, tmp_path: Path, refused: Refused
) -> None:
    out = tmp_path / {"generate": "out.npz"}.get(command, "out.json")
    if kind == "fifo":
        os.mkfifo(out)
    else:
        out.symlink_to("/dev/full")
    commands: dict[str, Callable[[], int]] = {
        "generate": lambda: generate([str(tmp_path), "--out", str(out)]),
        "record": lambda: record([str(run), "--out", str(out)]),
        "train_extractor": lambda: train_extractor(["--dataset", "mnist5k", "--out", str(out)]),
    }
    assert f"--out {out} is no regular file; allowed: a file" in refused(commands[command])
    assert not out.is_file()


@pytest.fixture
def run(settings: RunSettings, digit_recipe: Recipe, tmp_path: Path) -> Path:
    """A run with one failed trial."""
    folder = tmp_path / "run"
    (folder / "trials" / "0").mkdir(parents=True)
    save_settings(folder, settings)
    storage = StudyStorage(folder / JOURNAL_NAME, settings.objectives)
    trial = storage.ask(optuna.samplers.RandomSampler(seed=0))
    storage.accept(trial, digit_recipe)
    storage.fail(trial.number, "boom")
    return folder


def contents(root: Path) -> dict[str, bytes | None]:
    paths = sorted(root.rglob("*"))
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in paths}


def resume(run: Path) -> Callable[[], int]:
    # Another number of trials would show in run.json.
    return lambda: search(["--resume", str(run), "--trials", "77"])


def commands_on(run: Path) -> dict[str, Callable[[], int]]:
    return {
        "search": resume(run),
        "verify": lambda: verify([str(run)]),
        "tables": lambda: tables([str(run)]),
    }


JOURNALS = [
    (b"", "is missing or empty; allowed: the journal that was written with them"),
    (None, "is missing or empty; allowed: the journal that was written with them"),
    (b"\x00\x01\x02" * 99, "is no journal of a study: it begins with b'"),
    (b"no line's end", 'is no journal of a study: it begins with b"no line\'s end"'),
    (b'{"op_code":0}\n', "cannot be read (KeyError: "),
]


@pytest.mark.usefixtures("without_ray")
@pytest.mark.parametrize(("content", "message"), JOURNALS)
@pytest.mark.parametrize("command", ["search", "verify"])
def test_a_run_whose_journal_is_not_ours_stays_as_it_is(
    command: str, content: bytes | None, message: str, run: Path, refused: Refused
) -> None:
    journal = run / JOURNAL_NAME
    journal.unlink()
    if content is not None:
        journal.write_bytes(content)
    before = contents(run)
    line = refused(resume(run) if command == "search" else lambda: verify([str(run)]))
    assert str(journal) in line
    assert message in line
    assert contents(run) == before


@pytest.mark.usefixtures("without_ray")
@pytest.mark.parametrize("command", ["search", "verify", "tables"])
def test_a_damaged_line_of_a_journal_is_named(command: str, run: Path, refused: Refused) -> None:
    journal = run / JOURNAL_NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"\x9a garbage\n", *lines[2:]]))
    before = contents(run)
    line = refused(commands_on(run)[command])
    assert f"journal {journal} cannot be read in line 3 (" in line
    assert contents(run) == before


@pytest.mark.usefixtures("without_ray")
@pytest.mark.parametrize("command", ["search", "tables"])
def test_a_folder_in_place_of_a_journal_is_refused(
    command: str, run: Path, refused: Refused
) -> None:
    journal = run / JOURNAL_NAME
    journal.unlink()
    (journal / "inside").mkdir(parents=True)
    before = contents(run)
    line = refused(resume(run) if command == "search" else lambda: tables([str(run)]))
    assert f"{journal} is no regular file; allowed: a file" in line
    assert contents(run) == before


@pytest.mark.usefixtures("without_ray")
def test_a_journal_that_may_not_be_written_is_refused(
    run: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, opened = run / JOURNAL_NAME, Path.open

    # Root may write anywhere, so the system's answer is replaced.
    def deny(path: Path, *given: Any, **named: Any) -> Any:
        if path == journal:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *given, **named)

    before = contents(run)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", deny)
        line = refused(resume(run))
    assert f"Permission denied: '{journal}'" in line
    assert contents(run) == before


@pytest.mark.usefixtures("without_ray")
@pytest.mark.parametrize("command", ["search", "verify", "tables"])
@pytest.mark.parametrize("target", ["/dev/zero", "../journal"])
def test_a_journal_behind_a_link_is_refused(
    command: str, target: str, run: Path, refused: Refused
) -> None:
    journal = run / JOURNAL_NAME
    journal.rename(run.parent / "journal")
    journal.symlink_to(target)
    before = contents(run.parent)
    assert f"{journal} is no regular file; allowed: " in refused(commands_on(run)[command])
    assert contents(run.parent) == before


@pytest.mark.usefixtures("without_ray")
def test_a_resume_whose_time_is_used_up_says_so_and_leaves_the_settings(
    run: Path, settings: RunSettings, refused: Refused
) -> None:
    save_settings(run, dataclasses.replace(settings, time_budget_seconds=60.0))
    journal = run / JOURNAL_NAME
    text = journal.read_text().replace('"wall_seconds":null', '"wall_seconds":61')
    journal.write_text(text)
    before = (run / "run.json").read_bytes()
    assert refused(resume(run)) == (
        "error: its time budget of 1 min is used up; give --time-budget to go on"
    )
    assert (run / "run.json").read_bytes() == before


@pytest.mark.usefixtures("without_ray")
def test_a_link_in_place_of_the_backbones_is_refused(
    run: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (run / "backbones").symlink_to(tmp_path / "elsewhere")
    assert f"store {run / 'backbones'} is a link; allowed: a folder" in refused(resume(run))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("command", ["search", "verify", "tables"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "is no run of a study: "),
        ({"name": "another project", "trials": 3}, "run.json has no format of ours"),
        (["format"], "run.json has no format of ours"),
        (
            {"format": 3, "versions": {"paretodiff": "0.0.7"}},
            f"has format 3; allowed: {FORMATS}. What another "
            "version wrote is read by that one: paretodiff 0.0.7",
        ),
        ({"format": 99, "versions": "many"}, "has format 99; allowed"),
        ({"format": [4]}, f"has format [4]; allowed: {FORMATS}"),
    ],
)
def test_a_run_of_others_is_told_and_stays_as_it_is(
    command: str, values: object, message: str, run: Path, refused: Refused
) -> None:
    settings_file = run / "run.json"
    settings_file.write_text("" if values is None else json.dumps(values))
    before = contents(run)
    line = refused(commands_on(run)[command])
    assert str(settings_file) in line
    assert message in line
    assert contents(run) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("store.json", '{"format": 99}', "has format 99; allowed: "),
        ("0123456789abcdef/record.json", '{"format": 99}', "has format 99; allowed: "),
        ("thesis.tex", "mine", "is no store of trainings: it holds 'thesis.tex'"),
    ],
)
def test_a_store_that_is_not_ours_is_refused_before_anything_starts(
    name: str, content: str, message: str, run: Path, tmp_path: Path, refused: Refused
) -> None:
    store = tmp_path / "store"
    (store / name).parent.mkdir(parents=True)
    (store / name).write_text(content)
    before = contents(tmp_path)
    out = str(tmp_path / "runs")
    for arguments in (["--out", out], ["--out", out, "--dry-run"], ["--resume", str(run)]):
        given = [*arguments, "--store", str(store)]
        line = refused(lambda given=given: search(given))
        assert message in line
        assert str(store) in line
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("option", "most"), [("--images", "100,000"), ("--seeds", "1,000"), ("--replicates", "100")]
)
def test_verify_refuses_what_would_never_end(
    option: str, most: str, run: Path, refused: Refused
) -> None:
    line = refused(lambda: verify([str(run), option, "10000001"]))
    assert f"'10000001'; allowed: a whole number from 1 to {most}" in line
