"""The one model of a front to begin with, or that suits a budget."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diffusion.compress.model_path import BEST, PICK, SMALLEST, IndexedModel, find_model
from study.results.filters import EVERYTHING, Filter
from study.results.front import why_no_front
from study.results.objectives import DEFAULT_OBJECTIVES
from study.results.records import TrialRecord
from study.results.rows import FrontRow


@dataclass(frozen=True)
class Wish:
    """What a model is picked by.

    Attributes:
        max_fid: the most that its FID may be; alone it asks for the smallest such model.
        max_bytes: the most that its file may have; alone it asks for the best such model.
        chosen: which finished trials come into question at all.
    """

    max_fid: float | None = None
    max_bytes: float | None = None
    chosen: Filter = EVERYTHING

    def filter(self, objectives: tuple[str, ...]) -> Filter:
        """Return which front it is picked from.

        Args:
            objectives: of the study.

        Raises:
            ValueError: a bound is given twice.
        """
        asked = {"fid": self.max_fid, "size_bytes": self.max_bytes}
        bounds = {name: bound for name, bound in asked.items() if bound is not None}
        if twice := sorted(bounds.keys() & self.chosen.most.keys()):
            raise ValueError(f"bound of {', '.join(twice)} is given twice; allowed: once")
        aims = self.chosen.objectives or objectives
        if bounds:  # of a front without them the smallest or best may be missing
            aims = tuple(dict.fromkeys((*aims, *DEFAULT_OBJECTIVES)))
        same = self.chosen.objectives is None and aims == objectives
        return replace(
            self.chosen,
            objectives=None if same else aims,
            most={**self.chosen.most, **bounds},
        )

    def pick(self, rows: Sequence[FrontRow]) -> FrontRow:
        """Return the model that is asked for, of the front of `filter`.

        Raises:
            ValueError: there are no rows.
        """
        names = {(True, False): SMALLEST, (False, True): BEST}
        bounded = (self.max_fid is not None, self.max_bytes is not None)
        return pick_model(rows, names.get(bounded, PICK))


def pick_model(rows: Sequence[FrontRow], name: str = PICK) -> FrontRow:
    """Return the model of a front that a name means.

    Args:
        rows: of the front.
        name: best, smallest, or pick: the smallest model whose 95 % interval of the FID reaches
            down to the best FID.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("the front has 0 models; allowed: one or more")
    models = [
        IndexedModel("", position, row["fid"], _low(row), row["size_bytes"])
        for position, row in enumerate(rows)
    ]
    return rows[find_model(models, name).rank]


def why_none(records: Sequence[TrialRecord], chosen: Filter) -> str:
    """Say why no model is left by a filter, and how near the finished ones come.

    Args:
        records: of all trials, judged by it.
        chosen: the filter.
    """
    finished = [
        record.scores for record in records if record.state == "complete" and record.scores
    ]
    if not finished or not (chosen.most or chosen.least):
        return why_no_front(records)
    bounds, reach = [], []
    for word, ends, asked in (("most", min, chosen.most), ("least", max, chosen.least)):
        for name, bound in asked.items():
            bounds.append(f"{name} at {word} {bound:,.10g}")
            values = [scores[name] for scores in finished if scores.get(name) is not None]
            reach.append(f"{name} {ends(values):,.6g}" if values else f"no {name}")
    return (
        f"no model has {' and '.join(bounds)}; allowed: what some finished trial has, which reach "
        f"{', '.join(reach)}"
    )


def _low(row: FrontRow) -> float:
    """Return the low end of the interval; the FID itself where a trial has none."""
    low = row["fid_low"]
    return float(row["fid"] if low is None else low)
