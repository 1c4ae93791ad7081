"""Single layers in PyTorch, channels last, f32."""

import torch
import torch.nn.functional as F
from protocol import contender

# The shape of the maps, and the stride.
LAYERS = {
    "depthwise": ((32, 96, 64, 32), 1),
    "depthwise-small": ((32, 480, 8, 4), 1),
    "depthwise-stride": ((32, 96, 128, 64), 2),
}


def register():
    """Declares every row."""
    for key, (shape, stride) in LAYERS.items():

        def convolved(x, weight, stride=stride):
            return F.conv2d(x, weight, stride=stride, padding=1, groups=x.shape[1])

        def operands(shape=shape):
            x = (torch.rand(*shape) * 2 - 1).contiguous(memory_format=torch.channels_last)
            weight = torch.rand(shape[1], 1, 3, 3) * 2 - 1
            return x.requires_grad_(), weight.contiguous(memory_format=torch.channels_last).requires_grad_()

        @contender(key, "PyTorch")
        def _(operands=operands, convolved=convolved):
            x, weight = operands()

            def forward():
                with torch.no_grad():
                    convolved(x, weight)

            return forward

        @contender(f"{key}-gradient", "PyTorch")
        def _(operands=operands, convolved=convolved):
            x, weight = operands()
            ones = torch.ones_like(convolved(x, weight))

            def step():
                x.grad = weight.grad = None
                convolved(x, weight).backward(ones)

            return step

        # What the memory allows: moving as many numbers as are read and written.
        @contender(key, "a copy by PyTorch")
        def _(operands=operands, convolved=convolved):
            x, weight = (operand.detach() for operand in operands())
            moved = torch.rand((x.numel() + convolved(x, weight).numel()) // 2)
            to = torch.empty_like(moved)
            return lambda: to.copy_(moved)
