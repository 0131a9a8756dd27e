"""Ray as it is joined, or started on this machine alone and kept to it and to its user."""

import logging
import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from study.cluster.joining import check_cluster

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
# Each trial of a worker runs in a new thread, and glibc gives a new thread any of up to eight
# arenas a core, each of which keeps tens of megabytes that its last thread freed.
FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}


@contextmanager
def ray_session(address: str | None, *, insecure: bool = False) -> Iterator[None]:
    """Join a cluster, or start Ray on this machine alone.

    Args:
        address: of the cluster; None for this machine alone.
        insecure: whether the cluster may be one that asks for no token.

    Raises:
        ValueError: there is no cluster at the address that lets us in, and not everybody.
    """
    if address is not None:
        checked = check_cluster(address, insecure=insecure)
        with _shutting_down():
            ray.init(address=checked, runtime_env={"env_vars": FEW_ARENAS}, **QUIET)
            yield
        return
    make_token()
    with _private_folder() as folder, _on_loopback(), _environment(FEW_ARENAS), _shutting_down():
        ray.init(address="local", include_dashboard=False, _temp_dir=str(folder), **QUIET)
        yield


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Give SIGTERM the clean end of Ctrl-C, which reaches Tune by itself, in place of Ray's."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _shutting_down() -> Iterator[None]:
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Yield a folder for Ray's sockets and logs, within one that only the user may enter.

    Ray opens its own to everyone. Paths of sockets must be short, so it does not lie in the run's.
    """
    place = Path(os.environ.get("RAY_TMPDIR", "/tmp"))
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix="study-", dir=place, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder) / "r"


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray listen on 127.0.0.1 alone, as it does on systems where it makes no clusters.

    It reads the variable when it is imported, and so do the processes it starts; here it is
    imported before it is known whether a cluster is joined.
    """
    enabled = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        with _environment({ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0"}):
            yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = enabled


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def make_token() -> None:
    """Make the token that Ray's processes show each other, where the user has not placed one.

    Ray would make it for everyone to read.
    """
    mode = os.environ.get("RAY_AUTH_MODE", "token").lower()
    if mode != "token" or os.environ.keys() & {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
        return
    path = Path.home() / ".ray" / "auth_token"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as aside:  # of mode 0600
            aside.write(secrets.token_hex(32))
            aside.flush()
            with suppress(FileExistsError):  # another study was first
                os.link(aside.name, path)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
