"""Networks of the paper in PyTorch, channels last, f32: training steps, and forward passes in evaluation."""

import torch
import torch.nn.functional as F
import torchvision.models as zoo
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


class Conv4(nn.Module):
    """Four blocks of convolution, normalisation, rectifier and pool, and a pool of what is left."""

    def __init__(self, channels, dim, final):
        super().__init__()
        widths = [channels, 64, 64, 64, dim]
        blocks = []
        for width, wider in zip(widths, widths[1:]):
            blocks += [nn.Conv2d(width, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU(), nn.MaxPool2d(2)]
        self.blocks = nn.Sequential(*blocks, *([nn.MaxPool2d(final)] if final else []))

    def forward(self, x):
        return self.blocks(x).flatten(1)


def few_shot_resnet18():
    """A stem of 3×3 convolution without pool, and a maximum over the last maps."""
    net = zoo.resnet18()
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    net.avgpool, net.fc = nn.AdaptiveMaxPool2d(1), nn.Identity()
    return net


def headless(net):
    net.fc = nn.Identity()
    return net


def vgg19_features():
    net = zoo.vgg19()
    net.classifier = net.classifier[:5]
    return net


def evaluation(model, images):
    """A forward pass without gradients."""
    model = model.to(memory_format=torch.channels_last).eval()
    images = images.contiguous(memory_format=torch.channels_last)

    def forward():
        with torch.no_grad():
            model(images)

    return forward


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

    @contender("conv4-step", "PyTorch")
    def _():
        return training_step(nn.Sequential(Conv4(3, 1600, 5), nn.Linear(1600, 20)), *batch(100, 3, 84, 84, 20))

    @contender("conv4-wide-step", "PyTorch")
    def _():
        return training_step(nn.Sequential(Conv4(3, 1600, 5), nn.Linear(1600, 20)), *batch(400, 3, 84, 84, 20))

    @contender("conv4-omniglot-step", "PyTorch")
    def _():
        return training_step(nn.Sequential(Conv4(1, 64, None), nn.Linear(64, 60)), *batch(600, 1, 28, 28, 60))

    @contender("resnet18-step", "PyTorch")
    def _():
        return training_step(nn.Sequential(few_shot_resnet18(), nn.Linear(512, 64)), *batch(64, 3, 84, 84, 64))

    for key, images in (("resnet50-step", 8), ("resnet50-wide-step", 32)):

        @contender(key, "PyTorch")
        def _(images=images):
            model = nn.Sequential(headless(zoo.resnet50()), nn.Linear(2048, 751))
            return training_step(model, *batch(images, 3, 256, 128, 751))

    @contender("conv4-forward", "PyTorch")
    def _():
        return evaluation(Conv4(3, 1600, 5), batch(100, 3, 84, 84, 2)[0])

    @contender("resnet34-forward", "PyTorch")
    def _():
        return evaluation(headless(zoo.resnet34()), batch(8, 3, 224, 224, 2)[0])

    @contender("vgg19-forward", "PyTorch")
    def _():
        return evaluation(vgg19_features(), batch(4, 3, 224, 224, 2)[0])
