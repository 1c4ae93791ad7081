"""Peers of `cargo xtask bench delta`: the arithmetic of the code released with the paper, written anew, on SciPy's
distances, and hypdelta's exact kernel.

The arithmetic holds an array of n³ doubles, so that beyond n = 1000 it is run on few points and its time multiplied by
the third power; distances are left out of that, in the peers' favour.
"""

import numba
import numpy as np
from hypdelta.condensed import calculate_delta_condensed
from protocol import contender, serve, threads
from scipy.spatial.distance import pdist, squareform

DIM = 512
FEW = 500
THREADS = threads()


def features(points):
    return np.random.default_rng(0).standard_normal((points, DIM)).astype(np.float32)


def distances(points):
    return squareform(pdist(features(points)))


def reference(matrix):
    """The largest entry of (A ⊗ A) − A with all minima in one array."""
    from_base = matrix[0]
    products = 0.5 * (from_base[:, None] + from_base[None, :] - matrix)
    through = np.minimum(products[:, :, None], products[None, :, :])
    return np.max(np.max(through, axis=1) - products)


def part_of(points, times=1):
    """Registers the arithmetic on few points as a contender of work on many."""

    def register(row):
        @contender(row, f"reference at n = {FEW} × ({points:,}/{FEW})³" + (f" × {times:,}" if times > 1 else ""))
        def _():
            matrix = distances(FEW)

            def run():
                reference(matrix)

            run.scale = (points / FEW) ** 3 * times
            return run

    return register


@contender("matrix-1000", "reference")
def _():
    matrix = distances(1000)
    return lambda: reference(matrix)


@contender("matrix-1000", "hypdelta, 1 thread")
def _():
    condensed = pdist(features(1000))

    def run():
        numba.set_num_threads(1)
        calculate_delta_condensed(condensed, 1000)

    return run


@contender("protocol", "SciPy distances + reference, one draw × 10")
def _():
    rows = features(10_000)
    random = np.random.default_rng(1)

    def run():
        matrix = squareform(pdist(rows[random.choice(len(rows), 1000, replace=False)]))
        return 2 * reference(matrix) / matrix.max()

    run.scale = 10.0
    return run


for name in ("exact-gaussian", "exact-relu", "exact-disk"):
    part_of(10_000)(name)
for name in ("large-gaussian", "large-relu"):
    part_of(50_000)(name)
part_of(1000, 1000)("bases-1000")
part_of(10_000, 10_000)("bases-10000")

if __name__ == "__main__":
    serve("numpy", "scipy", "hypdelta", "numba")
