"""The small diffusion models of chapter 7: U-Nets with a valve in each skip, samplers, and distances between images.

Images are tensors (…, 1, 8, 8) with grey values in [−1, 1], y = x_0 + s ε is one with noise of size s, and an estimator
e(y, s) tells ε. After Ma et al. (2024), Karras et al. (2022), Song et al. (2020). `make checkpoint` trains
the networks and measures what the chapter ships. Bad input raises TypeError or ValueError, naming the argument.
"""

import hashlib
import json
import math
import numbers
import os
from itertools import combinations_with_replacement, pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from sklearn.datasets import load_digits
from torch import nn
from tqdm import tqdm

from helpers.networks import command, frechet, root

CONFIG = {"widths": [12, 24, 36], "steps": 3000, "batch": 128, "rate": 2e-3}
CONFIG["networks"] = {  # name: training seed, groups of a norm, ρ in training
    "first": [0, 1, 1],
    "second": [1, 1, 1],
    "four groups": [2, 4, 1],
    "no skips": [3, 1, 0],
}
START = 0.6  # the time at which sampling begins; s = 6.1 there
ONE, ZERO = [1.0] * 6, [0.0] * 6  # factors on the six skips


def digits():
    """scikit-learn's images (1797, 1, 8, 8) in [−1, 1], and which digit each shows."""
    data = load_digits()
    return torch.tensor(data.images / 8 - 1, dtype=torch.float32)[:, None], torch.tensor(data.target)


# ---- noise levels


def _rate(t):
    return 0.1 * t + 9.95 * t**2


def alpha(t):
    """The weight of the image at time t, a tensor in [0, 1]."""
    return torch.exp(-_rate(t) / 2)


def s_of(t):
    """σ/α at time t."""
    return torch.sqrt(torch.expm1(_rate(t)))


def time_of(s):
    """The time at which σ/α is s."""
    return (torch.sqrt(0.01 + 39.8 * torch.log1p(s**2)) - 0.1) / 19.9


def _whole(name, n, least=1):
    if isinstance(n, bool) or not isinstance(n, numbers.Integral):
        raise TypeError(f"{name} is {n!r}; it must be a whole number")
    if n < least:
        raise ValueError(f"{name} is {n}; it must be at least {least}")


def even(n, start=START, dtype=torch.float32):
    """n + 1 noise levels down to 0 whose times are equally far apart."""
    _whole("n", n)
    if not 0 < start <= 1:
        raise ValueError(f"start is {start}; it must be a time in (0, 1]")
    return s_of(torch.linspace(start, 0, n + 1, dtype=dtype))


def karras(n, top=None, least=0.002, dtype=torch.float32):
    """The n + 1 noise levels of Karras et al. (2022, eq. 5, ρ = 7): from `top` to `least`, then 0."""
    _whole("n", n, 2)
    top = float(s_of(torch.tensor(START, dtype=torch.float64))) if top is None else top
    if not 0 < least < top < math.inf:
        raise ValueError(f"least and top are {least} and {top}; they must be finite, with 0 < least < top")
    roots = torch.linspace(top ** (1 / 7), least ** (1 / 7), n, dtype=torch.float64)
    return torch.cat([roots**7, roots.new_zeros(1)]).to(dtype)


def taper(bottom, top=1.0, k=5):
    """Skip-Tuning's factors on the skips 0, …, k: linear from `top`, nearest the input, to `bottom`."""
    _whole("k", k)
    for name, factor in (("bottom", bottom), ("top", top)):
        if not math.isfinite(factor):
            raise ValueError(f"{name} is {factor}; it must be finite")
    return [top + (bottom - top) * i / k for i in range(k + 1)]


# ---- samplers


def _levels(grid):
    grid = torch.as_tensor(grid)
    if grid.ndim != 1 or len(grid) < 2 or not grid.is_floating_point():
        raise ValueError(f"grid is {grid.dtype} of shape {tuple(grid.shape)}; it must be a row of two or more floats")
    if not (grid.isfinite().all() and (grid[:-1] > grid[1:]).all() and grid[-1] >= 0):
        raise ValueError(f"grid is {grid.tolist()}; it must be finite and fall, to 0 or above")
    return pairwise(grid)


def euler(e, y, grid):
    """Euler's rule, as a sampler DDIM: the path (n + 1, …) of y down grid."""
    path = [y]
    for s, s_next in _levels(grid):
        y = y + (s_next - s) * e(y, s)
        path.append(y)
    return torch.stack(path)


def heun(e, y, grid, euler_last=True):
    """Karras et al. (2022), algorithm 1: like `euler`, with the mean of two estimates, but for a step to 0."""
    path = [y]
    for s, s_next in _levels(grid):
        first = e(y, s)
        guess = y + (s_next - s) * first
        if s_next > 0 or not euler_last:
            guess = y + (s_next - s) * (first + e(guess, s_next)) / 2
        y = guess
        path.append(y)
    return torch.stack(path)


def two_step(e, y, grid):
    """Adams and Bashforth: like `euler`, with the estimate carried on along a straight line from the step before."""
    path, before = [y], None
    for s, s_next in _levels(grid):
        here = ahead = e(y, s)
        if before:
            ahead = here + (s_next - s) / 2 * (here - before[1]) / (s - before[0])
        before = s, here
        y = y + (s_next - s) * ahead
        path.append(y)
    return torch.stack(path)


def ancestral(e, y, grid, chance):
    """Like `euler`, with less of y and new noise in each step, drawn from the generator `chance`."""
    path = [y]
    for s, s_next in _levels(grid):
        keep = (s_next / s) ** 2
        z = torch.randn(y.shape, generator=chance, dtype=y.dtype)
        y = y - (1 - keep) * s * e(y, s) + s_next * torch.sqrt(1 - keep) * z
        path.append(y)
    return torch.stack(path)


class Gauss:
    """What is exact for Gaussian images with the mean and covariance of images x (N, …)."""

    def __init__(self, x):
        if x.ndim < 2 or len(x) < 2 or not x.isfinite().all():
            raise ValueError(f"x has shape {tuple(x.shape)}; it must be two or more images that are finite")
        flat = x.flatten(1).double()
        values, self.vectors = torch.linalg.eigh(torch.cov(flat.T))
        self.values, self.mean, self.shape = values.clamp(min=0), flat.mean(0), x.shape[1:]

    def _along(self, y, factor, shift):
        away = (y.flatten(-len(self.shape)).double() - self.mean) @ self.vectors
        moved = (away * factor) @ self.vectors.T + shift * self.mean
        return moved.unflatten(-1, self.shape).to(y.dtype)

    def noise(self, y, s):
        """The mean of ε given y at the level s > 0."""
        return self._along(y, s / (self.values + s**2), 0)

    def move(self, y, s, s_next):
        """Where the curve through y at the level s > 0 is at s_next."""
        return self._along(y, torch.sqrt((self.values + s_next**2) / (self.values + s**2)), 1)


def split(e, y, grid, gauss):
    """Exact for a `Gauss`, Euler for the rest."""
    path = [y]
    for s, s_next in _levels(grid):
        rest = e(y, s) - gauss.noise(y, s)
        y = gauss.move(y, s, s_next) + (s_next - s) * rest
        path.append(y)
    return torch.stack(path)


# ---- networks


class Block(nn.Module):
    """Normalize, add the time, bend, convolve; and a straight way around."""

    def __init__(self, c_in, c_out, groups, stride=1):
        super().__init__()
        self.norm = nn.GroupNorm(groups, c_in)
        self.time = nn.Linear(32, c_in)
        self.conv = nn.Conv2d(c_in, c_out, 3, stride, padding=1)
        same = c_in == c_out and stride == 1
        self.straight = nn.Identity() if same else nn.Conv2d(c_in, c_out, 1, stride)

    def forward(self, h, time):
        bent = F.silu(self.norm(h) + self.time(time)[:, :, None, None])
        return self.conv(bent) + self.straight(h)


def clock():
    """From 16 waves of the time to 32 numbers."""
    return nn.Sequential(nn.Linear(16, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU())


def waves(t):
    """Times (B,) as (B, 16)."""
    phase = t[:, None] * 100 ** torch.linspace(0, 1, 8)
    return torch.cat([phase.sin(), phase.cos()], 1)


class UNet(nn.Module):
    """The noise in x (B, 1, 8, 8) at times t (B,). Down to 2×2 and up again; skips[i] is let through by rho[i].

    `below` multiplies what comes from below where it meets a skip.
    """

    def __init__(self, widths, groups):
        super().__init__()
        a, b, c = widths  # channels at 8×8, 4×4, 2×2
        down = [(a, a), (a, b, 2), (b, b), (b, c, 2), (c, c)]
        up = [(c, c), (c, b), (b, b), (b, a), (a, a), (a, a)]
        make = lambda c_in, c_out, stride=1: Block(c_in, c_out, groups, stride)
        self.time = clock()
        self.first = nn.Conv2d(1, a, 3, padding=1)
        self.down = nn.ModuleList([make(*sizes) for sizes in down])
        self.middle = make(c, c)
        self.up = nn.ModuleList([make(2 * i, o) for i, o in up])
        self.last = nn.Sequential(nn.GroupNorm(groups, a), nn.SiLU(), nn.Conv2d(a, 1, 3, padding=1))

    def forward(self, x, t, rho=ONE, below=ONE):
        time, h = self.time(waves(t)), self.first(x)
        skips = [h]
        for block in self.down:
            skips.append(h := block(h, time))
        h = self.middle(h, time)
        for i, block in zip(range(5, -1, -1), self.up, strict=True):
            if i in (1, 3):
                h = F.interpolate(h, scale_factor=2)
            h = block(torch.cat([below[i] * h, rho[i] * skips[i]], 1), time)
        return self.last(h)


class Transformer(nn.Module):
    """The noise in x (B, 1, 8, 8) at times t (B,), without skips: 16 patches of 2×2 pass through residual layers.

    `rho` multiplies the identity branch of each of the eight residual layers.
    """

    def __init__(self, width=48, blocks=4):
        super().__init__()
        self.time = clock()
        self.first, self.place = nn.Linear(4, width), nn.Parameter(0.02 * torch.randn(16, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 * blocks)])
        self.times = nn.ModuleList([nn.Linear(32, width) for _ in range(2 * blocks)])
        mix = lambda: nn.ModuleList([nn.Linear(width, 3 * width), nn.Linear(width, width)])
        bend = lambda: nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mix = nn.ModuleList([mix() for _ in range(blocks)])
        self.bend = nn.ModuleList([bend() for _ in range(blocks)])
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4))

    def forward(self, x, t, rho=1.0):
        time = self.time(waves(t))
        h = self.first(F.pixel_unshuffle(x, 2).flatten(2).mT) + self.place
        for k, (norm, clock) in enumerate(zip(self.norms, self.times, strict=True)):
            u = norm(h) + clock(time)[:, None]
            if k % 2:
                h = rho * h + self.bend[k // 2](u)
            else:
                into, out = self.mix[k // 2]
                q, key, v = into(u).unflatten(-1, (3, 4, -1)).movedim(2, 0).transpose(2, 3)
                h = rho * h + out(F.scaled_dot_product_attention(q, key, v).transpose(1, 2).flatten(2))
        return F.pixel_shuffle(self.last(h).mT.unflatten(2, (4, 4)), 2)


def fresh(name):
    """An untrained network; 'features' is a classifier."""
    if name == "features":
        bends = nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU()
        return nn.Sequential(nn.Flatten(), *bends, nn.Linear(32, 10))
    return Transformer() if name == "transformer" else UNet(CONFIG["widths"], CONFIG["networks"][name][1])


def fit(network, loss, name):
    """Train with Adam; the learning rate rises, then falls to 0."""
    steps, top = CONFIG["steps"], CONFIG["rate"]
    adam = torch.optim.Adam(network.parameters(), top)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, top, steps, pct_start=0.05)
    for _ in tqdm(range(steps), desc=name):
        adam.zero_grad()
        loss(network).backward()
        adam.step()
        rate.step()
    return network


def denoising(images, **how):
    """The loss of a network that tells the noise in images mixed with it at random times."""

    def loss(network):
        i, t = torch.randint(len(images), (CONFIG["batch"],)), 1 - torch.rand(CONFIG["batch"])
        a, e = alpha(t)[:, None, None, None], torch.randn(CONFIG["batch"], 1, 8, 8)
        return F.mse_loss(network(a * images[i] + torch.sqrt(1 - a**2) * e, t, **how), e)

    return loss


def naming(images, labels):
    """The loss of a classifier."""

    def loss(network):
        i = torch.randint(len(images), (CONFIG["batch"],))
        x = images[i] + 0.1 * torch.randn(CONFIG["batch"], 1, 8, 8)
        return F.cross_entropy(network(x), labels[i], label_smoothing=0.1)

    return loss


def train():
    """All networks from nothing: {name.parameter: float16 tensor}."""
    made, (images, labels) = {}, digits()
    for name, (start, _, rho) in {**CONFIG["networks"], "features": [4, 0, 0]}.items():
        torch.manual_seed(start)
        network = fresh(name)
        loss = naming(images, labels) if name == "features" else denoising(images, rho=[rho] * 6)
        fit(network, loss, name)
        made |= {f"{name}.{key}": w.half() for key, w in network.state_dict().items()}
    return made


def _digest(*tensors):
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors)).hexdigest()


def label(tensors):
    """How a file was made, from what, and which weights it has."""
    weights = _digest(*(tensors[key] for key in sorted(tensors)))
    made = {"config": CONFIG, "images": _digest(digits()[0]), "weights": weights}
    return {"made": json.dumps(made)}  # one entry: safetensors keeps no order


def keep(file, content):
    """Write the bytes whole, or leave the file as it was."""
    part = Path(file).with_suffix(".part")
    part.write_bytes(content)
    os.replace(part, file)


def load(file):
    """The networks in a file, by name; it must be whole and made by `train` as CONFIG says.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or was made in another way.
    """
    try:
        with safe_open(file, "pt") as opened:
            names = opened.keys()
            tensors = {key: opened.get_tensor(key).clone() for key in names}
            known = opened.metadata() == label(tensors)
    except SafetensorError as error:
        raise ValueError(f"file {file} is damaged: {error}; make checkpoint makes it anew") from error
    if not known:
        raise ValueError(f"file {file} was not made as CONFIG says; make checkpoint makes it anew")
    with torch.random.fork_rng():
        networks = {name: fresh(name) for name in [*CONFIG["networks"], "features"]}
    for name, network in networks.items():
        network.load_state_dict({key: tensors[f"{name}.{key}"].float() for key in network.state_dict()})
        network.to(memory_format=torch.channels_last)  # in which a CPU convolves faster
    return networks


def estimator(network, rho=ONE, **how):
    """e(y, s) of a network, with factors on its skips."""

    @torch.no_grad()
    def e(y, s):
        t = time_of(torch.as_tensor(s, dtype=y.dtype))
        return network(alpha(t) * y, t.expand(len(y)), rho, **how)

    return e


# ---- measures


def power(x):
    """P_r of images (…, 8, 8): mean square of the Fourier coefficients at the radius r = 0, …, 6."""
    k = torch.fft.fftfreq(8) * 8
    radius = torch.hypot(k[:, None], k[None]).round()
    square = torch.fft.fft2(x.double(), norm="ortho").abs().square()
    mean = square.flatten(0, -3).mean(0)
    return torch.stack([mean[radius == r].mean() for r in range(7)])


def nonlinearity(x, y):
    """Share of the variance of y (N, …) that the best affine map of x (N, …) leaves, corrected for its parameters."""
    x, y = x.flatten(1).double(), y.flatten(1).double()
    X = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    if len(X) <= X.shape[1] or len(X) != len(y):
        raise ValueError(f"x and y hold {len(x)} and {len(y)} samples; they must be equally many, over {X.shape[1]}")
    left = y - X @ torch.linalg.lstsq(X, y).solution
    share = left.square().sum() / (y - y.mean(0)).square().sum()
    return share * len(X) / (len(X) - X.shape[1])


class Measures:
    """Distances to real images (N, 1, 8, 8); `features` maps images to rows of numbers."""

    def __init__(self, features, real):
        self.features, self.real = features, real.flatten(1).double()
        self.mean, self.cov = self.moments(real)
        self.within = torch.cdist(self.real, self.real).mean()
        self.pixels = self.real.var(0).mean()

    @torch.no_grad()
    def moments(self, x):
        """Mean and covariance of the features of images."""
        f = self.features(x.float()).double()
        return f.mean(0), torch.cov(f.T)

    def between(self, m, C):
        """The Fréchet distance of a Gaussian with these moments from that of the real images."""
        return frechet(m, C, self.mean, self.cov)

    def frechet(self, x):
        """Of images (N, 1, 8, 8), N ≥ 2."""
        self._images(x)
        return self.between(*self.moments(x))

    def energy(self, x):
        """Of images (N, 1, 8, 8), N ≥ 2; without bias for images drawn at random, so it can be below 0."""
        self._images(x)
        x = x.flatten(1).double()
        within = torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))
        return 2 * torch.cdist(x, self.real).mean() - within - self.within

    def contrast(self, x):
        """Mean variance of the pixels, over that of the real images."""
        self._images(x)
        return x.flatten(1).double().var(0).mean() / self.pixels

    def _images(self, x):
        if x.ndim < 2 or len(x) < 2 or x.flatten(1).shape[1] != self.real.shape[1]:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; it must be two or more images of {self.real.shape[1]} pixels"
            )

    def score(self, xs):
        """(B + 1, 3): Fréchet distance, energy distance and contrast of all images in B blocks, then without each.

        `jackknife` makes a standard error of these. xs (B, N, 1, 8, 8).
        """
        B, N = xs.shape[:2]
        flat = xs.flatten(2).double()
        cross = torch.stack([torch.cdist(x, self.real).mean() for x in flat])
        within = torch.zeros(B, B, dtype=flat.dtype)
        for i, j in combinations_with_replacement(range(B), 2):
            within[i, j] = within[j, i] = torch.cdist(flat[i], flat[j]).sum()
        rows = []
        for kept in _without(B):
            x, n = xs[kept].flatten(0, 1), N * len(kept)
            energy = 2 * cross[kept].mean() - within[kept][:, kept].sum() / (n * (n - 1)) - self.within
            rows.append(torch.stack([self.frechet(x), energy, self.contrast(x)]))
        return torch.stack(rows)


def jackknife(values):
    """Of values (B + 1, …), of all blocks and without each, the first and its standard error."""
    values = np.asarray(values, dtype=float)
    rest = values[1:]
    return values[0], np.sqrt((len(rest) - 1) * rest.var(0))


# ---- what chapter 7 ships


RHOS = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2]
STEPS = {"Euler": [3, 4, 6, 10, 20], "ancestral": [3, 4, 6, 10, 20], "Heun": [4, 5, 6, 10, 20]}
BLOCKS, EACH = 10, 200  # of images for each setting
NETS, FEW = ["first", "second", "four groups"], [3, 4, 6]
LOW = taper(0.6)
CASES = {  # name: factors on the skips but for the last step, in the last, on what comes from below, on the noise
    "as trained": (ONE, ONE, ONE, 1),
    "Skip-Tuning": (LOW, LOW, ONE, 1),
    "all but the last step": (LOW, ONE, ONE, 1),
    "last step only": (ONE, LOW, ONE, 1),
    "reversed": (taper(1, 0.6), taper(1, 0.6), ONE, 1),
    "all skips × 0.9": ([0.9] * 6, [0.9] * 6, ONE, 1),
    "below up": (ONE, ONE, [1 / factor for factor in LOW], 1),
    "noise × 0.94": (ONE, ONE, ONE, 0.94),
}
GAUSSIAN = {"exact": 1797, "exact, 100 images": 100, "exact, one variance": 0}  # images that give mean and covariance
AFTER = {"contrast": ["as trained", "Skip-Tuning"], "covariance": ["as trained", "Skip-Tuning", "exact"]}
LIKE = {  # name: is the answer changed, or else the noise; by a whole matrix; does its mean stay
    "noise by direction": (False, False, False),
    "answer by direction": (True, False, False),
    "answer, affine": (True, True, False),
    "answer by direction, mean kept": (True, False, True),
}
TRIED = [*CASES, *GAUSSIAN, *LIKE, *(f"{how}: {case}" for how, cases in AFTER.items() for case in cases)]
IDENTITY = [0.8, 0.9, 0.95, 1.0, 1.05, 1.1]  # factors on the residual networks' identity branches
BEST = [1.86, 0.81, 0.3]  # between the start and 0, the levels at which Euler keeps most of the digits' contrast
RULES = {"Euler": euler, "Heun": heun, "two-step": two_step}
LISTS = {"even": even, "Karras": karras, "best": lambda n: torch.tensor([even(1)[0].item(), *BEST, 0.0])}
OTHER = [  # rule, levels, steps, ρ
    *(("Heun", "even", n, rho) for n in (3, 4, 5, 6, 10, 20) for rho in (1.0, 0.8, 0.6)),
    *(("two-step", "even", n, rho) for n in FEW for rho in (1.0, 0.8)),
    *((rule, "Karras", 4, 1.0) for rule in ("Euler", "two-step")),
    *(("Euler", "best", 4, rho) for rho in (1.0, 0.8)),
]
REST = ["open", "weaker", "open, as wide", "weaker, as narrow", "open, mean right", "weaker, mean right"]  # by `rest`


def noise(number, blocks=BLOCKS, each=EACH):
    """Standard normal images (blocks, each, 1, 8, 8): the same for every setting."""
    draws = [torch.Generator().manual_seed(1000 * number + block) for block in range(blocks)]
    return torch.stack([torch.randn(each, 1, 8, 8, generator=draw) for draw in draws])


def draw(network, solver, n, rho, x):
    """Images from standard normal x (B, N, 1, 8, 8) in n steps of a solver, with Skip-Tuning's factor rho."""
    e, grid = estimator(network, taper(rho)), karras(n) if solver == "Heun" else even(n)
    noisily = lambda *a: ancestral(*a, torch.Generator().manual_seed(7))
    how = {"Euler": euler, "Heun": heun, "ancestral": noisily}[solver]
    return how(e, grid[0] * x.flatten(0, 1), grid)[-1].view(x.shape)


def vertex(rhos, values):
    """Where a parabola through the least of `values` and its neighbours is lowest; a least value at an end stays."""
    rhos, values = np.asarray(rhos, dtype=float), np.asarray(values, dtype=float)
    if rhos.ndim != 1 or rhos.shape != values.shape or len(rhos) < 3:
        raise ValueError(
            f"rhos and values have shapes {rhos.shape} and {values.shape}; they must be two rows of 3 or more"
        )
    at = int(values.argmin())
    if at in (0, len(rhos) - 1):
        return float(rhos[at])
    a, b, _ = np.polyfit(rhos[at - 1 : at + 2] - rhos[at], values[at - 1 : at + 2], 2)
    return float(rhos[at] - b / (2 * a))


def marked(measures, x, made):
    """(B + 1, 4): what `Measures.score` gives, and the nonlinearity of the map from x to the images made of it."""
    B = len(x)
    bent = [nonlinearity(x[b].flatten(0, 1), made[b].flatten(0, 1)) for b in _without(B)]
    return torch.cat([measures.score(made), torch.stack(bent)[:, None]], 1)


def _without(B):
    return [[b for b in range(B) if b != out] for out in (None, *range(B))]


def tune(case, network, n, x):
    """Images of one of CASES."""
    rho, last, below, kappa = CASES[case]
    grid = even(n)
    early, late = (estimator(network, factors, below=below) for factors in (rho, last))
    e = lambda y, s: kappa * (late if s == grid[-2] else early)(y, s)
    return euler(e, grid[0] * x.flatten(0, 1), grid)[-1].view(x.shape)


def gaussian(images, count):
    """A `Gauss` of `count` of the images at random; of one variance for all directions where count is 0."""
    picked = torch.randperm(len(images), generator=torch.Generator().manual_seed(5))[: count or len(images)]
    gauss = Gauss(images[picked])
    if not count:
        gauss.values = gauss.values.mean().expand(64)
    return gauss


def exactly(network, n, x, gauss):
    """Images of `split`."""
    grid = even(n)
    return split(estimator(network), grid[0] * x.flatten(0, 1), grid, gauss)[-1].view(x.shape)


def like(network, n, x, other, vectors, how):
    """Images of an untuned network whose estimate is changed by the part of Skip-Tuning's change that is linear.

    `how` is one of LIKE: whether it is the answer x̂_0 = y − s ε̂ that is changed, or else ε̂; whether by an affine map,
    or else, around its mean, by one factor along each of the `vectors` (64, 64); whether its mean stays, or else is
    moved too. All is fitted by least squares to what Skip-Tuning makes at each step of the untuned path of `other`.
    """
    answer, whole, kept = how
    grid, plain, low = even(n), estimator(network), estimator(network, LOW)
    turn = (lambda y, s, e: y - s * e) if answer else (lambda y, s, e: e)
    back = (lambda y, s, a: (y - a) / s) if answer else (lambda y, s, a: a)
    maps, path = {}, euler(plain, grid[0] * other.flatten(0, 1), grid)
    for y, s in zip(path, grid[:-1], strict=False):
        maps[s.item()] = stretch(turn(y, s, plain(y, s)), turn(y, s, low(y, s)), vectors, whole, kept)[1]
    e = lambda y, s: back(y, s, maps[s.item()](turn(y, s, plain(y, s))))
    return euler(e, grid[0] * x.flatten(0, 1), grid)[-1].view(x.shape)


def stretch(a, b, vectors, whole=False, kept=False):
    """The factor along each of the `vectors` that takes a (N, …) nearest to b, each around its mean; and the map.

    With `whole` it is a matrix in the place of the factors. The map takes the mean of a to that of b, or with `kept` to
    itself.
    """
    rows = lambda x: x.flatten(1).double() @ vectors
    A, B = rows(a) - rows(a).mean(0), rows(b) - rows(b).mean(0)
    factor = torch.linalg.lstsq(A, B).solution if whole else (A * B).sum(0) / A.square().sum(0)
    bend = (lambda r: r @ factor) if whole else (lambda r: r * factor)
    moved = lambda x: (bend(rows(x) - rows(a).mean(0)) + rows(a if kept else b).mean(0)) @ vectors.T
    return factor, lambda x: moved(x).view(x.shape).to(x.dtype)


def affine(made, real, how):
    """The affine map that gives images (…, 1, 8, 8) the contrast, or the covariance, of the real ones, as a function.

    With "contrast" their mean stays and one factor spreads them around it; with "covariance" the mean becomes that of
    the real ones too. A direction in which the images hardly vary is left out.
    """
    flat, real = made.flatten(-3).flatten(0, -2).double(), real.flatten(1).double()
    mean = flat.mean(0)
    if how == "contrast":
        to, A = mean, torch.eye(64, dtype=torch.float64) * (real.var(0).mean() / flat.var(0).mean()).sqrt()
    else:
        C = torch.cov(flat.T)
        middle = root(root(C) @ torch.cov(real.T) @ root(C))
        values, vectors = torch.linalg.eigh(C)
        inverse = vectors * torch.where(values > 1e-6, values, torch.inf).rsqrt() @ vectors.T
        to, A = real.mean(0), inverse @ middle @ inverse
    return lambda x: ((x.flatten(-3).double() - mean) @ A + to).view(x.shape).float()


def tried(network, n, x, other, images):
    """{name in TRIED: images}; affine maps are fitted to what comes from `other` noise."""
    made, fit_to = {}, {}
    for case in CASES:
        made[case] = tune(case, network, n, x)
    for case, count in GAUSSIAN.items():
        made[case] = exactly(network, n, x, gaussian(images, count))
    vectors = Gauss(images).vectors
    for case, how in LIKE.items():
        made[case] = like(network, n, x, other, vectors, how)
    for case in AFTER["covariance"]:
        again = exactly(network, n, other, gaussian(images, 1797)) if case == "exact" else tune(case, network, n, other)
        fit_to[case] = again
    for how, cases in AFTER.items():
        for case in cases:
            made[f"{how}: {case}"] = affine(fit_to[case], images, how)(made[case])
    return made


def sweep(network, measures, x, solver, steps, rhos=RHOS):
    """Marks (n, ρ, B + 1, 4) of a solver, and 24 of the digits (n, ρ, 24, 8, 8) as bytes."""
    marks, shown = [], []
    for n in tqdm(steps, desc=solver):
        for rho in rhos:
            made = draw(network, solver, n, rho, x)
            marks.append(marked(measures, x, made))
            shown.append((made[0, :24, 0] + 1).clamp(0, 2).mul(127.5).byte())
    return tuple(torch.stack(rows).unflatten(0, (len(steps), len(rhos))) for rows in (marks, shown))


def cases(network, measures, x, other, images, few=FEW):
    """Marks (n, case, B + 1, 4) of what is TRIED."""
    made = [tried(network, n, x, other, images) for n in few]
    return torch.stack([torch.stack([marked(measures, x, one[name]) for name in TRIED]) for one in made])


def identity(measures, x, images, few=FEW):
    """Marks (n, factor, B + 1, 4) of a network with residual layers in the place of skips, trained here."""
    torch.manual_seed(6)
    residual, rows = fit(fresh("transformer"), denoising(images), "transformer"), []
    for n in few:
        for rho in IDENTITY:
            grid = even(n)
            made = euler(estimator(residual, rho), grid[0] * x.flatten(0, 1), grid)[-1].view(x.shape)
            rows.append(marked(measures, x, made))
    return torch.stack(rows).unflatten(0, (len(few), len(IDENTITY)))


def others(network, measures, x, settings=OTHER):
    """Marks (setting, B + 1, 4) of rules on levels that are not their own in the sweep."""
    rows = []
    for rule, levels, n, rho in tqdm(settings, desc="others"):
        grid = LISTS[levels](n)
        made = RULES[rule](estimator(network, taper(rho)), grid[0] * x.flatten(0, 1), grid)[-1].view(x.shape)
        rows.append(marked(measures, x, made))
    return torch.stack(rows)


def rest(network, measures, x, other, images, n=20):
    """Marks (case in REST, B + 1, 4) of Heun's rule in many steps, with ρ = 1 and 0.8.

    As drawn; each with the other's contrast, by one factor on what lies around the mean, found from `other` noise; and
    with the mean of the images.
    """
    opened, weaker = (draw(network, "Heun", n, rho, x) for rho in (1.0, 0.8))
    apart = [draw(network, "Heun", n, rho, other).flatten(0, 1).var(0).mean() for rho in (1.0, 0.8)]
    factor = (apart[1] / apart[0]).sqrt()
    middle = lambda made: made.mean((0, 1))
    wide, narrow = (middle(a) + by * (a - middle(a)) for a, by in ((opened, factor), (weaker, 1 / factor)))
    right = [made - middle(made) + images.mean(0) for made in (opened, weaker)]
    return torch.stack([marked(measures, x, made) for made in (opened, weaker, wide, narrow, *right)])


def blind(x, images):
    """Images without a network: Gaussian ones with the mean and covariance of the real ones."""
    gauss = Gauss(images)
    return gauss.move(gauss.mean.view(gauss.shape) + 1e3 * x.double(), torch.tensor(1e3), torch.tensor(0.0)).float()


def experiment(networks, blocks=BLOCKS, each=EACH, steps=STEPS, rhos=RHOS, nets=NETS, few=FEW, settings=OTHER):
    """What chapter 7 ships, as arrays: the marks of all that is measured here, and the digits shown."""
    images, _ = digits()
    measures, x, other = Measures(networks["features"][:5], images), noise(0, blocks, each), noise(1, blocks, each)
    swept = {solver: sweep(networks["first"], measures, x, solver, counts, rhos) for solver, counts in steps.items()}
    marks = {
        "sweep": torch.stack([marks for marks, _ in swept.values()]),
        "tried": torch.stack([cases(networks[net], measures, x, other, images, few) for net in nets]),
        "blind": marked(measures, x, blind(x, images)),
        "identity": identity(measures, x, images, few),
        "others": torch.stack([others(networks[net], measures, x, settings) for net in nets]),
        "rest": torch.stack([rest(networks[net], measures, x, other, images) for net in nets]),
    }
    return {name: a.numpy().astype(np.float32) for name, a in marks.items()} | {"shown": swept["Euler"][1].numpy()}


def differences(made, shipped):
    """{name: (largest difference of measurements over what is allowed, 3 % and 0.003; 1)} of two files."""
    if {name: a.shape for name, a in shipped.items()} != {name: a.shape for name, a in made.items()}:
        return {"shapes": (np.inf, 1)}
    names = [name for name in shipped if name != "shown"]
    allowed = lambda a: 0.03 * np.abs(a) + 0.003
    return {name: (float(np.max(np.abs(made[name] - shipped[name]) / allowed(shipped[name]))), 1) for name in names}


def anew(file):
    """Train the networks, into a .safetensors beside the file, and measure them."""
    weights, made = Path(file).with_suffix(".safetensors"), train()
    keep(weights, save(made, label(made)))
    return experiment(load(weights))


def main():
    command(anew, differences)


if __name__ == "__main__":
    main()
