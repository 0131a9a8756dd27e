"""The real optuna-dashboard, started as the README says, shows a run as we mean it."""

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import RandomSampler
from processes import running, wait_until
from small_pictures import write_picture
from small_run import SETTINGS
from small_verification import fill, scores

from diffusion.recipe import Recipe
from study.results.words import name_recipe
from study.run.run import Run
from study.run.storage import open_storage
from study.verification.file import Verification
from study.verification.notes import keep_notes
from study.verification.verified import verified_run

pytestmark = pytest.mark.slow
README = Path(__file__).parents[2] / "README.md"
# FID and size: three on the front, one that is dominated, one that is no better than noise.
TRIALS = ((20.0, 100), (19.5, 200), (10.0, 300), (50.0, 300), (751.0, 10))
NOISE = 690.0


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory, digit_recipe: Recipe) -> Path:
    """A small run whose front is verified, with a trial of FID 751 that is smallest by far."""
    folder = tmp_path_factory.mktemp("runs") / "quick-001"
    folder.mkdir()
    storage = open_storage(folder, SETTINGS)
    for number, (fid, size) in enumerate(TRIALS):
        write_picture(folder / f"trials/{number}/samples.png")
        trial = storage.ask(RandomSampler(seed=number))
        trial.suggest_float("compression.quantization_step", 0, 1)
        storage.accept(trial, digit_recipe)
        storage.complete(
            number, {**scores(fid), "size_bytes": size, "fid_noise": NOISE, "machine": "<b>"}, 1.0
        )
    verification = Verification(Run(folder, SETTINGS, tuple(storage.records())))
    for number, fids in enumerate(([15.0, 16.0, 17.0], [18.0, 19.0, 20.0], [8.0, 8.5, 9.0])):
        fill(verification, number, *fids)
    keep_notes(storage, verification.run, verified_run(verification))
    return folder


@pytest.fixture(scope="module")
def address(run_dir: Path) -> Iterator[str]:
    """Where the dashboard of the run answers."""
    (shown,) = re.findall(r"^    (optuna-dashboard .*)$", README.read_text(), re.MULTILINE)
    command = shown.replace("runs/quick-001", str(run_dir)).split()
    command[0] = str(Path(sys.executable).with_name(command[0]))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    options = {"stderr": subprocess.PIPE, "text": True}
    with running([*command, "--port", str(port), "--quiet"], **options) as process:
        wait_until(process, lambda: answers(address))
        yield address


def answers(address: str) -> bool:
    """Whether there is anybody at an address by now."""
    try:
        get(f"{address}/api/studies")
    except urllib.error.URLError:
        return False
    return True


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        content: bytes = answer.read()
        return content


@pytest.fixture(scope="module")
def study(address: str) -> dict[str, Any]:
    """What the dashboard tells its page of the study."""
    (listed,) = json.loads(get(f"{address}/api/studies"))["study_summaries"]
    found: dict[str, Any] = json.loads(get(f"{address}/api/studies/{listed['study_id']}"))
    return found


def test_objectives_have_names(study: dict[str, Any]) -> None:
    assert study["objective_names"] == ["fid (search)", "size_bytes"]


def test_the_best_trials_are_those_of_our_front(study: dict[str, Any]) -> None:
    assert [trial["number"] for trial in study["best_trials"]] == [0, 1, 2]
    over = study["trials"][4]
    assert (over["state"], "values" in over) == ("Pruned", False)


def test_a_trial_s_attributes_are_words_and_numbers(
    study: dict[str, Any], digit_recipe: Recipe
) -> None:
    attributes = {pair["key"]: pair["value"] for pair in study["trials"][0]["user_attrs"]}
    assert attributes == {
        "model": name_recipe(digit_recipe),
        "search": "FID 20.0, 95 % 19.0-21.0, of 1,000 images",
        "latency_ms": "5.0",
        "wall_seconds": "1.0",
    }
    sortable = {spec["key"] for spec in study["union_user_attrs"] if spec["sortable"]}
    assert {"latency_ms", "wall_seconds"} <= sortable


def test_every_picture_can_be_seen(study: dict[str, Any], address: str, run_dir: Path) -> None:
    for trial in study["trials"]:
        (artifact,) = trial["artifacts"]
        assert artifact["mimetype"] == "image/png"
        place = f"{trial['study_id']}/{trial['trial_id']}/{artifact['artifact_id']}"
        picture = run_dir / f"trials/{trial['number']}/samples.png"
        assert get(f"{address}/artifacts/{place}") == picture.read_bytes()


def test_verified_scores_stand_beside_the_search_s(study: dict[str, Any]) -> None:
    note = study["trials"][0]["note"]["body"]
    assert note.startswith("**Verified**: FID 16.0, 95 % ")
    assert note.endswith("The search had FID 20.0.")
    assert study["trials"][3]["note"]["body"] == ""
    assert "| trial | size | FID | 95 % | FID in the search |" in study["note"]["body"]
