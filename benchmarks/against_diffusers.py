"""Hugging Face diffusers in the same run: training and drawing at equal parameters, in turns.

    pip install 'paretodiff[bench]'
    python -m benchmarks.against_diffusers [--rounds 3] [--json FILE]

Theirs is UNet2DModel (32, 64, 64) with one layer a block, noise prediction with AdamW, drawn from
by DPM-Solver++ in 20 steps; ours a mini_ddpm of as many parameters, of patches of 1 and 2 pixels,
drawn from by DPM-Solver++(2M) in 20 steps. Processor time at one thread, batches of 32 in training
and of 100 in drawing, both with labels and without guidance.
"""

import statistics
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.in_turns import Figures, benchmark_parser, in_turns, run, times_faster
from benchmarks.subjects import OurTraining, made_up_images, our_model, recipe_of
from diffusion.networks import count_parameters
from diffusion.recipe import NetworkConfig, Precision, Recipe

WIDTHS, PATCH_SIZES, BATCH_SIZE = (20, 40, 84), (1, 2), 32
STEPS, NUM_DRAWN, NUM_CLASSES, IMAGE_SIZE = 20, 100, 10, 28
PRECISIONS: tuple[Precision, ...] = "float32", "bf16"


class Theirs:
    """Their network with their schedulers, trained and drawn from as their examples do it."""

    def __init__(self, precision: Precision, images: Tensor, labels: Tensor) -> None:
        import diffusers  # of this benchmark alone

        blocks = 3 * ("DownBlock2D",), 3 * ("UpBlock2D",)
        self.network: Any = diffusers.UNet2DModel(
            sample_size=IMAGE_SIZE,
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            block_out_channels=(32, 64, 64),
            down_block_types=blocks[0],
            up_block_types=blocks[1],
            num_class_embeds=NUM_CLASSES + 1,
        )
        self._noising: Any = diffusers.DDPMScheduler(num_train_timesteps=1_000)
        self._solver: Any = diffusers.DPMSolverMultistepScheduler(num_train_timesteps=1_000)
        self._optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3)
        self._bf16, self._data = precision == "bf16", (images, labels)

    def step(self) -> float:
        """Take a step and return its loss."""
        chosen = torch.randint(len(self._data[0]), (BATCH_SIZE,))
        images = self._data[0][chosen].float() / 127.5 - 1
        noise, times = torch.randn_like(images), torch.randint(0, 1_000, (BATCH_SIZE,))
        noisy = self._noising.add_noise(images, noise, times)
        predicted = self._predict(noisy, times, self._data[1][chosen])
        loss = torch.nn.functional.mse_loss(predicted, noise)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.item()

    @torch.no_grad()
    def draw(self) -> Tensor:
        """Draw images of all classes."""
        labels = torch.arange(NUM_DRAWN) % NUM_CLASSES
        images = torch.randn(NUM_DRAWN, 1, IMAGE_SIZE, IMAGE_SIZE)
        self._solver.set_timesteps(STEPS)
        for time in self._solver.timesteps:
            predicted = self._predict(images, time, labels)
            images = self._solver.step(predicted, time, images).prev_sample
        return ((images / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)

    def _predict(self, images: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            predicted: Tensor = self.network(images, times, class_labels=labels).sample
        return predicted.float()


def recipes(precision: Precision) -> dict[str, Recipe]:
    """Return our recipes by what they are called."""
    found = {}
    for patch_size in PATCH_SIZES:
        network = NetworkConfig("mini_ddpm", WIDTHS, patch_size=patch_size)
        recipe = recipe_of(network, BATCH_SIZE, precision, IMAGE_SIZE)
        sampling = replace(recipe.sampling, steps=STEPS)
        found[f"patch {patch_size}, {precision}"] = replace(recipe, sampling=sampling)
    return found


def measure(rounds: int) -> Figures:
    """Measure both in both precisions."""
    figures: Figures = {}
    labels = torch.arange(NUM_DRAWN) % NUM_CLASSES
    for precision in PRECISIONS:
        ours = recipes(precision)
        data = made_up_images(next(iter(ours.values())))
        theirs = Theirs(precision, *data)
        figures["theirs: parameters"] = count_parameters(theirs.network)[0]
        training, drawing = {"theirs": theirs.step}, {"theirs": theirs.draw}
        for name, recipe in ours.items():
            model = our_model(recipe)
            figures[f"{name.split(',')[0]}: parameters"] = count_parameters(model.network)[0]
            training[name] = OurTraining(recipe, *data).step
            drawing[name] = lambda model=model: model.generate(labels)
        for what, works in (("training", training), ("drawing", drawing)):
            seconds = in_turns(works, rounds)
            count = BATCH_SIZE if what == "training" else NUM_DRAWN
            rate = count / statistics.median(seconds["theirs"])
            figures[f"theirs, {precision}: {what}, images a second"] = rate
            for name in ours:
                times = times_faster(seconds, name, "theirs")
                figures[f"{name}: {what}, times theirs"] = times
    return figures


if __name__ == "__main__":
    run(measure, benchmark_parser(__doc__, rounds=3).parse_args())
