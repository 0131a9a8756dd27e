"""A network before it is compressed, and what is measured of it once for all its compressions."""

import copy
from dataclasses import dataclass, field

from torch import Tensor, nn

from diffusion.compress.allotment import measure_sensitivities, steps_by
from diffusion.compress.channels import Importances, remove_channels
from diffusion.compress.importance import l1_importances, loss_importances
from diffusion.compress.prune import prune
from diffusion.compress.rounding import Spread, measure_spreads, round_by
from diffusion.compress.uniform import Steps
from diffusion.networks.coupling import Table
from diffusion.recipe import CompressionConfig, PruneMethod, Recipe


@dataclass
class Measured:
    """What was measured of a network so far; None until it was asked for.

    Attributes:
        sensitivities: of its tensors.
        spreads: of its layers' errors.
        narrow: of the network with fewer channels, by method and ratio.
    """

    sensitivities: dict[str, float] | None = None
    spreads: dict[str, list[Spread]] | None = None
    narrow: "dict[tuple[PruneMethod, float], Measured]" = field(default_factory=dict)

    @property
    def memory_bytes(self) -> int:
        """The memory of the spreads; all else is small."""
        of_layers = (self.spreads or {}).values()
        own = sum(s.factor.nbytes + s.order.nbytes for spreads in of_layers for s in spreads)
        return own + sum(measured.memory_bytes for measured in self.narrow.values())

    def forget_spreads(self) -> None:
        """Let go of what takes the memory."""
        self.spreads = None
        for measured in self.narrow.values():
            measured.forget_spreads()


class Original:
    """A float network, and how its weights are rounded, whatever was pruned of them first."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        images: Tensor,
        labels: Tensor,
        measured: Measured | None = None,
    ) -> None:
        """Take up a network; nothing is measured before it is asked for.

        Args:
            network: not pruned, on the device to run on; stays as it is.
            recipe: of the network, with any compression.
            images: [N, C, H, W] uint8 training images.
            labels: [N] int64.
            measured: of the network before; takes in what is measured now.
        """
        self.network = network
        self._measured = measured or Measured()
        self._given = network, recipe, images, labels

    def narrowed(self, compression: CompressionConfig) -> "Original":
        """Return the network without the channels that a compression removes, as one to compress.

        It is measured by itself: its layers have other inputs. Without such pruning it is this
        one.
        """
        if not compression.channel_ratio:
            return self
        network = copy.deepcopy(self.network).requires_grad_(True)
        _, recipe, images, labels = self._given

        def measure(table: Table) -> Importances:
            if compression.prune_method == "channels_l1":
                return l1_importances(table)
            return loss_importances(table, network, recipe, images, labels)

        remove_channels(network, recipe.network, compression.channel_ratio, measure)
        key = compression.prune_method, compression.channel_ratio
        measured = self._measured.narrow.setdefault(key, Measured())
        return Original(network, recipe, images, labels, measured)

    def pruned(self, compression: CompressionConfig, into: nn.Module | None = None) -> nn.Module:
        """Return a copy in which single weights are pruned as a compression asks.

        Args:
            compression: whose pruning counts; its channels are removed by `narrowed`.
            into: a copy that is done with, to be written over: a new one takes longer to make.
        """
        if into is None:
            into = copy.deepcopy(self.network)
        else:
            into.load_state_dict(self.network.state_dict())
        prune(into, compression)
        return into

    def allot(self, network: nn.Module, compression: CompressionConfig) -> Steps:
        """Return the steps by which a pruned copy is to be rounded."""
        if self._measured.sensitivities is None:
            self._measured.sensitivities = measure_sensitivities(*self._given)
        return steps_by(self._measured.sensitivities, network, compression.quantization_step)

    def compressed(
        self, compression: CompressionConfig, into: nn.Module | None = None
    ) -> tuple[nn.Module, Steps | None]:
        """Return a pruned and rounded copy, as it is where it is not trained any further.

        What is to be trained is rounded to the nearest, since the training makes up for the
        errors; other weights make up for each other's.

        Args:
            compression: its cool-down is not done, but decides how weights are rounded.
            into: as `pruned` has it.

        Returns:
            The network, and its steps with quantization `uniform`, which alone rounds here.

        Raises:
            InvalidRecipe: the steps are so large that all weights become 0.
        """
        network = self.pruned(compression, into)
        if compression.quantization != "uniform":
            return network, None
        steps = self.allot(network, compression)
        spreads = {} if compression.finetune_images else self._spreads()
        round_by(spreads, network, steps, compression.quantization_step)
        return network, steps

    def _spreads(self) -> dict[str, list[Spread]]:
        if self._measured.spreads is None:
            self._measured.spreads = measure_spreads(*self._given)
        return self._measured.spreads
