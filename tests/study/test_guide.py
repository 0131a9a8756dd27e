"""What the README and the guide say of a run just made, done with a small one that was."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from code_blocks import (
    OWN_SPACES,
    PLACEHOLDERS,
    ROOT,
    Command,
    all_blocks,
    commands,
    filled,
    is_run,
    ours,
    own_space,
)
from nbclient import NotebookClient
from small_pictures import write_pictures
from small_space import small_space

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "docs" / "guide" / "first_study.ipynb"
RUN = "runs/quick-001"
# A small run is worse than a quick one, and a machine may be busy.
REACHABLE = {
    "--max-fid 15": "--max-fid 690",
    "recall=0.1": "recall=0.001",
    "latency_ms=20": "latency_ms=20000",
}
# What makes a command short; where an option is given twice the last one counts.
SHORTER = {"verify": ["--images", "500"], "train-extractor": ["--epochs", "1"]}
# The same of searches that are run to their end, by what is in their lines; others would train
# for minutes, and only resolve their plan.
SEARCHED = {
    f"--resume {RUN}": ["--trials", "4", "--space", "small.py"],
    "--resume": ["--trials", "2"],
    "--space compress": ["--trials", "1"],
    "--open-report": ["--trials", "1", "--space", "small.py"],
    # So long that a model is better than noise.
    **{name: ["--trials", "1", "--train-images", "17000"] for name in OWN_SPACES},
}


def shown() -> list[Command]:
    """Return each command that a page shows and that runs here, in the order of the pages."""
    found = [
        c for block in all_blocks() if block.language == "shell" for c in commands(block.source)
    ]
    return list(dict.fromkeys(filter(is_run, found)))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of three small models under the README's name, spaces and pictures."""
    folder = tmp_path_factory.mktemp("workplace")
    for name in OWN_SPACES:
        (folder / name).write_text(own_space(name))
    write_pictures(folder / PLACEHOLDERS["PATH"], count=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PARETODIFF_CACHE", str(folder / "cache"))
        options = [*small_space(folder), "--trials", "3", "--no-verify", "--name", "quick-001"]
        run("-m", "study.search", *options, folder=folder)
        yield folder


def run(*words: str, folder: Path) -> str:
    """Run Python in a folder, which must end well, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def arguments_of(command: Command, folder: Path) -> list[str]:
    """Return a command's arguments with values for its placeholders, and made short."""
    name, given = ours(command) or pytest.fail(f"{command.line} is none of ours")
    line = shlex.join(map(filled, given))
    for figure, reachable in REACHABLE.items():
        line = line.replace(figure, reachable)
    return [*shlex.split(line), *shorter(name, line, folder)]


def shorter(name: str, line: str, folder: Path) -> list[str]:
    """Return the options that make a command end soon, or write into a folder that is new."""
    if name == "export":
        return ["--to", tempfile.mkdtemp(dir=folder) + "/new"]
    if name != "search" or "--dry-run" in line:
        return SHORTER.get(name, [])
    found = [options for mark, options in SEARCHED.items() if mark in line]
    return ["--dry-run"] if not found or "--dataset" in line else [*found[0], "--no-verify"]


@pytest.mark.parametrize("command", shown(), ids=lambda command: command.line)
def test_a_command_that_is_shown_works(command: Command, workplace: Path) -> None:
    name, _ = ours(command) or ("", [])
    out = run("-m", "study", name, *arguments_of(command, workplace), folder=workplace)
    if command.output:
        (workplace / command.output).write_text(out)


def test_python_that_is_shown_works(workplace: Path) -> None:
    on_a_run = [b for b in all_blocks() if b.language == "python" and RUN in b.source]
    assert len(on_a_run) >= 2
    for block in on_a_run:
        run("-c", block.source, folder=workplace)
    bare = (
        "from diffusion.compress.package import read_package as r; r('runs/quick-001/front/best')"
    )
    run("-c", bare, folder=workplace)


def test_the_notebook_runs_from_its_top_to_its_end(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(workplace)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "stream"] == []
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("text/html") >= 4
    assert kinds.count("image/png") >= 2


def test_the_notebook_that_is_kept_holds_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert [cell for cell in code if cell.outputs or cell.execution_count is not None] == []
