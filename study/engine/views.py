"""Views of a study: the trials, as a sampler of Optuna's shall see them.

A backbone that is compressed many times floods a sampler that models all knobs together: fixed
knobs are dropped from what it draws, not from what it learns. So the training's knobs are drawn
where each backbone is seen once, with the best that it reached, and all other knobs where the
compressions of the backbones near the front are seen.
"""

from collections.abc import Iterable

from optuna.trial import FrozenTrial

from study.engine.history import BackboneHistory

MOST_COMPRESSIONS = 100  # The latest; a draw takes time for each.


def backbone_view(backbones: Iterable[BackboneHistory]) -> list[FrozenTrial]:
    """Return one trial a backbone, with its own knobs and the best that it reached."""
    ended = [backbone for backbone in backbones if backbone.trial is not None]
    ended.sort(key=lambda backbone: backbone.trial.number if backbone.trial else 0)
    return [training for backbone in ended if (training := backbone.training) is not None]


def compression_view(backbones: Iterable[BackboneHistory]) -> list[FrozenTrial]:
    """Return the latest compressions of some backbones.

    Their costs are relative to the best of their own backbone, so that those of a good and of a
    poor backbone can be compared.
    """
    pairs = [(variant, backbone) for backbone in backbones for variant in backbone.variants]
    pairs.sort(key=lambda pair: pair[0].number)
    trials = []
    for variant, backbone in pairs[-MOST_COMPRESSIONS:]:
        trial = variant.compression
        if variant.costs is not None and backbone.best is not None:
            pairs_of_costs = zip(variant.costs, backbone.best, strict=True)
            trial.values = [_relative(cost, best) for cost, best in pairs_of_costs]
        trials.append(trial)
    return trials


def _relative(cost: float, best: float) -> float:
    return (cost - best) / abs(best) if best else cost
