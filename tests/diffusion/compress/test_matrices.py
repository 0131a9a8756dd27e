"""Layers as matrices: the matrix times the rows of inputs is what the layer computes."""

import pytest
import torch
from torch import nn

from diffusion.compress.matrices import input_rows, set_weight_matrix, weight_matrix
from diffusion.networks.layers import PackedProjection

LAYERS = {
    "convolution": (nn.Conv2d(4, 6, 3, padding=1, bias=False), (2, 4, 7, 5)),
    "strided": (nn.Conv2d(4, 6, 3, stride=2, bias=False), (2, 4, 8, 8)),
    "grouped": (nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False), (2, 4, 6, 6)),
    "pointwise": (nn.Conv2d(4, 6, 1, bias=False), (2, 4, 3, 3)),
    "transposed": (nn.ConvTranspose2d(4, 6, 4, 2, 1, bias=False), (2, 4, 5, 4)),
    "transposed, padded": (
        nn.ConvTranspose2d(4, 6, 3, 2, output_padding=1, bias=False),
        (2, 4, 5, 5),
    ),
    "transposed, grouped": (nn.ConvTranspose2d(4, 6, 3, 2, groups=2, bias=False), (2, 4, 5, 5)),
    "linear": (nn.Linear(4, 6, bias=False), (3, 4)),
    "projection": (PackedProjection(4, 6), (3, 5, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_matrix_times_the_rows_is_the_layers_output(name):
    layer, shape = LAYERS[name]
    torch.manual_seed(0)
    inputs = torch.randn(shape)
    groups, outputs, _ = weight_matrix(layer).shape
    products = input_rows(layer, inputs) @ weight_matrix(layer).mT  # [groups, rows, outputs]
    expected = layer(inputs)
    if expected.ndim == 4:
        expected = expected.flatten(2).transpose(1, 2).reshape(-1, groups, outputs)
    torch.testing.assert_close(products, expected.reshape(-1, groups, outputs).transpose(0, 1))


@pytest.mark.parametrize("name", LAYERS)
def test_a_matrix_that_is_set_is_the_one_that_is_returned(name):
    layer, _ = LAYERS[name]
    before = layer.weight.detach().clone()
    matrix = torch.randn(weight_matrix(layer).shape)
    set_weight_matrix(layer, matrix)
    assert torch.equal(weight_matrix(layer), matrix)
    with torch.no_grad():
        layer.weight.copy_(before)
    set_weight_matrix(layer, weight_matrix(layer).clone())
    assert torch.equal(layer.weight, before)
