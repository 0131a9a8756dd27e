"""Which layers' channels go together: what a channel's removal removes, in every architecture.

A stream is a row of channels that is written, added to, normed and read as one. A table names for
each layer the streams that its inputs and its outputs are made of, one after another, as skips
are beside what they are concatenated with. Images and embeddings are no streams: they stay whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from diffusion.networks.ddpm import DDPM, HEADS, DoubleConv, SelfAttention
from diffusion.networks.layers import PackedProjection
from diffusion.networks.mini_ddpm import Attention, MiniDDPM, ResidualBlock
from diffusion.networks.ncsn import NCSN, Block

Norm = nn.GroupNorm | nn.LayerNorm
Convolution = nn.Conv2d | nn.ConvTranspose2d
Coupleable = Norm | Convolution | nn.Linear | PackedProjection


@dataclass(frozen=True, eq=False)
class Stream:
    """Channels that go together; each is itself alone.

    Attributes:
        channels: how many there are.
        blocks: of equal length that they are split into, as by the heads of an attention.
    """

    channels: int
    blocks: int = 1


Axis = tuple[Stream, ...]
WHOLE: Axis = ()  # No channel of it is ever removed.


@dataclass(frozen=True)
class Coupled:
    """A layer and the streams on its two sides; a norm has none but its outputs.

    Attributes:
        attends: whether the outputs are the queries, keys and values of an attention.
    """

    layer: Coupleable
    inputs: Axis
    outputs: Axis
    attends: bool = False


class Table(list[Coupled]):
    """The layers of a network, but those of its embedding."""

    def add(
        self, layer: Convolution | nn.Linear, inputs: Axis, outputs: Axis | None = None
    ) -> Axis:
        """Couple a layer's two sides; without outputs they are a new stream. Returns them."""
        if outputs is None:
            if isinstance(layer, nn.Linear):
                outputs = (Stream(layer.out_features),)
            else:
                outputs = (Stream(layer.out_channels),)
        self.append(Coupled(layer, inputs, outputs))
        return outputs

    def norm(self, norm: Norm, axis: Axis) -> None:
        """Couple a norm to what it norms."""
        self.append(Coupled(norm, WHOLE, axis))

    def attend(self, layer: nn.Conv2d | PackedProjection, inputs: Axis, heads: int = 1) -> Axis:
        """Couple what makes queries, keys and values, and return the values.

        A query is multiplied by a key channel by channel, so that theirs go together.
        """
        width = layer.weight.shape[0] // 3
        keys, values = Stream(width, heads), Stream(width, heads)
        self.append(Coupled(layer, inputs, (keys, keys, values), attends=True))
        return (values,)


def coupling_table(network: nn.Module) -> Table:
    """Return which layers' channels go together in one of our networks."""
    table = Table()
    _TABLES[type(network)](table, network)
    return table


def _ncsn(table: Table, network: Any) -> None:
    def block(layer: Block, inputs: Axis) -> Axis:
        outputs = table.add(layer.conv, inputs)
        table.add(layer.dense, WHOLE, outputs)
        table.norm(layer.norm, outputs)
        return outputs

    hidden, skips = WHOLE, []
    for layer in network.encoder:
        hidden = block(layer, hidden)
        skips.append(hidden)
    skips.pop()
    for layer in network.decoder:
        hidden = block(layer, hidden) + skips.pop()
    table.add(network.out, hidden, WHOLE)


def _mini_ddpm(table: Table, network: Any) -> None:
    hidden, skips = table.add(network.stem, WHOLE), []
    for level in network.encoder:
        _residual_block(table, level.block1, hidden, hidden)
        _residual_block(table, level.block2, hidden, hidden)
        skips.append(hidden)
        hidden = table.add(level.down, hidden)
    _residual_block(table, network.bottleneck1, hidden, hidden)
    _attention(table, network.attention, hidden)
    _residual_block(table, network.bottleneck2, hidden, hidden)
    for level in network.decoder:
        hidden = table.add(level.up, hidden) + skips.pop()
        hidden = _residual_block(table, level.block1, hidden)
        _residual_block(table, level.block2, hidden, hidden)
    table.norm(network.norm, hidden)
    table.add(network.out, hidden, WHOLE)


def _residual_block(
    table: Table, block: ResidualBlock, inputs: Axis, outputs: Axis | None = None
) -> Axis:
    table.norm(block.norm1, inputs)
    inner = table.add(block.conv1, inputs)
    table.add(block.dense, WHOLE, inner + inner)  # scales, then shifts
    table.norm(block.norm2, inner)
    outputs = table.add(block.conv2, inner, outputs)
    if isinstance(block.shortcut, nn.Conv2d):
        table.add(block.shortcut, inputs, outputs)
    return outputs


def _attention(table: Table, attention: Attention, axis: Axis) -> None:
    table.norm(attention.norm, axis)
    table.add(attention.out, table.attend(attention.qkv, axis), axis)


def _ddpm(table: Table, network: Any) -> None:
    hidden, skips = _double_conv(table, network.stem, WHOLE), []
    for level in network.encoder:
        skips.append(hidden)
        hidden = _level(table, level, hidden)
    for block in network.bottleneck:
        hidden = _double_conv(table, block, hidden)
    for level in network.decoder:
        hidden = _level(table, level, skips.pop() + hidden)
    table.add(network.out, hidden, WHOLE)


def _level(table: Table, level: Any, hidden: Axis) -> Axis:
    _double_conv(table, level.block1, hidden)
    hidden = _double_conv(table, level.block2, hidden)
    table.add(level.dense, WHOLE, hidden)
    _self_attention(table, level.attention, hidden)
    return hidden


def _double_conv(table: Table, block: DoubleConv, inputs: Axis) -> Axis:
    inner = table.add(block.conv1, inputs)
    table.norm(block.norm1, inner)
    outputs = table.add(block.conv2, inner, inputs if block.residual else None)
    table.norm(block.norm2, outputs)
    return outputs


def _self_attention(table: Table, attention: SelfAttention, axis: Axis) -> None:
    table.norm(attention.norm1, axis)
    table.add(attention.out_proj, table.attend(attention.in_proj, axis, HEADS), axis)
    table.norm(attention.norm2, axis)
    table.add(attention.linear2, table.add(attention.linear1, axis), axis)


# Submodules have no type of their own, so that the networks are of any.
_TABLES: dict[type[nn.Module], Callable[[Table, Any], None]] = {
    NCSN: _ncsn,
    DDPM: _ddpm,
    MiniDDPM: _mini_ddpm,
}
