"""Where a Ray cluster is, as --address says it or as this machine knows it."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ray._private.utils import get_ray_address_file

from diffusion.errors import one_line

AUTO, RAY_ADDRESS = "auto", "RAY_ADDRESS"
ALLOWED = "allowed: HOST:PORT like 10.0.0.1:6379, auto, or local for this machine alone"
LONGEST_SHOWN = 60
_HOST_PORT = re.compile(r"(?:([\w.-]+)|\[([\da-fA-F:.]+)\]):(\d{1,5})", re.ASCII)


@dataclass(frozen=True)
class Address:
    """Where a cluster's head listens.

    Attributes:
        host: a name or an IP address.
        port: from 1 to 65535.
        source: what says that it is what `auto` stands for: RAY_ADDRESS, or the file that a
            `ray start` left here; None for an address that was given.
    """

    host: str
    port: int
    source: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The address as messages name it."""
        place = one_line(self, LONGEST_SHOWN)
        return place if self.source is None else f"{AUTO} ({place} of {self.source})"


def resolve_address(given: str) -> Address:
    """Return where the cluster is that an --address names.

    Unlike Ray's, `auto` takes no other cluster that happens to run here, maybe somebody else's.

    Raises:
        ValueError: it names none, or is `auto` where no cluster was started.
    """
    if given != AUTO:
        return _parse("--address", given)
    named = os.environ.get(RAY_ADDRESS, AUTO)
    if named not in ("", AUTO):
        return _automatic(RAY_ADDRESS, named)
    left = Path(get_ray_address_file(None))
    try:
        text = left.read_text().strip()
    except FileNotFoundError:
        raise ValueError(
            f"--address is auto, but no cluster was started on this machine: {_brief(left)} is "
            "not there, nor is RAY_ADDRESS set; start one by ray start --head, or give its "
            "HOST:PORT, or local for this machine alone"
        ) from None
    return _automatic(_brief(left), text)


def _automatic(source: str, text: str) -> Address:
    return replace(_parse(f"--address is auto, {source}", text), source=source)


def _parse(what: str, text: str) -> Address:
    match = _HOST_PORT.fullmatch(text)
    port = int(match[3]) if match else 0
    if match is None or not 0 < port < 2**16:
        raise ValueError(f"{what} is {_brief(text)!r}; {ALLOWED}")
    return Address(match[1] or match[2], port)


def _brief(text: object) -> str:
    return one_line(text, LONGEST_SHOWN)
