"""Hugging Face diffusers in the same run: training and drawing at equal parameters, in turns.

    pip install 'paretodiff[bench]'
    python -m benchmarks.against_diffusers [--rounds 3] [--json FILE]

Theirs is UNet2DModel (32, 64, 64) with one layer a block, noise prediction with AdamW, drawn from
by DPM-Solver++ in 20 steps; ours a mini_ddpm of as many parameters, of patches of 1 and 2 pixels,
drawn from by DPM-Solver++(2M) in 20 steps. Processor time at one thread, batches of 32 in training
and of 100 in drawing, both with labels and without guidance. Then each learns the embedded digits
in float32 for the same processor time, and 1,000 images of its average `mid` are scored.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.in_turns import Figures, benchmark_parser, in_turns, run, times_faster
from benchmarks.subjects import SEED, OurTraining, made_up_images, our_model, recipe_of
from diffusion.data import load_dataset
from diffusion.ema import EmaTracks
from diffusion.networks import count_parameters
from diffusion.recipe import NetworkConfig, Precision, Recipe
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.frechet import GaussianStatistics
from diffusion.score.references import References
from search_spaces import knobs

WIDTHS, PATCH_SIZES, BATCH_SIZE = (16, 32, 92), (1, 2), 32
STEPS, NUM_DRAWN, NUM_CLASSES, IMAGE_SIZE = 20, 100, 10, 28
PRECISIONS: tuple[Precision, ...] = "float32", "bf16"
TRACK, NUM_SCORED = "mid", 1_000


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
        for level in self._solver.timesteps:
            predicted = self._predict(images, level, labels)
            images = self._solver.step(predicted, level, images).prev_sample
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


def learned(seconds: float) -> Figures:
    """Return the FID of each after so many processor seconds of training on the same digits."""
    dataset = load_dataset("mnist5k")
    data = dataset.train_images, dataset.train_labels
    extractor = build_extractor(dataset.config(), None, dataset.class_names)
    reference = References.of(dataset, extractor).train.frechet
    figures: Figures = {}

    def note(name: str, steps: int, images: Tensor) -> None:
        drawn = GaussianStatistics.from_batches([extractor.features(images)])
        figures[f"{name}: FID after {seconds:g} s of training"] = reference.distance(drawn)
        figures[f"{name}: images trained on in {seconds:g} s"] = steps * BATCH_SIZE

    torch.manual_seed(SEED)  # ours have generators of their own
    theirs = Theirs("float32", *data)
    averages = EmaTracks(theirs.network)

    def step(count: int) -> None:
        theirs.step()
        averages.update(count * BATCH_SIZE, BATCH_SIZE)

    steps = _steps_within(seconds, step)
    theirs.network.load_state_dict(averages.tracks[TRACK], strict=False)
    note("theirs", steps, torch.cat([theirs.draw() for _ in range(NUM_SCORED // NUM_DRAWN)]))
    for name, recipe in recipes("float32").items():
        recipe = replace(recipe, data=dataset.config(), training=knobs.training(1))
        ours = OurTraining(recipe, *data)
        steps = _steps_within(seconds, lambda count, ours=ours: ours.step())
        note(name, steps, ours.averaged(TRACK).generate(torch.arange(NUM_SCORED) % NUM_CLASSES))
    return figures


def _steps_within(seconds: float, step: Callable[[int], object]) -> int:
    """Take steps, each told its number from 1 on, for so much processor time; return how many."""
    count, end = 0, time.process_time() + seconds
    while time.process_time() < end:
        count += 1
        step(count)
    return count


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
    parser = benchmark_parser(__doc__, rounds=3)
    parser.add_argument("--train-seconds", type=float, default=60.0, help="(default 60)")
    given = parser.parse_args()
    run(lambda rounds: measure(rounds) | learned(given.train_seconds), given)
