"""The trials that run: since when, why they are being stopped, and what they said on their way."""

from dataclasses import dataclass
from typing import Any

from diffusion.recipe import Recipe
from study.evaluation.context import TRAIN


@dataclass(frozen=True)
class Assignment:
    """A trial that was handed out.

    Attributes:
        to_screen: knobs and recipes of other compressions of its backbone, to screen beside it.
    """

    number: int
    recipe: Recipe
    start: float
    to_screen: tuple[tuple[dict[str, Any], Recipe], ...] = ()


class Running:
    """The running trials, by number.

    Attributes:
        stops: why some of them are being stopped early.
        images: that they said they were trained on, in the last attempt that said so; kept until
            the trial's end is recorded.
    """

    def __init__(self) -> None:
        self.stops: dict[int, str] = {}
        self.images: dict[int, int] = {}
        # Of those that said that they train a backbone, the share of it that is done.
        self._trained: dict[int, float] = {}
        self._assignments: dict[int, Assignment] = {}

    def __len__(self) -> int:
        """How many run."""
        return len(self._assignments)

    def start(self, assignment: Assignment) -> Assignment:
        """Take on a trial that is handed out."""
        self._assignments[assignment.number] = assignment
        return assignment

    def note(self, number: int, stage: str, share: float, trained_images: int | None) -> None:
        """Note how far one of them is, as it said."""
        if trained_images is not None:
            self.images[number] = trained_images
        if stage == TRAIN or number in self._trained:  # what comes after a training ends it
            self._trained[number] = share if stage == TRAIN else 1.0

    def take_off(self, number: int) -> Assignment:
        """Take off a trial that does not run any more."""
        self.stops.pop(number, None)
        self._trained.pop(number, None)
        return self._assignments.pop(number)

    def to_screen(self, number: int) -> tuple[tuple[dict[str, Any], Recipe], ...]:
        """Return what one of them is to screen."""
        return self._assignments[number].to_screen

    def recipe(self, number: int) -> Recipe:
        """Return the recipe of one of them."""
        return self._assignments[number].recipe

    def training(self) -> dict[int, str]:
        """Return the backbone keys of those that train, and are not being stopped."""
        shares = self._going_on()
        return {n: self.recipe(n).backbone_key for n, share in shares.items() if share < 1}

    def most_trained(self) -> float:
        """Return the share that is done of the training that is farthest; 0 without one.

        A trial that has come to the end of its training counts until it ends itself.
        """
        return max(self._going_on().values(), default=0.0)

    def _going_on(self) -> dict[int, float]:
        """Return the shares of trainings of trials that are not being stopped."""
        return {n: share for n, share in self._trained.items() if n not in self.stops}

    def recipes(self) -> list[Recipe]:
        """Return the recipes of all."""
        return [assignment.recipe for assignment in self._assignments.values()]
