"""Training an extractor from the command line, to the file that a study is scored with."""

import hashlib
import re
import shlex
from pathlib import Path

import pytest
from small_pictures import write_pictures

from diffusion.data import load_dataset
from diffusion.errors import MetricUndefined
from diffusion.recipe import DataConfig
from diffusion.score.choose_extractor import ExtractorChoice, build_extractor
from diffusion.score.classifier import load_classifier
from study.cli import classifier_training
from study.cli.parser import INTERRUPTED_STATUS, USAGE_STATUS, run_command
from study.train_extractor import build_parser, main


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"folder:{write_pictures(tmp_path_factory.mktemp('my pictures'))}"


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as exit_info:
        run_command(lambda: main(arguments))
    assert exit_info.value.code == USAGE_STATUS
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_command_writes_the_extractor_of_a_folder_and_prints_its_accuracy_and_hash(
    pictures: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "extractor.safetensors"
    asked = ["--dataset", pictures, "--epochs", "3", "--seed", "5", "--flip", "--out", str(out)]
    assert main(asked) == 0
    dataset = load_dataset(pictures)
    _, config, sha256 = load_classifier(out)
    assert config.data == dataset.config()
    assert config.class_names == ("class0", "class1")
    assert (config.epochs, config.seed, config.flip) == (3, 5, True)
    printed = capsys.readouterr().out
    held_out = len(dataset.held_out_images)
    assert f"trained on {60 - held_out} images in " in printed
    assert f"accuracy {config.accuracy:.2%} of {held_out} held-out images\n" in printed
    assert f"SHA-256 {sha256}\n" in printed
    assert list(tmp_path.iterdir()) == [out]
    extractor = build_extractor(dataset.config(), ExtractorChoice(str(out)), dataset.class_names)
    assert extractor.name == f"classifier:{pictures}"
    assert extractor.guess_labels(dataset.held_out_images) is not None


def test_same_seed_gives_the_same_file_and_another_seed_another(
    pictures: str, tmp_path: Path
) -> None:
    hashes = []
    for seed in ("1", "1", "2"):
        out = tmp_path / "same name"
        main(["--dataset", pictures, "--epochs", "1", "--seed", seed, "--out", str(out)])
        hashes.append(hashlib.sha256(out.read_bytes()).hexdigest())
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--dataset", "nope"], "dataset is 'nope'; allowed: mnist5k"),
        (["--epochs", "0"], "'0'; allowed: a whole number from 1 to 10,000"),
        (["--seed", "-1"], "--seed"),
        (["--out", "no/such/file"], "--out no/such/file is in no folder: no/such is none"),
        (["--out", "."], "--out . is no regular file; allowed: a file's name"),
        (["--frobnicate"], "unknown option --frobnicate; allowed: see --help"),
    ],
)
def test_bad_options_are_refused_in_one_line_and_nothing_is_written(
    change: list[str],
    message: str,
    pictures: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(["--dataset", pictures, "--out", "file", *change], capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("size", "classes", "message"),
    [(8, 2, "image_size is 8; allowed: at least 16"), (16, 1, "num_classes is 1; allowed: at")],
)
def test_pictures_that_cannot_be_classified_are_refused(
    size: int,
    classes: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_pictures(tmp_path / "pictures", size, classes)
    out = tmp_path / "file"
    assert message in refused(["--dataset", f"folder:{folder}", "--out", str(out)], capsys)
    assert not out.exists()


def test_an_interrupted_training_leaves_the_older_file(
    pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(classifier_training, "train_classifier", interrupted)
    out = tmp_path / "extractor.safetensors"
    out.write_text("older")
    with pytest.raises(SystemExit) as exit_info:
        run_command(lambda: main(["--dataset", pictures, "--out", str(out)]))
    assert exit_info.value.code == INTERRUPTED_STATUS
    assert out.read_text() == "older"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["cifar10", "folder:/data/cats", "folder:/my $data/it's mine"])
def test_the_command_that_a_missing_extractor_names_is_one_that_runs(name: str) -> None:
    with pytest.raises(MetricUndefined, match="give it with --extractor FILE") as error:
        build_extractor(DataConfig(name, 32, 3, 10, ""))
    command = re.search(r"python -m study\.train_extractor ([^;]*);", str(error.value))
    assert command is not None
    given = build_parser().parse_args(shlex.split(command[1]))
    assert (given.dataset, str(given.out)) == (name, "FILE")
