"""A study that is killed at random moments, in many ways, and started again until it is done."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import processes
from test_search import command, records

from study.results.records import TrialRecord


def kill_driver(process: subprocess.Popen[bytes]) -> None:
    process.kill()


def kill_driver_and_tear_journal(process: subprocess.Popen[bytes]) -> None:
    """As when the power fails within a write: the last line has a beginning alone."""
    (run,) = (Path(word) for word in processes.name(process.pid).split() if "study-run" in word)
    process.kill()
    process.wait()
    with (run / "study.journal").open("ab") as journal:
        journal.write(b'{"op_code": 6, "worker_id": "ab')


def kill_everything(process: subprocess.Popen[bytes]) -> None:
    processes.kill(processes.tree(process.pid))


def kill_ray(process: subprocess.Popen[bytes]) -> None:
    """All of Ray's processes; the driver is left to find that out."""
    processes.kill(processes.tree(process.pid)[1:])


def kill_worker(process: subprocess.Popen[bytes]) -> None:
    """A trial's process: the study goes on by itself."""
    processes.kill(processes.workers(process.pid)[:1])


def terminate(process: subprocess.Popen[bytes]) -> None:
    process.terminate()


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C: the whole group hears it, as from a terminal."""
    os.killpg(process.pid, signal.SIGINT)


Kill = Callable[[subprocess.Popen[bytes]], None]
KILLS: tuple[Kill, ...] = (
    kill_driver,
    kill_worker,
    kill_driver_and_tear_journal,
    kill_everything,
    interrupt,
    terminate,
    kill_ray,
)


@dataclass
class Ordeal:
    """A study that is killed again and again until it is done.

    Attributes:
        run: its folder.
        longest_wait: from the start of a trial that can be killed to the kill, in seconds.
        held_from: number of the trial that waits for the last kill, so that none comes too late.
        always: arguments of the first start and of each resume.
    """

    run: Path
    evaluate: str
    arguments: list[str]
    longest_wait: float
    seed: int
    held_from: int = 0
    always: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)

    def suffer(self, kills: list[Kill]) -> None:
        """Start the study once for each kill and once more, and let it end."""
        dice, hold = random.Random(self.seed), self.run.with_suffix(".hold")
        if kills:
            hold.write_text(str(self.held_from))
        for kill in kills:
            before = self._ended()
            with self._start() as process:
                processes.wait_until(process, lambda: processes.workers(process.pid))
                time.sleep(dice.uniform(0, self.longest_wait))
                if process.poll() is None:
                    self.killed.append(kill.__name__)
                    kill(process)
                if kill is kill_worker:  # which ends nothing
                    time.sleep(dice.uniform(0, self.longest_wait))
                    process.kill()
                process.wait()
            self._check_nothing_is_lost_or_repeated(before)
        hold.unlink(missing_ok=True)
        with self._start() as process:
            assert process.wait() == 0

    def finished(self) -> dict[int, tuple[Any, ...]]:
        """Return what the finished trials are, without what depends on the clock."""
        return {number: essence(record) for number, record in self._ended().items()}

    def _ended(self) -> dict[int, TrialRecord]:
        if not (self.run / "run.json").exists():
            return {}
        return {r.number: r for r in records(self.run) if r.finished}

    def _check_nothing_is_lost_or_repeated(self, before: dict[int, TrialRecord]) -> None:
        after = self._ended()
        assert all(after.get(n) == r for n, r in before.items()), (
            "a finished trial changed, with its wall seconds"
        )
        for number, record in after.items():
            if record.state == "complete":
                assert (self.run / "trials" / str(number) / "model.pdm").stat().st_size > 0

    def _start(self) -> AbstractContextManager[subprocess.Popen[Any]]:
        where = ["--resume", str(self.run)]
        if not (self.run / "run.json").exists():
            where = ["--out", str(self.run.parent), "--name", self.run.name, *self.arguments]
        return processes.running(
            command(self.evaluate, *where, *self.always),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def essence(record: TrialRecord) -> tuple[Any, ...]:
    scores, key = record.scores or {}, record.recipe.key if record.recipe else None
    rungs = {images: rung["fid"] for images, rung in record.rungs.items()}
    return record.state, key, scores.get("fid"), scores.get("size_bytes"), rungs


def check_whole(run: Path, trials: int) -> None:
    """Exactly the trials asked for have ended, none is left over and none ran twice."""
    found = records(run)
    assert sum(r.finished for r in found) == trials
    assert not [r.number for r in found if r.state == "running"]
    keys = [r.recipe.key for r in found if r.finished and r.recipe is not None]
    assert len(set(keys)) == len(keys) == trials
