"""What is tried where compressions were screened."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from screened_world import NOISE_FID, scores, screen, step, study
from small_studies import DATA, OBJECTIVES, QUICK, proposed

from diffusion.recipe import DataConfig, NetworkConfig, Recipe
from search_spaces import knobs, quick
from study.engine import chooser
from study.engine.candidates import Candidate, Candidates
from study.engine.chooser import MOST_MODELS
from study.engine.design_draws import network_cost
from study.engine.effort import Allowance
from study.engine.knob_sets import all_knobs, model_knobs
from study.engine.proposer import Proposer
from study.run.storage import StudyStorage

NO_DESIGN = replace(QUICK, covering=())


@pytest.fixture(scope="module", params=[MOST_MODELS, 8])
def recipes(request: pytest.FixtureRequest) -> list[Recipe]:
    """Return the recipes of a study that looks closely at so many models, in order."""
    source = study(space=NO_DESIGN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chooser, "MOST_MODELS", request.param)
        return [step(source)[1] for _ in range(30)]


def test_after_two_backbones_hardly_a_trial_is_worse_than_noise_and_most_reach_the_front(
    recipes: list[Recipe],
) -> None:
    points = [(scores(recipe)["fid"], scores(recipe)["size_bytes"]) for recipe in recipes]
    second = next(n for n, r in enumerate(recipes) if r.backbone_key != recipes[0].backbone_key)
    later = range(second + 1, len(recipes))
    useful = [
        not any(p[0] < points[n][0] / 1.1 and p[1] < points[n][1] / 1.1 for p in points[:n])
        for n in later
    ]
    assert sum(points[n][0] >= NOISE_FID for n in later) <= len(later) / 20
    assert sum(useful) >= len(later) / 2


def test_what_lies_half_way_to_noise_is_not_tried_for_its_few_bytes_alone() -> None:
    source = study(space=QUICK, seed=2)
    fids = [scores(step(source)[1])["fid"] for _ in range(30)]
    chosen = fids[len(QUICK.covering) :]
    assert max(chosen) < (min(fids) * NOISE_FID) ** 0.5


def test_good_backbones_are_found_and_compressed(recipes: list[Recipe]) -> None:
    best = [scores(r) for r in recipes if scores(r)["fid"] < 20]
    assert min(s["size_bytes"] for s in best) < 12_000
    assert 2 <= len({recipe.backbone_key for recipe in recipes}) < 15, "not all are trained"


def test_proposals_are_the_same_after_a_restart(tmp_path: Path) -> None:
    whole = study(space=NO_DESIGN)
    expected = [step(whole)[1].key for _ in range(8)]
    path = tmp_path / "study.journal"
    found = []
    for _ in range(8):  # a new driver for each trial
        found.append(step(study(StudyStorage(path, OBJECTIVES), space=NO_DESIGN))[1].key)
    assert found == expected


def test_a_model_of_the_front_is_drawn_from_with_other_guidance(recipes: list[Recipe]) -> None:
    models: dict[str, set[float]] = {}
    for recipe in recipes:
        plain = replace(recipe, sampling=replace(recipe.sampling, guidance=1.0))
        models.setdefault(plain.key, set()).add(recipe.sampling.guidance)
    assert max(len(ways) for ways in models.values()) >= 2


def test_no_other_way_of_drawing_is_begun_while_the_first_one_of_a_model_runs() -> None:
    """It would wait for the same cool-down, and for what the first way tells."""
    source = study(space=NO_DESIGN)
    for _ in range(5):
        step(source)
    made = {model_knobs(record.knobs) for record in source.storage.records()}
    begun = [proposed(source) or pytest.fail("nothing was proposed") for _ in range(6)]
    models = [model_knobs(source.storage.record(number).knobs) for number, _ in begun]
    new = [model for model in models if model not in made]
    assert len(new) > 1
    assert len(set(new)) == len(new)


def test_a_model_that_is_made_is_drawn_from_in_several_ways_at_once() -> None:
    """By FID alone a backbone has one best compression, which other workers may try, too."""
    source = study(StudyStorage(None, ("fid",)), space=replace(NO_DESIGN, suggest=one_backbone))
    for _ in range(6):
        step(source)
    before = len(source.storage.records())
    begun = [proposed(source) or pytest.fail("nothing was proposed") for _ in range(3)]
    assert [number for number, _ in begun] == [before, before + 1, before + 2]
    models = [model_knobs(source.storage.record(number).knobs) for number, _ in begun]
    assert len(set(models)) < len(models)


def one_backbone(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw compressions of the smallest network, without any cool-down, and how to draw."""
    return replace(
        QUICK.recipe(QUICK.covering[0], data),
        ema=knobs.ema(trial),
        compression=knobs.compression(trial),
        sampling=knobs.sampling(trial, quick.SAMPLING_STEPS),
    )


def backbones_alone(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a network, and nothing that compresses it."""
    widths = quick.WIDTHS["mini_ddpm"]
    network = knobs.network(trial, "mini_ddpm", widths, quick.GROUPS, patch_size=2)
    return replace(QUICK.recipe(QUICK.covering[0], data), network=network)


def test_where_every_trial_trains_the_last_ones_do_so_without_a_refusal() -> None:
    source = study(space=replace(NO_DESIGN, suggest=backbones_alone))
    for trials_meanwhile in (math.inf, math.inf, math.inf, math.inf, 2.0, 1.0, 0.0):
        step(source, Allowance(trials_meanwhile=trials_meanwhile))
    assert {record.state for record in source.storage.records()} == {"complete"}


@pytest.mark.parametrize(
    "objectives", [("fid",), ("fid", "macs"), ("fid", "parameters", "size_bytes")]
)
def test_any_objectives_go(objectives: tuple[str, ...]) -> None:
    source = study(StudyStorage(None, objectives), space=NO_DESIGN)
    recipes = [step(source)[1] for _ in range(8)]
    assert len({recipe.key for recipe in recipes}) == 8
    assert min(scores(recipe)["fid"] for recipe in recipes) < 40


def any_pruning(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a network that any method prunes."""
    return replace(
        backbones_alone(trial, data),
        compression=knobs.compression(trial, (32_000,), knobs.ALL_METHODS),
    )


def test_new_backbones_are_imagined_without_the_channels_that_the_front_removes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imagined: list[Candidate] = []
    imagine = Candidates.trainings

    def noted(*given: Any) -> Iterator[Candidate]:
        found = list(imagine(*given))
        imagined.extend(found)
        return iter(found)

    monkeypatch.setattr(Candidates, "trainings", noted)
    space = replace(NO_DESIGN, suggest=any_pruning)
    source = study(StudyStorage(None, ("fid", "parameters")), space=space)
    for _ in range(16):
        step(source)
    ratios = set()
    for candidate in imagined:
        recipe = space.recipe(candidate.knobs, DATA)
        ratios.add(ratio := recipe.compression.channel_ratio)
        counts = network_cost(recipe.network, DATA, ratio).scores()
        assert {name: candidate.screening.scores[name] for name in counts} == counts
    assert max(ratios) > 0


def test_what_is_over_a_limit_by_its_exact_size_is_not_tried() -> None:
    storage = StudyStorage(None, OBJECTIVES, {"size_bytes": 20_000})
    source = study(storage, space=NO_DESIGN)
    sizes = [scores(step(source)[1])["size_bytes"] for _ in range(16)]
    assert all(size <= 20_000 for size in sizes[-8:])


def test_while_all_is_worse_than_noise_trials_are_still_found() -> None:
    source = study(space=NO_DESIGN)
    for _ in range(12):
        number, recipe = proposed(source) or pytest.fail("nothing is proposed")
        screen(source, number, source.to_screen(number))
        bad = {**scores(recipe), "fid": NOISE_FID + 500 + number}
        source.storage.complete(number, bad, 1.0)
        source.note_end(number)
    assert {r.state for r in source.storage.records()} == {"complete"}


def test_where_only_size_counts_more_than_one_backbone_is_tried() -> None:
    source = study(StudyStorage(None, ("size_bytes",)), space=NO_DESIGN)
    recipes = [step(source)[1] for _ in range(12)]
    assert len({recipe.backbone_key for recipe in recipes}) > 2


def test_a_new_backbone_that_is_refused_is_not_proposed_again_and_again() -> None:
    """Where trainings cost little, a new one is what promises most, refused or not."""
    allowed: set[NetworkConfig] = set()

    def refusal(recipe: Recipe) -> str | None:
        if len(allowed) < 2:
            allowed.add(recipe.network)
        return None if recipe.network in allowed else "refused"

    storage = StudyStorage(None, OBJECTIVES)
    source = Proposer(NO_DESIGN, DATA, storage, 0, refusal=refusal)
    for _ in range(25):
        number, recipe = proposed(source) or pytest.fail("the space is exhausted")
        screen(source, number, source.to_screen(number))
        cheap = {"train_seconds": 1.0, "generate_seconds": 3.0, "score_seconds": 1.0}
        storage.complete(number, {**scores(recipe), **cheap}, 1.0)
        source.note_end(number)
    refused = [r for r in storage.records() if r.state == "infeasible"]
    assert refused
    assert max(Counter(all_knobs(record.knobs) for record in refused).values()) == 1
