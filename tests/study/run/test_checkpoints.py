"""The checkpoint's file: what is kept comes back, what is damaged never does."""

import os
from pathlib import Path
from threading import Thread

import pytest
import torch

from diffusion.checkpointing import Checkpoint
from study.run import checkpoints
from study.run.checkpoints import CheckpointFile, kept_step
from study.run.files import LOCK, locked


def checkpoint(step: int, seconds: float = 1.5) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    state = {
        "network/weight": torch.randn(3, 4, generator=generator),
        "optimizer.0/step": torch.tensor(step),
        "noise/generator": generator.get_state(),
        "batches/order": torch.empty(0, dtype=torch.int64),
    }
    return Checkpoint(step, seconds, state)


def test_what_is_kept_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path, kept = tmp_path / "checkpoint.safetensors", checkpoint(7)
    CheckpointFile(path).save(kept)
    found = CheckpointFile(path).load()
    assert found is not None
    assert (found.step, found.train_seconds) == (7, 1.5)
    assert found.state.keys() == kept.state.keys()
    for name, value in kept.state.items():
        assert torch.equal(found.state[name], value)
        assert found.state[name].dtype == value.dtype
    assert {file.name for file in tmp_path.iterdir()} == {path.name, LOCK}


def test_without_a_file_a_training_begins_anew(tmp_path: Path) -> None:
    assert CheckpointFile(tmp_path / "none").load() is None


def test_the_latest_one_replaces_the_others(tmp_path: Path) -> None:
    keeper = CheckpointFile(tmp_path / "file")
    for step in (3, 9):
        keeper.save(checkpoint(step))
    found = CheckpointFile(tmp_path / "file").load()
    assert found is not None
    assert found.step == 9


def test_a_shorter_training_leaves_the_longer_ones_checkpoint(tmp_path: Path) -> None:
    CheckpointFile(tmp_path / "file").save(checkpoint(9))
    keeper = CheckpointFile(tmp_path / "file")
    keeper.load()
    keeper.save(checkpoint(4))
    found = keeper.load()
    assert found is not None
    assert found.step == 9


def test_a_process_that_is_behind_leaves_the_checkpoint_of_one_ahead(tmp_path: Path) -> None:
    behind, ahead = CheckpointFile(tmp_path / "file"), CheckpointFile(tmp_path / "file")
    for keeper, step in ((behind, 3), (ahead, 9), (behind, 4)):
        keeper.save(checkpoint(step))
    found = CheckpointFile(tmp_path / "file").load()
    assert found is not None
    assert found.step == 9


def test_a_checkpoint_waits_for_a_process_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    saving = Thread(target=CheckpointFile(path).save, args=[checkpoint(3)])
    with locked(tmp_path):
        saving.start()
        saving.join(0.2)
        assert saving.is_alive()
        assert not path.exists()
    saving.join()
    assert path.exists()


def test_one_is_due_when_its_time_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    keeper = CheckpointFile(tmp_path / "file", every_seconds=20)
    assert not keeper.due()
    now[0] += 20
    assert keeper.due()
    keeper.save(checkpoint(1))
    assert not keeper.due()
    assert checkpoints.EVERY_SECONDS <= 30


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:50],
        lambda content: content[:-1],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content.replace(b'\\"step\\": 7', b'\\"step\\": x'),
        lambda content: content.replace(b'\\"step\\": 7', b'\\"step\\":-5'),
        lambda content: content.replace(b'\\"step\\": 7,', b'\\"step\\":7.5'),
        lambda content: content.replace(b'\\"train_seconds\\": 1.5', b'\\"train_seconds\\":-1.5'),
        lambda content: content.replace(b'\\"format\\": 1', b'\\"format\\": 9'),
        lambda content: b"not one of ours at all",
    ],
    ids=[
        "empty",
        "torn",
        "short",
        "one bit",
        "no number",
        "below 0",
        "no whole",
        "time",
        "other format",
        "text",
    ],
)
def test_a_damaged_file_is_set_aside_and_said(
    damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    CheckpointFile(path).save(checkpoint(7))
    damaged = damage(path.read_bytes())  # type: ignore[operator]
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    assert CheckpointFile(path).load() is None
    aside = tmp_path / ".checkpoint.safetensors.damaged"
    assert aside.read_bytes() == damaged
    assert f"{aside} cannot be read" in caplog.text
    assert not path.exists()


def test_every_damaged_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"a", b"b", b"c"):
        path.write_bytes(content)
        assert CheckpointFile(path).load() is None
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"a", b"b", b"c"}


def test_a_full_disk_leaves_the_checkpoint_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = CheckpointFile(tmp_path / "file")
    keeper.save(checkpoint(3))

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        keeper.save(checkpoint(9))
    monkeypatch.undo()
    found = CheckpointFile(tmp_path / "file").load()
    assert found is not None
    assert found.step == 3
    assert {file.name for file in tmp_path.iterdir()} == {"file", LOCK}


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_is_no_regular_file_is_set_aside_and_not_waited_for(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        CheckpointFile(tmp_path / "outside").save(checkpoint(9))
        path.symlink_to(tmp_path / "outside")
    assert kept_step(path) == 0
    assert CheckpointFile(path).load() is None
    assert not os.path.lexists(path)
    assert os.path.lexists(tmp_path / ".file.damaged")
