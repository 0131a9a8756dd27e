"""Verifications for tests: trials of a small run with scores of any seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from small_run import run_of

from diffusion.recipe import Recipe
from study.results.records import TrialRecord
from study.verification.file import Verification
from study.verification.point import Plan

IMAGES = 1_000
# FID and size: three near the front, and one far off it.
SEARCHED = ((20.0, 100), (19.5, 200), (10.0, 300), (50.0, 300))


def scores(fid: float, **more: Any) -> dict[str, Any]:
    return {
        "fid": fid,
        "fid_low": fid - 1,
        "fid_high": fid + 1,
        "fid_num_images": IMAGES,
        "precision": 0.5,
        "latency_ms": 5.0,
        "extractor": "digits",
        "ssim": None,
        **more,
    }


def record(number: int, fid: float, size: int, recipe: Recipe | None = None) -> TrialRecord:
    values = {**scores(fid), "size_bytes": size, "fid_num_images": 500, "parameters": 7}
    return TrialRecord(number, "complete", recipe, values)


def fill(verification: Verification, number: int, *fids: float, num_images: int = IMAGES) -> None:
    """Give a trial scores with the first seeds there are."""
    seeds = Plan(num_images, len(fids)).seeds
    known = verification.point(number).seeds.setdefault(num_images, {})
    known.update({seed: scores(fid) for seed, fid in zip(seeds, fids, strict=True)})


def verified(
    folder: Path, records: Sequence[TrialRecord], limits: dict[str, float] | None = None
) -> Verification:
    """Return a verification of the three trials near the front."""
    verification = Verification(run_of(folder, records, limits))
    fill(verification, 0, 15.0, 16.0, 17.0)
    fill(verification, 1, 18.0, 19.0, 20.0)
    fill(verification, 2, 8.0, 8.5, 9.0)
    return verification
