"""Bad input: one clear line naming the value and what is allowed, status 2, nothing written."""

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import Refused

from study.cli import parser as cli
from study.generate import main as generate
from study.search import main as search

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
