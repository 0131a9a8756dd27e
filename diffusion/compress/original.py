"""A network before it is compressed, and what is measured of it once for all its compressions."""

import copy
from functools import cached_property

from torch import Tensor, nn

from diffusion.compress.allotment import measure_sensitivities, steps_by
from diffusion.compress.prune import prune
from diffusion.compress.rounding import Spread, measure_spreads, round_by
from diffusion.compress.uniform import Steps
from diffusion.recipe import CompressionConfig, Recipe


class Original:
    """A float network, and how its weights are rounded, whatever was pruned of them first.

    Attributes:
        measured_sensitivities: of its tensors; None until they were asked for.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        images: Tensor,
        labels: Tensor,
        sensitivities: dict[str, float] | None = None,
    ) -> None:
        """Take up a network; nothing is measured before it is asked for.

        Args:
            network: not pruned, on the device to run on; stays as it is.
            recipe: of the network, with any compression.
            images: [N, C, H, W] uint8 training images.
            labels: [N] int64.
            sensitivities: of the network, where they were measured before.
        """
        self.network = network
        self.measured_sensitivities = sensitivities
        self._given = network, recipe, images, labels

    def pruned(self, compression: CompressionConfig, into: nn.Module | None = None) -> nn.Module:
        """Return a copy, pruned as a compression asks.

        Args:
            compression: whose pruning counts.
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
        if self.measured_sensitivities is None:
            self.measured_sensitivities = measure_sensitivities(*self._given)
        return steps_by(self.measured_sensitivities, network, compression.quantization_step)

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
        spreads = {} if compression.finetune_images else self._spreads
        round_by(spreads, network, steps, compression.quantization_step)
        return network, steps

    @cached_property
    def _spreads(self) -> dict[str, list[Spread]]:
        return measure_spreads(*self._given)
