"""Reading a run's trials beside the process that writes them."""

from pathlib import Path

import optuna
import pytest

from diffusion.recipe import Recipe
from study.run.reading import read_journal
from study.run.storage import StudyStorage

OBJECTIVES = ("fid", "size_bytes")


def test_a_reader_names_the_journal_itself(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    path.write_bytes(b"\x00")
    with pytest.raises(ValueError, match=f"^{path} is no journal"):
        read_journal(path, OBJECTIVES)


def test_a_missing_journal_is_said(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    with pytest.raises(ValueError, match=f"^journal {path} cannot be read"):
        read_journal(path, OBJECTIVES)
    assert not path.exists()


def test_a_reader_changes_nothing_of_what_is_being_written(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    path = tmp_path / "study.journal"
    storage = StudyStorage(path, OBJECTIVES)
    storage.accept(storage.ask(optuna.samplers.RandomSampler(seed=0)), digit_recipe)
    content = path.read_bytes() + b'{"op_code'  # just being written
    path.write_bytes(content)
    assert read_journal(path, OBJECTIVES) == storage.records()
    assert path.read_bytes() == content
