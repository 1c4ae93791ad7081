"""Peers of `cargo xtask bench nn`."""

import nn_layers
import nn_ops
import nn_step
import torch
from protocol import serve, threads

torch.set_num_threads(threads())
torch.set_num_interop_threads(1)
nn_step.register()
nn_layers.register()
nn_ops.register()
serve("torch", "torchvision", "geoopt", "hypll")
