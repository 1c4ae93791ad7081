"""Golden features and training steps of the backbones, in PyTorch.

References: torchvision's VGG19, ResNet-18/34/50 and InceptionV3; the package efficientnet_lite_pytorch 0.1.0 for
EfficientNet-Lite0; the networks of few-shot learning are put together here from the papers' descriptions (the residual
ones from torchvision's blocks). Versions are written to the file.

Weights, running statistics and pictures come from splitmix64 (`fill`), one counter stream a name, so the file holds
outputs only. Features are computed in double precision; the distance of PyTorch's own single precision from them is
written beside, as a measure of what rounding does.

Run:  OMP_NUM_THREADS=1 python make_backbones.py > backbones.json
      OMP_NUM_THREADS=1 python make_backbones.py WEIGHTS.pth > efficientnet_lite0.json   (the published weights)
      python make_backbones.py --full FOLDER    (networks of Table 2 in full width, with their heads, as FOLDER/NAME.pth,
                                                 and FOLDER/NAME.f64 with the features of a picture; 800 MB)
"""

import json
import math
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.models as tv
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

SAMPLES = 64
PICTURES = 1 << 33  # the stream of the pictures; those of names have 32 bits


def fill(stream, count):
    """count numbers in [0, 1): splitmix64 of the counter stream·2³⁰ + i."""
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64((stream << 30) % 2**64)
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return torch.from_numpy((z >> np.uint64(11)).astype(np.float64) / 2.0**53)


def stream_of(name):
    """The lower half of the 64-bit FNV-1a hash."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value % 2**32


def values(name, shape):
    """Weights of convolutions and affine layers by fan-in; scales and variances around 1; the rest around 0."""
    u = fill(stream_of(name), math.prod(shape)).reshape(shape)
    if len(shape) > 1:
        bound = math.sqrt(6 / math.prod(shape[1:]))
    elif name.endswith("weight") or name.endswith("running_var"):
        return 0.75 + u / 2
    else:
        bound = 0.1
    return (2 * u - 1) * bound


def set_weights(model):
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(values(name, tuple(tensor.shape)).float())  # both precisions start from the same numbers
    return model


def pictures(shape):
    return ((2 * fill(PICTURES, math.prod(shape)) - 1) * 1.5).float().reshape(shape)


class Conv4(nn.Module):
    def __init__(self, channels, dim, final_pool):
        super().__init__()
        widths = [channels, 64, 64, 64, dim]
        block = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))
        self.encoder = nn.Sequential(*(block(i, o) for i, o in zip(widths, widths[1:])))
        self.pool = nn.MaxPool2d(final_pool) if final_pool else nn.Identity()

    def forward(self, x):
        return self.pool(self.encoder(x)).flatten(1)


class Block12(nn.Module):
    """Three convolutions and a short cut, leaky rectifiers, pooling."""

    def __init__(self, i, o):
        super().__init__()
        for n, width in [(1, i), (2, o), (3, o)]:
            setattr(self, f"conv{n}", nn.Conv2d(width, o, 3, padding=1, bias=False))
            setattr(self, f"bn{n}", nn.BatchNorm2d(o))
        self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = F.leaky_relu(self.bn1(self.conv1(x)), 0.1)
        y = F.leaky_relu(self.bn2(self.conv2(y)), 0.1)
        y = self.bn3(self.conv3(y)) + self.downsample(x)
        return F.max_pool2d(F.leaky_relu(y, 0.1), 2)


class ResNet12(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [3, 64, 128, 256, 512]
        for n in range(4):
            setattr(self, f"layer{n + 1}", nn.Sequential(Block12(widths[n], widths[n + 1])))

    def forward(self, x):
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).amax((2, 3))


def residual(make, small=False, last_stride=2):
    model = make()
    if small:  # few-shot: 3×3 of stride 1, no pooling before the blocks, the maximum behind them
        model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
        model.avgpool = nn.AdaptiveMaxPool2d(1)
    if last_stride == 1:
        model.layer4[0].conv2.stride = model.layer4[0].downsample[0].stride = (1, 1)
    model.fc = nn.Identity()
    return model


class Vgg19(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.features = tv.vgg19().features
        self.classifier = nn.ModuleDict({"0": nn.Linear(25088, width), "3": nn.Linear(width, width)})

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.features(x), 7).flatten(1)
        return F.relu(self.classifier["3"](F.relu(self.classifier["0"](x))))


def inception():
    model = tv.inception_v3(init_weights=False, aux_logits=False, transform_input=False)
    model.fc = nn.Identity()
    return model


class Lite(nn.Module):
    """EfficientNet-Lite0 without classifier, dropout and drop path."""

    def __init__(self, size):
        super().__init__()
        self.net = EfficientNet.from_name("efficientnet-lite0", image_size=size)
        self.net._global_params = self.net._global_params._replace(drop_connect_rate=None)

    def state_dict(self, *args, **kwargs):
        return {name: tensor for name, tensor in self.net.state_dict().items() if not name.startswith("_fc")}

    def named_parameters(self, *args, **kwargs):
        return ((name, p) for name, p in self.net.named_parameters() if not name.startswith("_fc"))

    def forward(self, x):
        return self.net.extract_features(x).mean((2, 3))


class Embedded(nn.Module):
    def __init__(self, backbone, features, dim):
        super().__init__()
        self.backbone, self.embedding = backbone, nn.Linear(features, dim)

    def state_dict(self, *args, **kwargs):
        linear = {f"embedding.{name}": tensor for name, tensor in self.embedding.state_dict().items()}
        return {**self.backbone.state_dict(), **linear}

    def named_parameters(self, *args, **kwargs):
        yield from self.backbone.named_parameters()
        yield from ((f"embedding.{name}", p) for name, p in self.embedding.named_parameters())

    def forward(self, x):
        return self.embedding(self.backbone(x))


FEATURES = [
    ("conv4", lambda: Conv4(3, 1600, 5), (2, 3, 84, 84)),
    ("conv4_omniglot", lambda: Conv4(1, 64, None), (2, 1, 28, 28)),
    ("resnet12", ResNet12, (2, 3, 36, 34)),
    ("resnet18_few_shot", lambda: residual(tv.resnet18, small=True), (2, 3, 28, 30)),
    ("resnet18", lambda: residual(tv.resnet18), (2, 3, 64, 75)),
    ("resnet34", lambda: residual(tv.resnet34), (2, 3, 64, 64)),
    ("resnet50", lambda: residual(tv.resnet50), (2, 3, 64, 64)),
    ("resnet50_last_stride_1", lambda: residual(tv.resnet50, last_stride=1), (2, 3, 64, 33)),
    ("vgg19", lambda: Vgg19(96), (2, 3, 64, 70)),
    ("inception_v3", inception, (1, 3, 107, 91)),
    ("efficientnet_lite0", lambda: Lite([75, 52]), (2, 3, 75, 52)),
]

CLASSES = 8
STEPS = [
    ("conv4", lambda: Conv4(3, 96, 5), (6, 3, 84, 84)),
    ("resnet12", ResNet12, (4, 3, 32, 32)),
    ("resnet18_few_shot", lambda: residual(tv.resnet18, small=True), (4, 3, 32, 32)),
    ("resnet50", lambda: Embedded(residual(tv.resnet50, last_stride=1), 2048, CLASSES), (4, 3, 64, 48)),
    ("efficientnet_lite0", lambda: Embedded(Lite([64, 64]), 1280, CLASSES), (6, 3, 64, 64)),
]


def samples(tensor):
    """Every so many entries of the flattened tensor, at most SAMPLES."""
    flat = tensor.flatten()
    return flat[:: max(1, len(flat) // SAMPLES)][:SAMPLES].tolist()


def features(name, make, shape):
    model, x = set_weights(make()).eval(), pictures(shape)
    with torch.no_grad():
        single = model(x)
        double = model.double()(x.double())
    apart = ((single.double() - double).abs().max() / double.abs().max()).item()
    return {"name": name, "images": shape, "dim": double.shape[1], "max": double.abs().max().item(),
            "norm": double.norm().item(), "samples": samples(double), "single_apart": apart}


def step(name, make, shape):
    """Cross-entropy of the features as logits, its gradients, and the running statistics behind."""
    def run(dtype):
        model, x = set_weights(make()).train().to(dtype), pictures(shape).to(dtype)
        labels = torch.arange(shape[0]) % CLASSES
        scores = model(x)
        loss = F.cross_entropy(scores / scores.shape[1] ** 0.5, labels)
        loss.backward()
        gradients = {name: p.grad.double() for name, p in model.named_parameters()}
        running = {name: t.double() for name, t in model.state_dict().items() if "running" in name}
        return loss.item(), gradients, running

    (loss, gradients, running), (single_loss, single, _) = run(torch.float64), run(torch.float32)
    total = math.sqrt(sum(g.norm().item() ** 2 for g in gradients.values()))
    apart = math.sqrt(sum((single[k] - g).norm().item() ** 2 for k, g in gradients.items()))
    worst = max(((single[k] - g).norm() / g.norm()).item() for k, g in gradients.items())
    return {"name": name, "images": shape, "loss": loss, "single_loss_apart": abs(single_loss - loss),
            "single_apart": apart / total, "single_apart_worst": worst, "norm": total,
            "gradients": {k: {"norm": g.norm().item(), "samples": samples(g)[::8]} for k, g in gradients.items()},
            "running": {k: {"norm": t.norm().item(), "samples": samples(t)[::16]} for k, t in running.items()}}


def counts():
    """Parameters of the published forms."""
    full = {"vgg19": tv.vgg19, "resnet18": tv.resnet18, "resnet34": tv.resnet34, "resnet50": tv.resnet50,
            "efficientnet_lite0": lambda: EfficientNet.from_name("efficientnet-lite0")}
    bare = {"conv4_1600": lambda: Conv4(3, 1600, 5), "conv4_1024": lambda: Conv4(3, 1024, 5),
            "conv4_omniglot": lambda: Conv4(1, 64, None), "resnet12": ResNet12,
            "resnet18_few_shot": lambda: residual(tv.resnet18, small=True),
            "resnet34_few_shot": lambda: residual(tv.resnet34, small=True), "inception_v3_features": inception,
            "efficientnet_lite0_features": lambda: Lite(224), "vgg19_features": lambda: Vgg19(4096)}
    return {name: sum(p.numel() for _, p in make().named_parameters()) for name, make in {**full, **bare}.items()}


def published(path):
    """Features of a made-up picture under published weights."""
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    x = pictures((1, 3, 224, 224)) / 1.5
    with torch.no_grad():
        model = model.double().eval()
        y = model.extract_features(x.double()).mean((2, 3))
        logits = model._fc(y)
    return {"name": "efficientnet_lite0", "images": (1, 3, 224, 224), "dim": y.shape[1], "max": y.abs().max().item(),
            "norm": y.norm().item(), "samples": samples(y), "single_apart": 0.0, "logits": samples(logits)}


FULL = [
    ("vgg19", tv.vgg19, (1, 3, 224, 224), lambda m: setattr(m, "classifier", m.classifier[:6])),
    ("resnet34", tv.resnet34, (1, 3, 224, 224), lambda m: setattr(m, "fc", nn.Identity())),
    ("inception_v3", lambda: tv.inception_v3(init_weights=False, aux_logits=True, transform_input=False),
     (1, 3, 299, 299), lambda m: setattr(m, "fc", nn.Identity())),
]


def full(folder):
    """Torchvision's own networks: their weights as torch writes them, and all features of a picture in double precision."""
    for name, make, shape, cut in FULL:
        model, x = set_weights(make()).eval(), pictures(shape)
        torch.save(model.state_dict(), f"{folder}/{name}.pth")
        cut(model)
        with torch.no_grad():
            single = model(x)
            double = model.double()(x.double())
        double.flatten().numpy().astype("<f8").tofile(f"{folder}/{name}.f64")
        apart = ((single.double() - double).abs().max() / double.abs().max()).item()
        print(f"{name}: {double.numel()} features, single precision of PyTorch {apart:.2e} of the largest apart")


def rounded(value):
    """Nine significant digits are more than single precision has."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    header = {"reference": f"PyTorch {torch.__version__.split('+')[0]}, torchvision {__import__('torchvision').__version__.split('+')[0]}, "
                           "efficientnet_lite_pytorch 0.1.0", "dtype": "float64", "seed": "splitmix64 counters"}
    if sys.argv[1:2] == ["--full"]:
        sys.exit(full(sys.argv[2]))
    if len(sys.argv) > 1:
        body = published(sys.argv[1])
    else:
        body = {"counts": counts(), "features": [features(*f) for f in FEATURES], "steps": [step(*s) for s in STEPS]}
    print(json.dumps(rounded({"header": header, **body})))
