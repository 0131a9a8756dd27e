"""Studies in a real PostgreSQL server, which may go away under them."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import injected
import processes
import pytest
from optuna.samplers import RandomSampler
from ordeal import Ordeal, check_whole, kill_driver, kill_worker
from postgresql import Server, running_server
from refusals import Refused
from test_search import command, records, search

from diffusion.recipe import Recipe
from study import status, verify
from study.run.database import Database
from study.run.database_url import VARIABLE
from study.run.folder import LOCK_NAME
from study.run.storage import StudyStorage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def password(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's password, where libpq looks for it."""
    monkeypatch.setenv("PGPASSWORD", server.password)
    return server.password


def holders(folder: Path, text: str) -> list[Path]:
    """Return the files in a folder that hold a text."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if text.encode() in path.read_bytes()]


def test_a_killed_study_is_the_undisturbed_one_of_a_journal(
    server: Server, password: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--trials", "22", "--concurrent-trials", "1", "--seed", "5"]
    undisturbed = Ordeal(tmp_path / "study-run-a", "staged", arguments, 0.0, 0)
    undisturbed.suffer([])
    in_database = [*arguments, "--storage", server.url]
    killed = Ordeal(tmp_path / "study-run-b", "staged", in_database, 1.2, 1, held_from=18)
    killed.suffer([kill_worker, kill_driver])
    assert killed.finished() == undisturbed.finished()
    check_whole(killed.run, 22)
    assert (killed.run / LOCK_NAME).exists()
    assert not (killed.run / "study.journal").exists()

    assert status.main([str(killed.run)]) == 0
    assert "22 of 22 finished" in capsys.readouterr().out
    asked = [str(killed.run), "--images", "2000"]
    assert verify.main(asked, injected.rescored, injected.timed) == 0
    assert "verified in " in capsys.readouterr().out
    assert holders(killed.run, server.url), "the run says where its study is"
    assert not holders(tmp_path, password)


def test_a_server_that_goes_away_halts_the_study_and_a_resume_goes_on(
    server: Server, password: str, tmp_path: Path, refused: Refused
) -> None:
    run = tmp_path / "cut"
    words = ["--out", str(tmp_path), "--name", run.name, "--storage", server.url]
    words += ["--trials", "1000", "--concurrent-trials", "2"]
    with processes.running(
        command("slow", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        processes.wait_until(process, lambda: processes.lines(run / "starts.txt") >= 6)
        before = records(run)
        server.stop()
        try:
            output, errors = process.communicate()
            line = refused(lambda: status.main([str(run)]))
        finally:
            server.start()
    assert process.returncode == 2
    assert line.startswith(f"error: database {server.url} cannot be used (")
    (halt,) = [said for said in errors.splitlines() if "error" in said]
    assert halt.startswith(f"error: database {server.url} cannot be used (")
    assert f"go on with: python -m study.search --resume {run}" in halt
    assert "Traceback" not in errors
    assert password not in output + errors

    known = records(run)
    ended = {record.number: record for record in known if record.state == "complete"}
    assert not [record for record in known if record.state == "failed"]
    assert {record.number for record in before if record.state == "complete"} <= set(ended)
    out = search("slow", "--resume", str(run), "--trials", str(len(ended) + 4))
    assert out.returncode == 0, out.stderr
    complete = {r.number: r for r in records(run) if r.state == "complete"}
    assert len(complete) == len(ended) + 4
    assert all(complete[number] == record for number, record in ended.items())


def test_a_server_that_was_started_again_between_two_trials_is_gone_on_with(
    server: Server, digit_recipe: Recipe
) -> None:
    storage = StudyStorage(Database(server.url, "restarted"), ("fid",))
    trial = storage.ask(RandomSampler(seed=0))
    server.stop()
    server.start()
    storage.accept(trial, digit_recipe)
    assert [record.recipe for record in storage.records()] == [digit_recipe]


def test_studies_that_begin_together_in_a_new_database_all_begin(server: Server) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("create database fresh")
    url = server.url.removesuffix("/postgres") + "/fresh"

    def begin(name: str) -> StudyStorage:
        return StudyStorage(Database(url, name), ("fid",))

    names = [f"run-{number}" for number in range(4)]
    with ThreadPoolExecutor(len(names)) as threads:
        assert [storage.records() for storage in threads.map(begin, names)] == [[]] * len(names)


def test_the_environment_s_url_has_the_password_that_no_run_keeps(
    server: Server, password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv(VARIABLE, server.url.replace("tester@", f"tester:{password}@"))
    out = search("tabulated", "--trials", "3", "--out", str(tmp_path), "--name", "mine")
    assert out.returncode == 0, out.stderr
    assert f" in {server.url}\n" in out.stdout
    assert sum(record.finished for record in records(tmp_path / "mine")) == 3
    assert not holders(tmp_path, password)
    assert password not in out.stdout + out.stderr


def test_a_wrong_password_is_said_without_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv("PGPASSWORD", "wrongly-hidden")
    out = search("tabulated", "--storage", server.url, "--out", str(tmp_path))
    assert out.returncode == 2
    assert out.stderr.startswith(f"error: database {server.url} cannot be used (")
    assert "password authentication failed" in out.stderr
    assert "wrongly-hidden" not in out.stdout + out.stderr
    assert list(tmp_path.iterdir()) == []
