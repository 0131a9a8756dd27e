"""Whatever became of a run's files, a command on it ends well or in one line, and never hangs."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mutations import alter
from optuna.samplers import RandomSampler

from benchmarks.hand_made import HAND_MADE
from diffusion.errors import LONGEST_LINE
from diffusion.recipe import DataConfig, Recipe
from study.cli.parser import USAGE_STATUS, run_command
from study.describe import main as describe
from study.record import main as record
from study.results.front import front_rows
from study.results.objectives import Scores
from study.run.files import write_json
from study.run.folder import JOURNAL_NAME
from study.run.run import Run
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage
from study.tables import main as tables
from study.verification.file import Verification
from study.verification.verified import verified_run

RECIPE = "trials/0/recipe.json"
SCORES: Scores = {
    **dict.fromkeys(("fid_held_out", "fid_low", "fid_high", "latency_ms", "ssim"), 11.5),
    **dict.fromkeys(("parameters", "nonzero_parameters", "macs", "gzip_state_dict_bytes"), 70_000),
    **dict.fromkeys(("train_images", "trained_images"), 16_000),
    **dict.fromkeys(("train_seconds", "train_ms_per_epoch", "generate_seconds"), 80.0),
    **{"fid_noise": 600.0, "fid_num_images": 500, "label_balance": 0.9, "device": "cpu"},
    **{"extractor": "digits", "extractor_sha256": "0123456789abcdef", "sampling": {"steps": 3}},
}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory, digit_recipe: Recipe) -> Path:
    """A run over a published system's rows with a trial in every state, three of them verified."""
    from small_run import SETTINGS

    run = tmp_path_factory.mktemp("runs") / "run"
    run.mkdir()
    data = vars(digit_recipe.data)
    settings = replace(SETTINGS, space="system-a-ncsn", data=data, limits={"size_bytes": 9e5})
    save_settings(run, settings)
    fill_journal(run, settings)
    points = {
        str(number): {
            "seeds": {
                str(seed): {**SCORES, "fid": 9.0 - number + seed / 99, "size_bytes": 70 + number}
                for seed in (1_000, 1_010, 1_020)
            },
            "latency_ms": 1.5,
            "trainings": {"1": {"fid": 9.5}} if number == 0 else {},
            "reason": None,
        }
        for number in range(3)
    }
    (run / "trials" / "0").mkdir(parents=True)
    write_json(run / RECIPE, digit_recipe.to_dict())  # small, to be described in no time
    written = {"format": 1, "num_images": 1_000, "num_seeds": 3, "points": points}
    write_json(run / "verified.json", written)
    return run


def fill_journal(run: Path, settings: RunSettings) -> None:
    storage = StudyStorage(run / JOURNAL_NAME, settings.objectives, settings.limits)
    space, data = settings.load_space(), DataConfig.from_dict(settings.data)
    sampler = RandomSampler(seed=0)
    storage.enqueue(HAND_MADE[:8])
    for number in range(7):
        trial = storage.ask(sampler)
        recipe = space.suggest(trial, data)
        if number == 6:
            storage.refuse(trial, "groups do not divide")
            continue
        storage.accept(trial, recipe)
    for number in range(3):
        scores = {**SCORES, "fid": 9.0 - number, "size_bytes": 70 + number}
        storage.complete(number, scores, 1.5)
    storage.keep_rung(3, 16_000, {**SCORES, "fid": 90.0, "size_bytes": 90})
    storage.prune(3, "stopped early at 16,000 images", 1.0)
    storage.fail(4, "OSError: it broke [/b]", 0.5)


def ends(command: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Run a command; return its status and what it says of what is wrong."""
    with pytest.raises(SystemExit) as exit_info:
        run_command(command)
    return exit_info.value.code, capsys.readouterr().err


def read_all(run: Path) -> int:
    RunSettings.load(run)
    seen = verified_run(Verification.load(Run.read(run)))
    front_rows(seen.records, seen.objectives)
    return 0


def check(run: Path, altered: str, capsys: pytest.CaptureFixture[str]) -> Counter[object]:
    """Run the readers of an altered file, each of which must end in order; return the statuses."""
    commands: dict[str, Callable[[], int]] = {
        "read": lambda: read_all(run),
        "tables": lambda: tables([str(run)]),
        "record": lambda: record([str(run)]),
    }
    if altered == RECIPE:
        commands = {"describe": lambda: describe([str(run / RECIPE)])}
    statuses: Counter[object] = Counter()
    for name, command in commands.items():
        status, said = ends(command, capsys)
        assert status in (0, USAGE_STATUS), (name, said)
        if status:
            assert said.startswith("error: "), (name, said)
            assert said.count("\n") == 1, (name, said)
            assert len(said) <= LONGEST_LINE + 1, (name, said)
        statuses[status] += 1
    return statuses


def alter_and_check(
    times: int, seed: int, whole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, statuses = random.Random(seed), Counter[object]()
    for number in range(times):
        run = tmp_path / str(number)
        shutil.copytree(whole_run, run)
        way, altered = alter(run, draw)
        try:
            statuses += check(run, altered, capsys)
        except AssertionError as error:
            raise AssertionError(f"{number}, {way} {altered}: {error}") from error
        shutil.rmtree(run)
    assert statuses[USAGE_STATUS] > times / 2, "most alterations are of some consequence"
    assert statuses[0] > times / 2, "and none is of any to what it does not concern"


def test_a_whole_run_is_read_by_all(
    whole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole_run, run)
    assert check(run, "", capsys) == {0: 3}
    assert check(run, RECIPE, capsys) == {0: 1}


def test_an_altered_run_is_read_or_refused_in_one_line(
    whole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alter_and_check(150, 1, whole_run, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", range(2, 9))
def test_many_altered_runs_are_read_or_refused_in_one_line(
    seed: int, whole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alter_and_check(200, seed, whole_run, tmp_path, capsys)
