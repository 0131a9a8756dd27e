"""Training curves: what uncompressed models scored at their rungs."""

from collections.abc import Mapping, Sequence
from typing import Any

from study.display.report.entries import status_of
from study.display.report.metrics import figure
from study.results.records import TrialRecord
from study.results.rows import FrontRow
from study.results.words import name_recipe


def curves_of(
    records: Sequence[TrialRecord], front: Mapping[int, FrontRow]
) -> list[dict[str, Any]]:
    """Return the curves of the trials that trained and were judged on their way.

    Args:
        records: of all trials.
        front: rows of the front by their trials.

    Returns:
        Of each its trial, status, name, reason, and `points`: pairs of training images and FID.
    """
    curves = []
    for record in records:
        rungs = sorted(record.rungs.items())
        points = [[images, figure(scores.get("fid"))] for images, scores in rungs]
        points = [point for point in points if point[1] is not None]
        if points and record.recipe is not None:
            curves.append(
                {
                    "trial": record.number,
                    "status": status_of(record, front),
                    "name": name_recipe(record.recipe).split(", ema ")[0],
                    "points": points,
                    "images": rungs[-1][1].get("fid_num_images"),
                }
            )
    return curves
