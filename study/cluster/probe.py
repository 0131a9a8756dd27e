"""Ask whether a cluster lets us in, in a process of its own, which writes the answer.

Where nothing answers, Ray waits for half a minute in code that no Ctrl-C interrupts, and where
there is no token to show it ends the process. Of this package it imports nothing.

python study/cluster/probe.py HOST PORT SECONDS
"""

import signal
import socket
import sys
from enum import StrEnum

from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayError


class Answer(StrEnum):
    """What came of it; a process that is ended by its alarm had none."""

    WELCOME = "welcome"
    TOKEN_REFUSED = "token-refused"
    UNKNOWN_HOST = "unknown-host"
    NO_CONNECTION = "no-connection"
    NO_CLUSTER = "no-cluster"


def ask(host: str, port: int) -> Answer:
    """Connect to a cluster's head, and ask it for the cluster's id."""
    try:
        socket.create_connection((host, port)).close()
    except (socket.gaierror, UnicodeError):  # the latter of what can be no name
        return Answer.UNKNOWN_HOST
    except OSError:
        return Answer.NO_CONNECTION
    try:
        GcsClient(address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except AuthenticationError:
        return Answer.TOKEN_REFUSED
    except RayError:
        return Answer.NO_CLUSTER
    return Answer.WELCOME


if __name__ == "__main__":
    signal.alarm(int(sys.argv[3]))  # ends the process wherever it is
    sys.stdout.write(ask(sys.argv[1], int(sys.argv[2])))
