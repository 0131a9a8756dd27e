"""Whether a cluster may be joined: clusters started for real, and what is none."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import processes
import pytest

from diffusion.errors import LONGEST_LINE
from study.cli.parser import INTERRUPTED_STATUS, USAGE_STATUS
from study.cluster.joining import why_not
from study.cluster.probe import Answer
from study.run.settings import RunSettings, save_settings

pytestmark = pytest.mark.timeout(900)  # starts Ray, on a busy machine too

HANG_SECONDS = 300  # Ray itself gives up earlier, but says other things
# Joins a cluster, and prints how many arenas of memory a task on it finds itself allowed.
JOIN = """
import os, sys, ray
from study.cli.parser import run_command
from study.cluster import joining
from study.cluster.session import ray_session

def main():
    joining.ANSWER_SECONDS = int(sys.argv[2])
    with ray_session(sys.argv[1], insecure="--insecure" in sys.argv):
        print(ray.get(ray.remote(lambda: os.environ["MALLOC_ARENA_MAX"]).remote()))
    return 0

run_command(main)
"""
LONG = "/home/" + "folder/" * 40 + "auth_token"


def environment(tokens: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """Return this process's environment with these settings of tokens and no others."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_AUTH", "RAY_ADDRESS"))}
    return {**kept, **({} if folder is None else {"RAY_TMPDIR": str(folder)}), **tokens}


def join(
    address: str, *options: str, seconds: int = 3, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", JOIN, address, str(seconds), *options]
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
        env=environment({}) if env is None else env,
    )


def line_of(out: subprocess.CompletedProcess[str], address: str) -> str:
    """Return the one line of a command that was refused, which names the address."""
    assert out.returncode == USAGE_STATUS, out.stderr
    assert out.stdout == ""
    (line,) = out.stderr.splitlines()
    assert line.startswith("error: --address is ")
    assert address in line
    assert len(line) <= LONGEST_LINE
    return line


def asking(pid: int) -> list[int]:
    """Return the process in which a command asks a cluster."""
    return [child for child in processes.tree(pid)[1:] if "probe.py" in processes.name(child)]


@dataclass(frozen=True)
class Head:
    """A cluster of one node."""

    folder: Path
    address: str


def start(tokens: Mapping[str, str], node: str) -> Iterator[Head]:
    """Start a cluster on this machine, and kill its processes in the end."""
    folder = Path(tempfile.mkdtemp(prefix="ray-head-", dir="/tmp"))  # paths of sockets are short
    (folder / "ray").mkdir()
    left = folder / "ray" / "ray_current_cluster"
    words = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--port=0"]
    words += ["--num-cpus=1", "--include-dashboard=false", f"--node-ip-address={node}"]
    with (
        (folder / "log").open("w") as log,
        processes.running(
            words, env=environment(tokens, folder), stdout=log, stderr=log
        ) as process,
    ):
        processes.wait_until(process, lambda: left.exists() and left.read_text())
        yield Head(folder, left.read_text().strip())
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("token") / "auth_token"
    path.write_text(secrets.token_hex(32))
    return path


@pytest.fixture(scope="module")
def guarded(token: Path, ray_folder: None) -> Iterator[Head]:
    """A cluster that asks for a token."""
    yield from start({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}, "127.0.0.2")


@pytest.fixture(scope="module")
def open_to_all(ray_folder: None) -> Iterator[Head]:
    yield from start({"RAY_AUTH_MODE": "disabled"}, "127.0.0.3")


@pytest.mark.slow
def test_a_cluster_is_joined_with_its_token_alone(
    guarded: Head, token: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text(secrets.token_hex(32))
    address, path = guarded.address, "RAY_AUTH_TOKEN_PATH"

    def joined(**tokens: str) -> subprocess.CompletedProcess[str]:
        return join(address, env=environment(tokens, guarded.folder))

    line = line_of(joined(**{path: str(token)}), address)
    assert "asks for a token, but RAY_AUTH_MODE is not set; set RAY_AUTH_MODE=token" in line
    assert str(token)[-20:] in line
    line = line_of(joined(RAY_AUTH_MODE="token", **{path: str(other)}), address)
    assert "refuses the token in " in line
    assert str(other)[-20:] in line
    line = line_of(joined(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="not-it"), address)
    assert "refuses the token in RAY_AUTH_TOKEN;" in line
    line = line_of(joined(RAY_AUTH_MODE="token", HOME=str(tmp_path)), address)
    assert "RAY_AUTH_MODE is token, but no token is in " in line
    assert ".ray/auth_token" in line

    out = joined(RAY_AUTH_MODE="token", **{path: str(token)})
    assert (out.returncode, out.stdout, out.stderr) == (0, "2\n", "")
    # Ray takes a token that is there by itself for auto, and so for that alone.
    out = join("auto", env=environment({path: str(token)}, guarded.folder))
    assert (out.returncode, out.stdout, out.stderr) == (0, "2\n", "")


@pytest.mark.slow
def test_a_cluster_that_asks_for_no_token_is_joined_only_where_told(open_to_all: Head) -> None:
    address = open_to_all.address
    env = environment({}, open_to_all.folder)
    line = line_of(join(address, env=env), address)
    assert "asks for no token" in line
    assert line.endswith("start it with RAY_AUTH_MODE=token, or give --insecure")
    out = join(address, "--insecure", env=env)
    assert (out.returncode, out.stdout) == (0, "2\n"), out.stderr
    (warning,) = out.stderr.splitlines()
    assert address in warning
    assert "asks for no token" in warning


@pytest.mark.slow
def test_a_study_on_an_open_cluster_asks_for_insecure_each_time(
    open_to_all: Head, settings: RunSettings, tmp_path: Path
) -> None:
    env = environment({}, open_to_all.folder)

    def run(module: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG_SECONDS,
            env=env,
        )

    address = ["--address", open_to_all.address]
    search = ["--out", str(tmp_path), "--dry-run", *address]
    line_of(run("study.search", *search), open_to_all.address)
    out = run("study.search", *search, "--insecure")
    assert out.returncode == 0, out.stderr
    assert "insecure" not in tomllib.loads(out.stdout)
    save_settings(tmp_path, replace(settings, address=open_to_all.address))
    line_of(run("study.search", "--resume", str(tmp_path), "--dry-run"), open_to_all.address)
    line_of(run("study.verify", str(tmp_path)), open_to_all.address)


def test_where_nothing_listens_or_no_cluster_does_a_line_says_so() -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as listening:
        host, port = listening.getsockname()
        silent = line_of(join(f"{host}:{port}", seconds=1), f"{host}:{port}")
    assert "no cluster answers there within 1 s" in silent
    closed = line_of(join(f"{host}:{port}", seconds=HANG_SECONDS), f"{host}:{port}")
    assert "no connection to that port is made" in closed


def test_a_host_that_is_none_is_refused_in_one_line() -> None:
    line = line_of(join("a" * 64 + ":6379", seconds=HANG_SECONDS), "aaa")  # too long for a name
    assert "no host is known by that name" in line


def test_ctrl_c_ends_the_wait_for_an_answer() -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as silent:
        host, port = silent.getsockname()
        words = [sys.executable, "-c", JOIN, f"{host}:{port}", str(10 * HANG_SECONDS)]
        # A shell's background job hears no Ctrl-C, and hands that down to all it starts.
        hearing = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        options = {"stderr": subprocess.PIPE, "text": True, "preexec_fn": hearing}
        with processes.running(words, **options) as process:
            processes.wait_until(process, lambda: asking(process.pid))
            (probe,) = asking(process.pid)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, said) == (INTERRUPTED_STATUS, "interrupted\n")
    assert "probe.py" not in processes.name(probe)


@pytest.mark.parametrize(
    ("answer", "tokens", "said"),
    [
        (Answer.UNKNOWN_HOST, {}, "no host is known by that name; allowed: HOST:PORT like "),
        (Answer.NO_CONNECTION, {}, "no connection to that port is made; allowed: the HOST:PORT"),
        (Answer.NO_CLUSTER, {}, "what listens on that port is no cluster's head; allowed: "),
        (None, {}, "no cluster answers there within 5 s; allowed: the HOST:PORT"),
        (Answer.TOKEN_REFUSED, {}, "RAY_AUTH_MODE is not set; set RAY_AUTH_MODE=token, with "),
        (
            *(Answer.TOKEN_REFUSED, {"RAY_AUTH_MODE": "disabled"}),
            "RAY_AUTH_MODE is 'disabled'; set RAY_AUTH_MODE=token, with the cluster's token in ",
        ),
        (
            *(Answer.TOKEN_REFUSED, {"RAY_AUTH_MODE": "Token", "RAY_AUTH_TOKEN": "x"}),
            "the cluster refuses the token in RAY_AUTH_TOKEN; put the one of its head there",
        ),
        (
            *(Answer.TOKEN_REFUSED, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": LONG}),
            "RAY_AUTH_MODE is token, but no token is in /home/",
        ),
    ],
)
def test_each_answer_says_what_to_do(
    answer: Answer | None, tokens: Mapping[str, str], said: str
) -> None:
    line = why_not(answer, tokens)
    assert said in line
    assert len(line) <= 190, "an address and its file have room before it"
