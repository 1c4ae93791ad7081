"""Peers of `cargo xtask bench data`: torchvision on Pillow pictures, the same files, as many worker processes as threads."""

import pathlib

import torch
from protocol import contender, serve, threads
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

ROOT = pathlib.Path(__file__).resolve().parents[2] / "target/bench/data"
WORKERS = threads()
torch.set_num_threads(1)


def register(row):
    @contender(row, "torchvision")
    def _():
        transform = T.Compose(
            [
                T.RandomResizedCrop(84),
                T.ColorJitter(0.4, 0.4, 0.4),
                T.RandomHorizontalFlip(),
                T.ToTensor(),
                T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )
        loader = DataLoader(
            ImageFolder(ROOT / row, transform),
            batch_size=100,
            shuffle=True,
            num_workers=WORKERS,
            persistent_workers=True,
            prefetch_factor=2,
        )

        def run():
            for batch, _ in loader:
                batch.sum()

        return run


for name in ("training-synthetic", "training-mini-imagenet", "training-cub"):
    register(name)

if __name__ == "__main__":
    serve("torchvision", "pillow", "torch")
