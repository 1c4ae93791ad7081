"""Pickles and PyTorch files in miniature, as Python writes them, each as a line of hexadecimal digits.

Reference: CPython's pickle, NumPy and PyTorch (the versions are written to the file).

Run:  python make_pickles.py > pickles.toml
"""

import collections
import io
import pickle
import platform

import numpy as np
import torch

PLAIN = {
    "none": None, "yes": True, "no": False, "small": 7, "byte": 200, "word": 60000, "negative": -5,
    "int": 2**31 - 1, "long": 2**40, "most": -(2**63), "wide": 2**70, "float": -0.125, "text": "Åß",
    "bytes": bytes(range(250, 256)) + b"\x00\n", "empty": b"", "list": [1, [2, "two"]], "tuple": (1, 2, 3, 4),
    "nested": {"a": {"b": ()}}, 5: "five",
}


def arrays():
    return {
        "u8": np.arange(24, dtype=np.uint8).reshape(2, 3, 4) * 10,
        "i64": np.array([-1, 0, 2**40]), "big": np.array([1, -2], dtype=">i2"), "f32": np.array([[0.5], [-1.5]], np.float32),
        "bool": np.array([True, False]), "scalar": np.int64(-9), "empty": np.zeros((0, 3), np.uint8),
    }


def shared():
    """A list that stands in two places, and one that holds itself."""
    inner = [1]
    circle = []
    circle.append(circle)
    return {"first": inner, "second": inner, "circle": circle}


def mini_imagenet():
    return {"image_data": (5 * np.arange(48) % 256).astype(np.uint8).reshape(4, 2, 2, 3),
            "class_dict": {"n01": [0, 1], "n02": [2, 3]}}


def state():
    weight = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4
    tied = torch.arange(4, dtype=torch.float64)
    return collections.OrderedDict([
        ("weight", weight), ("transposed", weight.t()), ("part", tied[1:3]), ("tied", tied),
        ("half", torch.tensor([0.5, -2.0]).half()), ("brain", torch.tensor([1.5]).bfloat16()),
        ("num_batches_tracked", torch.tensor(3)), ("bytes", torch.tensor([1, 255], dtype=torch.uint8)),
        ("flags", torch.tensor([True, False])), ("none", torch.zeros(0, 2)),
        ("parameter", torch.nn.Parameter(torch.tensor([9.0]))),
    ])


def torch_file(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


class Evil:
    def __reduce__(self):
        import os
        return os.system, ("echo this must never run",)


def cases():
    for protocol in range(2, 6):
        yield f"plain_{protocol}", pickle.dumps(PLAIN, protocol)
        yield f"arrays_{protocol}", pickle.dumps(arrays(), protocol)
        yield f"mini_imagenet_{protocol}", pickle.dumps(mini_imagenet(), protocol)
    yield "shared", pickle.dumps(shared(), 4)
    yield "ordered", pickle.dumps(collections.OrderedDict([("b", 1), ("a", 2)]), 2)
    yield "protocol_0", pickle.dumps([1], 0)
    yield "fortran", pickle.dumps(np.asfortranarray(np.zeros((2, 2))), 2)
    yield "objects", pickle.dumps(np.array([{}, None], dtype=object), 2)
    yield "evil_2", pickle.dumps(Evil(), 2)
    yield "evil_4", pickle.dumps({"fine": 1, "evil": Evil()}, 4)
    yield "pth_zip", torch_file(state())
    yield "pth_legacy", torch_file(state(), _use_new_zipfile_serialization=False)
    checkpoint = {"epoch": 3, "state_dict": {"module.w": torch.ones(2)}, "lr": 0.1, "names": ["a"]}
    yield "pth_checkpoint", torch_file(checkpoint)
    yield "pth_evil", torch_file({"w": torch.ones(1), "evil": Evil()})
    yield "pth_evil_legacy", torch_file({"w": torch.ones(1), "evil": Evil()}, _use_new_zipfile_serialization=False)
    yield "pth_expanded", torch_file({"w": torch.ones(1).expand(1000, 1000)})
    yield "pth_list", torch_file([torch.ones(1)])


if __name__ == "__main__":
    print(f"# Written by make_pickles.py: CPython {platform.python_version()}, NumPy {np.__version__}, "
          f"PyTorch {torch.__version__.split('+')[0]}.")
    for name, data in cases():
        print(f'{name} = "{data.hex()}"')
