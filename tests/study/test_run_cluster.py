"""Which cluster the commands join for a run, and what they print about it."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from small_run import run_of

from study.cli.search_options import build_parser
from study.cluster.resources import Resources
from study.commands.search import command_on
from study.run.settings import RunSettings, save_settings
from study.search import main as search
from study.verify import main as verify


@pytest.mark.parametrize(
    ("known", "option", "address"),
    [
        (None, [], None),
        ("auto", [], "auto"),
        ("auto", ["--address", "local"], None),
        (None, ["--address", "10.0.0.1:6379"], "10.0.0.1:6379"),
    ],
)
def test_a_verification_joins_the_runs_cluster_unless_told(
    known: str | None,
    option: list[str],
    address: str | None,
    settings: RunSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined: list[tuple[str | None, bool]] = []

    def session(address: str | None, *, insecure: bool) -> NoReturn:
        joined.append((address, insecure))
        raise KeyboardInterrupt

    monkeypatch.setattr("study.commands.verify.ray_session", session)
    save_settings(tmp_path, replace(settings, address=known))
    for insecure in ([], ["--insecure"]):
        with pytest.raises(KeyboardInterrupt):
            verify([str(tmp_path), *option, *insecure])
    assert joined == [(address, False), (address, True)]


@pytest.mark.parametrize("out", ["{}/runs", "file://{}/store"])
def test_a_new_run_that_a_node_does_not_see_leaves_no_folder_and_no_mirror(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Path] = []

    def unseen(check: Callable[[], None]) -> NoReturn:
        check()  # the driver sees it
        shown.extend(tmp_path.glob("runs/*"))
        raise ValueError("machine b does not see it")

    module, resources = "study.commands.search", Resources(1, 0, 1)
    monkeypatch.setattr(f"{module}.ray_session", lambda address, *, insecure: nullcontext())
    monkeypatch.setattr(f"{module}.await_first_node", lambda *asked: None)
    monkeypatch.setattr(f"{module}.resolve_resources", lambda *wanted, **more: resources)
    monkeypatch.setattr(f"{module}.quickest_precision", lambda device, *, joins: "float32")
    monkeypatch.setattr("study.cluster.nodes.check_nodes", unseen)
    by_url = ["--work-dir", str(tmp_path / "runs")] if "://" in out else []
    with pytest.raises(ValueError, match="machine b does not see it"):
        search(["--out", out.format(tmp_path), *by_url, "--address", "10.0.0.1:6379"])
    assert shown == [tmp_path / "runs" / "quick-001"]
    assert list((tmp_path / "runs").iterdir()) == []
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("known", "option", "allowed"),
    [("auto", ["--insecure"], " --insecure"), ("auto", [], ""), (None, ["--insecure"], "")],
)
def test_a_printed_command_may_join_the_runs_open_cluster_again(
    known: str | None, option: list[str], allowed: str, tmp_path: Path
) -> None:
    given = build_parser("").parse_args(option)
    printed = command_on(run_of(tmp_path, address=known), given, "study.verify", tmp_path)
    assert printed == f"python -m study.verify {tmp_path}{allowed}"
