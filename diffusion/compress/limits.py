"""How large a package may be, and a network without memory for its weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from diffusion.compress.channels import remove_channels
from diffusion.networks import build_network
from diffusion.recipe import Recipe

# A package of 250 million float32 parameters has 1 GB, and reading it takes four times that.
MAX_PARAMETERS = 250_000_000
MAX_FILE_BYTES = 5 * MAX_PARAMETERS  # Four a parameter, the masks, and what does not deflate.


class _WithoutValues(TorchFunctionMode):
    """Fills no tensor: to draw on the meta device imports torch's compiler, for seconds."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"]
        return func(*args, **kwargs)


def check_parameters(parameters: int) -> None:
    """Raise ValueError if a network is too large for a package."""
    if parameters > MAX_PARAMETERS:
        raise ValueError(
            f"its network has {parameters} parameters; allowed: at most {MAX_PARAMETERS}"
        )


def network_shapes(recipe: Recipe) -> tuple[nn.Module, dict[str, tuple[int, ...]]]:
    """Return a recipe's network without memory for its weights, and the shape of each.

    It is as narrow as its pruning leaves it.

    Raises:
        ValueError: the network cannot be built or is too large.
    """
    with torch.device("meta"), _WithoutValues():
        network = build_network(recipe.network, recipe.data)
    if recipe.compression.channel_ratio:
        remove_channels(network, recipe.network, recipe.compression.channel_ratio)
    state = network.state_dict()
    check_parameters(sum(value.numel() for value in state.values()))
    return network, {name: tuple(value.shape) for name, value in state.items()}
