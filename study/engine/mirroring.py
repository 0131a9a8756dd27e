"""What tells a run's mirror which trials have ended."""

from study.engine.watcher import Listener
from study.results.records import TrialRecord
from study.run.mirror import Mirror


class MirrorListener(Listener):
    """Has the files of trials copied once they end."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def on_end(self, record: TrialRecord) -> None:
        """Have a trial's files copied."""
        self._mirror.note_ended([record.number])
