"""Weights & Biases' offline files hold a run a trial, under an id that is the trial's own."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import wandb
from logged_trials import TRACKING_ID, Said, log_cut_off, log_to_end, logged_run
from wandb.proto import wandb_internal_pb2

from diffusion.recipe import Recipe
from study.trackers.to_wandb import check_login

BLOCK, FILE_HEADER, PIECE_HEADER = 32_768, 7, 7  # bytes
WHOLE, LAST = 1, 4  # kinds of pieces


def records(path: Path) -> list[Any]:
    """Return what a file for `wandb sync` holds: a log of LevelDB's, of messages in pieces."""
    content, place, message, found = path.read_bytes(), FILE_HEADER, b"", []
    while place < len(content):
        if BLOCK - place % BLOCK < PIECE_HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        place += PIECE_HEADER
        message += content[place : place + length]
        place += length
        if kind in (WHOLE, LAST):
            found.append(wandb_internal_pb2.Record.FromString(message))
            message = b""
    return found


def whole(files: list[Path]) -> list[list[Any]]:
    """Return the records of files once all are whole: another process writes them."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [records(file) for file in files]
        if all(each and each[-1].HasField("exit") for each in found):
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{files} are not whole")


def rows(found: list[Any]) -> list[dict[str, Any]]:
    """Return the points of curves among a file's records."""
    histories = [record.history for record in found if record.HasField("history")]
    return [
        {".".join(item.nested_key): json.loads(item.value_json) for item in each.item}
        for each in histories
    ]


def summary(found: list[Any]) -> dict[str, Any]:
    """Return what a file's records say of its run as a whole."""
    updates = [record.summary.update for record in found if record.HasField("summary")]
    return {item.key: json.loads(item.value_json) for update in updates for item in update}


def test_a_trial_of_two_sessions_has_one_id(
    tmp_path: Path, digit_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run, said = logged_run(tmp_path / "digits", "wandb"), Said()
    log_cut_off(run, digit_recipe, said)
    log_to_end(run, digit_recipe, said)
    assert said.lines == []
    files = sorted((run.folder / "wandb").glob(f"offline-run-*/run-{TRACKING_ID}-*.wandb"))
    found = whole(files)
    runs = [next(record.run for record in each if record.HasField("run")) for each in found]
    ids = [run.run_id for run in runs]
    assert sorted(ids) == [f"{TRACKING_ID}-{number}" for number in (0, 0, 1)]
    assert {run.project for run in runs} == {"digits"}
    config = {item.key: json.loads(item.value_json) for item in runs[0].config.update}
    assert config["network.widths"] == "8-16"
    points = [row for each in found for row in rows(each)]
    curve = [(p["train_images"], p["training/fid"]) for p in points if "training/fid" in p]
    assert sorted(curve) == [(32, 80.0), (64, 40.0)]
    assert sum("samples.path" in point for point in points) == 1
    by_state = {known["state"]: known for known in map(summary, found) if "state" in known}
    assert by_state.keys() == {"complete", "failed"}
    assert by_state["complete"]["fid"] == 12.5
    assert by_state["complete"]["extractor"] == "digits"
    assert by_state["failed"]["reason"] == "boom <b>"


def test_without_a_key_it_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda **asked: asked["prompt"])
    with pytest.raises(ValueError, match=r"no key .*; allowed: after `wandb login`, or with"):
        check_login()
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_login()
