"""Channel pruning: whole channels leave a network, which is then narrower, smaller and faster.

Every stream (see `coupling_table`) keeps the same share of its channels, so that a recipe alone
says how wide the pruned network is. A grouped convolution keeps as many in each of its groups,
and an attention in each of its heads. What is kept computes what it did, but for the norms, whose
statistics are those of the channels that are left, and is meant to be cooled down.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from diffusion.compress.narrowing import narrow_layer
from diffusion.networks.coupling import Axis, Convolution, Coupled, Stream, Table, coupling_table
from diffusion.networks.ddpm import HEADS
from diffusion.recipe import NetworkConfig

Importances = Mapping[Stream, Tensor]
Widths = Mapping[Stream, int]
# Of a stream's first channels, how many they are and how many of them stay; in order.
Quotas = list[tuple[int, int]]


@torch.no_grad()
def remove_channels(
    network: nn.Module,
    config: NetworkConfig,
    ratio: float,
    measure: Callable[[Table], Importances] = lambda table: {},
) -> None:
    """Remove a share of a network's channels, in place.

    Args:
        network: of the config, with all its channels; on any device, also on none.
        config: whose groups and widths say how many channels can go.
        ratio: the share, from 0 to below 1; what a width comes to is rounded.
        measure: returns how much each channel of a stream matters, [channels]; those of a stream
            that it leaves out matter alike, and the first of them stay.
    """
    table = coupling_table(network)
    streams = dict.fromkeys(s for c in table for s in (*c.inputs, *c.outputs))
    widths = {stream: narrow_width(config, stream.channels, ratio) for stream in streams}
    measured = measure(table)
    importances = {
        stream: measured.get(stream, torch.zeros(stream.channels)).cpu() for stream in streams
    }
    kept = _choose(table, config, widths, importances)
    for coupled in table:
        narrow_layer(coupled, kept)


def narrow_width(config: NetworkConfig, channels: int, ratio: float) -> int:
    """Return how many of a stream's channels stay: at least one in each group and head.

    Each width is rounded by itself, to a multiple of groups and heads; but with groups "max",
    where widths must divide each other, all of them shrink by the same fraction.
    """
    heads = HEADS if config.architecture == "ddpm" else 1
    if config.groups == "max":
        common, unit = math.gcd(*config.widths), heads
    else:
        # Where it is no multiple of the groups, no grouped convolution has the stream.
        common, unit = channels, math.gcd(channels, math.lcm(config.groups, heads))
    return channels // common * unit * max(round((1 - ratio) * common / unit), 1)


def _choose(
    table: Table, config: NetworkConfig, widths: Widths, importances: Importances
) -> dict[Stream, Tensor]:
    """Return the channels of each stream that stay, in their order, on the CPU."""
    quotas = _quotas(widths, _divided(table, widths, config))
    kept = {s: _most_important(importances[s], quotas[s]) for s in widths}
    tied = {s for c in table if _groups(c) > 1 for s in (*c.inputs, *c.outputs)}
    if config.groups == "max" and tied:
        kept |= _choose_together([s for s in widths if s in tied], widths, importances)
    return kept


def _most_important(importance: Tensor, quotas: Quotas) -> Tensor:
    chosen = [
        start + importance[start:end].argsort(descending=True, stable=True)[: left - left_before]
        for (start, left_before), (end, left) in pairwise(quotas)
    ]
    return torch.cat(chosen).sort().values


def _choose_together(
    streams: list[Stream], widths: Widths, importances: Importances
) -> dict[Stream, Tensor]:
    """Choose alike in streams that convolutions of "max" groups tie, channel to channel."""
    units = math.gcd(*(stream.channels for stream in streams))
    total = torch.stack([importances[s].reshape(units, -1).sum(1) for s in streams]).sum(0)
    number = widths[streams[0]] * units // streams[0].channels
    chosen = _most_important(total, [(0, 0), (units, number)])
    channels = {s: torch.arange(s.channels).reshape(units, -1) for s in streams}
    return {stream: channels[stream][chosen].flatten() for stream in streams}


def _quotas(widths: Widths, divided: list[tuple[Axis, int]]) -> dict[Stream, Quotas]:
    """Return what each stream must keep so that every group keeps as many of its channels.

    Groups may run across a skip. Where what they demand does not fit to widths that are rounded,
    it is left, so that some connections are lost.
    """
    quotas = {stream: [(0, 0), (stream.channels, width)] for stream, width in widths.items()}
    for axis, parts in divided:
        dense, narrow = sum(s.channels for s in axis), sum(widths[s] for s in axis)
        begin, narrow_begin = 0, 0
        for stream in axis:
            for part in range(1, parts):
                bound = part * dense // parts - begin, part * narrow // parts - narrow_begin
                if 0 < bound[0] < stream.channels:
                    _demand(quotas[stream], *bound)
            begin, narrow_begin = begin + stream.channels, narrow_begin + widths[stream]
    return quotas


def _divided(table: Table, widths: Widths, config: NetworkConfig) -> list[tuple[Axis, int]]:
    """Return what heads and groups divide, single streams first, and into how many parts."""
    divided: list[tuple[Axis, int]] = [((stream,), stream.blocks) for stream in widths]
    if config.groups != "max":  # whose streams are chosen together
        divided += [(axis, _groups(c)) for c in table for axis in (c.inputs, c.outputs)]
    return sorted(divided, key=lambda each: len(each[0]))


def _demand(quotas: Quotas, bound: int, number: int) -> None:
    """Demand that so many channels stay below a bound, if what was demanded before allows it."""
    place = bisect_left(quotas, (bound, 0))
    (below, left_below), (above, left_above) = quotas[place - 1], quotas[place]
    fits_below = 0 <= number - left_below <= bound - below
    fits_above = 0 <= left_above - number <= above - bound
    if above > bound and fits_below and fits_above:
        quotas.insert(place, (bound, number))


def _groups(coupled: Coupled) -> int:
    return coupled.layer.groups if isinstance(coupled.layer, Convolution) else 1
