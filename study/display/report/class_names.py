"""Names of the classes that a run's models draw, for the headings of their samples."""

from collections.abc import Sequence

from diffusion.class_names import CLASSES_NAME
from study.display.own_files import read_own
from study.run.files import MEGABYTE, parse_json
from study.run.run import Run


def class_names_of(run: Run, trials: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the names that one of some trials keeps beside its model; else the labels.

    Args:
        run: in whose folder they are.
        trials: whose names are the same, being of the same data.

    Returns:
        A name for each class, and what is to be said of names that cannot be shown.
    """
    count, notes = run.settings.data["num_classes"], []
    for trial in trials:
        try:
            names = _read(run, trial)
        except ValueError as error:
            notes.append(f"The names of the classes cannot be shown: {error}.")
            continue
        if isinstance(names, list) and len(names) == count:
            return [str(name) for name in names], notes
    return [str(label) for label in range(count)], notes


def _read(run: Run, trial: int) -> object:
    path = run.folder / "trials" / str(trial) / CLASSES_NAME
    content = read_own(run.folder, path, MEGABYTE)
    return None if content is None else parse_json(content, path)
