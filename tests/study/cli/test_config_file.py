"""Options from a TOML file: the command line wins, and what is wrong is named by file and key."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.cli.config_file import NEVER, keys_of, parse, read_config
from study.cli.search_options import build_parser
from study.run.remote import Remote

PARSER = build_parser("")


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_a_file_says_what_the_command_line_would(tmp_path: Path) -> None:
    text = """
    space = "mnist"          # as on the command line, without its dashes
    time-budget = "30m"
    trials = 24
    train-images-total = "2M"
    cpus-per-trial = 0.5
    objective = ["fid", "macs"]
    max = ["size_bytes=100KB", "macs=2M"]
    no-verify = true
    download = false
    data-dir = "data"
    out = "file:///store/runs"
    concurrent-trials = "auto"
    """
    given = parse(PARSER, ["--config", str(written(tmp_path, text))])
    words = ["--space=mnist", "--time-budget=30m", "--trials=24", "--train-images-total=2M"]
    words += ["--cpus-per-trial=0.5", "--objective=fid", "--objective=macs", "--no-verify"]
    words += ["--max=size_bytes=100KB", "--max=macs=2M", "--data-dir=data"]
    words += ["--out=file:///store/runs", "--concurrent-trials=auto"]
    assert vars(given) == vars(PARSER.parse_args(words)) | {"config": given.config}
    assert given.out == Remote("file:///store/runs")


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'trials = 24\nseed = 3\nmax = ["fid=9"]\n')
    given = parse(PARSER, ["--config", str(path), "--trials", "5", "--max", "macs=1M"])
    assert (given.trials, given.seed, given.max) == (5, 3, [("macs", 1e6)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trails = 5", "has key 'trails' (did you mean 'trials'?); allowed: space, "),
        ("train_images = 5", "has key 'train_images' (did you mean 'train-images'?); allowed: "),
        ("dry-run = true", "has key 'dry-run'"),
        ("[space]\nname = 'x'", "space is {'name': 'x'}; allowed: a text"),
        ("space = 5", "space is 5; allowed: a text"),
        ("trials = true", "trials is True; allowed: a number, or a text as on a command line"),
        ("trials = [5]", "trials is [5]; allowed: a number"),
        ("trials = 0", "trials is '0'; allowed: a whole number, 1 or more"),
        ("trials = 2.5", "trials is '2.5'; allowed: a whole number, 1 or more"),
        ("time-budget = 30", "time-budget is '30'; allowed: above 0 and with a unit, like 90s"),
        ("no-verify = 1", "no-verify is 1; allowed: true or false"),
        ("max = 'macs=2M'", "max is 'macs=2M'; allowed: a list, like [\"...\"]"),
        ("max = [5]", "max is '5'; allowed: like size_bytes=500k"),
        ("formulation = 'mine'", "formulation is 'mine'; allowed: edm, published"),
        ("trials = 5\ntrials = 6", "cannot be read: "),
        ("trials = ", "cannot be read: "),
        ("\udcff", "cannot be read: "),
    ],
)
def test_what_is_wrong_is_refused_with_its_file_and_key(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"study\.toml") as refused:
        read_config(path, PARSER)
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path, Path("/dev/zero")):
        with pytest.raises(ValueError, match=f"--config {path} cannot be read: "):
            read_config(path, PARSER)


def test_every_option_but_those_of_one_command_alone_may_stand_in_a_file() -> None:
    options = {option for option in PARSER.options() if option.startswith("--")}
    assert {f"--{key}" for key in keys_of(PARSER)} == options - {f"--{key}" for key in NEVER}


@given(st.text())
def test_any_text_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode(errors="ignore"))
    try:
        read_config(path, PARSER)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017  # most texts are refused, some are not
