"""Single layers in PyTorch, channels last, f32."""

import torch
import torch.nn.functional as F
from protocol import contender

LAYERS = {"depthwise": (32, 96, 64, 32), "depthwise-small": (32, 480, 8, 4)}


def register():
    """Declares every row."""
    for key, shape in LAYERS.items():

        def operands(shape=shape):
            x = (torch.rand(*shape) * 2 - 1).contiguous(memory_format=torch.channels_last)
            weight = torch.rand(shape[1], 1, 3, 3) * 2 - 1
            return x.requires_grad_(), weight.contiguous(memory_format=torch.channels_last).requires_grad_()

        @contender(key, "PyTorch")
        def _(operands=operands):
            x, weight = operands()

            def forward():
                with torch.no_grad():
                    F.conv2d(x, weight, padding=1, groups=x.shape[1])

            return forward

        @contender(f"{key}-gradient", "PyTorch")
        def _(operands=operands):
            x, weight = operands()
            ones = torch.ones_like(x)

            def step():
                x.grad = weight.grad = None
                F.conv2d(x, weight, padding=1, groups=x.shape[1]).backward(ones)

            return step

        # What the memory allows: reading the maps and writing as many numbers.
        @contender(key, "a copy by PyTorch")
        def _(operands=operands):
            x = operands()[0].detach()
            to = torch.empty_like(x)
            return lambda: to.copy_(x)
