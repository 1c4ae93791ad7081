"""Golden training run of a prototypical network with Conv4 in PyTorch.

Reference: PyTorch (the version is written to the file), torch.nn.functional
convolution, batch_norm, max_pool2d, cross_entropy and torch.optim.Adam; the
exponential map, the midpoint and the distance are written here from the paper's
equations (6), (10) and (4). Weights and pictures come from splitmix64, so
the file holds losses only.

Four blocks of batch normalisation make thousands of decisions a step (rectifiers,
maxima) that single precision takes otherwise than double: runs of one program that
differ in nothing but the order of their sums drift apart. How far is a measurement:
the same training is run in float64 and in float32 in several ways of computing
(memory format, library, number of threads), and all their losses are written.

Run:  python make_conv4_run.py > conv4_run.json
"""

import json
import math

import torch
import torch.nn.functional as F
from make_lenet_run import fill

STEPS, WAY, SHOT, QUERY, LEARNING_RATE, C = 50, 5, 2, 3, 1e-4, 0.01
WIDTHS = [1, 64, 64, 64, 64]
EPSILON = 1e-5


def network(dtype):
    """Weight and bias of each convolution, and the factor and shift of its normalisation."""
    blocks = []
    for block, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        bound = 1 / math.sqrt(9 * inputs)
        # Rounded to float32 first: every run begins with the same weights.
        uniform = lambda stream, shape: ((2 * fill(stream, math.prod(shape)) - 1) * bound).float().to(dtype).reshape(shape)
        tensors = [uniform(2 * block, (outputs, inputs, 3, 3)), uniform(2 * block + 1, (outputs,)),
                   torch.ones(outputs, dtype=dtype), torch.zeros(outputs, dtype=dtype)]
        blocks.append([t.requires_grad_() for t in tensors])
    return blocks


def pictures(step, dtype):
    """Noise on a pattern of each class of the step: support class by class, then queries class by class."""
    classes = [(step + k) % 10 for k in range(WAY)]
    rows = [k for k in range(WAY) for _ in range(SHOT)] + [k for k in range(WAY) for _ in range(QUERY)]
    noise = fill(1000 + step, len(rows) * 784).reshape(len(rows), 784)
    patterns = torch.stack([fill(100 + classes[k], 784) for k in rows])
    return (0.5 * noise + 0.5 * patterns).float().to(dtype).reshape(-1, 1, 28, 28)


def features(blocks, x):
    for weight, bias, factor, shift in blocks:
        x = F.conv2d(x, weight, bias, padding=1)
        x = F.batch_norm(x, None, None, factor, shift, training=True, eps=EPSILON)
        x = F.max_pool2d(F.relu(x), 2)
    return x.flatten(1)


def exp0(v):
    norm = v.norm(dim=-1, keepdim=True).clamp_min(1e-15)
    return torch.tanh(math.sqrt(C) * norm) * v / (math.sqrt(C) * norm)


def project(x, margin=1e-3):
    norm, most = x.norm(dim=-1, keepdim=True), (1 - margin) / math.sqrt(C)
    return torch.where(norm > most, x / norm * most, x)


def midpoint(x):
    """HypAve of the axis before the last."""
    klein = 2 * x / (1 + C * x.pow(2).sum(-1, keepdim=True))
    lorentz = 1 / torch.sqrt(1 - C * klein.pow(2).sum(-1, keepdim=True))
    mean = (lorentz * klein).sum(-2) / lorentz.sum(-2)
    return mean / (1 + torch.sqrt(1 - C * mean.pow(2).sum(-1, keepdim=True)))


def distances(x, y):
    square = (x.unsqueeze(1) - y.unsqueeze(0)).pow(2).sum(-1)
    gap = lambda points: 1 - C * points.pow(2).sum(-1)
    chord = torch.sqrt(square / (gap(x).unsqueeze(1) * gap(y).unsqueeze(0)))
    return 2 / math.sqrt(C) * torch.asinh(math.sqrt(C) * chord)


def run(dtype, memory_format=torch.contiguous_format):
    blocks = network(dtype)
    parameters = [t for block in blocks for t in block]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    labels = torch.arange(WAY).repeat_interleave(QUERY)
    losses = []
    for step in range(STEPS):
        x = pictures(step, dtype).contiguous(memory_format=memory_format)
        # Support and queries are normalised apart, as the released code does.
        support, queries = (project(exp0(features(blocks, part))) for part in (x[: WAY * SHOT], x[WAY * SHOT :]))
        loss = F.cross_entropy(-distances(queries, midpoint(support.reshape(WAY, SHOT, -1))), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def single():
    runs = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for name, memory_format in (("contiguous", torch.contiguous_format), ("channels last", torch.channels_last)):
            runs[f"{name}, oneDNN, threads {threads}"] = run(torch.float32, memory_format)
        with torch.backends.mkldnn.flags(enabled=False):
            runs[f"contiguous, without oneDNN, threads {threads}"] = run(torch.float32)
    return runs


if __name__ == "__main__":
    header = {"reference": "PyTorch " + torch.__version__.split("+")[0], "seed": "splitmix64 counters",
              "command": "python make_conv4_run.py > conv4_run.json"}
    print(json.dumps({"header": header, "losses": run(torch.float64), "losses_in_float32": single()}, indent=1))
