"""Golden logits of a prototypical network in PyTorch, from the files of our own.

Reference: PyTorch (the version is written to the file): torch.nn.functional
convolution, batch normalisation in evaluation mode and pooling; embedding,
prototypes and distances written here from the paper's equations (6), (7), (9),
(10), (11) and (12). The computation is in double precision; what single precision
makes of it stands beside it as `float32_difference`, relative to the largest logit.

The tests of `mod.rs` write the folders that this reads (they fail while
protonet.json does not fit, but the folders are there):
    cargo test --workspace --test episodes -- logits_on        (HYP_DATA=DIR for the birds)
    python make_protonet.py target/tmp/protonet > crates/hyp-fewshot/tests/pytorch/protonet.json
Needs torch and safetensors.
"""

import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

WAY, SHOT, QUERY, MARGIN = 5, 2, 2, 1e-3
POINCARE = {"trainable_c": False, "margin": MARGIN, "riemannian_gradient": True}
# The first puts every point on the margin; the second keeps every point inside.
GEOMETRIES = [
    {"kind": "poincare", "c": 1.0, **POINCARE},
    {"kind": "poincare", "c": 0.05, **POINCARE},
    {"kind": "euclidean", "distance": "squared"},
    {"kind": "euclidean", "distance": "twice"},
]


def conv4(net, x):
    for block in range(4):
        name = f"encoder.{block}"
        x = F.conv2d(x, net[f"{name}.0.weight"], net[f"{name}.0.bias"], padding=1)
        x = F.batch_norm(x, net[f"{name}.1.running_mean"], net[f"{name}.1.running_var"],
                         net[f"{name}.1.weight"], net[f"{name}.1.bias"], training=False, eps=1e-5)
        x = F.max_pool2d(F.relu(x), 2)
    return F.max_pool2d(x, 5).flatten(1)


def to_ball(v, c):
    norm = v.norm(dim=-1, keepdim=True)
    x = torch.tanh(math.sqrt(c) * norm) * v / (math.sqrt(c) * norm)
    most, size = (1 - MARGIN) / math.sqrt(c), x.norm(dim=-1, keepdim=True)
    return torch.where(size > most, x / size * most, x), (size > most).double().mean().item()


def average(x, c):
    """Of groups, [way, shot, dim]: through the Klein model and back."""
    klein = 2 * x / (1 + c * x.pow(2).sum(-1, keepdim=True))
    gamma = 1 / torch.sqrt(1 - c * klein.pow(2).sum(-1, keepdim=True))
    mean = (gamma * klein).sum(1) / gamma.sum(1)
    return mean / (1 + torch.sqrt(1 - c * mean.pow(2).sum(-1, keepdim=True)))


def distance(x, y, c):
    x, y = -x.unsqueeze(1), y.unsqueeze(0)
    xy, xx, yy = (x * y).sum(-1, keepdim=True), x.pow(2).sum(-1, keepdim=True), y.pow(2).sum(-1, keepdim=True)
    moebius = ((1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y) / (1 + 2 * c * xy + c * c * xx * yy)
    return 2 / math.sqrt(c) * torch.atanh(math.sqrt(c) * moebius.norm(dim=-1))


def logits(features, geometry):
    share = 0.0
    if geometry["kind"] == "poincare":
        features, share = to_ball(features, geometry["c"])
    support, queries = features[: WAY * SHOT].reshape(WAY, SHOT, -1), features[WAY * SHOT :]
    if geometry["kind"] == "poincare":
        c = geometry["c"]
        return -distance(queries, average(support, c), c), share
    apart = (queries.unsqueeze(1) - support.mean(1).unsqueeze(0)).norm(dim=-1)
    return (-apart.pow(2) if geometry["distance"] == "squared" else -2 * apart), share


def episode(folder):
    images = load_file(folder / "episode.safetensors")["images"]
    weights = load_file(folder / "weights.safetensors")
    spaces = []
    for geometry in GEOMETRIES:
        found = []
        for dtype in (torch.float64, torch.float32):
            net = {name: value.to(dtype) for name, value in weights.items()}
            found.append(logits(conv4(net, images.to(dtype)), geometry))
        (double, share), (single, _) = found
        apart = ((single.double() - double).abs().max() / double.abs().max()).item()
        spaces.append({"geometry": geometry, "margin_share": share, "float32_difference": apart,
                       "logits": double.flatten().tolist()})
    return {"pictures": folder.name, "first_pixels": images.flatten()[:8].tolist(), "spaces": spaces}


if __name__ == "__main__":
    with torch.no_grad():
        episodes = [episode(folder) for folder in sorted(pathlib.Path(sys.argv[1]).iterdir())]
    header = {"reference": "PyTorch " + torch.__version__.split("+")[0], "dtype": "float64",
              "command": "python make_protonet.py target/tmp/protonet > protonet.json"}
    print(json.dumps({"header": header, "episodes": episodes}, indent=1))
