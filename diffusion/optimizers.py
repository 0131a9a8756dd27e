"""The optimizers of trainings, and what they keep of each parameter from step to step."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from diffusion.recipe import TrainingConfig


def build_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimizer that a training asks for, of the parameters that learn."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    rate, betas = config.learning_rate, (0.9, config.adam_beta2)
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, betas=betas, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, betas=betas, fused=True)
    import bitsandbytes.optim  # slow to import: only where it is used

    for parameter in parameters:
        # As its first step does. Another layout rounds gradients otherwise, so that a training
        # that goes on from a checkpoint would leave the path at its own first step.
        parameter.data = parameter.data.contiguous()
    build = {"adam8bit": bitsandbytes.optim.Adam8bit, "adamw8bit": bitsandbytes.optim.AdamW8bit}
    return build[config.optimizer](parameters, lr=rate, betas=betas)


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what an optimizer keeps, by flat names: `optimizer.INDEX/NAME`."""
    return {
        f"optimizer.{index}/{name}": torch.as_tensor(value)
        for index, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
    }


@torch.no_grad()
def load_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    """Give an optimizer what another one of the same parameters kept; other names are ignored."""
    for index, parameter in enumerate(_parameters(optimizer)):
        prefix = f"optimizer.{index}/"
        optimizer.state[parameter] = {
            name.removeprefix(prefix): _restored(value, parameter)
            for name, value in state.items()
            if name.startswith(prefix)
        }


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _restored(value: Tensor, parameter: Tensor) -> Tensor | int:
    """Return a kept value in the form in which the optimizer holds it for the parameter."""
    if value.ndim == 0 and value.dtype == torch.int64:
        return int(value)  # bitsandbytes counts its steps in plain integers
    if value.shape == parameter.shape:
        # In the parameter's own order of memory, as the optimizer made it.
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    return value.to(parameter.device)
