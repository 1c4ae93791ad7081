"""Golden training run of the MNIST LeNet in PyTorch, double precision.

Reference: PyTorch (the version is written to the file), torch.nn.functional
convolution, pooling, linear, cross-entropy and torch.optim.Adam; the hyperbolic
head is written here from the paper's equations (6), (8) and the appendix' MLR.
Weights and pictures come from splitmix64 (`fill`), so the file holds losses and
the stream of each step's pictures only.

A rectifier or a maximum whose two sides differ by less than single precision
rounds off goes one way here and the other way there, and from that step on two
right programs train apart: with the pictures of stream 1016 at step 16 and c = 1,
for one, the two largest of a window of the first convolution differ by 5.4e-8.
Each step therefore takes the first stream of pictures that keeps every such
decision MARGIN away from the other side, thirty times the rounding of the values.
The same run in PyTorch's own float32 is written beside the double one, so that the
test has a measure of what the order of summation does.

Run:  OMP_NUM_THREADS=1 python make_lenet_run.py > lenet_run.json
"""

import json
import math

import numpy as np
import torch
import torch.nn.functional as F

STEPS, BATCH, DIM, CLASSES, LEARNING_RATE = 50, 16, 8, 10, 1e-4
MARGIN = 3e-6
SHAPES = [
    ("conv1.weight", (20, 1, 5, 5)), ("conv1.bias", (20,)),
    ("conv2.weight", (50, 20, 5, 5)), ("conv2.bias", (50,)),
    ("fc1.weight", (500, 800)), ("fc1.bias", (500,)),
    ("fc2.weight", (DIM, 500)), ("fc2.bias", (DIM,)),
]


def fill(stream, count):
    """count numbers in [0, 1): splitmix64 of the counter stream·2³² + i."""
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(stream << 32)
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return torch.from_numpy((z >> np.uint64(11)).astype(np.float64) / 2.0**53)


def parameter(stream, shape, dtype):
    fan_in = math.prod(shape[1:]) if len(shape) > 1 else 100
    bound = 1.0 / math.sqrt(fan_in)
    return ((2 * fill(stream, math.prod(shape)) - 1) * bound).reshape(shape).to(dtype).requires_grad_()


def exp0(v, c):
    norm = v.norm(dim=-1, keepdim=True)
    return torch.tanh(math.sqrt(c) * norm) * v / (math.sqrt(c) * norm)


def project(x, c, margin=1e-3):
    norm, most = x.norm(dim=-1, keepdim=True), (1 - margin) / math.sqrt(c)
    return torch.where(norm > most, x / norm * most, x)


def mobius_add(x, y, c):
    xy, xx, yy = (x * y).sum(-1, keepdim=True), x.pow(2).sum(-1, keepdim=True), y.pow(2).sum(-1, keepdim=True)
    return ((1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y) / (1 + 2 * c * xy + c * c * xx * yy)


def mlr(x, a_raw, p_raw, c):
    p = exp0(p_raw, c)
    a = a_raw * (1 - c * p.pow(2).sum(-1, keepdim=True))
    z = mobius_add(-p.unsqueeze(0), x.unsqueeze(1), c)
    zz, za, norm = z.pow(2).sum(-1), (z * a).sum(-1), a.norm(dim=-1)
    scale = 2 / (1 - c * p.pow(2).sum(-1)) * norm / math.sqrt(c)
    return scale * torch.asinh(2 * math.sqrt(c) * za / ((1 - c * zz) * norm))


def pooled(z):
    """Two by two maxima after the rectifier, and the distance of the closest decision from the other side.

    The rectifier decides whether a window passes, and the maximum which of its values, unless the rectifier blocks all.
    """
    first, second = z.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2).topk(2, dim=-1).values.unbind(-1)
    margin = min(first.abs().min().item(), (first - second)[first > 0].min().item())
    return F.max_pool2d(F.relu(z), 2), margin


def features(net, x):
    h, first = pooled(F.conv2d(x, net["conv1.weight"], net["conv1.bias"]))
    h, second = pooled(F.conv2d(h, net["conv2.weight"], net["conv2.bias"]))
    z = F.linear(h.flatten(1), net["fc1.weight"], net["fc1.bias"])
    return F.linear(F.relu(z), net["fc2.weight"], net["fc2.bias"]), min(first, second, z.abs().min().item())


def pictures(stream, y, dtype):
    x = fill(stream, BATCH * 784).reshape(BATCH, 1, 28, 28)
    return (x + 0.1 * y.reshape(-1, 1, 1, 1)).to(dtype)  # a little to learn


def run(c, dtype, streams=None):
    net = {name: parameter(i, shape, dtype) for i, (name, shape) in enumerate(SHAPES)}
    if c is None:
        head = {"weight": parameter(20, (CLASSES, DIM), dtype), "bias": parameter(21, (CLASSES,), dtype)}
    else:
        head = {"a": parameter(22, (CLASSES, DIM), dtype), "p": parameter(23, (CLASSES, DIM), dtype)}
    optimiser = torch.optim.Adam([*net.values(), *head.values()], lr=LEARNING_RATE)
    losses, first, chosen = [], {}, []
    for step in range(STEPS):
        y = torch.from_numpy((np.arange(BATCH) + step) % CLASSES)
        candidates = range(1000 + step, 1000 + step + 1000 * STEPS, STEPS) if streams is None else [streams[step]]
        for stream in candidates:
            h, margin = features(net, pictures(stream, y, dtype))
            if margin > MARGIN:
                break
        else:
            assert streams is not None, "no pictures without a near tie"
        chosen.append(stream)
        logits = F.linear(h, head["weight"], head["bias"]) if c is None else mlr(project(exp0(h, c), c), head["a"], head["p"], c)
        loss = F.cross_entropy(logits, y)
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            first = {k: v.grad.norm().item() for k, v in [*net.items(), *(("head." + k, v) for k, v in head.items())]}
        optimiser.step()
        losses.append(loss.item())
    return losses, first, chosen


def both(c):
    losses, norms, streams = run(c, torch.float64)
    single, _, _ = run(c, torch.float32, streams)
    return {"c": c, "losses": losses, "losses_in_float32": single, "streams": streams, "first_gradient_norms": norms}


if __name__ == "__main__":
    torch.manual_seed(0)
    header = {"reference": "PyTorch " + torch.__version__.split("+")[0], "dtype": "float64 and float32",
              "seed": "splitmix64 counters", "margin": MARGIN,
              "command": "OMP_NUM_THREADS=1 python make_lenet_run.py > lenet_run.json"}
    print(json.dumps({"header": header, "runs": [both(None), both(1.0), both(0.1)]}, indent=1))
