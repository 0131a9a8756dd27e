"""TensorBoard: a folder of event files a trial, in the run's folder."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from study.trackers.outcome import Knob, Outcome
from study.trackers.tracker import Tracker

FOLDER = "tensorboard"


class TensorBoardTracker(Tracker):
    """Logs to runs/NAME/tensorboard, which `tensorboard --logdir` shows."""

    name = "tensorboard"

    def open(self) -> None:
        """Begin with no run."""
        self._writers: dict[int, SummaryWriter] = {}
        self._knobs: dict[int, Mapping[str, Knob]] = {}

    def begin(self, number: int, recipe_knobs: Mapping[str, Knob]) -> None:
        """Write the recipe's knobs as a table."""
        self._writers[number] = SummaryWriter(self._folder(number))
        self._knobs[number] = recipe_knobs
        rows = [f"| {name} | {value} |" for name, value in recipe_knobs.items()]
        self._writers[number].add_text("recipe", "\n".join(["| knob | value |", "|-|-|", *rows]))

    def add(self, number: int, values: Mapping[str, float], train_images: int) -> None:
        """Write points of curves."""
        for name, value in values.items():
            self._writers[number].add_scalar(name, value, train_images)

    def end(self, number: int, outcome: Outcome) -> None:
        """Write the figures beside the knobs, and the picture."""
        writer = self._writers.pop(number)
        facts = {"state": outcome.state, **outcome.conditions}
        writer.add_text("end", "\n\n".join(f"{name}: {text}" for name, text in facts.items()))
        if outcome.picture is not None:
            with Image.open(outcome.picture) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            writer.add_image("samples", pixels, dataformats="HWC")
        writer.add_hparams(dict(self._knobs.pop(number)), dict(outcome.figures), run_name=".")
        writer.close()

    def leave(self) -> None:
        """Write what is left of the runs that have not ended."""
        for writer in self._writers.values():
            writer.close()

    def _folder(self, number: int) -> Path:
        return self.run_dir / FOLDER / f"trial-{number:03}"
