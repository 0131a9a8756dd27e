"""Where a cluster is: what an address may look like, and what auto stands for."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion.errors import LONGEST_LINE
from study.cluster.address import Address, resolve_address

ERROR = "error: "


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which a `ray start` on this machine leaves where its cluster is."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray" / "ray_current_cluster"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.1:6379", "10.0.0.1", 6379),
        ("head-1.example.org:1", "head-1.example.org", 1),
        ("[fd00::1]:65535", "fd00::1", 65535),
    ],
)
def test_a_host_and_a_port_are_an_address(text: str, host: str, port: int) -> None:
    found = resolve_address(text)
    assert found == Address(host, port)
    assert str(found) == found.shown == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "head", "6379", ":6379", "head:", "head:0", "head:65536", "head:six", "head:-1"),
        *("ray://head:10001", "http://head:8265", "fd00::1:6379", "a b:6379", "head:6379\n"),
    ],
)
def test_what_is_no_address_is_refused_by_its_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"allowed: HOST:PORT like .*, auto, or local") as refused:
        resolve_address(text)
    assert str(refused.value).startswith(f"--address is {text.strip()!r}; ")


@given(st.text(max_size=2_000))
def test_whatever_is_given_is_an_address_or_refused_in_one_line(text: str) -> None:
    try:
        shown = resolve_address(f"{text}:6379").shown
    except ValueError as error:
        shown = str(error)
        assert "allowed: " in shown
    assert len(ERROR + shown) <= LONGEST_LINE
    assert "\n" not in shown


def test_auto_is_the_cluster_that_was_started_here(machine: Path) -> None:
    machine.write_text("10.0.0.1:6379")
    found = resolve_address("auto")
    assert str(found) == "10.0.0.1:6379"
    assert found.shown.startswith("auto (10.0.0.1:6379 of ")


def test_auto_is_what_the_environment_names_before_that(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write_text("10.0.0.1:6379")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.2:6379")
    assert resolve_address("auto").shown == "auto (10.0.0.2:6379 of RAY_ADDRESS)"
    monkeypatch.setenv("RAY_ADDRESS", "http://10.0.0.2:8265")
    with pytest.raises(ValueError, match=r"auto, RAY_ADDRESS is 'http://.*'; allowed"):
        resolve_address("auto")
    for none in ("", "auto"):
        monkeypatch.setenv("RAY_ADDRESS", none)
        assert str(resolve_address("auto")) == "10.0.0.1:6379"


def test_auto_without_a_cluster_says_what_to_do(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (machine.parent.parent, Path("/") / ("long" * 40)):
        monkeypatch.setenv("RAY_TMPDIR", str(folder))
        with pytest.raises(ValueError, match="no cluster was started on this machine") as refused:
            resolve_address("auto")
        assert "ray_current_cluster" in str(refused.value)
        assert "ray start --head" in str(refused.value)
        assert len(f"{ERROR}{refused.value}") <= LONGEST_LINE
    assert "RAY_ADDRESS" not in os.environ
