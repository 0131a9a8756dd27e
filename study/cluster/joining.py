"""Whether a cluster may be joined, found out before Ray is asked to."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ray._private.authentication import authentication_token_setup

from diffusion.errors import one_line
from study.cluster import probe
from study.cluster.address import ALLOWED, LONGEST_SHOWN, RAY_ADDRESS, Address, resolve_address
from study.cluster.probe import Answer

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
ANSWER_SECONDS = 5
OPEN = "that cluster asks for no token, so whoever reaches it runs code on its machines"

_log = logging.getLogger(__name__)


def check_cluster(given: str, *, insecure: bool) -> str:
    """Return the HOST:PORT of the cluster that an --address names, which lets us in.

    Args:
        given: the address, or `auto`.
        insecure: whether it may be a cluster that asks for no token.

    Raises:
        ValueError: there is none, or it does not let us in, or everybody.
    """
    address = resolve_address(given)
    if address.source not in (None, RAY_ADDRESS):
        _take_token()
    answer = _ask(address, {**os.environ, MODE: "disabled"})
    if answer == Answer.WELCOME:
        if not insecure:
            raise ValueError(
                f"--address is {address.shown}; {OPEN}; start it with {MODE}=token, or give "
                "--insecure"
            )
        _log.warning("--address is %s; %s", address.shown, OPEN)
    if answer in (Answer.WELCOME, Answer.TOKEN_REFUSED):
        answer = _ask(address, os.environ)
    if answer != Answer.WELCOME:
        raise ValueError(f"--address is {address.shown}; {why_not(answer, os.environ)}")
    return str(address)


def why_not(answer: Answer | None, environment: Mapping[str, str]) -> str:
    """Say why a cluster cannot be joined, and what to do.

    Args:
        answer: what came of asking it with this environment's token; None for no answer.
        environment: which tells whether a token is shown, and which.
    """
    if answer == Answer.UNKNOWN_HOST:
        return f"no host is known by that name; {ALLOWED}"
    head = "allowed: the HOST:PORT that ray start --head printed, or local for this machine alone"
    if answer == Answer.NO_CONNECTION:
        return f"no connection to that port is made; {head}"
    if answer == Answer.NO_CLUSTER:
        return f"what listens on that port is no cluster's head; {head}"
    if answer is None:
        return f"no cluster answers there within {ANSWER_SECONDS} s; {head}"
    return _about_token(environment)


def _about_token(environment: Mapping[str, str]) -> str:
    mode, where = environment.get(MODE), _token_place(environment)
    if (mode or "").lower() != "token":
        is_now = "not set" if mode is None else repr(one_line(mode, 20))
        return (
            f"the cluster asks for a token, but {MODE} is {is_now}; set {MODE}=token, with the "
            f"cluster's token in {where}"
        )
    if _has_token(environment):
        return f"the cluster refuses the token in {where}; put the one of its head there"
    return f"{MODE} is token, but no token is in {where}; copy the one of its head there"


def _token_place(environment: Mapping[str, str]) -> str:
    """Return where Ray looks for the token, as it is named to the user."""
    if environment.get(TOKEN):
        return TOKEN
    return one_line(_token_path(environment), LONGEST_SHOWN)


def _token_path(environment: Mapping[str, str]) -> Path:
    return Path(environment.get(TOKEN_PATH) or Path.home() / ".ray" / "auth_token")


def _has_token(environment: Mapping[str, str]) -> bool:
    path = _token_path(environment)
    return bool(environment.get(TOKEN)) or (path.is_file() and bool(path.read_text().strip()))


def _take_token() -> None:
    """Show the token that is here, as Ray does for `auto` alone, unless told otherwise."""
    if MODE not in os.environ and _has_token(os.environ):
        authentication_token_setup._enable_token_auth()


def _ask(address: Address, environment: Mapping[str, str]) -> Answer | None:
    """Return a cluster's answer in this environment; None where there is none in time."""
    words = [sys.executable, "-P", probe.__file__, address.host, str(address.port)]
    asked = subprocess.run(
        [*words, str(ANSWER_SECONDS)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == -signal.SIGALRM:
        return None
    if asked.returncode and not _has_token(environment):
        return Answer.TOKEN_REFUSED  # Ray ends a process that is to show a token and has none
    asked.check_returncode()
    return Answer(asked.stdout)
