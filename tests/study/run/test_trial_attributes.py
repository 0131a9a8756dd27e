"""What the journal keeps of a trial is checked as it is read; the journal and trial are named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import RandomSampler

from diffusion.errors import LONGEST_LINE
from diffusion.recipe import Recipe
from study.run.reading import read_journal
from study.run.storage import StudyStorage
from study.run.trial_attributes import OURS, check_scores

OBJECTIVES = ("fid", "size_bytes")
SCORES = {"fid": 3.0, "size_bytes": 10, "sampling": {"steps": 3}, "extractor": "digits"}


@pytest.fixture
def journal(tmp_path: Path, digit_recipe: Recipe) -> Path:
    """A study of two trials: one complete, one stopped early at a rung."""
    path = tmp_path / "study.journal"
    storage = StudyStorage(path, OBJECTIVES)
    for _ in range(2):
        storage.accept(storage.ask(RandomSampler(seed=0)), digit_recipe)
    storage.complete(0, dict(SCORES), 2.5)
    storage.keep_rung(1, 16_000, {"fid": 9.0, "size_bytes": 12})
    storage.prune(1, "it falls behind", 1.5)
    return path


def rewrite(path: Path, attribute: str, change: Callable[[Any], Any]) -> None:
    """Change a trial's attribute of that name wherever a journal has it."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    for entry in entries:
        known = entry.get("user_attr", {}) | entry.get("system_attr", {})
        for name in known.keys() & {attribute, f"{OURS}{attribute}"}:
            if "trial_id" in entry:
                kind = "user_attr" if name in entry.get("user_attr", {}) else "system_attr"
                entry[kind][name] = change(known[name])
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))


def test_what_was_kept_comes_back(journal: Path, digit_recipe: Recipe) -> None:
    complete, pruned = read_journal(journal, OBJECTIVES)
    assert (complete.recipe, complete.scores, complete.wall_seconds) == (digit_recipe, SCORES, 2.5)
    assert (pruned.reason, pruned.rungs) == (
        "it falls behind",
        {16_000: {"fid": 9.0, "size_bytes": 12}},
    )
    assert complete.end_time is not None
    assert pruned.end_time is not None
    assert complete.end_time <= pruned.end_time


def test_a_journal_of_before_which_has_all_as_user_attributes_reads_the_same(
    journal: Path,
) -> None:
    known = read_journal(journal, OBJECTIVES)
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    for entry in entries:
        (name, value), *_ = [*entry.get("system_attr", {"": None}).items()]
        if name.startswith(OURS):
            del entry["system_attr"]
            entry |= {"op_code": 8, "user_attr": {name.removeprefix(OURS): value}}
    assert any(entry.get("user_attr", {}).get("scores") == SCORES for entry in entries)
    journal.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    assert read_journal(journal, OBJECTIVES) == known


def test_a_running_trial_has_no_end(tmp_path: Path, digit_recipe: Recipe) -> None:
    storage = StudyStorage(tmp_path / "study.journal", OBJECTIVES)
    storage.accept(storage.ask(RandomSampler(seed=0)), digit_recipe)
    assert storage.record(0).end_time is None


@pytest.mark.parametrize(
    ("attribute", "value", "number", "why"),
    [
        ("scores", [1, 2], 0, "scores are [1, 2]; allowed: an object"),
        ("scores", {**SCORES, "fid": "3.0"}, 0, "fid is '3.0'; allowed: a number"),
        ("scores", {**SCORES, "fid": float("nan")}, 0, "fid is nan; allowed: a finite number"),
        ("scores", {**SCORES, "fid": True}, 0, "fid is True; allowed: a number"),
        ("scores", {**SCORES, "macs": 10**30}, 0, "allowed: a number below 2^63"),
        ("scores", {**SCORES, "sampling": {"steps": [3]}}, 0, "sampling is {'steps': [3]}"),
        ("scores", {**SCORES, "trained_images": float("inf")}, 0, "trained_images is inf"),
        ("scores", {"fid": 3.0}, 0, "size_bytes is None; allowed: a finite number"),
        ("scores", None, 0, "fid is None; allowed: a finite number"),
        ("recipe", 7, 0, "Recipe is 7; allowed: an object"),
        ("recipe", {}, 0, "Recipe lacks ['data', 'network', 'training']"),
        ("recipe", {"data": [[]]}, 0, "Recipe lacks ['network', 'training']"),
        ("wall_seconds", "2.5", 0, "wall_seconds is '2.5'; allowed: a finite number"),
        ("wall_seconds", -1, 0, "wall_seconds is -1.0; allowed: 0 or more"),
        ("reason", ["so"], 1, "reason is ['so']; allowed: a text"),
        ("rung 16000", 9.0, 1, "scores are 9.0; allowed: an object"),
        ("rung 16000", {"fid": [9.0]}, 1, "fid is [9.0]; allowed: a number"),
    ],
)
def test_a_value_that_is_none_of_ours_is_named(
    attribute: str, value: Any, number: int, why: str, journal: Path
) -> None:
    rewrite(journal, attribute, lambda known: value)
    where = f"journal {journal} is not as we write it: trial {number}: "
    for read in (
        lambda: read_journal(journal, OBJECTIVES),
        lambda: StudyStorage(journal, OBJECTIVES).records(),
    ):
        with pytest.raises(ValueError, match="is not as we write it") as error:
            read()
        line = str(error.value)
        assert line.startswith(where)
        assert why in line
        assert len(line) <= LONGEST_LINE


def test_a_rung_without_a_number_is_named(journal: Path) -> None:
    journal.write_text(journal.read_text().replace("rung 16000", "rung many"))
    with pytest.raises(ValueError, match="trial 1: rung is 'many'; allowed: a number of images"):
        read_journal(journal, OBJECTIVES)


@pytest.mark.parametrize("value", [None, float("nan"), 1.5, 7])
def test_scores_beside_the_objectives_may_be_missing_or_undefined(value: Any) -> None:
    scores = {**SCORES, "kid": value}
    assert check_scores(scores) is scores
