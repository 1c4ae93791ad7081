"""Makes transforms.zip: pictures and what torchvision's transforms on Pillow pictures make of them.

Reference: torchvision 0.29.2, Pillow 13.0.0, torch 2.15.0, CPU. Run: python make_transforms.py
Every picture is computed from whole numbers below; none is a photograph.
Also prints the moments of the windows that torchvision draws; they stand in src/transform/window.rs.
"""

import io
import math
import zipfile

import numpy as np
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode

BILINEAR, BICUBIC = InterpolationMode.BILINEAR, InterpolationMode.BICUBIC
LANCZOS, BOX = InterpolationMode.LANCZOS, InterpolationMode.BOX


def picture(height, width, channels, seed):
    """Waves, a few filled discs, and a strip of noise: smooth and sharp places in one picture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for c in range(channels):
        a, b = rng.uniform(0.02, 0.3, 2)
        plane = 127 + 90 * np.sin(a * x + c) * np.cos(b * y - c)
        for _ in range(4):
            cy, cx, r = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(3, 0.3 * min(height, width))
            plane[(y - cy) ** 2 + (x - cx) ** 2 < r * r] = rng.uniform(0, 255)
        planes.append(plane + 12 * rng.integers(-1, 2, (height, width)) * (x < width // 5))
    data = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    return Image.fromarray(data if channels == 3 else data[:, :, 0])


INPUTS = {
    "tall": picture(105, 90, 3, 1),
    "wide": picture(61, 140, 3, 2),
    "square": picture(64, 64, 3, 3),
    "grey": picture(28, 28, 1, 4),
}
CASES = []


def case(name, source, steps, result):
    CASES.append((name, source, steps, result))


def resize(h, w, filter):
    return f'{{ kind = "resize", height = {h}, width = {w}, filter = "{filter}" }}'


def shorter(side, filter):
    return f'{{ kind = "resize-shorter", side = {side}, filter = "{filter}" }}'


def center(h, w):
    return f'{{ kind = "center-crop", height = {h}, width = {w} }}'


def crop(top, left, h, w):
    return f'{{ kind = "crop", top = {top}, left = {left}, height = {h}, width = {w} }}'


def factor(kind, value):
    return f'{{ kind = "{kind}", factor = {value} }}'


NAMES = {"bilinear": BILINEAR, "catmull-rom": BICUBIC, "lanczos3": LANCZOS, "box": BOX}
for name, mode in NAMES.items():
    for source, (h, w) in [("tall", (84, 84)), ("wide", (33, 50)), ("grey", (84, 84)), ("square", (84, 84))]:
        if name in ("lanczos3", "box") and source in ("square", "grey"):
            continue
        case(f"resize-{source}-{name}", source, [resize(h, w, name)], F.resize(INPUTS[source], [h, w], mode))
for source in ("tall", "wide"):
    image = INPUTS[source]
    # The released code's evaluation of mini-ImageNet and of CUB.
    case(f"mini-test-{source}", source, [shorter(92, "bilinear"), center(84, 84)],
         F.center_crop(F.resize(image, 92, BILINEAR), 84))
    case(f"cub-test-{source}", source, [shorter(84, "catmull-rom"), center(84, 84)],
         F.center_crop(F.resize(image, 84, BICUBIC), 84))
    case(f"center-{source}", source, [center(40, 51)], F.center_crop(image, [40, 51]))
    for n, (top, left, h, w) in enumerate([(0, 0, 20, 31), (11, 17, 48, 60), (3, 5, 7, 9)]):
        case(f"resized-crop-{source}-{n}", source, [crop(top, left, h, w), resize(84, 84, "bilinear")],
             F.resized_crop(image, top, left, h, w, [84, 84], BILINEAR))
for source in ("square", "grey"):
    image = INPUTS[source]
    for value in (0.6, 0.93, 1.0, 1.4):
        case(f"brightness-{source}-{value}", source, [factor("brightness", value)], F.adjust_brightness(image, value))
        case(f"contrast-{source}-{value}", source, [factor("contrast", value)], F.adjust_contrast(image, value))
        case(f"saturation-{source}-{value}", source, [factor("saturation", value)], F.adjust_saturation(image, value))
jittered = F.adjust_saturation(F.adjust_contrast(F.adjust_brightness(INPUTS["square"], 1.31), 0.67), 1.22)
case("jitter", "square", [factor("brightness", 1.31), factor("contrast", 0.67), factor("saturation", 1.22)], jittered)
case("flip", "wide", ['{ kind = "horizontal-flip", probability = 1.0 }'], F.hflip(INPUTS["wide"]))
erased = np.array(INPUTS["square"])
erased = F.erase(torch.from_numpy(erased).permute(2, 0, 1), 10, 20, 17, 30, torch.tensor([124, 116, 104])[:, None, None])
case("erase", "square", ['{ kind = "erase", top = 10, left = 20, height = 17, width = 30, fill = [124, 116, 104] }'],
     Image.fromarray(erased.permute(1, 2, 0).numpy()))

with zipfile.ZipFile("transforms.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    def put(name, data):
        archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)

    lines = []
    for name, image in INPUTS.items():
        put(f"{name}.in", np.asarray(image).tobytes())
        lines.append(f'[input.{name}]\nheight = {image.height}\nwidth = {image.width}\nchannels = {len(image.getbands())}\n')
    for name, source, steps, result in CASES:
        put(f"{name}.out", np.asarray(result).tobytes())
        lines.append(f'[[case]]\nname = "{name}"\ninput = "{source}"\nheight = {result.height}\nwidth = {result.width}\n'
                     f'steps = [{", ".join(steps)}]\n')
    normalise = T.Compose([T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    put("normalised.f32", normalise(INPUTS["square"]).numpy().astype("<f4").tobytes())
    put("cases.toml", "\n".join(lines))

DRAWS = 200_000
torch.manual_seed(0)


def moments(name, draw):
    values = np.array([draw() for _ in range(DRAWS)], dtype=float)
    area, ratio = values[:, 0] * values[:, 1], np.log(values[:, 1] / values[:, 0])
    print(name, [round(float(v), 4) for v in (area.mean(), area.std(), ratio.mean(), ratio.std())])


for h, w in ((64, 64), (105, 90), (30, 120)):
    blank = Image.new("RGB", (w, h))
    moments(f"resized crop {h} x {w}", lambda: T.RandomResizedCrop.get_params(blank, (0.08, 1.0), (3 / 4, 4 / 3))[2:])
blank = torch.zeros(3, 256, 128)
moments("erasing 256 x 128", lambda: T.RandomErasing.get_params(blank, (0.02, 0.33), (0.3, 3.3), [0.0])[2:4])
