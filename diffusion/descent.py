"""Gradient descent on a recipe's network, one step at a time, with a state that can be kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffusion.batches import Batches
from diffusion.denoiser import Denoiser
from diffusion.device import device_of
from diffusion.optimizers import build_optimizer, load_optimizer_state, optimizer_state
from diffusion.process import build_denoiser
from diffusion.recipe import Recipe, TrainingConfig

State = dict[str, Tensor]


def warm_up(config: TrainingConfig) -> Callable[[int], float]:
    """Return the learning rate of each step from 0 on: a linear rise, then constant."""

    def rate(step: int) -> float:
        rise = (step + 1) * config.batch_size / max(config.warmup_images, 1)
        return config.learning_rate * min(rise, 1.0)

    return rate


@dataclass(frozen=True)
class Phase:
    """How the steps of a phase are taken.

    Attributes:
        rate: the learning rate of each step from 0 on.
        rounding: while it is entered the network holds the weights that its loss is taken at.
        after_step: called once a step has moved the weights.
        teacher: its outputs are learned instead of the images.
    """

    rate: Callable[[int], float]
    rounding: Callable[[], AbstractContextManager[None]] = nullcontext
    after_step: Callable[[], None] = lambda: None
    teacher: Denoiser | None = None


class Descent:
    """The training of a network, step by step: its weights, optimizer, batches and noise.

    Attributes:
        step: steps taken.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        config: TrainingConfig,
        images: Tensor,
        labels: Tensor,
        phase: Phase | None = None,
    ) -> None:
        """Begin a training; each step moves the network's weights.

        Args:
            network: the recipe's, on the device to train on.
            recipe: its formulation and precision make the loss, its data the hidden label.
            config: in place of the recipe's own training.
            images: [N, C, H, W] uint8 training images.
            labels: [N] int64.
            phase: in place of a training from scratch, which only warms up.
        """
        self.step = 0
        self._config = config
        self._phase = phase or Phase(warm_up(config))
        self._network = network
        self._denoiser = build_denoiser(network, recipe).train()
        self._optimizer = build_optimizer(network, config)
        self._noise = torch.Generator().manual_seed(config.seed)  # CPU: see randomness.py
        self._batches = Batches(
            images, labels, config, recipe.data.num_classes, device_of(network)
        )

    @property
    def batch_size(self) -> int:
        """How many images a step is taken on."""
        return self._config.batch_size

    @property
    def images_seen(self) -> int:
        """How many images the steps so far were taken on, each counted every time."""
        return self.step * self._config.batch_size

    def advance(self) -> Tensor:
        """Take a step on the next batch and return its loss, a scalar on the network's device."""
        batch = self._batches.draw(self.step)
        rate = self._phase.rate(self.step)
        self.step += 1
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        # Before the loss: bitsandbytes' 8-bit layers quantize anew only where no gradient is left.
        self._optimizer.zero_grad(set_to_none=True)
        with self._phase.rounding():
            loss = self._denoiser.loss(*batch, self._noise, self._phase.teacher)
            loss.backward()
        self._optimizer.step()
        self._phase.after_step()
        return loss.detach()

    def state(self) -> State:
        """Return, as copies on the CPU, all that the next steps depend on."""
        state = {
            **{f"network/{name}": value for name, value in self._moving()},
            **{f"batches/{name}": value for name, value in self._batches.state().items()},
            "noise/generator": self._noise.get_state(),
            **optimizer_state(self._optimizer),
        }
        return {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in state.items()
        }

    @torch.no_grad()
    def load(self, state: State, step: int) -> None:
        """Go on as from the moment, after `step` steps, at which `state` returned this state.

        Raises:
            LookupError, RuntimeError: the state is of another training.
        """
        for name, value in self._moving():
            value.copy_(state[f"network/{name}"])
        self._batches.load({name: state[f"batches/{name}"] for name in ("order", "generator")})
        self._noise.set_state(state["noise/generator"])
        load_optimizer_state(self._optimizer, state)
        self.step = step

    def _moving(self) -> list[tuple[str, Tensor]]:
        """Return the tensors that steps change; the network's others follow from the recipe."""
        learned = [(n, p) for n, p in self._network.named_parameters() if p.requires_grad]
        return learned + list(self._network.named_buffers())
