"""Machines on loopback addresses, and the launcher that makes a Ray cluster of them."""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from cluster_checks import ROOT, START_LISTS, TOKEN, Config, load, replace
from loopback_machines import (
    ADDRESSES,
    NAMESPACES,
    Machine,
    Unavailable,
    check_tools,
    free_ports,
    machine,
    make_keys,
    make_python,
    make_ssh,
)

HANG_SECONDS = 600


@dataclass(frozen=True)
class Cluster:
    """The machines, and what the launcher is given.

    Attributes:
        folder: of all that is made.
        file: ours for `ray up`, filled in.
    """

    folder: Path
    file: Path
    head: Machine
    workers: tuple[Machine, ...]

    @property
    def shared(self) -> Path:
        """The folder that all machines see under the same path."""
        return self.folder / "shared"

    def ray(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `ray COMMAND FILE ARGUMENTS` as on the launcher's machine, with all it leaves."""
        ray = str(Path(sys.executable).with_name("ray"))
        return subprocess.run(
            [*NAMESPACES, ray, command, str(self.file), *arguments],
            env=_launcher_environment(self.folder),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=HANG_SECONDS,
        )


@contextmanager
def loopback_cluster() -> Iterator[Cluster]:
    """Start the machines, without Ray, and end them with all that was started there.

    Raises:
        Unavailable: that cannot be done here.
    """
    check_tools()
    if not (ROOT / ".git").exists():
        raise Unavailable("no git repository here, so that nothing says what is tracked")
    folder = Path(tempfile.mkdtemp(prefix="up-", dir="/tmp"))  # paths of sockets must be short
    try:
        make_keys(folder)
        _make_files(folder)
        packages = _packages(folder / "packages")
        ports = dict(zip(ADDRESSES, free_ports(len(ADDRESSES)), strict=True))
        make_ssh(folder, ports)
        with ExitStack() as running:
            head, *workers = (
                running.enter_context(machine(folder, name, port, packages))
                for name, port in ports.items()
            )
            file = folder / "local.yaml"
            file.write_text(yaml.safe_dump(filled_in(folder)))
            yield Cluster(folder, file, head, tuple(workers))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for sockets in Path("/tmp").glob(f"ray_ssh_*/{_digest(folder.name)}"):
            shutil.rmtree(sockets)


def filled_in(folder: Path) -> Config:
    """Return docs/cluster/local.yaml with these machines, and with what one machine has but once.

    The commands are the file's; each node's ports and what it has for trials are in $NODE_FLAGS.
    """
    config = load("docs/cluster/local.yaml")
    config["cluster_name"] = folder.name  # a new one each time: Ray goes on with one it knows
    head, *workers = ADDRESSES.values()
    config["provider"].update(head_ip=head, worker_ips=workers)
    config["auth"].update(ssh_user=getpass.getuser(), ssh_private_key=str(folder / "key"))
    config["file_mounts"].update({"~/paretodiff": str(folder / "tracked")})
    config["file_mounts"].update({TOKEN: str(folder / "token")})
    for name in ("initialization_commands", "setup_commands"):
        replace(config, name, "/shared", str(folder / "shared"))
    (port,) = free_ports(1)
    for name in START_LISTS:
        replace(config, name, "6379", str(port))
        replace(config, name, "address=$3", "address=$3 $NODE_FLAGS")
    return config


def _make_files(folder: Path) -> None:
    """Make the token, the folder that is shared, and what `make cluster-files` would copy."""
    (folder / "token").write_text(secrets.token_hex(32))
    (folder / "token").chmod(0o644)  # too open, as Ray itself would make it
    for name in ("launcher/tmp", "shared/runs", "shared/data"):
        (folder / name).mkdir(parents=True)
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in tracked.stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            copy = folder / "tracked" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy)


def _packages(folder: Path) -> list[Path]:
    """Return where packages lie: what ray[default] needs beyond the tests', then theirs."""
    theirs = [Path(sysconfig.get_path("purelib"))]
    packages = make_python(folder, theirs)
    words = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "-c", "constraints.txt"]
    done = subprocess.run(
        [*words, "ray[default]"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"ray[default] cannot be installed: {done.stderr[-500:]}")
    return [packages, *theirs]


def _launcher_environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    own = {"HOME": str(folder / "launcher"), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    tmp = str(folder / "launcher/tmp")
    return {**kept, **own, "TMPDIR": tmp, "RAY_TMPDIR": tmp, "RAY_USAGE_STATS_ENABLED": "0"}


def _digest(name: str) -> str:
    """Return how Ray names the folder of a cluster's SSH connections."""
    return hashlib.sha256(name.encode()).hexdigest()[:10]
