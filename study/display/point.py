"""One model of a run, as its user sees it before drawing with it."""

from dataclasses import dataclass
from pathlib import Path

from diffusion.compress.package import PACKAGE_NAME
from diffusion.recipe import Recipe
from study.display.drawing_model import Model
from study.display.notebook import point_html, sample_picture
from study.display.point_facts import Facts, as_made, point_facts, point_name, use_command
from study.results.rows import FrontRow
from study.run.run import Run


@dataclass(frozen=True, repr=False)
class Point:
    """One model of a run.

    Attributes:
        figures: all that was measured of it, by the names of the front's columns.
    """

    _run: Run
    figures: FrontRow

    @property
    def trial(self) -> int:
        """The number of its trial."""
        return int(self.figures["trial"])

    @property
    def fid(self) -> float:
        """Its FID."""
        return float(self.figures["fid"])

    @property
    def size_bytes(self) -> int:
        """The length of its file."""
        return int(self.figures["size_bytes"])

    @property
    def recipe(self) -> Recipe:
        """Everything that defines it."""
        return as_made(self._run, self.trial)

    @property
    def folder(self) -> Path:
        """The folder of its trial, with the model file."""
        return self._run.folder / "trials" / str(self.trial)

    @property
    def facts(self) -> Facts:
        """Its main figures in words, and how they were measured."""
        return point_facts(self._run, self.figures)

    @property
    def command(self) -> str:
        """The command that draws images with it."""
        return use_command(self._run, self.trial)

    def load(self, device: str = "cpu") -> Model:
        """Read the model, to draw with it.

        Args:
            device: where it draws: cpu, cuda or cuda:N.

        Raises:
            ValueError: the file is missing or damaged.
        """
        return Model.read(self.folder / PACKAGE_NAME, device)

    def __repr__(self) -> str:
        return f"Point(trial {point_name(self.figures)}: {self.facts['model']})"

    def _repr_html_(self) -> str:
        facts = {**self.facts, "use it": self.command}
        picture = sample_picture(self._run, self.trial)
        return point_html(f"Trial {point_name(self.figures)}", facts, picture)
