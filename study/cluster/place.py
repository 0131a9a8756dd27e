"""Where on the cluster a trial runs, so that a lost node is not taken for the trial's failure."""

import os
import platform
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Self

import ray

ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class Place:
    """A worker process on a node.

    Attributes:
        node: Ray's id of it.
        machine: its name.
        process: id of the process there, as in the names of Ray's logs.
    """

    node: str
    machine: str
    process: int

    @classmethod
    def here(cls) -> Self:
        """Return where this process runs, which is a worker."""
        node = ray.get_runtime_context().get_node_id()
        return cls(node, platform.node(), os.getpid())

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"process {self.process} on {self.machine}"


def alive_nodes() -> set[str]:
    """Return Ray's ids of the nodes that are there."""
    return set(_alive())


def lost_nodes(among: Collection[str]) -> set[str]:
    """Return which of some nodes are gone, asked after a process of one of them died.

    Ray takes some seconds to say so; that nothing listens there any more is known at once.
    """
    alive = _alive()
    return {node for node in among if node not in alive or not _listens(*alive[node])}


def _alive() -> dict[str, tuple[str, int]]:
    """Return where the nodes that are there listen, by their ids."""
    return {
        node["NodeID"]: (node["NodeManagerAddress"], node["NodeManagerPort"])
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    }


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), ANSWER_SECONDS).close()
    except OSError:
        return False
    return True
