"""Where on the cluster a trial runs, so that a lost node is not taken for the trial's failure."""

import os
import platform
from dataclasses import asdict, dataclass
from typing import Any, Self

import ray


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


def is_alive(place: Place) -> bool:
    """Whether a node is still there; asked after one of its processes died."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return any(node["NodeID"] == place.node and node["Alive"] for node in nodes)
