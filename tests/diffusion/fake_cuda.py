"""A GPU that is not there: tensors know that they are on it, and no number is ever computed.

An operation on tensors of two devices fails as it would on a real GPU.
"""

from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from diffusion import process
from diffusion.networks import build_network

CUDA = torch.device("cuda", 0)


@contextmanager
def fake_cuda():
    """Make all tensors inside fake ones, and what torch cannot do with them a stand-in."""
    with pytest.MonkeyPatch.context() as patch, FakeTensorMode(allow_non_fake_inputs=True):
        patch.setattr(nn.Module, "to", _to)
        patch.setattr(torch.Tensor, "backward", _backward)
        for name, kind in process.DENOISERS.items():
            patch.setitem(process.DENOISERS, name, _built_for_real(kind))
        yield


def network_on_cuda(recipe):
    """Return a recipe's network with all weights on the GPU, to be called inside."""
    with unset_fake_temporarily():
        network = build_network(recipe.network, recipe.data)
    return network.to(CUDA)


def _to(network, device=None, memory_format=torch.preserve_format):
    """Replace parameters, where torch would swap what a fake one refers to."""
    for module in network.modules():
        for name, value in module._parameters.items():
            if value is not None:
                layout = memory_format if value.ndim == 4 else torch.preserve_format
                moved = value.detach().to(device=device or value.device, memory_format=layout)
                module._parameters[name] = nn.Parameter(moved, value.requires_grad)
        for name, value in module._buffers.items():
            module._buffers[name] = value.to(device or value.device)
    return network


def _backward(loss):
    """Give each weight that the loss depends on a gradient: torch's own engine asks the GPU."""
    seen, waiting = set(), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [following for following, _ in node.next_functions]
        if (leaf := getattr(node, "variable", None)) is not None:
            leaf.grad = torch.zeros_like(leaf)


def _built_for_real(kind):
    """Build a denoiser as always: its noise levels become plain numbers, which fake ones lack."""

    def build(*given):
        with unset_fake_temporarily():
            return kind(*given)

    return build
