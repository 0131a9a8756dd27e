"""Bad input: one clear line naming the value and what is allowed, status 2, nothing written."""

import argparse
import dataclasses
import errno
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion.recipe import Recipe
from study.cli import parser as cli
from study.describe import main as describe
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

Refused = Callable[[Callable[[], int]], str]
FORMATS = " or ".join(map(str, range(OLDEST_VERSION, FORMAT_VERSION + 1)))

CASES = [
    (["--space", "nope"], "space is 'nope'; allowed: quick, "),
    (
        ["--log", "mlfow"],
        "--log is 'mlfow' (did you mean 'mlflow'?); allowed: tensorboard, ",
    ),
    (["--log", "mlflow:http://me:pw@host"], "--log has an address with a password; allowed: "),
    (["--dataset", "nope"], "dataset is 'nope'; allowed: mnist5k, mnist"),
    (["--dataset", "folder:/no/such"], "/no/such is no folder of class folders"),
    (["--objective", "beauty"], "objective is 'beauty'; allowed: fid, "),
    (["--objective", "fid", "--objective", "fid"], "allowed: one or more, each once"),
    (["--max", "size_bytes"], "'size_bytes'; allowed: like size_bytes=500k"),
    (["--max", "size_bytes=0"], "'0'; allowed: above 0, like 250000, 500k, 100KB, 1.5MB or"),
    (["--max", "size_bytes=-5"], "'-5'; allowed: above 0"),
    (["--max", "size_byte=3"], "limit is of 'size_byte' (did you mean 'size_bytes'?); allowed: "),
    (["--max", "beauty=3"], "limit is of 'beauty'; allowed: fid, "),
    (["--max", "recall=1"], "limit is of 'recall'; allowed: fid, "),
    (["--max", "fid=1", "--max", "fid=2"], "limit is of 'fid'; allowed: fid_held_out, "),
    (["--train-images-total", "0"], "'0'; allowed: above 0, like 250000, 500k or 1.5M"),
    (["--train-images-total", "0.5"], "'0.5'; allowed: whole, like 250000"),
    (["--retries", "-1"], "--retries"),
    (["--trials", "0"], "'0'; allowed: a whole number, 1 or more"),
    (["--trials", "many"], "'many'; allowed: a whole number, 1 or more"),
    (["--time-budget", "-3"], "--time-budget"),
    (["--time-budget", "soon"], "'soon'; allowed: above 0 and with a unit, like 90s, 30m"),
    (["--seed", "-1"], "--seed"),
    (["--cpus-per-trial", "0"], "'0'; allowed: a number from 0.01 to 4096"),
    (["--cpus-per-trial", "1e-320"], "'1e-320'; allowed: a number from 0.01 to 4096"),
    (["--cpus-per-trial", "nan"], "'nan'; allowed: a number from 0.01 to 4096"),
    (["--gpus-per-trial", "1e-320"], "'1e-320'; allowed: a number from 0.01 to 4096"),
    (["--concurrent-trials", "5000"], "'5000'; allowed: a whole number from 1 to 4,096"),
    (["--cpus-per-trial", "4096"], "--cpus-per-trial is 4096; allowed: up to the"),
    (["--gpus-per-trial", "1000"], "--gpus-per-trial is 1000; allowed: up to the"),
    (["--gpus-per-trial", "nan"], "'nan'; allowed: a number from 0 to 4096"),
    (["--name", "../up"], "--name is '../up'; allowed: letters"),
    (["--train-images", "0"], "'0'; allowed: a whole number, 1 or more"),
    (["--formulation", "published"], "space 'quick' has no named rows; --formulation and --row"),
    (["--row", "base"], "space 'quick' has no named rows; --formulation and --row go with"),
    (["--formulation", "score_matching"], "'score_matching'; allowed: edm, published"),
    (["--space", "system-a-ncsn", "--row", "rand 20"], "row is 'rand 20' in space 'system-a-nc"),
    (["--extractor", "/no/such"], "/no/such"),
    (["--resume", "/no/such/run"], "/no/such/run is no run of a study"),
    *(
        (
            [option, f"{before}{'9' * digits}"],
            f"'999999999999...9999999999999'; allowed: {allowed}",
        )
        for digits in (40, 400, 5_000)
        for option, before, allowed in (
            ("--train-images-total", "", "above 0, like 250000, 500k or 1.5M, and below 2^63"),
            ("--max", "macs=", "above 0, like 250000, 500k or 1.5M, and below 2^63"),
            ("--max", "size_bytes=", "above 0, like 250000, 500k, 100KB, 1.5MB or 64KiB, and"),
            ("--time-budget", "", "above 0 and with a unit, like 90s, 30m, 1.5h or 2d"),
            ("--trials", "", "a whole number, 1 or more, below 2^63"),
            ("--retries", "", "a whole number, 0 or more, below 2^63"),
            ("--seed", "", "a whole number, 0 or more, below 2^63"),
        )
    ),
    (["--cpus-per-trial", "9" * 400], "allowed: a number from 0.01 to 4096"),
    (["--trials", str(2**63)], f"'{2**63}'; allowed: a whole number, 1 or more, below 2^63"),
    (["--time-budget", "200000000000000d"], "and below 2^63"),
    (["--time-budget", "30"], "'30'; allowed: above 0 and with a unit, like 90s, 30m, 1.5h or 2d"),
    (["--trails", "5"], "unknown option --trails (did you mean '--trials'?)"),
    (["--space=qick"], "space is 'qick' (did you mean 'quick'?); allowed: quick, "),
    (["--dataset", "mnist5"], "dataset is 'mnist5' (did you mean 'mnist5k'?); allowed: "),
    (["--dataset", "/"], "dataset is '/', a folder; allowed: written as folder:/"),
    (["--objective", "fd"], "objective is 'fd' (did you mean 'fid'?); allowed: "),
    (["quick"], "argument 'quick' is one too many; "),
    (["--address", "nowhere", "--trials", "0"], "'0'; allowed: a whole number, 1 or more"),
    (["--frobnicate"], "unknown option --frobnicate; allowed: see --help"),
]


@pytest.mark.parametrize(("arguments", "message"), CASES)
def test_search_refuses_in_one_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    refused: Refused,
) -> None:
    out = [] if "--resume" in arguments else ["--out", str(tmp_path)]
    line = refused(lambda: search([*arguments, *out]))
    assert message in line
    assert list(tmp_path.iterdir()) == []


NOWHERE = [
    ["--data-dir"],
    ["--extractor"],
    ["--extractor", "inception", "--inception-weights"],
    ["--store"],
    ["--out"],
]


@pytest.mark.parametrize("path", ["loop", "~nobody-of-this-name/x"])
@pytest.mark.parametrize("options", NOWHERE)
def test_paths_that_lead_nowhere_are_refused(
    options: list[str],
    path: str,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    assert f"path {path} leads nowhere: " in refused(lambda: search([*options, path]))
    assert refused(lambda: verify([path])).startswith(f"error: path {path} leads nowhere: ")


@pytest.mark.parametrize("command", ["extractor", "weights", "describe"])
def test_no_command_waits_for_a_fifo(
    command: str, tmp_path: Path, digit_recipe: Recipe, refused: Refused
) -> None:
    fifo, recipe = str(tmp_path / "fifo"), tmp_path / "recipe.json"
    os.mkfifo(fifo)
    recipe.write_text(json.dumps(digit_recipe.to_dict()))
    weights = ["--extractor", "inception", "--inception-weights"]
    commands: dict[str, Callable[[], int]] = {
        "extractor": lambda: search(["--dry-run", "--extractor", fifo]),
        "weights": lambda: search(["--dry-run", *weights, fifo]),
        "describe": lambda: describe([str(recipe), "--recipe-out", fifo]),
    }
    assert fifo in refused(commands[command])


@pytest.mark.parametrize("command", ["extractor", "weights"])
def test_no_command_reads_a_file_that_is_far_too_large(
    command: str, tmp_path: Path, refused: Refused
) -> None:
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 2**40)  # a hole: it takes no disk
    weights = ["--extractor", "inception", "--inception-weights"]
    options = {"extractor": ["--extractor"], "weights": weights}[command]
    line = refused(lambda: search(["--dry-run", *options, str(large)]))
    assert f"{large} cannot be read: it has 1,099,511,627,776 bytes; allowed: up to " in line


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


@pytest.mark.parametrize(
    "parse", [cli.positive_int, cli.whole, cli.seed, cli.whole_amount, cli.seconds, cli.amount]
)
@given(text=st.from_regex(r"[0-9]{1,500}(\.[0-9]{1,500})?[kMGsmhd]?", fullmatch=True))
def test_every_number_is_read_or_refused(parse: Callable[[str], float], text: str) -> None:
    with suppress(argparse.ArgumentTypeError):
        assert 0 <= parse(text) < 2**63


@pytest.mark.parametrize("parse", [cli.positive_int, cli.whole, cli.seed])
def test_the_largest_number_of_64_bits_is_read(parse: Callable[[str], int]) -> None:
    assert parse(str(2**63 - 1)) == 2**63 - 1


def test_search_refuses_a_name_that_is_taken(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "mine").mkdir()
    line = refused(lambda: search(["--out", str(tmp_path), "--name", "mine"]))
    assert f"--name is 'mine', but {tmp_path / 'mine'} exists; use --resume" in line
    assert list((tmp_path / "mine").iterdir()) == []


def test_search_refuses_a_file_as_out(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("")
    line = refused(lambda: search(["--out", str(tmp_path / "file")]))
    assert "a file; allowed: a folder" in line


def test_search_refuses_a_folder_it_cannot_write_to(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the system's answer is replaced, not the check.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    line = refused(lambda: search(["--out", str(tmp_path / "new")]))
    assert "cannot be written to" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 2}'])
def test_resume_refuses_a_folder_that_is_not_ours(
    content: str, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "run.json").write_text(content)
    line = refused(lambda: search(["--resume", str(tmp_path)]))
    assert str(tmp_path) in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "folder:/no/such"}, "/no/such is no folder of class folders"),
        ({"data_dir": "/no/such", "dataset": "mnist"}, "cannot be read in /no/such"),
        ({"data": {}}, "is not as we write it"),
        ({"objectives": None}, "is not as we write it"),
        ({"data.fingerprint": "0" * 16}, "allowed: the data that the run began with"),
    ],
)
def test_resume_refuses_data_that_is_gone_or_changed_before_any_trial(
    change: dict[str, Any],
    message: str,
    settings: RunSettings,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PARETODIFF_DATA", raising=False)
    values = dataclasses.asdict(settings) | {"format": FORMAT_VERSION}
    for name, value in change.items():
        part, _, field = name.partition(".")
        if field:
            values[part][field] = value
        else:
            values[part] = value
    (tmp_path / "run.json").write_text(json.dumps(values))
    line = refused(lambda: search(["--resume", str(tmp_path)]))
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


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
    commands: dict[str, Callable[[], int]] = {
        "search": resume(run),
        "verify": lambda: verify([str(run)]),
        "tables": lambda: tables([str(run)]),
    }
    line = refused(commands[command])
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
    commands: dict[str, Callable[[], int]] = {
        "search": resume(run),
        "verify": lambda: verify([str(run)]),
        "tables": lambda: tables([str(run)]),
    }
    assert f"{journal} is no regular file; allowed: " in refused(commands[command])
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


@pytest.mark.parametrize("command", ["resume", "verify", "tables"])
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
    commands: dict[str, Callable[[], int]] = {
        "resume": resume(run),
        "verify": lambda: verify([str(run)]),
        "tables": lambda: tables([str(run)]),
    }
    line = refused(commands[command])
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


@pytest.mark.parametrize("content", [b"", b"not a package", b"PK\x03\x04" + bytes(100)])
def test_generate_refuses_a_corrupt_package(
    content: bytes, tmp_path: Path, refused: Refused
) -> None:
    package = tmp_path / "model.pdm"
    package.write_bytes(content)
    out = tmp_path / "grid.png"
    line = refused(lambda: generate([str(package), "--out", str(out)]))
    assert f"package {package}" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["-n", "100001"], "'100001'; allowed: a whole number from 1 to 100,000"),
        (["--steps", "10000000000"], "'10000000000'; allowed: a whole number from 1 to 10,000"),
        (["--guidance", "1e308"], "'1e308'; allowed: a number from 0 to 100"),
    ],
)
def test_generate_refuses_what_would_never_end(
    option: list[str], message: str, tmp_path: Path, refused: Refused
) -> None:
    out = ["--out", str(tmp_path / "grid.png")]
    assert message in refused(lambda: generate([str(tmp_path), *out, *option]))


@pytest.mark.parametrize(
    ("option", "most"), [("--images", "100,000"), ("--seeds", "1,000"), ("--replicates", "100")]
)
def test_verify_refuses_what_would_never_end(
    option: str, most: str, run: Path, refused: Refused
) -> None:
    line = refused(lambda: verify([str(run), option, "10000001"]))
    assert f"'10000001'; allowed: a whole number from 1 to {most}" in line


@pytest.mark.parametrize(
    ("out", "message"),
    [("grid.jpg", "ends in .png or .npz"), ("no/such/grid.png", "is in no folder")],
)
def test_generate_refuses_an_unusable_out(
    out: str, message: str, tmp_path: Path, refused: Refused
) -> None:
    line = refused(lambda: generate([str(tmp_path), "--out", str(tmp_path / out)]))
    assert message in line


def test_dry_run_prints_the_resolved_study_and_writes_nothing(tmp_path: Path) -> None:
    arguments = ["--dry-run", "--out", str(tmp_path), "--trials", "5", "--seed", "9"]
    arguments += ["--time-budget", "30m", "--address", "local"]
    out = subprocess.run(
        [sys.executable, "-m", "study.search", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    resolved = tomllib.loads(out.stdout)
    assert {key: resolved[key] for key in ("trials", "seed", "retries")} == {
        "trials": 5,
        "seed": 9,
        "retries": 2,
    }
    assert (resolved["space"], resolved["dataset"]) == ("quick", "mnist5k")
    assert resolved["objective"] == ["fid", "size_bytes"]
    assert resolved["cpus-per-trial"] == 1
    assert (resolved["time-budget"], resolved["address"]) == ("1800s", "local")
    assert f"in {tmp_path / 'quick-001'}\n" in out.stdout
    assert list(tmp_path.iterdir()) == []
