"""A run: a study's folder with its settings and its trials, as they were at one moment."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from diffusion.compress.package import PACKAGE_NAME
from study.results.filters import EVERYTHING, Filter
from study.results.front import front_records, front_rows
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.results.rows import FrontRow
from study.run.reading import read_records
from study.run.settings import RunSettings
from study.run.warned import read_warnings


@dataclass(frozen=True)
class Run:
    """One study.

    Attributes:
        folder: holds all of it.
        records: of its trials, by number; not updated while the study goes on.
        chosen: what a front is asked for beyond what the study was.
    """

    folder: Path
    settings: RunSettings
    records: tuple[TrialRecord, ...]
    chosen: Filter = EVERYTHING

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run that another process may be writing.

        Raises:
            ValueError: it is no run of ours.
            OSError: the database of its study cannot be reached.
        """
        settings = RunSettings.load(folder)
        return cls(folder, settings, tuple(read_records(folder, settings)))

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the scores that are minimised or maximised."""
        return self.chosen.objectives or self.settings.objectives

    @property
    def limits(self) -> dict[str, float]:
        """The most that a score may be, by its name."""
        return {**self.settings.limits, **self.chosen.most}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its trials were warned of, each text once, in the order in which they were."""
        return read_warnings(self.folder)

    def with_records(self, records: Iterable[TrialRecord]) -> Self:
        """Return the same run with its trials seen otherwise, such as with verified scores."""
        return replace(self, records=tuple(records))

    def narrowed(self, chosen: Filter) -> Self:
        """Return the same run with its complete trials judged by a filter, too."""
        seen = replace(self, chosen=chosen)
        return seen.with_records(
            seen.judged(record, record.scores or {}) if record.state == "complete" else record
            for record in self.records
        )

    def judged(self, record: TrialRecord, scores: Scores) -> TrialRecord:
        """Return a complete trial, judged by its scores or by surer ones."""
        reason = self.chosen.refusal(scores, self.settings.limits)
        return replace(record, feasible=reason is None, reason=reason)

    def record(self, number: int) -> TrialRecord:
        """Return a trial.

        Raises:
            ValueError: the run has none of that number.
        """
        for record in self.records:
            if record.number == number:
                return record
        allowed = f"0 to {self.records[-1].number}" if self.records else "none, as none has begun"
        raise ValueError(f"trial is {number!r}; allowed: {allowed}")

    def complete(self) -> list[TrialRecord]:
        """Return the trials that have scores, whether they keep to the limits or not."""
        return [record for record in self.records if record.state == "complete"]

    def front(self) -> list[TrialRecord]:
        """Return the trials on the front, smallest first."""
        return front_records(self.records, self.objectives)

    def rows(self) -> list[FrontRow]:
        """Return the front as rows, smallest first.

        Each `package_path` begins at the run's folder: in the front's own, or where that is of
        other models in the trial's.
        """
        rows = front_rows(self.records, self.objectives)
        if not self.chosen:
            return rows
        return [{**row, "package_path": f"trials/{row['trial']}/{PACKAGE_NAME}"} for row in rows]

    def model_folder(self, number: int) -> Path:
        """Return the folder of a trial's model: in the front's folder, or the trial's own."""
        in_front = self.folder.glob(f"front/[0-9]*-{number}")
        return next(in_front, self.folder / "trials" / str(number))
