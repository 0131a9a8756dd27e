"""The yardstick of a screening: noisy held-out images, and what the best network makes of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from diffusion.compress.calibration import Calibration
from diffusion.data import ImageDataset
from diffusion.networks import count_macs, count_parameters
from diffusion.recipe import Recipe, Track

# By Kendall's tau with FID (docs/proposals.md): more images rank no better; the change of guided
# outputs ranks better than that of plain ones, and below this noise level an image is settled.
NUM_IMAGES = 32
GUIDANCE, LEAST_SIGMA = 2.0, 0.3

LoadNetwork = Callable[[Track], nn.Module]


@dataclass(frozen=True)
class Yardstick:
    """What the compressions of a backbone are measured by.

    Attributes:
        batch: noisy held-out images with their labels, evaluated all at once.
        target: [N, C, H, W] what the uncompressed network of the best average, the one of the
            least denoising loss, makes of them with guidance.
        track_losses: of the uncompressed networks on the batch.
        macs, parameters: of the network, however its weights are compressed.
    """

    batch: Calibration
    target: Tensor
    track_losses: Mapping[Track, float]
    macs: int
    parameters: int

    @classmethod
    def of(
        cls,
        recipes: Iterable[Recipe],
        load_network: LoadNetwork,
        dataset: ImageDataset,
        device: torch.device,
        tracks: Iterable[Track] = (),
    ) -> Self:
        """Choose the best of the averages that occur, or may.

        Args:
            recipes: one or more, of one backbone.
            load_network: returns the float network of an average, on the CPU.
            dataset: its held-out images are drawn from.
            device: to run the networks on.
            tracks: other averages of the backbone, to choose from as well.
        """
        by_track = {recipe.ema.track: recipe for recipe in recipes}
        names = sorted({*by_track, *tracks})
        networks = {track: load_network(track).to(device) for track in names}
        network, recipe = next(iter(networks.values())), next(iter(by_track.values()))
        held_out = dataset.held_out_images, dataset.held_out_labels
        batch = Calibration.of(
            recipe, network, *held_out, NUM_IMAGES, least_sigma=LEAST_SIGMA, hides=False
        )
        labelled = {track: batch.denoise(network) for track, network in networks.items()}
        losses = {track: batch.loss(output) for track, output in labelled.items()}
        best = min(losses, key=lambda track: losses[track])
        target = guided(batch, networks[best], labelled[best])
        macs, (parameters, _) = count_macs(network, recipe.data), count_parameters(network)
        return cls(batch, target, losses, macs, parameters)

    def of_network(self, network: nn.Module) -> Self:
        """Return the same yardstick, with the counts of a network of fewer channels."""
        macs = count_macs(network, self.batch.recipe.data)
        return replace(self, macs=macs, parameters=count_parameters(network)[0])

    def measure(self, network: nn.Module) -> tuple[float, float]:
        """Return the drift of a compressed network from the target, and its denoising loss."""
        labelled = self.batch.denoise(network)
        distances = self.batch.distances(guided(self.batch, network, labelled), self.target)
        return float(distances.mean()), self.batch.loss(labelled)


def guided(batch: Calibration, network: nn.Module, labelled: Tensor) -> Tensor:
    """Return what guidance makes of a network's outputs with labels, where it knows labels."""
    if not batch.recipe.network.conditional:
        return labelled
    hidden = torch.full_like(batch.labels, batch.recipe.data.num_classes)
    return torch.lerp(batch.denoise(network, hidden), labelled, GUIDANCE)
