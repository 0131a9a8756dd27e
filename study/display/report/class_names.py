"""Names of the classes that a run's models draw, for the headings of their samples."""

from collections.abc import Sequence

from diffusion.class_names import CLASSES_NAME, MAX_BYTES, parsed_names
from diffusion.recipe import DataConfig
from study.display.own_files import read_own
from study.run.run import Run


def class_names_of(run: Run, trials: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the names that one of some trials keeps beside its model, or that are known.

    Args:
        run: in whose folder they are.
        trials: whose names are the same, being of the same data.

    Returns:
        A name for each class, and what is to be said of names that cannot be shown.
    """
    data, notes = DataConfig.from_dict(run.settings.data), list[str]()
    for trial in trials:
        path = run.folder / "trials" / str(trial) / CLASSES_NAME
        try:
            content = read_own(run.folder, path, MAX_BYTES)
            if content is not None:
                return list(parsed_names(data, content, path)), notes
        except ValueError as error:
            notes.append(f"The names of the classes cannot be shown: {error}.")
    return list(parsed_names(data, None, run.folder)), notes
