"""What keeps with a run what its trials were warned of."""

from pathlib import Path

from study.engine.watcher import Listener
from study.run.warned import keep_warning


class WarningKeeper(Listener):
    """Keeps each warning of a worker once."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def on_warning(self, number: int, text: str) -> None:
        """Keep a warning."""
        keep_warning(self._run_dir, text)
