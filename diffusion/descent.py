"""Gradient descent on a recipe's network, one step at a time, with a state that can be kept."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffusion.data import to_signed_range
from diffusion.errors import TrainingDiverged
from diffusion.process import build_denoiser
from diffusion.recipe import Recipe, TrainingConfig

State = dict[str, Tensor]

EXPLODED_LOSS = 1e3  # An untrained network's is about 1.


class Batches:
    """Batches for ever: each epoch a new order, labels hidden at the asked rate."""

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        config: TrainingConfig,
        hidden_label: int,
        device: torch.device,
    ) -> None:
        self._images, self._labels, self._device = images, labels, device
        self._config, self._hidden_label = config, hidden_label
        self._generator = torch.Generator().manual_seed(config.seed)
        self._order = torch.empty(0, dtype=torch.int64)

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the images, [B, C, H, W] float32 in [-1, 1], and labels of a step from 0 on."""
        batch_size = self._config.batch_size
        while len(self._order) < batch_size:
            epoch = torch.randperm(len(self._images), generator=self._generator)
            self._order = torch.cat([self._order, epoch])
        chosen, self._order = self._order[:batch_size], self._order[batch_size:]
        hidden_share = self._config.label_dropout
        if end := self._config.label_dropout_end_images:
            hidden_share *= max(1 - step * batch_size / end, 0.0)
        hide = torch.rand(batch_size, generator=self._generator) < hidden_share
        labels = self._labels[chosen].masked_fill(hide, self._hidden_label)
        images = to_signed_range(self._images[chosen].to(self._device))
        return images, labels.to(self._device)

    def state(self) -> State:
        """Return what the next batches depend on."""
        return {"order": self._order.clone(), "generator": self._generator.get_state()}

    def load(self, state: State) -> None:
        """Go on where a state was taken."""
        self._order = state["order"]
        self._generator.set_state(state["generator"])


class Descent:
    """A network, its optimizer and its batches.

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
    ) -> None:
        """Begin; the network is moved by each step.

        Args:
            network: the recipe's, on the device to train on.
            config: in place of the recipe's own training.
            images: [N, C, H, W] uint8 training images.
            labels: [N] int64.
        """
        device = next(network.parameters()).device
        self.step = 0
        self._config = config
        self._network = network
        self._denoiser = build_denoiser(network, recipe).train()
        self._optimizer = build_optimizer(network, config)
        self._noise = torch.Generator(device).manual_seed(config.seed)
        self._batches = Batches(images, labels, config, recipe.data.num_classes, device)

    @property
    def images_seen(self) -> int:
        """Images that the steps so far were taken on."""
        return self.step * self._config.batch_size

    def advance(self) -> Tensor:
        """Take a step and return its loss."""
        config = self._config
        batch = self._batches.draw(self.step)
        self.step += 1
        # Learning rate: linear warm-up, then constant.
        rise = min(self.images_seen / max(config.warmup_images, 1), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = config.learning_rate * rise
        # Before the loss: bitsandbytes' 8-bit layers quantize anew only where no gradient is left.
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._denoiser.loss(*batch, self._noise)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def state(self) -> State:
        """Return, as copies on the CPU, all that the next steps depend on."""
        parts = {
            "network": dict(self._moving()),
            "batches": self._batches.state(),
            "noise": {"generator": self._noise.get_state()},
            **{
                f"optimizer.{index}": {k: torch.as_tensor(v) for k, v in values.items()}
                for index, values in enumerate(self._optimizer_states())
            },
        }
        return {
            f"{part}/{name}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for part, values in parts.items()
            for name, value in values.items()
        }

    @torch.no_grad()
    def load(self, state: State, step: int) -> None:
        """Go on where a state was taken after so many steps.

        Raises:
            LookupError, RuntimeError: the state is of another training.
        """
        for name, value in self._moving():
            value.copy_(state[f"network/{name}"])
        self._batches.load({name: state[f"batches/{name}"] for name in ("order", "generator")})
        self._noise.set_state(state["noise/generator"])
        self.step = step
        for index, parameter in enumerate(self._parameters()):
            prefix = f"optimizer.{index}/"
            self._optimizer.state[parameter] = {
                name.removeprefix(prefix): _restored(value, parameter)
                for name, value in state.items()
                if name.startswith(prefix)
            }

    def _moving(self) -> list[tuple[str, Tensor]]:
        """Return what steps change; the rest follows from the recipe."""
        learned = [(n, p) for n, p in self._network.named_parameters() if p.requires_grad]
        return learned + list(self._network.named_buffers())

    def _parameters(self) -> list[Tensor]:
        return [p for group in self._optimizer.param_groups for p in group["params"]]

    def _optimizer_states(self) -> list[dict[str, Tensor | int]]:
        return [self._optimizer.state[parameter] for parameter in self._parameters()]


def build_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimizer that a training asks for, of the parameters that learn."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=config.learning_rate, fused=True)
    import bitsandbytes.optim  # slow to import: only where it is used

    for parameter in parameters:
        # As its first step does. Another layout rounds gradients otherwise, so that a training
        # that goes on from a checkpoint would leave the path at its own first step.
        parameter.data = parameter.data.contiguous()
    build = {"adam8bit": bitsandbytes.optim.Adam8bit, "adamw8bit": bitsandbytes.optim.AdamW8bit}
    return build[config.optimizer](parameters, lr=config.learning_rate)


def checked_mean(losses: Sequence[Tensor], step: int) -> float:
    """Return the mean of the losses of the steps up to `step`.

    Raises:
        TrainingDiverged: one is NaN, infinite or exploded; names its step.
    """
    values = torch.stack(list(losses)).tolist()
    for number, value in enumerate(values, start=step - len(values) + 1):
        if not value < EXPLODED_LOSS:  # also true for NaN
            raise TrainingDiverged(f"training diverged at step {number}: loss {value:.3g}")
    return sum(values) / len(values)


def _restored(value: Tensor, parameter: Tensor) -> Tensor | int:
    """Return an optimizer's value for a parameter as it was."""
    if value.ndim == 0 and value.dtype == torch.int64:
        return int(value)  # bitsandbytes counts its steps in plain integers
    if value.shape == parameter.shape:
        # In the parameter's own order of memory, as the optimizer made it.
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    return value.to(parameter.device)
