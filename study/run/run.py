"""A run: a study's folder with its settings and its trials, as they were at one moment."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from study.results.front import front_records
from study.results.records import TrialRecord
from study.run.reading import read_records
from study.run.settings import RunSettings
from study.run.warned import read_warnings


@dataclass(frozen=True)
class Run:
    """One study.

    Attributes:
        folder: holds all of it.
        records: of its trials, by number; not updated while the study goes on.
    """

    folder: Path
    settings: RunSettings
    records: tuple[TrialRecord, ...]

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
        return self.settings.objectives

    @property
    def limits(self) -> dict[str, float]:
        """The most that a score may be, by its name."""
        return self.settings.limits

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its trials were warned of, each text once, in the order in which they were."""
        return read_warnings(self.folder)

    def with_records(self, records: Iterable[TrialRecord]) -> Self:
        """Return the same run with its trials seen otherwise, such as with verified scores."""
        return replace(self, records=tuple(records))

    def complete(self) -> list[TrialRecord]:
        """Return the trials that have scores, whether they keep to the limits or not."""
        return [record for record in self.records if record.state == "complete"]

    def front(self) -> list[TrialRecord]:
        """Return the trials on the front, smallest first."""
        return front_records(self.records, self.objectives)
