"""A world without training: drift, bytes and FID by formulas, for tests of screening."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from small_studies import DATA, OBJECTIVES, QUICK, proposed

from diffusion.recipe import Recipe
from search_spaces.space import SearchSpace
from study.engine.design_draws import network_cost
from study.engine.effort import ANYTHING, Allowance
from study.engine.proposer import Proposal, Proposer
from study.engine.screened import as_screenings
from study.results.objectives import Scores
from study.run.storage import StudyStorage

NOISE_FID = 700.0
QUANTIZATION_DRIFT = {"none": 0, "linear8": 0.0003, "linear4": 0.01, "weights8": 0.001}
BITS = {"none": 28, "linear8": 20, "linear4": 17, "weights8": 7.5}
TRACK_DRIFT = {"short": 0, "mid": 0.002, "long": 0.02, "none": 0.01}
REGION_SHARE = {"all": 2.0, "middle": 1.0, "extremes": 1.5}


def drift(recipe: Recipe) -> float:
    """Return what a compression changes."""
    c = recipe.compression
    changed = QUANTIZATION_DRIFT.get(c.quantization, 0.004 * c.quantization_step**3)
    if c.prune_method != "none":
        strength = 3 if c.prune_method == "random" else 1
        changed += strength * c.prune_ratio**2 * REGION_SHARE[c.prune_region]
    return changed + TRACK_DRIFT[recipe.ema.track]


def screened(recipe: Recipe) -> dict[str, Any]:
    """Return what a worker would find."""
    c = recipe.compression
    counts = network_cost(recipe.network, DATA, c.channel_ratio).scores()
    bits = BITS.get(c.quantization) or 4.2 - 2.2 * math.log2(c.quantization_step + 0.2)
    kept = 1 - 0.8 * c.prune_ratio
    size = int(counts["parameters"] * max(bits, 0.8) / 8 * kept)
    return {
        **counts,
        "recipe_key": recipe.key,
        "drift": drift(recipe),
        "size_bytes": size,
        "reason": None,
    }


def scores(recipe: Recipe) -> Scores:
    """Return what a trial would measure."""
    found, c = screened(recipe), recipe.compression
    fid = 40.0 if recipe.network.architecture == "ncsn" else 10.0
    fid *= 1 + 3_000 / found["parameters"]
    cools = c.finetune_images > 0
    fid *= (0.93 if cools else 1) * (1 + (2 if cools else 15) * found["drift"])
    fid *= 1 + 0.15 * (recipe.sampling.guidance - 2) ** 2
    fid *= 0.97 + 0.06 * int(hashlib.sha256(recipe.key.encode()).hexdigest()[:8], 16) / 16**8
    seconds = {"train_seconds": 100.0, "generate_seconds": 6.0, "score_seconds": 1.0}
    return {
        **{name: found[name] for name in ("parameters", "macs", "size_bytes")},
        **seconds,
        **({"finetune_seconds": 30.0} if cools else {}),
        "fid": min(fid, 1.2 * NOISE_FID),
        "fid_noise": NOISE_FID,
    }


def study(
    storage: StudyStorage | None = None,
    *,
    space: SearchSpace = QUICK,
    seed: int = 0,
) -> Proposer:
    """Return what proposes the trials of a study in the world."""
    return Proposer(space, DATA, storage or StudyStorage(None, OBJECTIVES), seed)


def step(source: Proposer, allowed: Allowance = ANYTHING) -> Proposal:
    """Propose a trial, screen beside it and end it."""
    proposal = proposed(source, allowed)
    assert proposal is not None
    number, recipe = proposal
    screen(source, number, source.to_screen(number))
    source.storage.complete(number, scores(recipe), 1.0)
    source.note_end(number)
    return proposal


def screen(
    source: Proposer, number: int, asked: Sequence[tuple[Mapping[str, Any], Recipe]]
) -> None:
    """Screen beside a trial."""
    found = [screened(recipe) for _, recipe in asked]
    source.storage.keep_screened(number, as_screenings(asked, found))
