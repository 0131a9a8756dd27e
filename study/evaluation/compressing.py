"""From a backbone to the network that ships: pruned, then cooled down or rounded."""

from dataclasses import dataclass, field

from torch import nn

from diffusion.compress.original import Original
from diffusion.compress.uniform import Steps
from diffusion.data import ImageDataset
from diffusion.recipe import Recipe
from study.evaluation.begin import COOL_DOWN, Begin
from study.evaluation.context import TrialContext
from study.evaluation.originals import forget, original_of
from study.results.objectives import Scores
from study.run.backbones import Backbone
from study.run.cool_downs import CoolDownStore


@dataclass(frozen=True)
class Compressed:
    """A compressed network, on the CPU, and what that cost.

    Attributes:
        steps: of quantization `uniform`.
        trained_images: in the cool-down, by this trial.
        scores: of the cool-down.
    """

    network: nn.Module
    steps: Steps | None = None
    trained_images: int = 0
    scores: Scores = field(default_factory=dict)


def compress(
    recipe: Recipe,
    backbone: Backbone,
    context: TrialContext,
    dataset: ImageDataset,
    trained_images: int,
) -> Compressed:
    """Prune a backbone that was trained on so many images, and cool it down or round it."""
    compression = recipe.compression
    original = original_of(backbone.network().to(context.run.device), recipe, dataset)
    if compression.finetune_images:
        compressed = _cool_down(recipe, original, context, dataset, trained_images)
    else:
        compressed = Compressed(*original.narrowed(compression).compressed(compression))
    forget()
    compressed.network.cpu()
    return compressed


def _cool_down(
    recipe: Recipe,
    original: Original,
    context: TrialContext,
    dataset: ImageDataset,
    trained_images: int,
) -> Compressed:
    """Train on or reuse; what this trial trained counts from where its first attempt began."""
    narrowed = original.narrowed(recipe.compression)
    network = narrowed.pruned(recipe.compression)
    images, begin = recipe.compression.finetune_images, Begin(context.trial_dir / COOL_DOWN)

    def on_progress(images_seen: int) -> None:
        done = min(images_seen, images)
        context.on_trained(trained_images + begin.count(done))
        context.on_progress("cool-down", done / images)

    def allot() -> Steps:
        return narrowed.allot(network, recipe.compression)

    found = CoolDownStore(context.store_dir).obtain(
        recipe, network, lambda: original.network, allot, dataset, on_progress
    )
    found.load_into(network)
    count = begin.count_at_end(images)
    context.on_trained(trained_images + count)
    return Compressed(network, found.steps, count, {"finetune_seconds": found.train_seconds})
