"""Machines that are processes: an sshd each, on a loopback address and in namespaces of its own.

What one who logs in finds on such a machine is that machine's: the host's name, the home with all
that is installed there, and the processes, so that a `ray stop` on one ends nothing elsewhere.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import processes

ADDRESSES = {"head": "127.0.0.2", "worker-a": "127.0.0.3", "worker-b": "127.0.0.4"}
TOOLS_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"))
TOOLS = ("sshd", "ssh", "ssh-keygen", "rsync", "setpriv", "unshare")
# Needs root. What is in the namespaces dies with the first process there, that with unshare, and
# that with the tests, however they end.
NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"),
)
NAMED = 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"'
# Ray's `-i ~/...` is below the home in the list of users, which is one for all these machines.
SSH = """#!/bin/sh
key="$HOME/ray_bootstrap_key.pem"
if [ -f "$key" ]; then set -- -i "$key" "$@"; fi
exec {ssh} -F {config} "$@"
"""
# Ray's smallest stores are enough; its usual ones are a third of the memory, for each node.
STORE = "--object-store-memory=100000000"


class Unavailable(Exception):
    """No such machines can be made here; says why."""


@dataclass(frozen=True)
class Machine:
    """One of the machines.

    Attributes:
        home: its user's, with its temporary files, too.
        port: where its sshd listens.
        process: in which all of its others are.
    """

    name: str
    home: Path
    port: int
    process: subprocess.Popen[Any]

    def runs(self, program: str) -> bool:
        """Whether one of the machine's processes is named so."""
        return any(program in processes.name(pid) for pid in processes.tree(self.process.pid))

    def log(self, name: str) -> str:
        """Return the last lines of a log of the machine's Ray, for one who reads a failure."""
        path = self.home / "tmp/ray/session_latest/logs" / name
        return path.read_text()[-5_000:] if path.exists() else f"there is no {path}"


def check_tools() -> None:
    """Prove that machines can be made here.

    Raises:
        Unavailable: they cannot.
    """
    missing = [name for name in TOOLS if shutil.which(name, path=TOOLS_PATH) is None]
    if missing:
        raise Unavailable(
            f"not installed: {', '.join(missing)} (Debian: openssh-server, openssh-client, rsync)"
        )
    made = subprocess.run(
        [*NAMESPACES, "sh", "-c", NAMED, "name", "true"], capture_output=True, check=False
    )
    if made.returncode:
        raise Unavailable("no namespaces can be made here: that takes root")


def make_keys(folder: Path) -> None:
    """Make the keys of the user and of the machines."""
    for name in ("key", "host_key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)


def make_ssh(folder: Path, ports: dict[str, int]) -> None:
    """Make an `ssh` that knows on which ports the machines listen."""
    hosts = [f"Host {ADDRESSES[name]}\n    Port {port}\n" for name, port in ports.items()]
    (folder / "ssh_config").write_text("".join(hosts))
    ssh = folder / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text(SSH.format(ssh=shutil.which("ssh"), config=folder / "ssh_config"))
    ssh.chmod(0o755)


def make_python(folder: Path, below: list[Path]) -> Path:
    """Make an environment of Python that has other ones' packages; return where its own lie."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "below.pth").write_text("".join(f"{path}\n" for path in below))
    return packages


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens, at any address."""
    with ExitStack() as held:
        made = [held.enter_context(closing(socket.create_server(("", 0)))) for _ in range(count)]
        return [one.getsockname()[1] for one in made]


@contextmanager
def machine(folder: Path, name: str, port: int, packages: list[Path]) -> Iterator[Machine]:
    """Start a machine on which what the project needs is installed, but not the project.

    Args:
        folder: of all machines, with keys and `ssh`.
        name: of the machine.
        port: for its sshd.
        packages: folders in which what the project needs lies.

    Raises:
        Unavailable: nobody may log in.
    """
    home = folder / name
    (home / "tmp").mkdir(parents=True)
    (home / ".bashrc").write_text(f"export PATH={folder / 'bin'}:$PATH\n")
    make_python(home / "paretodiff-venv", packages)
    ray = home / "paretodiff-venv/bin/ray"
    ray.write_text(f"#!{ray.with_name('python')}\nfrom ray.scripts.scripts import main\nmain()\n")
    ray.chmod(0o755)
    config = home / "sshd_config"
    config.write_text(_sshd_config(folder, name, port))
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd does not start without
    sshd = [str(shutil.which("sshd", path=TOOLS_PATH)), "-D", "-e", "-f", str(config)]
    words = [*NAMESPACES, "sh", "-c", NAMED, name, *sshd]
    with (
        (home / "sshd.log").open("w") as log,
        processes.running(words, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        _wait_for_ssh(folder, name, port, process)
        yield Machine(name, home, port, process)


def _sshd_config(folder: Path, name: str, port: int) -> str:
    home, (agent, dashboard, client) = folder / name, free_ports(3)
    flags = [f"--dashboard-agent-listen-port={agent}", STORE]
    if name == "head":
        flags += [f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
    else:
        flags += ["--num-cpus=1", f"--temp-dir={home}/tmp/ray"]
    environment = {
        "HOME": home,
        "TMPDIR": home / "tmp",
        "RAY_TMPDIR": home / "tmp",
        "RAY_USE_RANDOM_PORTS": 1,  # for workers: the usual ones are the same on each node
        "RAY_worker_niceness": 0,
        "NODE_FLAGS": " ".join(flags),
        "PIP_NO_BUILD_ISOLATION": 0,  # which pip takes to mean that there is none
        "PIP_DISABLE_PIP_VERSION_CHECK": 1,
    }
    lines = [
        *(f"ListenAddress {ADDRESSES[name]}", f"Port {port}", f"HostKey {folder}/host_key"),
        *(f"AuthorizedKeysFile {folder}/key.pub", "StrictModes no", "UsePAM no", "PidFile none"),
        *("PasswordAuthentication no", "KbdInteractiveAuthentication no"),
        "SetEnv " + " ".join(f'"{key}={value}"' for key, value in environment.items()),
    ]
    return "\n".join([*lines, ""])


def _wait_for_ssh(folder: Path, name: str, port: int, process: subprocess.Popen[Any]) -> None:
    address = ADDRESSES[name]

    def listens() -> bool:
        with closing(socket.socket()) as asking:
            return asking.connect_ex((address, port)) == 0

    processes.wait_until(process, listens)
    options = ["-i", str(folder / "key"), "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"]
    options += ["-o", f"UserKnownHostsFile={os.devnull}", f"{getpass.getuser()}@{address}"]
    words = [str(folder / "bin/ssh"), *options, "uname", "-n"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"sshd lets nobody in here: {done.stderr[-500:]}")
    assert done.stdout.strip() == name
