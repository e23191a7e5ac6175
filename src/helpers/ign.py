"""The small networks that chapter 6 trains: many at once, each with a rate, data, noise and weights of its own.

A network is a row of a matrix of weights (n, P), and its layers are slices of it. Points are (n, N, d), losses (n,).
What is random belongs to a seed: a network trained along with others is the same as alone, but for rounding.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from tqdm import trange

from helpers.networks import adam, command
from helpers.networks import frechet as between

# ---- data and noise


def ring(N, g):
    """N points of 8 Gaussians of deviation 0.1 on a circle of radius 2, from the generator g: (N, 2)."""
    angle = torch.randint(8, (N,), generator=g).float() * (math.pi / 4)
    return 2 * torch.stack((angle.cos(), angle.sin()), -1) + 0.1 * torch.randn(N, 2, generator=g, dtype=torch.float32)


def moons(N, g):
    """N points of two arcs of deviation 0.11; a half turn about the origin maps each arc to the other: (N, 2)."""
    angle, upper = torch.rand(2, N, generator=g, dtype=torch.float32)
    arc = torch.stack(((math.pi * angle).cos() - 0.5, (math.pi * angle).sin() - 0.25), -1)
    arc = torch.where(upper[:, None] < 0.5, arc, -arc)
    return 1.6 * (arc + 0.07 * torch.randn(N, 2, generator=g, dtype=torch.float32))


DATA = {"ring": ring, "moons": moons}


class Batches:
    """Data and noise for a training step of n networks, drawn in blocks for each seed: two tensors (n, N, 2)."""

    def __init__(self, seeds, data, centre, N=64, block=100, salt=0):
        for name in data:
            if name not in DATA:
                raise ValueError(f"data is {name!r}; it must be one of {list(DATA)}")
        self.draws = {s: torch.Generator().manual_seed(1000 * salt + s) for s in sorted(set(seeds))}
        self.row = torch.tensor([list(self.draws).index(s) for s in seeds])
        self.kind = torch.tensor([list(DATA).index(name) for name in data])
        self.shift = torch.tensor([[c, 0.0] for c in centre], dtype=torch.float32)[:, None]
        self.N, self.block, self.left = N, block, 0

    def __call__(self):
        if not self.left:
            size, self.left = self.N * self.block, self.block
            cut = lambda t: t.view(self.block, self.N, 2)
            made = [
                [
                    *(cut(draw(size, g)) for draw in DATA.values()),
                    cut(torch.randn(size, 2, generator=g, dtype=torch.float32)),
                ]
                for g in self.draws.values()
            ]
            self.made = torch.stack([torch.stack(row) for row in made])  # (seed, ring | moons | noise, block, N, 2)
        self.left -= 1
        now = self.made[:, :, self.left]
        return now[self.row, self.kind], now[self.row, -1] + self.shift


# ---- networks


def size(*widths):
    """How many weights and biases a network of these widths has."""
    return sum((a + 1) * b for a, b in pairwise(widths))


def fresh(seeds, *widths, salt=0):
    """Weights for one network a seed, normal with variance 1 / inputs, biases zero: (n, P)."""
    rows = {}
    for s in sorted(set(seeds)):
        g, parts = torch.Generator().manual_seed(1000 * salt + s + 500), []
        for a, b in pairwise(widths):
            parts += [
                torch.randn(a * b, generator=g, dtype=torch.float32) / a**0.5,
                torch.zeros(b, dtype=torch.float32),
            ]
        rows[s] = torch.cat(parts)
    return torch.stack([rows[s] for s in seeds])


def layers(W, widths):
    """The matrices (n, a, b) and biases (n, 1, b) that lie in the rows of W."""
    parts = W.split([k for a, b in pairwise(widths) for k in (a * b, b)], 1)
    made = zip(parts[::2], parts[1::2], pairwise(widths), strict=True)
    return [(M.unflatten(1, shape), b[:, None]) for M, b, shape in made]


def run(net, x):
    """n networks, as `layers` gives them, on x (n, N, d); SiLU between the layers."""
    for M, b in net[:-1]:
        x = F.silu(torch.baddbmm(b, x, M))
    M, b = net[-1]
    return torch.baddbmm(b, x, M)


def square(v):
    """Mean squared length of the N vectors of each network: (n,)."""
    return v.square().sum(-1).mean(1)


class Adam:
    """Adam with β = (0.5, 0.9) and a learning rate for each row."""

    def __init__(self, W, rates):
        self.W, self.rates, self.k = W, rates, 0
        self.memory = torch.zeros_like(W), torch.zeros_like(W)

    def __call__(self, slope):
        self.k += 1
        with torch.no_grad():
            self.W -= self.rates * adam(slope, self.memory, self.k, (0.5, 0.1))


# ---- three ways to train


class Setting(NamedTuple):
    """How one network is trained. `turn`, in degrees, is that of the judge ‖G(x) − Rx‖²; 0 is IGN's."""

    seed: int
    data: str = "ring"
    rate: float = 0.002
    w_t: float = 0.1
    bound: bool = True
    centre: float = 0.0
    turn: float = 0.0


IGN, FORGER, CRITIC, AUTO = (2, 32, 32, 32, 2), (2, 31, 31, 2), (2, 31, 31, 1), (2, 22, 22, 22, 2)


def bounded(T, b):
    """Tightness T kept below b."""
    return b * (T / b).tanh()


def terms(net, x, z, turn):
    """Reconstruction, tightness and idempotence of n IGNs: (n,) each."""
    judge = lambda net, y: square(run(net, y) - y @ turn)
    both = run(net, torch.cat((x, z), 1))
    real, fake = both[:, : x.shape[1]], both[:, x.shape[1] :]
    frozen = [(M.detach(), b.detach()) for M, b in net]
    return square(real - x @ turn), judge(net, fake.detach()), judge(frozen, fake)


def ign_losses(rec, tight, idem, w_t, bound):
    """The judge's loss and the forger's, made of `terms`; the bound is 1.5 times the reconstruction."""
    return rec - w_t * torch.where(bound, bounded(tight, 1.5 * rec.detach()), tight), idem


def column(settings, name, dtype=torch.float32):
    """One field of each of the settings, as a tensor (n,)."""
    return torch.tensor([getattr(s, name) for s in settings], dtype=dtype)


def _check(settings, marks):
    if not settings or not all(isinstance(s, Setting) for s in settings):
        raise TypeError(f"settings is {settings!r}; it must be a list of one or more of Setting")
    if not marks or not all(isinstance(k, int) and k > 0 for k in marks):
        raise ValueError(f"marks is {marks!r}; it must hold numbers of steps, 1 or more")
    for s in settings:
        if not (s.rate > 0 and s.w_t >= 0):
            raise ValueError(f"{s} is no setting; its rate must be positive, and w_t must not be negative")


def turns(settings):
    """Rotations Rᵀ for points as rows, (n, 2, 2)."""
    t = torch.deg2rad(column(settings, "turn"))
    return torch.stack((t.cos(), t.sin(), -t.sin(), t.cos()), -1).view(-1, 2, 2)


def train_ign(settings, marks, widths=IGN, batches=None, tell=None):
    """{step: weights (n, P)} after each of marks; and with `tell` what tell(weights, batches) says there."""
    _check(settings, marks)
    seeds = [s.seed for s in settings]
    batches = batches or Batches(seeds, [s.data for s in settings], [s.centre for s in settings])
    W = fresh(seeds, *widths).requires_grad_()
    rule = Adam(W, column(settings, "rate")[:, None])
    w_t, bound = column(settings, "w_t"), column(settings, "bound", bool)
    turn = turns(settings) if widths[-1] == 2 else torch.eye(widths[-1], dtype=torch.float32)
    kept, told = {}, {}
    for k in trange(1, max(marks) + 1, desc="IGN", mininterval=5):
        loss = sum(ign_losses(*terms(layers(W, widths), *batches(), turn), w_t, bound))
        rule(torch.autograd.grad(loss.sum(), W)[0])
        if k in marks:
            kept[k] = W.detach().clone()
            if tell:
                told[k] = tell(W, batches)
    return (kept, told) if tell else kept


def slope_penalty(D, x, fake, u):
    """Mean (‖∇D‖ − 1)² at points between data and fakes: (n,)."""
    between = (u * x + (1 - u) * fake).requires_grad_()
    slope = torch.autograd.grad(run(D, between).sum(), between, create_graph=True)[0]
    return (slope.norm(dim=-1) - 1).square().mean(1)


def wgan(D, x, fake, u):
    """WGAN-GP's loss of the judges D: (n,)."""
    return run(D, x).mean((1, 2)) - run(D, fake).mean((1, 2)) + 0.1 * slope_penalty(D, x, fake, u)


def ebgan(D, x, fake, u):
    """EBGAN's loss of the judges D, with margin 1: (n,)."""
    tight = (run(D, fake) - fake).square().sum(-1)
    return square(run(D, x) - x) + F.relu(1 - tight).mean(1)


GANS = {  # judge's loss, score, widths of the judge, judge's steps for each of the forger's
    "WGAN-GP": (wgan, lambda D, y: run(D, y).mean((1, 2)), CRITIC, 5),
    "EBGAN": (ebgan, lambda D, y: square(run(D, y) - y), AUTO, 1),
}


def train_gan(kind, settings, marks, widths=FORGER, judge_widths=None, batches=None):
    """The forgers' weights {step: (n, P)}; a step is one of the forger's, after the judge's turns."""
    _check(settings, marks)
    if kind not in GANS:
        raise ValueError(f"kind is {kind!r}; it must be one of {list(GANS)}")
    loss, score, critic, each = GANS[kind]
    critic, seeds = judge_widths or critic, [s.seed for s in settings]
    batches = batches or Batches(seeds, [s.data for s in settings], [s.centre for s in settings])
    G, D = fresh(seeds, *widths).requires_grad_(), fresh(seeds, *critic, salt=1).requires_grad_()
    rates, kept = column(settings, "rate")[:, None], {}
    for_G, for_D, place = Adam(G, rates), Adam(D, rates), torch.Generator().manual_seed(7)
    for k in trange(1, max(marks) + 1, desc=kind, mininterval=5):
        for _ in range(each):
            x, z = batches()
            fake = run(layers(G, widths), z).detach()
            u = torch.rand(x.shape[1], 1, generator=place, dtype=torch.float32)
            for_D(torch.autograd.grad(loss(layers(D, critic), x, fake, u).sum(), D)[0])
        value = score(layers(D.detach(), critic), run(layers(G, widths), batches()[1]))
        for_G(torch.autograd.grad(value.sum(), G)[0])
        if k in marks:
            kept[k] = G.detach().clone()
    return kept


# ---- measures


def mmd2(x, y, width=2.5, factors=(0.1, 0.25, 0.5, 1.0)):
    """MMD² of samples x and y (n, N, d), unbiased, for the mean of Gaussian kernels of deviations f × width: (n,)."""
    if x.ndim != 3 or y.ndim != 3 or x.shape[::2] != y.shape[::2] or min(x.shape[1], y.shape[1]) < 2:
        raise ValueError(
            f"x and y have shapes {tuple(x.shape)} and {tuple(y.shape)}; they must be (n, N, d) with N ≥ 2"
        )

    def kernel(a, b):
        far = torch.cdist(a, b).square()
        return sum((far * (-0.5 / (f * width) ** 2)).exp_() for f in factors).div_(len(factors))

    def within(a):
        k, N = kernel(a, a), a.shape[1]
        return (k.sum((1, 2)) - k.diagonal(dim1=1, dim2=2).sum(1)) / (N * (N - 1))

    return within(x) + within(y) - 2 * kernel(x, y).mean((1, 2))


def reach(out, x):
    """Share of the fakes `out` near data x (n, N, d), and of data near a fake: (2, n).

    Near is what lies within the radius inside which 95 % of the data have another of the data.
    """
    own = torch.cdist(x, x)
    own.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    radius = own.min(2).values.quantile(0.95, dim=1)[:, None, None]
    close = torch.cdist(out, x) <= radius
    return torch.stack((close.any(2).float().mean(1), close.any(1).float().mean(1)))


def modes(out):
    """How many of the ring's 8 Gaussians have 1 % of the points (n, N, 2) within four deviations: (n,)."""
    angle = torch.arange(8) * (math.pi / 4)
    centres = 2 * torch.stack((angle.cos(), angle.sin()), -1).to(out)
    far, mode = torch.cdist(out, centres.expand(len(out), 8, 2)).min(-1)
    hits = torch.stack([((mode == k) & (far < 0.4)).float().mean(1) for k in range(8)], -1)
    return (hits >= 0.01).sum(1).float()


def frechet(x, y):
    """Fréchet distance of the Gaussians with means and covariances of x and y (n, N, d), over y's variance: (n,)."""
    centred = lambda v: v - v.mean(1, keepdim=True)
    A, B = (centred(v).mT @ centred(v) / v.shape[1] for v in (x, y))
    return between(x.mean(1), A, y.mean(1), B) / B.diagonal(dim1=1, dim2=2).sum(1)


MEASURES = "mmd2", "near", "reached", "modes", "gap", "moved", "rest"


def measure(G, x, z):
    """MEASURES of the maps G (n, N, 2) → (n, N, 2) on data x and noise z: (7, n).

    gap, moved and rest are root mean squares of G(G(z)) − G(z), G(z) − z and G(x) − x over those of G(z), z and x.
    """
    out, ratio = G(z), lambda a, b: (square(a) / square(b)).sqrt()
    rest = ratio(G(out) - out, out), ratio(out - z, z), ratio(G(x) - x, x)
    return torch.stack((mmd2(out, x), *reach(out, x), modes(out), *rest))


# ---- what chapter 6 ships

SEEDS, RATES = range(5), (0.0005, 0.001, 0.002, 0.004)
MARKS = 30, 60, 125, 250, 500, 1000, 2000, 4000, 8000  # IGN's steps
FILM = 30, 125, 500, 2000, 8000
MODELS = "IGN", "IGN, weights 1", "WGAN-GP", "EBGAN"
COST = {"WGAN-GP": 3.0543, "EBGAN": 0.5319}  # a step's operations over those of a step of IGN
CASE = 0.001  # the learning rate of the cases
CASES = {  # on the ring, unless they say otherwise
    **{f"w {w:g}": {"w_t": w, "bound": False} for w in (0.0, 0.1, 1.0, 2.0)},
    **{f"w {w:g}, bounded": {"w_t": w} for w in (1.0, 2.0)},
    "shifted": {"centre": 3.0},
    "shifted, w 1": {"centre": 3.0, "w_t": 1.0},
    "ring, 45°": {"turn": 45.0},
    "ring, 22.5°": {"turn": 22.5},
    "moons, 180°": {"turn": 180.0, "data": "moons"},
    "moons, 90°": {"turn": 90.0, "data": "moons"},
}


def match(name, seeds=SEEDS, rates=RATES):
    """The settings of one of MODELS: data, then rates, then seeds."""
    if name not in MODELS:
        raise ValueError(f"name is {name!r}; it must be one of {MODELS}")
    more = {"w_t": 1.0, "bound": False} if name == "IGN, weights 1" else {}
    return [Setting(seed, data, rate, **more) for data in DATA for rate in rates for seed in seeds]


def cases(seeds=SEEDS):
    """The settings of CASES, seeds within each."""
    return [Setting(seed, rate=CASE, **more) for more in CASES.values() for seed in seeds]


def marks_of(name, marks=MARKS):
    """The steps of a model that cost as many operations as IGN's after each of marks."""
    return [max(1, round(k / COST.get(name, 1))) for k in marks]


def sample(settings, salt, N=512):
    """N data and noise for each setting, that training has not seen: two tensors (n, N, 2)."""
    return Batches(*zip(*((s.seed, s.data, s.centre) for s in settings), strict=True), N, 1, salt)()


def acting(W, widths):
    """The maps of the networks in the rows of W."""
    return lambda x: run(layers(W, widths), x)


def scored(settings, kept, widths):
    """MMD² on held-out samples (n, mark), and MEASURES on others (n, mark, 7), of the weights that were kept."""
    (a, u), (x, z) = (sample(settings, salt) for salt in (2, 3))
    held = [mmd2(acting(W, widths)(u), a) for W in kept.values()]
    return torch.stack(held, 1), torch.stack([measure(acting(W, widths), x, z).T for W in kept.values()], 1)


def players(settings, widths=IGN, batches=20):
    """A function of weights and batches that tells how judge and forger stand: (n, 3).

    T/b with b = 1.5 R and the weight that the bound leaves to tightness, means over some batches; and the cosine of
    the two gradients over all of them.
    """
    w_t, bound, turn = column(settings, "w_t"), column(settings, "bound", bool), turns(settings)

    def tell(W, draw):
        W, sums = W.detach().requires_grad_(), W.new_zeros(2, *W.shape)
        ratios = []
        for _ in range(batches):
            rec, tight, idem = terms(layers(W, widths), *draw(), turn)
            losses = ign_losses(rec, tight, idem, w_t, bound)
            sums += torch.stack([torch.autograd.grad(loss.sum(), W, retain_graph=True)[0] for loss in losses])
            ratios.append((tight / (1.5 * rec)).detach())
        ratios = torch.stack(ratios)
        left = torch.where(bound, w_t / ratios.cosh().square(), w_t).mean(0)
        return torch.stack((ratios.mean(0), left, torch.cosine_similarity(*sums)), 1)

    return tell


def control(seeds, steps):
    """MEASURES (S, 7) of WGAN-GP with the noise of the case "shifted", at as many operations; fakes (300, 2)."""
    settings = [Setting(s, rate=CASE, centre=CASES["shifted"]["centre"]) for s in seeds]
    kept = train_gan("WGAN-GP", settings, marks_of("WGAN-GP", [steps]))
    [W] = kept.values()
    return scored(settings, kept, FORGER)[1][:, 0], acting(W, FORGER)(sample(settings, 4, 300)[1])[0]


class Digits:
    """scikit-learn's digits, centred and of mean variance 1; noise is white or of their covariance."""

    def __init__(self):
        images, self.labels = load_digits(return_X_y=True)
        images = torch.tensor(images)
        images = (images - images.mean(0)) / (images - images.mean(0)).std()
        self.C = images.T @ images / len(images)
        self.flat = images.float()
        self.root = torch.linalg.cholesky(self.C + 1e-6 * torch.eye(64, dtype=self.C.dtype)).float()

    def batches(self, seeds, fitted, N=64):
        """Data and noise (n, N, 64) for a step; fitted says of each network whether its noise is."""
        draws = {s: torch.Generator().manual_seed(9000 + s) for s in sorted(set(seeds))}
        row = [list(draws).index(s) for s in seeds]
        colour = torch.stack((torch.eye(64, dtype=torch.float32), self.root.T))[torch.tensor(fitted).long()]

        def draw():
            at = torch.stack([torch.randint(len(self.flat), (N,), generator=g) for g in draws.values()])
            z = torch.stack([torch.randn(N, 64, generator=g, dtype=torch.float32) for g in draws.values()])
            return self.flat[at[row]], z[row] @ colour

        return draw


KINDS = "data", "white noise", "IGN, white noise", "WGAN-GP, white noise", "fitted noise", "IGN, fitted noise"


def digits(seeds, steps):
    """Scores (KINDS, 5, S) of fakes of digits, and 8 of each for the first seed (KINDS, 8, 64).

    The scores are Fréchet distance, way moved, share near the data, share of the data reached, and the number of
    digits that a logistic regression sees in 2 % of the fakes.
    """
    task, S = Digits(), len(seeds)
    widths, setting = (64, 64, 32, 64, 64), lambda seeds: [Setting(s, rate=0.001) for s in seeds]
    both = [*seeds, *seeds]
    ign = train_ign(setting(both), [steps], widths, task.batches(both, [False] * S + [True] * S))[steps]
    half = (64, 64, 32, 64), (64, 64, 32, 1)
    rival = train_gan("WGAN-GP", setting(seeds), [steps // 3], *half, task.batches(seeds, [False] * S))[steps // 3]
    order = torch.stack([torch.randperm(len(task.flat), generator=torch.Generator().manual_seed(s)) for s in seeds])
    real, new = task.flat[order[:, :600]], task.flat[order[:, 600:1200]]
    z = torch.stack(
        [torch.randn(600, 64, generator=torch.Generator().manual_seed(99 + s), dtype=torch.float32) for s in seeds]
    )
    fit = z @ task.root.T
    fakes = {
        "data": (new, new),
        "white noise": (z, z),
        "IGN, white noise": (acting(ign[:S], widths)(z), z),
        "WGAN-GP, white noise": (acting(rival, half[0])(z), z),
        "fitted noise": (fit, fit),
        "IGN, fitted noise": (acting(ign[S:], widths)(fit), fit),
    }
    classify = LogisticRegression(max_iter=500).fit(task.flat, task.labels).predict
    classes = lambda out: torch.tensor([(np.bincount(classify(o)) >= 12).sum() for o in out]).float()
    rows = [
        (frechet(y, real), (square(y - z) / square(z)).sqrt(), *reach(y, real), classes(y)) for y, z in fakes.values()
    ]
    return torch.stack([torch.stack(row) for row in rows]), torch.stack([y[0, :8] for y, _ in fakes.values()])


def experiment(seeds=SEEDS, rates=RATES, marks=MARKS, film=FILM, digit_steps=2000, shown=(500, 8000)):
    """What chapter 6 ships, as arrays of 16 bits; S seeds, K marks, R rates.

    held (model, data, R, S, K), scores (model, data, R, S, K, 7), players (IGN's 2 models, data, R, S, K, 3), cases
    (case, S, K, 7), case_players (case, S, K, 3), film (centred | shifted, mark, P), clouds (model, data, mark shown,
    300, 2) at the rate of least held-out MMD² and the first seed, case_clouds (case, 300, 2), control (S, 7) and
    control_cloud (300, 2), digits, images, and level (data | noise, data set, S, 4) of fresh data and untouched noise.
    """
    first, extra, S, R = [match(name, seeds, rates) for name in MODELS], cases(seeds), len(seeds), len(rates)
    one, n = first[0] + first[1] + extra, len(first[0])
    kept, told = train_ign(one, marks, tell=players(one))
    runs = [({k: W[i : i + n] for k, W in kept.items()}, IGN) for i in (0, n)]
    runs += [(train_gan(name, match(name, seeds, rates), marks_of(name, marks)), FORGER) for name in MODELS[2:]]
    shape = (2, R, S)
    found = [
        scored(s, dict(zip(marks, W.values(), strict=True)), widths) for s, (W, widths) in zip(first, runs, strict=True)
    ]
    held, scores = (torch.stack(part).unflatten(1, shape) for part in zip(*found, strict=True))
    last = {k: W[2 * n :] for k, W in kept.items()}
    seen = torch.stack(list(told.values()), 1)
    dots = lambda s, W, widths: acting(W, widths)(sample(s, 4, 300)[1])
    at = held.mean(3).argmin(2)[..., -1] * S + torch.arange(2) * R * S  # (model, data): the best rate's first seed
    clouds = [
        torch.stack([dots(s, list(W.values())[marks.index(k)], widths)[at[i]] for k in shown], 1)
        for i, (s, (W, widths)) in enumerate(zip(first, runs, strict=True))
    ]
    centred, shifted = rates.index(CASE) * S, 2 * n + list(CASES).index("shifted") * S
    real = [Setting(seed, name) for name in DATA for seed in seeds]
    x, z = sample(real, 3)
    other = sample(real, 5)[0]
    level = [torch.cat((mmd2(y, x)[None], reach(y, x), modes(y)[None])).T.unflatten(0, (2, S)) for y in (other, z)]
    made = {
        "held": held,
        "scores": scores,
        "players": seen[: 2 * n].unflatten(0, (2, *shape)),
        "cases": scored(extra, last, IGN)[1].unflatten(0, (len(CASES), S)),
        "case_players": seen[2 * n :].unflatten(0, (len(CASES), S)),
        "film": torch.stack([torch.stack([kept[k][i] for k in film]) for i in (centred, shifted)]),
        "clouds": torch.stack(clouds),
        "case_clouds": dots(extra, last[marks[-1]], IGN)[::S],
        "level": torch.stack(level),
    }
    made["control"], made["control_cloud"] = control(seeds, marks[-1])
    if digit_steps:
        made["digits"], made["images"] = digits(seeds, digit_steps)
    return {name: t.numpy().astype(np.float16) for name, t in made.items()}


def differences(made, shipped):
    """{what: (difference, what is allowed)} of two files, as dicts of arrays.

    Rounding grows while one trains: the first weights of the film and the scores at the first mark are compared one by
    one, and the means over rates and seeds at the last mark by their standard errors.
    """
    made, shipped = ({name: a.astype(float) for name, a in arrays.items()} for arrays in (made, shipped))
    largest = lambda a, b: float(np.abs(a - b).max())
    off = {"film": (largest(made["film"][:, 0], shipped["film"][:, 0]), 0.01)}
    off["first scores"] = (largest(made["scores"][..., 0, 0], shipped["scores"][..., 0, 0]), 0.01)
    for i, name in enumerate(MODELS):
        for j, data in enumerate(DATA):
            for q, measure in enumerate(MEASURES[:3]):
                a, b = (np.clip(f["scores"][i, j, ..., -1, q], -1, 1).ravel() for f in (made, shipped))
                error = ((a.var(ddof=1) + b.var(ddof=1)) / a.size) ** 0.5
                off[f"{name}, {data}, {measure}"] = (float(abs(a.mean() - b.mean())), 5 * error + 0.002)
    a, b = (f["control"][:, 0] for f in (made, shipped))
    error = ((a.var(ddof=1) + b.var(ddof=1)) / a.size) ** 0.5
    off["control, mmd2"] = (float(abs(a.mean() - b.mean())), 5 * error + 0.002)
    return off


def main():
    command(lambda file: experiment(), differences)


if __name__ == "__main__":
    main()
