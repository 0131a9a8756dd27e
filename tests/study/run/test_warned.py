"""What trials were warned of stays with the run, each text once."""

from pathlib import Path

import pytest
from small_run import run_of

from study.engine.warning_keeper import WarningKeeper
from study.run.warned import AND_OTHERS, MOST, WARNINGS_NAME, keep_warning, read_warnings


def test_each_text_is_kept_once_over_all_sessions(tmp_path: Path) -> None:
    assert run_of(tmp_path).warnings == ()
    for _ in range(2):
        keeper = WarningKeeper(tmp_path)
        for number, text in enumerate(("few\nimages", "few\nimages", "<b>torn</b>")):
            keeper.on_warning(number, text)
    assert run_of(tmp_path).warnings == ("few images", "<b>torn</b>")


def test_warnings_of_which_no_two_are_alike_fill_no_disk(tmp_path: Path) -> None:
    for number in range(MOST + 5):
        WarningKeeper(tmp_path).on_warning(number, f"number {number}")
    kept = read_warnings(tmp_path)
    assert len(kept) == MOST
    assert kept[-1] == AND_OTHERS


@pytest.mark.parametrize("content", ["", "[3]", "{}", "[" * 900])
def test_a_damaged_file_is_a_warning(content: str, tmp_path: Path) -> None:
    (tmp_path / WARNINGS_NAME).write_text(content)
    (text,) = read_warnings(tmp_path)
    assert text.startswith("its warnings cannot be read: ")
    assert "\n" not in text


def test_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / WARNINGS_NAME).write_text("{")
    with pytest.raises(ValueError, match=r"warnings\.json"):
        keep_warning(tmp_path, "few images")
    assert (tmp_path / WARNINGS_NAME).read_text() == "{"
