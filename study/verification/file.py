"""Verification: the trials near the front scored again, with more images and several seeds.

RUN/verified.json holds all that is known of each trial, whatever plans it came from. It is
written anew after each piece, so that nothing is lost when a verification is cut off.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from study.results.limits import scores_of
from study.results.objectives import Scores, objective_values
from study.run.files import MEGABYTE, read_json, write_json
from study.run.run import Run
from study.run.trial_attributes import check_scores
from study.verification.confidence import NOISY
from study.verification.point import Point, of_one_plan, read_point

FORMAT_VERSION = 2
FILE_NAME = "verified.json"
MOST_BYTES = 64 * MEGABYTE


@dataclass
class Verification:
    """What is known of a run's trials beyond the search; only ever added to.

    Attributes:
        run: with the search's own scores.
        points: by the trials' numbers.
    """

    run: Run
    points: dict[int, Point] = field(default_factory=dict)

    @classmethod
    def load(cls, run: Run) -> Self:
        """Read a run's verification; an empty one where there is none.

        Raises:
            ValueError: the file is damaged or of another format.
        """
        verification = cls(run)
        try:
            points = _read_points(read_json(verification.path, MOST_BYTES))
            for number, values in points.items():
                verification.points[int(number)] = read_point(values, verification.checked)
        except FileNotFoundError:
            return verification
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{verification.path} cannot be read ({error}); delete it to verify anew"
            ) from error
        return verification

    @property
    def path(self) -> Path:
        """The file that holds it."""
        return self.run.folder / FILE_NAME

    def save(self) -> None:
        """Write the file, aside and then renamed."""
        points = {number: vars(point) for number, point in sorted(self.points.items())}
        write_json(self.path, {"format": FORMAT_VERSION, "points": points})

    def save_points(self) -> None:
        """Write what is known of each trial into its folder, from where the front copies it."""
        for record in self.run.complete():
            folder = self.run.folder / "trials" / str(record.number)
            if record.number in self.points and folder.is_dir() and not folder.is_symlink():
                write_json(folder / FILE_NAME, vars(self.points[record.number]))

    def known(self, number: int) -> Point:
        """Return what is known of a trial."""
        return self.points.get(number, Point())

    def point(self, number: int) -> Point:
        """Return what is known of a trial, to be added to."""
        return self.points.setdefault(number, Point())

    def checked(self, scores: Scores) -> Scores:
        """Return scores that a front can be made of.

        Raises:
            ValueError: one that another draw of images changes is no finite number.
        """
        aims = (*self.run.objectives, *scores_of(self.run.limits))
        check_scores(scores)
        objective_values(scores, ("fid", *(name for name in aims if name in NOISY)))
        return scores


def _read_points(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the points of a file; format 1 held those of one plan alone."""
    version, points = content["format"], content["points"]
    if version == 1:
        num_images = content["num_images"]
        return {number: of_one_plan(point, num_images) for number, point in points.items()}
    if version != FORMAT_VERSION:
        raise ValueError(f"format {version!r}; allowed: 1, {FORMAT_VERSION}")
    return dict(points)
