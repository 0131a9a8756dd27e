"""Which trials' samples a page holds: those of the front whole, of others a strip."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from study.display.own_files import MAX_PICTURE_BYTES, read_own
from study.display.report.samples import Samples, encode, read_samples
from study.evaluation.samples import SAMPLES_NAME
from study.results.records import TrialRecord
from study.results.rows import FrontRow
from study.results.words import summed_up
from study.run.run import Run

MOST_BYTES = 1_000_000  # of all pictures in a page
FIGURES = ("verified_seeds", "fid")


def pictures_of(
    run: Run, front: Mapping[int, FrontRow]
) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """Return the pictures of a run's trials, as many as a page can hold.

    Those of the front come first, then verified ones, then those of the lowest FID.

    Args:
        run: in whose folder they are.
        front: rows of the front by their trials.

    Returns:
        By trial the addresses of its `strip` and, on the front, of its `sheet`, and whether their
        columns are classes, `by_class`; and what is to be said of pictures that cannot be shown.
    """
    pictures: dict[int, dict[str, Any]] = {}
    faults, left = [], MOST_BYTES
    for record in _in_turn(run.complete(), front):
        try:
            samples = _samples(run, record.number)
        except ValueError as error:
            faults.append(f"The samples of trial {record.number} cannot be shown: {error}.")
            continue
        if samples is None:
            continue
        picture = _picture(samples, whole=record.number in front)
        picture["by_class"] = _is_by_class(samples, record)
        left -= sum(len(text) for text in picture.values() if isinstance(text, str))
        if left < 0:
            break
        pictures[record.number] = picture
    return pictures, summed_up(faults)


def _in_turn(
    records: Sequence[TrialRecord], front: Mapping[int, FrontRow]
) -> Iterable[TrialRecord]:
    def place(record: TrialRecord) -> tuple[bool, bool, float]:
        seeds, fid = ((record.scores or {}).get(name) for name in FIGURES)
        return record.number not in front, not seeds, float("inf") if fid is None else fid

    return sorted(records, key=place)


def _samples(run: Run, number: int) -> Samples | None:
    own = run.folder / "trials" / str(number) / SAMPLES_NAME
    content = read_own(run.folder, own, MAX_PICTURE_BYTES)
    if content is None:  # the front's folder has a copy
        copied = run.model_folder(number) / SAMPLES_NAME
        content = read_own(run.folder, copied, MAX_PICTURE_BYTES)
    return None if content is None else read_samples(content, run.settings.data["image_size"])


def _is_by_class(samples: Samples, record: TrialRecord) -> bool:
    """Whether each column of a trial's samples is of one class."""
    recipe = record.recipe
    if recipe is None or not recipe.network.conditional:
        return False
    return samples.columns == recipe.data.num_classes


def _picture(samples: Samples, *, whole: bool) -> dict[str, Any]:
    picture: dict[str, Any] = {"strip": encode(samples.strip), "width": samples.whole.width}
    if whole:
        picture["sheet"] = encode(samples.sheet)
    return picture
