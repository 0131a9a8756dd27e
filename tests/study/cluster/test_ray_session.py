"""Ray on this machine alone, started for real: who can reach it."""

import json
import os
import stat
import subprocess
import sys
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from study.cluster.session import make_token

pytestmark = pytest.mark.timeout(900)  # starts Ray, on a busy machine too

# Runs a task in a local session, and prints where its processes listen and where its files lie.
SESSION = """
import json, os, ray, psutil
from pathlib import Path
from study.cluster.session import ray_session

driver = psutil.Process()
with ray_session(None):
    worker = ray.get(ray.remote(lambda: os.getpid()).remote())
    processes = [driver, *driver.children(recursive=True)]
    sockets = [c for p in processes for c in p.net_connections("inet") if c.status == "LISTEN"]
    folder = Path(ray._private.worker._global_node.get_session_dir_path())
    found = {
        "worker": worker in [p.pid for p in processes],
        "listening": sorted({s.laddr.ip for s in sockets}),
        "count": len(sockets),
        "modes": [parent.stat().st_mode for parent in folder.parents],
        "folder": str(folder),
        "arenas": ray.get(ray.remote(lambda: os.environ["MALLOC_ARENA_MAX"]).remote()),
    }
variables = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "MALLOC_ARENA_MAX")
found["left"] = [*(v in os.environ for v in variables), folder.exists()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def session(home: Path, ray_folder: None) -> dict[str, Any]:
    """What a local session was found to be like, of a user who never ran Ray."""
    out = subprocess.run(
        [sys.executable, "-c", SESSION],
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    return found


def on_loopback(address: str) -> bool:
    found = ip_address(address)
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def test_every_process_of_a_local_session_listens_on_loopback_alone(
    session: dict[str, Any],
) -> None:
    assert session["worker"], "the worker's sockets were looked at"
    assert session["count"] > 3
    assert [address for address in session["listening"] if not on_loopback(address)] == []


def test_nobody_else_enters_the_folder_of_a_local_session(session: dict[str, Any]) -> None:
    private = [mode for mode in session["modes"] if stat.S_IMODE(mode) == 0o700]
    assert private, "a folder around Ray's own is the user's alone"
    assert session["folder"].startswith(os.environ["RAY_TMPDIR"])


def test_a_local_session_leaves_nothing_behind(session: dict[str, Any]) -> None:
    assert session["left"] == [False, False, False]


def test_what_threads_of_a_worker_free_stays_in_few_places(session: dict[str, Any]) -> None:
    assert session["arenas"] == "2"


def test_the_token_is_for_its_user_alone(session: dict[str, Any], home: Path) -> None:
    (token,) = (home / ".ray").iterdir()
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(bytes.fromhex(token.read_text())) == 32


def test_a_token_that_others_may_read_is_kept_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    make_token()
    token = tmp_path / ".ray" / "auth_token"
    text = token.read_text()
    token.chmod(0o644)
    make_token()
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text() == text, "processes that know it still do"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RAY_AUTH_MODE", "disabled"),
        ("RAY_AUTH_TOKEN", "secret"),
        ("RAY_AUTH_TOKEN_PATH", "/elsewhere"),
    ],
)
def test_no_token_is_made_where_the_user_has_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, value)
    make_token()
    assert list(tmp_path.iterdir()) == []
