"""Training steps of the paper's networks in PyTorch, channels last, f32."""

import torch
import torch.nn.functional as F
from nn_ops import reference_exp, reference_mlr
from protocol import contender
from torch import nn


class LeNet(nn.Module):
    """Convolutions of 20 and 50 channels, each with its pool, and 500 hidden units."""

    def __init__(self, dim):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.hidden, self.out = nn.Linear(800, 500), nn.Linear(500, dim)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.out(F.relu(self.hidden(x.flatten(1))))


class BallHead(nn.Module):
    """The released layer: exponential map, projection, hyperbolic multinomial regression."""

    def __init__(self, dim, classes, c):
        super().__init__()
        self.c = c
        self.p, self.a = (nn.Parameter(nn.Linear(dim, classes).weight.detach().clone()) for _ in range(2))

    def forward(self, x):
        x = reference_exp(x, self.c)
        largest = (1 - 1e-3) / self.c**0.5
        size = x.norm(dim=-1, keepdim=True).clamp_min(1e-5)
        x = torch.where(size > largest, x / size * largest, x)
        p = reference_exp(self.p, self.c)
        a = self.a * (1 - self.c * (p * p).sum(-1, keepdim=True))
        return reference_mlr(x, p, a, self.c)


def training_step(model, images, labels):
    """Loss, gradients and one step of Adam."""
    model = model.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def batch(count, channels, height, width, classes):
    return torch.rand(count, channels, height, width) * 2 - 1, torch.arange(count) % classes


def register():
    """Declares every row."""

    @contender("lenet-step", "PyTorch")
    def _():
        return training_step(nn.Sequential(LeNet(2), nn.Linear(2, 10)), *batch(64, 1, 28, 28, 10))

    @contender("lenet-ball-step", "PyTorch")
    def _():
        return training_step(nn.Sequential(LeNet(2), BallHead(2, 10, 0.1)), *batch(64, 1, 28, 28, 10))
