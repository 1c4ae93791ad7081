"""Peers of `cargo xtask bench reid`: the steps that evaluations of the field take, in NumPy and PyTorch."""

import numpy as np
import torch
from protocol import contender, serve, threads

QUERIES, GALLERY, DIM, IDENTITIES, CAMERAS = 3368, 15913, 128, 750, 6
torch.set_num_threads(threads())


def invented(entries, seed):
    """Features around a centre for each identity, in the unit ball, and who and where they are."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).random((IDENTITIES, DIM)) - 0.5
    identity = rng.integers(0, IDENTITIES, entries)
    camera = rng.integers(0, CAMERAS, entries)
    features = 0.06 * centres[identity] + 0.08 * (rng.random((entries, DIM)) - 0.5)
    return features.astype(np.float32), identity, camera


def squared(x, y):
    return (x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * x @ y.T


def euclidean(x, y):
    return squared(x, y).clamp_(min=1e-12).sqrt_()


def hyperbolic(x, y):
    gaps = (1 - (x * x).sum(1))[:, None] * (1 - (y * y).sum(1))[None]
    return torch.acosh(1 + 2 * squared(x, y).clamp_(min=1e-12) / gaps)


def measures(distances, query, gallery):
    """Sorts the gallery of every query, drops its own camera, and walks down the ranking."""
    q_identity, q_camera = query
    g_identity, g_camera = gallery
    order = np.argsort(distances, axis=1)
    first, average, penalty = [], [], []
    for q in range(len(q_identity)):
        ranked = order[q]
        same = g_identity[ranked] == q_identity[q]
        hits = same[~(same & (g_camera[ranked] == q_camera[q]))]
        places = np.flatnonzero(hits) + 1
        if len(places) == 0:
            continue
        first.append(places[0])
        average.append(np.mean(np.arange(1, len(places) + 1) / places))
        penalty.append(len(places) / places[-1])
    return np.mean(np.array(first) == 1), np.mean(average), np.mean(penalty)


def sets():
    query, gallery = invented(QUERIES, 1), invented(GALLERY, 2)
    return torch.from_numpy(query[0]), torch.from_numpy(gallery[0]), query[1:], gallery[1:]


def register(name, distance):
    @contender(f"reid-distances-{name}", "PyTorch, matmul form")
    def _():
        x, y, _, _ = sets()
        return lambda: distance(x, y)

    @contender(f"reid-evaluation-{name}", "PyTorch and NumPy")
    def _():
        x, y, query, gallery = sets()
        return lambda: measures(distance(x, y).numpy(), query, gallery)


register("euclidean", euclidean)
register("hyperbolic", hyperbolic)


@contender("reid-measures", "NumPy")
def _():
    x, y, query, gallery = sets()
    distances = euclidean(x, y).numpy()
    return lambda: measures(distances, query, gallery)


if __name__ == "__main__":
    serve("torch", "numpy")
