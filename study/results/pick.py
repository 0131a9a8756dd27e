"""The one model of a front to begin with."""

from collections.abc import Sequence

from study.results.rows import FrontRow


def pick_model(rows: Sequence[FrontRow]) -> FrontRow:
    """Return the smallest model whose 95 % interval of the FID reaches down to the best FID.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("the front has 0 models; allowed: one or more")
    best = min(row["fid"] for row in rows)
    near = [row for row in rows if min(row["fid"], _low(row)) <= best]
    return min(near, key=lambda row: (row["size_bytes"], row["fid"]))


def _low(row: FrontRow) -> float:
    """Return the low end of the interval; the FID itself where a trial has none."""
    low = row["fid_low"]
    return float(row["fid"] if low is None else low)
