"""Operations of the ball, curvature -1, in PyTorch, geoopt and hypll.

"reference" is the arithmetic of the code released with the paper, written anew from its formulas: Möbius additions of
all pairs, artanh with its argument clamped. "matmul form" is the one that saves memory: squared norms and one product.
"""

import math

import geoopt
import torch
from hypll.manifolds.poincare_ball.math import diffgeom as hypll
from hypll.manifolds.poincare_ball.math import linalg as hypll_linalg
from hypll.manifolds.poincare_ball.math import stats as hypll_stats
from protocol import contender

ROWS, DIM, INSIDE = 10_000, 128, 0.04
ONE = torch.tensor(1.0)
BALL = geoopt.PoincareBall(c=1.0)


def uniform(*shape, bound=INSIDE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(*shape, generator=generator) * 2 - 1) * bound


def variables(*shapes, bound=INSIDE):
    return [uniform(*shape, bound=bound, seed=seed).requires_grad_() for seed, shape in enumerate(shapes)]


def both(key, name, make):
    """Registers the forward row, and the row that adds the gradient by every operand, with ones from above."""

    @contender(key, name)
    def _():
        run = make()

        def forward():
            with torch.no_grad():
                run()

        return forward

    @contender(f"{key}-gradient", name)
    def _():
        run = make()
        with torch.no_grad():
            ones = torch.ones_like(run())

        def step():
            # Without this, a second gradient would be added to the first.
            for leaf in run.leaves:
                leaf.grad = None
            run().backward(ones)

        return step


class Run:
    """A function with its leaves."""

    def __init__(self, function, leaves):
        self.function, self.leaves = function, leaves

    def __call__(self):
        return self.function(*self.leaves)


def on(function, *shapes, bound=INSIDE):
    return lambda: Run(function, variables(*shapes, bound=bound))


def artanh(x):
    x = x.clamp(-1 + 1e-5, 1 - 1e-5)
    return 0.5 * (torch.log(1 + x) - torch.log(1 - x))


def norm(x):
    return x.norm(dim=-1, keepdim=True).clamp_min(1e-5)


def reference_exp(v, c=1.0):
    r = math.sqrt(c) * norm(v)
    return torch.tanh(r) * v / r


def reference_log(y, c=1.0):
    r = math.sqrt(c) * norm(y)
    return y / r * artanh(r)


def reference_add(x, y, c=1.0):
    xx, yy = (x * x).sum(-1, keepdim=True), (y * y).sum(-1, keepdim=True)
    xy = (x * y).sum(-1, keepdim=True)
    top = (1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y
    return top / (1 + 2 * c * xy + c * c * xx * yy + 1e-5)


def reference_distance(x, y, c=1.0):
    root = math.sqrt(c)
    return 2 / root * artanh(root * reference_add(-x, y, c).norm(dim=-1))


def reference_add_all(x, y, c=1.0):
    """x ⊕ y of all pairs: [rows of x, rows of y, dim]."""
    xx, yy = (x * x).sum(-1)[:, None], (y * y).sum(-1)[None, :]
    xy = x @ y.T
    top = (1 + 2 * c * xy + c * yy)[..., None] * x[:, None] + (1 - c * xx)[..., None] * y[None, :]
    return top / (1 + 2 * c * xy + c * c * xx * yy + 1e-5)[..., None]


def reference_distances(x, y, c=1.0):
    root = math.sqrt(c)
    return 2 / root * artanh(root * reference_add_all(-x, y, c).norm(dim=-1))


def reference_mlr(x, p, a, c=1.0):
    root = math.sqrt(c)
    moved = reference_add_all(-p, x, c)
    size = a.norm(dim=-1)
    factor = 2 / (1 - c * (p * p).sum(-1)) * size / root
    top = 2 * root * (moved * a[:, None]).sum(-1)
    below = size[:, None] * (1 - c * (moved * moved).sum(-1))
    return (factor[:, None] * torch.asinh(top / below)).T


def reference_midpoint(points, c=1.0):
    klein = 2 * points / (1 + c * (points * points).sum(-1, keepdim=True))
    gamma = 1 / torch.sqrt(1 - c * (klein * klein).sum(-1, keepdim=True))
    mean = (gamma * klein).sum(-2) / gamma.sum(-2)
    return mean / (1 + torch.sqrt(1 - c * (mean * mean).sum(-1, keepdim=True)))


def squares(x, y):
    """‖x − y‖² of all pairs by one matrix product."""
    return ((x * x).sum(-1)[:, None] + (y * y).sum(-1)[None, :] - 2 * x @ y.T).clamp_min(1e-12)


def matmul_distances(x, y, c=1.0):
    gaps = (1 - c * (x * x).sum(-1))[:, None] * (1 - c * (y * y).sum(-1))[None, :]
    return 2 / math.sqrt(c) * torch.asinh(torch.sqrt(c * squares(x, y) / gaps))


def matmul_mlr(x, p, a, c=1.0):
    root = math.sqrt(c)
    gap_x, gap_p = 1 - c * (x * x).sum(-1), 1 - c * (p * p).sum(-1)
    along, size = (p * a).sum(-1), a.norm(dim=-1)
    m = gap_p * (x @ a.T - along) - c * squares(x, p) * along
    return 2 * size / root * torch.asinh(2 * root * m / (gap_x[:, None] * gap_p * size))


def geoopt_midpoint(points):
    return BALL.weighted_midpoint(points, reducedim=[-2], project=False)


def hypll_midpoint(points):
    return hypll_stats.midpoint(points, ONE, man_dim=-1, batch_dim=-2)


def hypll_mlr(x, z, r):
    return hypll_linalg.poincare_hyperplane_dists(x, z, r, ONE)


def geoopt_mlr(x, p, a):
    return BALL.dist2plane(x[:, None], p[None], a[None], signed=True, scaled=True)


def losses(key, name, logits, *shapes, bound=0.02):
    """Registers the row of the mean cross-entropy of logits against the classes in turn, with its gradients."""

    @contender(key, name)
    def _():
        leaves = variables(*shapes, bound=bound)
        batch, classes = logits(*leaves).shape
        labels = torch.arange(batch) % classes

        def step():
            for leaf in leaves:
                leaf.grad = None
            torch.nn.functional.cross_entropy(logits(*leaves), labels).backward()

        return step


def register():
    """Declares every row."""
    row, points, many, classes = (ROWS, DIM), (1000, DIM), (1024, DIM), (751, DIM)
    shots = (5, 20, 1600)
    both("exp-map-zero", "reference", on(reference_exp, row))
    both("exp-map-zero", "geoopt", on(lambda v: BALL.expmap0(v, project=False), row))
    both("exp-map-zero", "hypll", on(lambda v: hypll.expmap0(v, ONE), row))
    both("log-map-zero", "reference", on(reference_log, row))
    both("log-map-zero", "geoopt", on(BALL.logmap0, row))
    both("log-map-zero", "hypll", on(lambda y: hypll.logmap0(y, ONE), row))
    both("mobius-add", "reference", on(reference_add, row, row))
    both("mobius-add", "geoopt", on(lambda x, y: BALL.mobius_add(x, y, project=False), row, row))
    both("mobius-add", "hypll", on(lambda x, y: hypll.mobius_add(x, y, ONE), row, row))
    both("distance", "reference", on(reference_distance, row, row))
    both("distance", "geoopt", on(BALL.dist, row, row))
    both("distance", "hypll", on(lambda x, y: hypll.dist(x, y, ONE), row, row))
    both("midpoint", "reference", on(reference_midpoint, shots, bound=0.02))
    both("midpoint", "geoopt", on(geoopt_midpoint, shots, bound=0.02))
    both("midpoint", "hypll", on(hypll_midpoint, shots, bound=0.02))
    both("distance-matrix", "reference", on(reference_distances, points, points))
    both("distance-matrix", "geoopt", on(lambda x, y: BALL.dist(x[:, None], y[None]), points, points))
    both("distance-matrix", "hypll", on(lambda x, y: hypll.cdist(x[None], y[None], ONE)[0], points, points))
    both("distance-matrix", "matmul form", on(matmul_distances, points, points))
    both("mlr", "reference", on(reference_mlr, many, classes, classes))
    both("mlr", "geoopt", on(geoopt_mlr, many, classes, classes))
    both("mlr", "hypll (HNN++ form)", on(hypll_mlr, many, (DIM, 751), (751,)))
    both("mlr", "matmul form", on(matmul_mlr, many, classes, classes))
    batch, queries, prototypes = (32, DIM), (75, 1600), (5, 1600)
    losses("mlr-loss", "reference", reference_mlr, batch, classes, classes)
    losses("mlr-loss", "geoopt", geoopt_mlr, batch, classes, classes)
    losses("mlr-loss", "hypll (HNN++ form)", hypll_mlr, batch, (DIM, 751), (751,))
    losses("mlr-loss", "matmul form", matmul_mlr, batch, classes, classes)
    losses("mlr-large-loss", "reference", reference_mlr, many, classes, classes, bound=INSIDE)
    losses("mlr-large-loss", "geoopt", geoopt_mlr, many, classes, classes, bound=INSIDE)
    losses("mlr-large-loss", "hypll (HNN++ form)", hypll_mlr, many, (DIM, 751), (751,), bound=INSIDE)
    losses("mlr-large-loss", "matmul form", matmul_mlr, many, classes, classes, bound=INSIDE)
    losses("distance-loss", "reference", lambda x, y: -reference_distances(x, y), queries, prototypes)
    losses("distance-loss", "geoopt", lambda x, y: -BALL.dist(x[:, None], y[None]), queries, prototypes)
    losses("distance-loss", "hypll", lambda x, y: -hypll.cdist(x[None], y[None], ONE)[0], queries, prototypes)
    losses("distance-loss", "matmul form", lambda x, y: -matmul_distances(x, y), queries, prototypes)
