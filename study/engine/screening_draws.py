"""What a worker is to screen beside a trial: other compressions of the trial's backbone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from optuna.trial import FrozenTrial, TrialState, create_trial

from diffusion.recipe import DataConfig, Recipe
from search_spaces.space import SearchSpace
from study.engine.draws import draw_all, draw_seed, fixing, recipe_of, suggested, view_tpe
from study.engine.knob_sets import Knobs, backbone_knobs, model_knobs
from study.engine.memory_trial import MemoryTrial
from study.engine.random_draws import draw_at_random
from study.engine.screened import Screened
from study.results.screenings import EXACT, Screening

NUM_SCREENED = 20  # Beside each trial, its own model among them.
TPE_DRAWS = 1  # Among them, of each view; the others are random: TPE would not leave its good.
MOST_DRAWS = 60  # At random, since what is known is drawn again where the space is small.
MOST_SEEN = 60  # By TPE: the latest screenings, of whatever backbone.


class ScreeningDraws:
    """Draws compressions that were not screened, nor are just being screened."""

    def __init__(
        self, space: SearchSpace, data: DataConfig, screened: Screened, seed: int
    ) -> None:
        """Draw for a study.

        Args:
            space: holds the knobs.
            data: that the recipes are for.
            screened: what was screened so far; looked at in every draw.
            seed: of the study.
        """
        self._space = space
        self._data = data
        self._screened = screened
        self._seed = seed
        self._handed_out: dict[int, list[Knobs]] = {}  # by the trial beside which it is done
        self._seen: dict[int, FrozenTrial] = {}  # by the screening, which stays where it is

    def draw(
        self,
        number: int,
        params: Mapping[str, Any],
        count: int,
        done: Sequence[Screening] = (),
    ) -> list[tuple[dict[str, Any], Recipe]]:
        """Return knobs and recipes to screen beside a trial: its own model first.

        Args:
            number: of the trial.
            params: its knobs.
            count: how many.
            done: what was screened beside it before it was cut off.
        """
        self._handed_out[number] = [model_knobs(screening.knobs) for screening in done]
        busy = {model for models in self._handed_out.values() for model in models}
        chosen: dict[Knobs, tuple[dict[str, Any], Recipe]] = {}
        keys: set[str] = set()
        for knobs, recipe in self._proposals(number, params):
            model = model_knobs(knobs)
            is_known = model in chosen or model in busy or self._screened.find(knobs) is not None
            if recipe is not None and not is_known and recipe.key not in keys:
                chosen[model] = knobs, recipe
                keys.add(recipe.key)
            if len(chosen) + len(done) >= count:
                break
        self._handed_out[number] += chosen
        return list(chosen.values())

    def forget(self, number: int) -> None:
        """Note that a trial ended, beside which something was to be screened."""
        self._handed_out.pop(number, None)

    def _proposals(
        self, number: int, params: Mapping[str, Any]
    ) -> Iterator[tuple[dict[str, Any], Recipe | None]]:
        """Draw the trial's own model, then a few of TPE's, then at random."""
        backbone = dict(backbone_knobs(params))
        yield dict(params), recipe_of(self._space, params, self._data)
        for place, view in enumerate(self._views()):
            seeds = [draw_seed(self._seed, number, place, count) for count in range(TPE_DRAWS)]
            samplers = [fixing(backbone, view_tpe(seed)) for seed in seeds if view]
            yield from draw_all(view, samplers, self._space, self._data)
        seeds = [draw_seed(self._seed, number, count) for count in range(MOST_DRAWS)]
        yield from draw_at_random(backbone, seeds, self._space, self._data)

    def _views(self) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """Return the latest screenings as trials that minimise drift and bytes.

        Those that a cool-down follows apart: it mends their drift, so they are none the worse.
        """
        seen, self._seen = self._seen, {}
        views: tuple[list[FrozenTrial], list[FrozenTrial]] = ([], [])
        for screening in self._screened.latest(MOST_SEEN):
            if screening.drift is None:
                continue
            with suppress(ValueError):  # a space that was edited may not draw it any more
                trial = seen.get(id(screening)) or self._as_trial(screening)
                self._seen[id(screening)] = trial
                views[screening.cool_down_images > 0].append(trial)
        return views

    def _as_trial(self, screening: Screening) -> FrozenTrial:
        """Return a screening without the knobs of its backbone, its costs by parameter."""
        fixed = MemoryTrial(screening.knobs, _unknown)
        suggested(self._space, fixed, self._data)
        own = {name for name, _ in backbone_knobs(screening.knobs)}
        names = [name for name in fixed.params if name not in own]
        return create_trial(
            state=TrialState.COMPLETE,
            params={name: fixed.params[name] for name in names},
            distributions={name: fixed.distributions[name] for name in names},
            values=[
                screening.drift or 0.0,
                screening.scores[EXACT[0]] / screening.scores["parameters"],
            ],
        )


def _unknown(name: str, distribution: object) -> NoReturn:
    """Refuse a screening of a space that had fewer knobs."""
    raise ValueError(f"knob {name} is not among those of the screening")
