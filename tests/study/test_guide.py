"""What the README and the guide say of a run just made, done with a small one that was."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from small_space import small_space

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "guide" / "first_study.ipynb"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = "runs/quick-001"
# Of commands that read the run, or a model of it, and write no more than what was asked for.
COMMANDS = re.compile(rf"python -m (study\.(?:pick|generate|describe|status) {RUN}[^\n`#]*)")
# A small run is worse than a quick one.
REACHABLE = {"--max-fid 15": "--max-fid 690"}
MAX_NOTEBOOK_BYTES = 400_000


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of three small models under the README's name."""
    folder = tmp_path_factory.mktemp("workplace")
    options = [*small_space(folder), "--trials", "3", "--no-verify", "--name", "quick-001"]
    run("-m", "study.search", *options, folder=folder)
    return folder


def run(*words: str, folder: Path) -> str:
    """Run Python in a folder, which must end well, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def test_every_command_on_a_model_that_is_shown_works(workplace: Path) -> None:
    shown = [words for page in PAGES for words in COMMANDS.findall(page.read_text())]
    assert {words.split()[0] for words in shown} >= {"study.pick", "study.generate"}
    assert len(shown) >= 6
    for words in shown:
        for figure, reachable in REACHABLE.items():
            words = words.replace(figure, reachable)
        assert run("-m", *words.split(), folder=workplace)
    assert (workplace / "grid.png").stat().st_size > 0


def test_the_readmes_python_works(workplace: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    on_a_run = [block for block in blocks if RUN in block]
    assert on_a_run
    for block in on_a_run:
        run("-c", block, folder=workplace)
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


def test_the_notebook_that_is_kept_is_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text()
    assert len(text) <= MAX_NOTEBOOK_BYTES
    for word in ("/home/", "/tmp/", "site-packages", str(ROOT)):
        assert word not in text
