"""Time guided generation for each point of a front, on all cores.

    python benchmarks/generate_front.py runs/quick-001

Prints the seconds for 1,000 images, and the ratio of our guidance, both halves in one batch, to
the baseline of two network calls a step: the median over alternating runs of 200 images.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

from diffusion import model as model_module
from diffusion.compress.package import read_package
from diffusion.guidance import Denoise, guide

IMAGES, RATIO_IMAGES, REPEATS = 1_000, 200, 3


def guide_by_two_calls(
    denoiser: nn.Module, labels: Tensor, hidden_label: int, guidance: float
) -> Denoise:
    """The baseline: the same guidance, the labelled half and the hidden one after another."""
    of_labels = guide(denoiser, labels, hidden_label, 1.0)
    of_hidden = guide(denoiser, labels, hidden_label, 0.0)

    def denoise(noisy: Tensor, sigma: float) -> Tensor:
        return torch.lerp(of_hidden(noisy, sigma), of_labels(noisy, sigma), guidance)

    return denoise


def seconds(draw: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    draw()
    return time.perf_counter() - start


def main() -> None:
    run = Path(sys.argv[1])
    points = json.loads((run / "front" / "front.json").read_text())["points"]
    print(f"torch threads: {torch.get_num_threads()}")
    for point in points:
        model = read_package(run / point["package_path"])
        labels = torch.arange(IMAGES) % model.recipe.data.num_classes
        few = labels[:RATIO_IMAGES]
        model.generate(few[:100])  # warm-up
        total = seconds(lambda model=model, labels=labels: model.generate(labels))
        ratios = []
        for _ in range(REPEATS):
            ours = seconds(lambda model=model, few=few: model.generate(few))
            with mock.patch.object(model_module, "guide", guide_by_two_calls):
                ratios.append(ours / seconds(lambda model=model, few=few: model.generate(few)))
        name = Path(point["package_path"]).parent.name
        steps, guidance = model.recipe.sampling.steps, model.recipe.sampling.guidance
        print(
            f"{name:>8}  {total:5.1f} s for {IMAGES:,} images, {steps} calls each, guidance "
            f"{guidance:g}; one batch / two calls: {statistics.median(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
