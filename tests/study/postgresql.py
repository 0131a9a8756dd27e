"""A PostgreSQL server of a test's own: its data, its port and its password are nobody else's."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEBIAN = Path("/usr/lib/postgresql")  # its programs are on no path there
POLL_SECONDS = 0.1


class Server:
    """A server that can be stopped and started again on the same data.

    Attributes:
        url: of its database, without the password.
        password: of its one user.
    """

    def __init__(self, folder: Path, programs: Path, before: list[str]) -> None:
        """Make its data.

        Args:
            folder: for it, of the user that it runs as.
            programs: folder of PostgreSQL's own.
            before: the words of a command line that become that user.
        """
        self._folder, self._programs, self._before = folder, programs, before
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.password = secrets.token_hex(16)
        self.url = f"postgresql+psycopg://tester@127.0.0.1:{self._port}/postgres"
        (folder / "password").write_text(self.password)
        options = ["--username", "tester", "--pwfile", str(folder / "password"), "--no-sync"]
        options += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]
        made = [*self._program("initdb"), "-D", str(folder / "data"), *options]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    def start(self) -> None:
        """Start it, and wait until it lets clients in."""
        place = ["-D", str(self._folder / "data"), "-k", str(self._folder), "-p", str(self._port)]
        words = [*self._program("postgres"), *place, "-c", "listen_addresses=127.0.0.1"]
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(words, stderr=log, stdout=log, cwd=self._folder)
        ready = [*self._program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while subprocess.run(ready, check=False, cwd=self._folder).returncode != 0:
            assert self._process.poll() is None, (self._folder / "log.txt").read_text()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Let it end at once, and its clients with it; one that is not running stays as it is."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def _program(self, name: str) -> list[str]:
        return [*self._before, str(self._programs / name)]


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server; skip the test where there is none to start."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver psycopg is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    # The folders of pytest are closed to the user that it runs as.
    with tempfile.TemporaryDirectory(prefix="postgresql-", dir="/tmp") as name:
        server = Server(Path(name), programs, _as_its_user(Path(name)))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _programs() -> Path | None:
    found = [*DEBIAN.glob("*/bin/postgres"), shutil.which("postgres")]
    return next((Path(path).parent for path in found if path is not None), None)


def _as_its_user(folder: Path) -> list[str]:
    """Give a folder to the user of the server, which refuses to be root; return how to be it."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("no user postgres here, and the server refuses to be root")
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv here, and the server refuses to be root")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
