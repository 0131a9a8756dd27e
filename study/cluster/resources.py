"""Ray as it is joined, and what a trial gets of it."""

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray


@dataclass(frozen=True)
class Resources:
    """What a trial gets, and how many run at once."""

    cpus_per_trial: float
    gpus_per_trial: float
    concurrent_trials: int

    @property
    def threads(self) -> int:
        """Torch's threads in a trial."""
        return max(1, int(self.cpus_per_trial))

    @property
    def device(self) -> str:
        """Where a trial's tensors live."""
        return "cuda" if self.gpus_per_trial > 0 else "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {**vars(self), "threads": self.threads, "device": self.device}


@contextmanager
def ray_session(address: str | None) -> Any:
    """Join a cluster, or start Ray on this machine alone."""
    if address is None:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    else:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def resolve_resources(
    cpus_per_trial: float | None, gpus_per_trial: float | None, concurrent_trials: int | None
) -> Resources:
    """Fill in what the user left open from what the cluster has.

    Raises:
        ValueError: the cluster cannot run a single trial with these.
    """
    have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cpus, gpus = have.get("CPU", 0.0), have.get("GPU", 0.0)
    cpus_each = 1.0 if cpus_per_trial is None else cpus_per_trial
    gpus_each = min(gpus, 1.0) if gpus_per_trial is None else gpus_per_trial
    if gpus_each > gpus:
        raise ValueError(
            f"--gpus-per-trial is {gpus_each:g}; allowed: up to the {gpus:g} there are"
        )
    if cpus_each > cpus:
        raise ValueError(
            f"--cpus-per-trial is {cpus_each:g}; allowed: up to the {cpus:g} there are"
        )
    fits = [int(cpus / cpus_each)] + ([int(gpus / gpus_each)] if gpus_each else [])
    return Resources(cpus_each, gpus_each, concurrent_trials or min(fits))
