"""The Python API: runs as tables, models by their names, and searches by keywords."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from drawing_run import CLASSES, MODELS, make_run, verify
from PIL import Image
from small_space import small_space
from torch import nn

import study
from diffusion.recipe import Recipe
from study.api import LoadedRun, load_run
from study.results.limits import floor
from study.run.settings import RunSettings, save_settings

Make = Callable[..., Path]


@pytest.fixture
def make(tiny_recipe: Recipe, tiny_network: nn.Module, tmp_path: Path) -> Make:
    """Write a run of four models, with other settings where they are given."""
    return lambda **changes: make_run(tmp_path / "run", tiny_recipe, tiny_network, **changes)


@pytest.fixture
def run(make: Make) -> LoadedRun:
    return load_run(make())


def test_importing_the_package_loads_nothing_that_takes_long() -> None:
    code = """
import sys
import study
print([name for name in ("numpy", "torch", "ray", "optuna", "pandas") if name in sys.modules])
print("load_run" in dir(study))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\nTrue\n"


def test_reading_a_run_does_without_ray(run: LoadedRun) -> None:
    code = f"""
import sys
from study import load_run
load_run({str(run.folder)!r}).pick()
print("ray" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_what_the_package_does_not_have_is_no_attribute() -> None:
    assert study.load_run is load_run
    with pytest.raises(AttributeError, match="has no attribute 'lode_run'"):
        study.lode_run  # noqa: B018


def test_trials_are_all_there_with_how_they_ended(run: LoadedRun) -> None:
    table = run.trials()
    assert isinstance(table, pd.DataFrame)
    assert table["trial"].tolist() == [0, 1, 2, 3]
    assert table["fid"].tolist() == [fid for fid, _, _ in MODELS]
    assert table["on_front"].tolist() == [True, False, True, True]
    assert set(table["outcome"]) == {"complete"}
    assert "linear8" in table["model"][1]


def test_the_front_is_the_one_that_the_run_holds(run: LoadedRun) -> None:
    written = pd.read_parquet(run.folder / "front" / "front.parquet")
    shown = run.front()
    assert list(shown.columns) == list(written.columns)
    assert shown["trial"].tolist() == written["trial"].tolist() == [0, 2, 3]
    assert shown["fid"].tolist() == [50, 20, 12]


def test_bounds_choose_among_all_finished_trials(run: LoadedRun) -> None:
    most = run.front()["size_bytes"].iloc[1]  # as a table has it, of numpy
    assert run.front(max={"size_bytes": most})["trial"].tolist() == [0, 2]
    assert run.front(max={"size_bytes": 3_000})["trial"].tolist() == [0, 2]
    assert run.front(min={"label_agreement": 0.8})["trial"].tolist() == [2, 3]
    assert run.front(max={"fid": 1}).empty
    assert run.front(max={"fid": 1}).columns[0] == "rank"
    # Trial 1 comes up where what beats it is left out.
    assert run.front(min={"size_bytes": 3_500}, max={"fid": 40})["trial"].tolist() == [1, 3]


def test_bounds_take_the_place_of_the_studys_limits(make: Make) -> None:
    run = load_run(make(limits={"size_bytes": 3_500}))
    assert run.front()["trial"].tolist() == [0, 2]
    assert run.front(max={"size_bytes": 50_000})["trial"].tolist() == [0, 2, 3]


def test_a_least_takes_the_place_of_the_studys(make: Make) -> None:
    run = load_run(make(limits={floor("label_agreement"): 0.9}))
    assert run.front()["trial"].tolist() == [3]
    assert run.front(min={"label_agreement": 0.6})["trial"].tolist() == [2, 3]
    assert run.front(max={"size_bytes": 10_000})["trial"].tolist() == [3]


def test_other_objectives_make_another_front(run: LoadedRun) -> None:
    assert run.front(objectives=["fid"])["trial"].tolist() == [3]
    assert run.objectives == ("fid", "size_bytes")


@pytest.mark.parametrize(
    ("wish", "trial"),
    [
        ({}, 3),
        ({"max_fid": 25}, 2),
        ({"max_bytes": 5_000}, 2),
        ({"max_bytes": 1_000_000}, 3),
        ({"max_fid": 60}, 0),
        ({"max_fid": 60, "max_bytes": 8_000}, 2),
        ({"max_fid": 60, "min": {"label_agreement": 0.9}}, 3),
    ],
)
def test_one_model_is_picked(wish: dict[str, float], trial: int, run: LoadedRun) -> None:
    picked = run.pick(**wish)  # type: ignore[arg-type]
    assert picked.trial == trial
    assert picked.figures["rank"] == {0: 1, 2: 2, 3: 3}[trial]


def test_where_none_suits_it_is_said_how_near_they_come(run: LoadedRun) -> None:
    with pytest.raises(ValueError, match=r"no model has fid at most 5; allowed: .* reach fid 12"):
        run.pick(max_fid=5)


@pytest.mark.parametrize(
    ("name", "trial"), [(1, 0), ("02", 2), ("best", 3), ("smallest", 0), ("pick", 3), ("02-2", 2)]
)
def test_a_point_has_names(name: int | str, trial: int, run: LoadedRun) -> None:
    point = run.point(name)
    assert point.trial == trial == run.point(trial=trial).trial
    assert point.folder == run.folder / "trials" / str(trial)
    assert point.recipe.compression.quantization == ("linear4", "", "weights8", "none")[trial]
    assert (point.fid, point.size_bytes) == MODELS[trial][:2]


def test_a_trial_off_the_front_is_a_point_too(run: LoadedRun) -> None:
    point = run.point(trial=1)
    assert point.figures["rank"] is None
    assert repr(point).startswith("Point(trial 1: mini_ddpm")
    assert f"{run.folder}/trials/1 -n 64" in point.command


def test_names_that_mean_none_are_refused(run: LoadedRun) -> None:
    with pytest.raises(ValueError, match=r"point 'bets' is no model .* allowed: best, smallest"):
        run.point("bets")
    with pytest.raises(ValueError, match="trial is 9; allowed: 0 to 3"):
        run.point(trial=9)
    for both_or_none in ({}, {"name": 1, "trial": 1}):
        with pytest.raises(ValueError, match="allowed: one of the two"):
            run.point(**both_or_none)


def test_a_model_draws_classes_by_name_and_the_same_for_the_same_seed(run: LoadedRun) -> None:
    model = run.point("best").load()
    assert model.class_names == CLASSES
    cats = model.generate(5, labels="cat", seed=1)
    assert cats.labels.tolist() == [2] * 5
    assert cats.images.shape == (5, 1, 8, 8)
    assert cats.images.dtype == torch.uint8
    assert torch.equal(cats.images, model.generate(5, labels=2, seed=1).images)
    assert not torch.equal(cats.images, model.generate(5, labels=2, seed=2).images)
    assert model.generate(labels=["dog", 2]).labels.tolist() == [0, 2]
    assert isinstance(cats[0], Image.Image)
    with pytest.raises(ValueError, match="label is 'horse'; allowed: dog"):
        model.generate(2, labels="horse")


def test_a_model_draws_otherwise_where_that_is_asked_for(run: LoadedRun) -> None:
    model = run.point("best").load()
    assert model.with_sampling(steps=2, seed=7).recipe.sampling.steps == 2
    with pytest.raises(ValueError, match="sampling has no 'stepz'; allowed: sampler, steps"):
        model.with_sampling(stepz=3)
    with pytest.raises(ValueError, match="device is 'tpu'; allowed: cpu, cuda or cuda:N"):
        run.point("best").load(device="tpu")


def test_it_is_said_how_a_latency_was_measured(make: Make) -> None:
    folder = make()
    verify(folder, {0: 51.0, 2: 19.0, 3: 13.0}, latency_ms={3: 0.5})
    run = load_run(folder)
    assert run.point("best").facts["latency"] == "0.5 ms an image, with nothing else running"
    assert run.point(1).facts["latency"] == "1.5 ms an image, with other trials running"


def test_verified_figures_are_used_where_they_are_there(make: Make) -> None:
    folder = make()
    verify(folder, {0: 51.0, 2: 19.0, 3: 13.0, 1: 31.0})
    run = load_run(folder)
    assert run.front()["fid"].round(6).tolist() == [51.1, 19.1, 13.1]
    assert run.front()["verified_seeds"].tolist() == [3, 3, 3]
    assert "3 x 1,000 images" in run.point("best").facts["measured"]
    assert run.point("best").facts["on front"]
    assert run.front(objectives=["fid", "latency_ms"])["verified_seeds"].tolist() == [3]


def test_a_front_that_is_not_all_verified_shows_the_searchs_figures(make: Make) -> None:
    folder = make()
    verify(folder, {0: 51.0, 2: 19.0, 3: 13.0})
    seen = load_run(folder).front(min={"size_bytes": 3_500})
    assert seen["trial"].tolist() == [1, 3]
    assert seen["fid"].tolist() == [30, 12]
    assert (
        load_run(folder)
        .pick(min={"size_bytes": 3_500})
        .facts["measured"]
        .endswith("; not verified")
    )


def test_a_model_that_is_not_what_was_scored_is_on_no_front(run: LoadedRun) -> None:
    (run.folder / "trials" / "3" / "model.pdm").write_bytes(b"another")
    again = load_run(run.folder)
    assert again.front()["trial"].tolist() == [0, 2]
    assert again.trials().set_index("trial")["outcome"][3] == "failed"


def test_a_notebook_shows_runs_and_points_with_pictures(run: LoadedRun) -> None:
    page = run._repr_html_()
    assert page.count("data:image/png;base64,") == 1
    assert "03-3" in page
    card = run.point("best")._repr_html_()
    assert card.count("data:image/png;base64,") == 1
    assert "use it" in card
    model = run.point("best").load()._repr_html_()
    assert model.count("data:image/png;base64,") == 1
    assert "8x8 pixels, grey: dog, &lt;b&gt;cow&lt;/b&gt;, cat" in model


def test_names_of_folders_are_text_in_a_notebook(
    tiny_recipe: Recipe, tiny_network: nn.Module, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "<b>bold", tiny_recipe, tiny_network)
    run = load_run(folder)
    for page in (run._repr_html_(), run.point("best")._repr_html_()):
        assert "&lt;b&gt;" in page
        assert "<b>" not in page


def test_a_run_without_a_finished_trial_still_shows_itself(
    settings: RunSettings, tmp_path: Path
) -> None:
    save_settings(tmp_path, settings)
    (tmp_path / "study.journal").touch()
    run = load_run(tmp_path)
    assert run.trials().empty
    assert run.front().empty
    assert "no trial is complete" in run._repr_html_()
    with pytest.raises(ValueError, match="no trial is complete"):
        run.pick()
    with pytest.raises(ValueError, match="the front, which is empty"):
        run.point("best")


@pytest.mark.parametrize("path", ["/no/such/run", "s3://bucket/runs/x"])
def test_what_is_no_run_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"is no run|a URL; allowed: the folder"):
        load_run(path)


def test_the_commands_module_is_the_function_too() -> None:
    import study.search as module
    from study import search

    assert search is module
    with pytest.raises(ValueError, match="option is 'trails'; allowed: space"):
        search(trails=3)  # type: ignore[operator]


@pytest.mark.slow
def test_a_search_from_python_is_that_of_the_command_line(tmp_path: Path) -> None:
    space = small_space(tmp_path)[1]
    code = f"""
from study import search
run = search(
    space={space!r}, trials=2, max={{"size_bytes": "100k"}}, time_budget="30m",
    out={str(tmp_path)!r}, name="mine", no_verify=True, seed=3,
)
assert len(run.trials()) >= 2
print(run.folder)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    assert out.stdout.splitlines()[-1] == str(tmp_path / "mine")
    settings = RunSettings.load(tmp_path / "mine")
    assert settings.limits == {"size_bytes": 100_000}
    assert (settings.trials, settings.seed, settings.time_budget_seconds) == (2, 3, 1800)
