"""Parameters of a network, and multiply-adds for one picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call


def count_parameters(network: nn.Module) -> int:
    """Trainable or not; buffers such as running means don't count."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, input_size: tuple[int, int]) -> int:
    """Multiply-adds for one picture: the products of convolutions and linear layers, as the pose papers count them.

    Biases, normalisation, activations, pooling and the two small matrix products of polarized self-attention don't
    count. The HRNet authors' tables, and those that follow them (SimDR, UDP, PSA), divide by 2 ** 30 and print it as
    GFLOPs: 7.645e9 is their 7.1. Nothing is computed here: shapes alone go through the network.

    A transposed convolution multiplies each value of its input by all weights of that channel. The tables count as if
    each value of its output took as many products, at a stride of 2 four times too many: 8.9 GFLOPs for Simple
    Baselines' ResNet-50 at 256x192, where it is 5.1 here.

    Args:
        network: takes (1, 3, H, W); it is left as it was.
        input_size: (height, width) in pixels.
    """
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        spread = isinstance(module, nn.ConvTranspose2d)
        total += (inputs[0] if spread else output).numel() * _products(module)

    weighty = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    hooks = [module.register_forward_hook(add) for module in weighty]
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    dtype = next(network.parameters()).dtype
    try:
        with torch.no_grad(), _evaluating(network):
            functional_call(network, shapes, torch.empty(1, 3, *input_size, device="meta", dtype=dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return total


def _products(module: nn.Module) -> int:
    """Multiply-adds for one value of the output; for one of the input of a transposed convolution."""
    if isinstance(module, nn.ConvTranspose2d):
        return module.out_channels // module.groups * math.prod(module.kernel_size)
    if isinstance(module, nn.Conv2d):
        return module.in_channels // module.groups * math.prod(module.kernel_size)
    assert isinstance(module, nn.Linear)
    return module.in_features


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, and back to each module's own mode."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
