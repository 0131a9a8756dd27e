"""Packages of format 1, as an earlier version wrote them, are still read bit for bit."""

import hashlib
import json
import logging
from pathlib import Path

import pytest

from diffusion.compress.package import read_package, write_package

FOLDER = Path(__file__).parent / "format1"
STATES = json.loads((FOLDER / "states.json").read_text())


def state_sha256(network):
    """Hash the tensors' names, shapes and little-endian float32 values, in their order."""
    found = hashlib.sha256()
    for name, value in network.state_dict().items():
        found.update(f"{name} {list(value.shape)}".encode())
        found.update(value.numpy().astype("<f4").tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("hashes", [True, False])
@pytest.mark.parametrize("name", STATES)
def test_a_package_of_format_1_holds_what_its_writer_read(name, hashes, caplog):
    caplog.set_level(logging.WARNING)
    path = FOLDER / (f"{name}.pdm" if hashes else f"{name}_unhashed.pdm")
    assert state_sha256(read_package(path).network) == STATES[name]
    assert ("without hashes" in caplog.text) is not hashes


@pytest.mark.parametrize("name", STATES)
def test_the_same_weights_take_fewer_bytes_today(name, tmp_path):
    model = read_package(FOLDER / f"{name}.pdm")
    size = write_package(tmp_path / "model.pdm", model.recipe, model.network)
    assert size <= (FOLDER / f"{name}.pdm").stat().st_size
