"""What --dry-run writes is what --config reads: the same study comes of it."""

import tomllib
from pathlib import Path

import pytest
from small_run import SETTINGS

from study.cli.config_file import parse
from study.cli.config_text import config_text
from study.cli.parser import AUTO
from study.cli.plan import plan_lines
from study.cli.resolve import new_settings
from study.cli.search_options import build_parser
from study.cli.space_choice import run_space
from study.run.run import Run
from study.run.settings import RunSettings

pytestmark = pytest.mark.usefixtures("one_dataset")
PARSER = build_parser("")
RESOURCES = {"cpus_per_trial": 0.5, "gpus_per_trial": 0.0, "concurrent_trials": 2}
RESOURCES |= {"threads": 1}


def settled(*arguments: str) -> tuple[RunSettings, str]:
    """Return what comes of a command line, and what its --dry-run would print."""
    given = parse(PARSER, list(arguments))
    wanted = new_settings(given)
    if wanted["drawing_precision"] == AUTO:
        wanted["drawing_precision"] = "bf16"
    cpus = wanted["cpus_per_trial"] or 0.5
    settings = RunSettings(**{**wanted, **RESOURCES, "device": "cpu", "cpus_per_trial": cpus})
    return settings, config_text(PARSER, given, settings, ["of <b>\n\x07it", "  a knob"])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--space", "system-a-ncsn", "--row", "base", "--row", "L1 30"),
        ("--space", "system-b-mini", "--formulation", "published", "--no-reuse"),
        ("--max", "size_bytes=1.5MB", "--max", "fid=12.25", "--min", "recall=0.1"),
        ("--objective", "fid", "--objective", "macs", "--objective", "recall"),
        ("--seed", "0", "--retries", "0", "--trials", "7", "--train-images", "500"),
        ("--time-budget", "1.5h", "--train-images-total", "2M", "--cpus-per-trial", "0.25"),
        ("--no-early-stopping", "--no-verify", "--concurrent-trials", "auto"),
        ("--concurrent-trials", "3", "--address", "local", "--download"),
        ("--name", 'a "quoted" \\ name', "--out", "s3://bucket/runs", "--work-dir", "w\x7fé\t🙂"),
    ],
)
def test_a_dry_run_s_file_begins_the_same_study(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    settings, text = settled(*arguments)
    path = tmp_path / "study.toml"
    path.write_text(text)
    again, text_again = settled("--config", str(path))
    assert again == settings
    assert text_again == text
    given, read = PARSER.parse_args(arguments), parse(PARSER, ["--config", str(path)])
    for name, value in vars(given).items():
        assert value in (None, False) or getattr(read, name) == value, name


def test_a_file_does_not_agree_to_an_open_cluster(tmp_path: Path) -> None:
    arguments = ("--address", "local", "--insecure")
    settings, text = settled(*arguments)
    assert (settings, text) == settled(*arguments[:2])
    path = tmp_path / "study.toml"
    path.write_text("insecure = true")
    with pytest.raises(ValueError, match="has key 'insecure'"):
        parse(PARSER, ["--config", str(path)])


def test_comments_are_single_lines(tmp_path: Path) -> None:
    _, text = settled()
    assert text.splitlines()[:2] == ["# of <b> \\x07it", "#   a knob"]
    assert tomllib.loads(text)["space"] == "quick"


def test_a_resume_is_written_as_it_was_asked_for() -> None:
    given = parse(PARSER, ["--resume", "runs/x", "--time-budget", "30m", "--dry-run"])
    text = config_text(PARSER, given, SETTINGS, [])
    assert tomllib.loads(text) == {"resume": "runs/x", "time-budget": "1800s"}


@pytest.mark.slow
def test_a_plan_names_every_knob_its_first_trainings_and_their_cost() -> None:
    settings, _ = settled("--time-budget", "30m")
    run = Run(Path("runs/quick-001"), settings, records=())
    lines = plan_lines(run, run_space(settings, None))
    text = "\n".join(lines)
    assert "in runs/quick-001\n" in text
    assert "\n  compression.quantization_step: 0.5 to 3, evenly by its logarithm\n" in text
    assert "\n  compression.prune_ratio: 0.1 to 0.7 by 0.1\n" in text
    assert "\n  sampling.steps: 8, 10\n" in text
    begins = next(i for i, line in enumerate(lines) if line.startswith("begins "))
    assert "80,000 images" in text
    assert "parameters" in lines[begins + 1]
    assert "T multiply-accumulates" in text
    assert "time     at most 30 min 00 s in all; how long a trial takes is known once" in text
