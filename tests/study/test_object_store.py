"""Studies mirrored to a real S3 server: killed, gone on with elsewhere, and refused."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import processes
import pytest
from s3_server import BUCKET, S3, copied, serving
from small_mirror import contents
from small_space import small_space
from test_search import command, front, records, search

from study.results.records import TrialRecord
from study.run.packages import sound_run, unsound
from study.run.remote import Remote
from study.run.run import Run

pytestmark = pytest.mark.timeout(1800)
URL = f"s3://{BUCKET}/runs"


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with serving() as server:
        yield server


@pytest.fixture
def s3(server: S3) -> S3:
    """The server with an empty bucket."""
    server.drop_all()
    server.make_bucket()
    return server


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the working folders of a head; what is set here its commands inherit."""
    monkeypatch.setenv("PARETODIFF_CACHE", str(tmp_path / "head"))
    return tmp_path / "head" / "runs"


def working_folder(runs: Path, name: str = "mine") -> Path:
    (found,) = runs.glob(f"*/{name}")
    return found


def mirrored_records(remote: Remote) -> list[TrialRecord]:
    """Return the trials that a mirror knows at the moment; none before there is one."""
    names = ("run.json", "study.journal")
    found = {name: content for name in names if (content := remote.read(name)) is not None}
    if len(found) < len(names):
        return []
    with tempfile.TemporaryDirectory() as folder:
        for name, content in found.items():
            (Path(folder) / name).write_bytes(content)
        return records(Path(folder))


def complete(found: Sequence[TrialRecord]) -> dict[int, TrialRecord]:
    return {record.number: record for record in found if record.state == "complete"}


def starts(remote: Remote) -> list[str]:
    return (remote.read("starts.txt") or b"").decode().split()


def assert_no_secret(*outputs: str | bytes) -> None:
    for output in outputs:
        text = output if isinstance(output, str) else output.decode(errors="replace")
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in text


@pytest.mark.usefixtures("s3")
def test_a_study_is_mirrored_whole_and_a_copy_of_it_is_a_run(tmp_path: Path, head: Path) -> None:
    out = search("tabulated", "--trials", "4", "--out", URL, verify=True)
    assert out.returncode == 0, out.stderr
    run, remote = working_folder(head, "quick-001"), Remote(f"{URL}/quick-001")
    assert f"mirror   {remote.url}\n" in out.stdout
    assert "incomplete" not in out.stdout
    copy = copied(remote, tmp_path / "copy")
    assert contents(copy) == contents(run)
    assert front(copy) == front(run)
    assert (copy / "verified.json").exists()
    assert not unsound(sound_run(Run.read(copy)))
    assert_no_secret(out.stdout, out.stderr, *contents(run, hidden=True).values())
    settings = (run / "run.json").read_text()
    assert "s3://" not in settings
    out = search("tabulated", "--trials", "1", "--out", URL, "--dry-run")
    assert "quick-002" in out.stdout, "a name that the store has is given again"


@pytest.mark.slow
@pytest.mark.usefixtures("s3", "head")
def test_another_head_goes_on_from_what_a_killed_one_mirrored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Remote(f"{URL}/mine")
    arguments = ["--out", URL, "--name", "mine", "--trials", "1000", "--seed", "3"]
    arguments += ["--concurrent-trials", "2"]
    with processes.running(
        command("slow", *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        processes.wait_until(process, lambda: len(complete(mirrored_records(remote))) >= 4)
        processes.kill(processes.tree(process.pid))
        process.wait()
    before, started = complete(mirrored_records(remote)), starts(remote)
    trials = len(before) + 4

    monkeypatch.setenv("PARETODIFF_CACHE", str(tmp_path / "other"))
    out = search("slow", "--resume", remote.url, "--trials", str(trials))
    assert out.returncode == 0, out.stderr
    run = working_folder(tmp_path / "other" / "runs")
    assert contents(copied(remote, tmp_path / "copy")) == contents(run)
    after = complete(records(run))
    assert len(after) == trials
    assert {number: after[number] for number in before} == before
    again = starts(remote)[len(started) :]
    assert not {str(number) for number in before} & set(again), "a finished trial ran again"
    assert not unsound(sound_run(Run.read(run)))


@pytest.mark.slow
@pytest.mark.usefixtures("s3")
def test_what_was_trained_is_not_trained_again_on_another_head(
    tmp_path: Path, head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, space = f"{URL}/real", small_space(tmp_path)
    out = search("evaluate", *space, "--trials", "2", "--out", URL, "--name", "real")
    assert out.returncode == 0, out.stderr
    before = trained(working_folder(head, "real"))
    assert before
    monkeypatch.setenv("PARETODIFF_CACHE", str(tmp_path / "other"))
    out = search("evaluate", *space, "--resume", url, "--trials", "4")
    assert out.returncode == 0, out.stderr
    run = working_folder(tmp_path / "other" / "runs", "real")
    assert len(complete(records(run))) == 4
    # With them the seconds that each training took.
    assert before.items() <= trained(run).items()


def trained(run: Path) -> dict[str, bytes]:
    files = contents(run / "backbones")
    return {
        name: content for name, content in files.items() if "weights" in name or "record" in name
    }


@pytest.mark.slow
def test_a_bucket_that_vanishes_ends_the_command_with_status_1_and_a_whole_run(
    tmp_path: Path, head: Path, s3: S3
) -> None:
    remote, log = Remote(f"{URL}/mine"), tmp_path / "log"
    arguments = ["--out", URL, "--name", "mine", "--trials", "12", "--concurrent-trials", "2"]
    with (
        log.open("w") as out,
        processes.running(command("slow", *arguments), stdout=out, stderr=out) as process,
    ):
        processes.wait_until(process, lambda: complete(mirrored_records(remote)))
        s3.drop_all()
        assert process.wait() == 1
    lines = log.read_text().splitlines()
    assert sum(line.startswith("mirror   late: ") for line in lines) <= 1
    (line,) = (line for line in lines if line.startswith("mirror   incomplete, "))
    run = working_folder(head)
    assert f"all of the run is in {run}" in line
    assert len(complete(records(run))) == 12
    assert front(run)
    out_again = search("slow", "--resume", str(run))
    assert out_again.returncode == 2
    assert "NoSuchBucket" in out_again.stderr or "does not exist" in out_again.stderr

    s3.make_bucket()
    assert search("slow", "--resume", str(run)).returncode == 0
    assert contents(copied(remote, tmp_path / "copy")) == contents(run)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["bucket", "permission"])
def test_a_wrong_bucket_and_a_missing_permission_end_with_one_line_before_any_trial(
    fault: str, head: Path, s3: S3
) -> None:
    url = "s3://nowhere/runs" if fault == "bucket" else URL
    s3.ask_for_permission(fault == "permission")
    try:
        out = search("slow", "--trials", "2", "--out", url, "--name", "mine")
    finally:
        s3.ask_for_permission(False)
    assert out.returncode == 2
    (line,) = out.stderr.splitlines()
    assert line.startswith(f"error: {url}")
    assert out.stdout == ""
    assert not list(head.glob("*/mine"))
    assert_no_secret(line)
