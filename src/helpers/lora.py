"""Starts for LoRA, and the small networks on which chapter 5 trains from them.

W = (W_0 − A_0 B_0) + A B with A (…, n, r) and B (…, r, m), after Wang, Yu & Li (2024) and Su (2024). What is made of a
gradient G (…, n, m) has its dtype; 16 bits are computed in 32. `lora_ga` raises TypeError and ValueError, naming the
argument.
"""

import numbers
import weakref
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.linalg import svd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.networks import adam, command

SIZES = (64, 64), (64, 64), (64, 10)  # of the network's matrices


def _check(G, r):
    if not isinstance(G, torch.Tensor) or not G.is_floating_point() or G.layout != torch.strided:
        raise TypeError(f"G is {getattr(G, 'dtype', type(G).__name__)}; it must be a dense torch tensor of floats")
    if G.ndim < 2 or not G.numel():
        raise ValueError(f"G has shape {tuple(G.shape)}; it must be a matrix, or a batch of them, that is not empty")
    if not G.isfinite().all():
        raise ValueError("G holds NaN or infinity; no direction of it is the strongest")
    if isinstance(r, bool) or not isinstance(r, numbers.Integral):
        raise TypeError(f"r is {r!r}; it must be a whole number")
    if not 1 <= r <= min(G.shape[-2:]):
        raise ValueError(f"r is {r}; it must lie between 1 and {min(G.shape[-2:])}, the smaller side of G")


def lora_ga(G, r, first="A"):
    """LoRA-GA's start for the gradient G: A_0 = U[:, :r], and in B_0 the next r right singular vectors.

    With first="B" it is B_0 that takes the r strongest directions, and A_0 the next. What exceeds the rank of G, to
    rounding, is zero. The largest entry of each column of U is positive, so that every LAPACK gives the same start.
    """
    _check(G, r)
    if first not in ("A", "B"):
        raise ValueError(f"first is {first!r}; it must be 'A' or 'B', the factor that takes the strongest directions")
    exact = G.to(torch.promote_types(G.dtype, torch.float32))
    U, s, Vt = svd(exact, full_matrices=False)
    largest = U.gather(-2, U.abs().argmax(-2, keepdim=True))[..., 0, :]
    sign = largest.sign() * (s > max(G.shape[-2:]) * torch.finfo(s.dtype).eps * s[..., :1])
    U, Vt = (F.pad(t, (0, max(0, 2 * r - t.shape[-1]))) for t in (U * sign[..., None, :], Vt.mT * sign[..., None, :]))
    one, two = slice(0, r), slice(r, 2 * r)
    at, then = (one, two) if first == "A" else (two, one)
    return U[..., at].to(G.dtype, copy=True), Vt[..., then].mT.to(G.dtype, copy=True)  # a slice would keep all of U


# ---- Adam's first step


def halves(A, B, G):
    """The two terms of Adam's first step from A_0, B_0, over −η and to first order."""
    return A @ (A.mT @ G).sign(), (G @ B.mT).sign() @ B


def fitted(A, B, G):
    """‖a A sign(AᵀG) + b sign(GBᵀ) B − sign G‖² / ‖sign G‖² with the best factors a and b, and these, in a pair."""
    (P, Q), T = halves(A, B, G), G.sign()
    dot = lambda X, Y: (X * Y).sum((-2, -1))
    gram = torch.stack((dot(P, P), dot(P, Q), dot(Q, P), dot(Q, Q)), -1).unflatten(-1, (2, 2))
    ab = torch.linalg.solve(gram, torch.stack((dot(P, T), dot(Q, T)), -1))
    left = ab[..., :1, None] * P + ab[..., 1:, None] * Q - T
    return dot(left, left) / dot(T, T), ab


def scaled(A, B, G):
    """a A and b B with the factors that `fitted` finds."""
    ab = fitted(A, B, G)[1]
    return ab[..., :1, None] * A, ab[..., 1:, None] * B


def searched(G, r, noise, steps=300):
    """A start that makes `fitted` small, for G (S, n, m): the best of four searches, scaled.

    They begin at LoRA-GA's start for G and for sign G, and at two random ones from noise (S, 2, ·, 2r). The sign is
    replaced by tanh(k z), z over its root mean square, with k growing from 1 to 50; Adam does the steps.
    """
    made = [lora_ga(G, r), lora_ga(G.sign(), r), *(orthonormal(G, r, noise[..., i * r :]) for i in range(2))]
    A, B = (torch.stack(t, 1) for t in zip(*made, strict=True))
    A, B = (t.requires_grad_() for t in scaled(A, B, G[:, None]))
    soft = lambda Z, k: torch.tanh(k * Z / Z.detach().square().mean((-2, -1), True).sqrt())
    optimizer = torch.optim.Adam([A, B], lr=0.03)
    many, signs = G[:, None].repeat(1, len(made), 1, 1), G[:, None].sign()
    for k in np.geomspace(1, 50, steps):
        optimizer.zero_grad()
        left = A @ soft(A.mT @ many, k) + soft(many @ B.mT, k) @ B - signs
        left.square().mean((-2, -1)).sum().backward()
        optimizer.step()
    A, B, rows = A.detach(), B.detach(), torch.arange(len(G))
    best = fitted(A, B, G[:, None])[0].argmin(1)
    return scaled(A[rows, best], B[rows, best], G)


# ---- the networks


def net(x, Ws):
    """x (S, N, 64) through ReLU layers, matrices (S, k, ·, ·) of k variants: (S, k, N, 10)."""
    x = x[:, None]
    for W in Ws[:-1]:
        x = (x @ W).relu()
    return x @ Ws[-1]


def losses(data, Ws, smooth=0.0):
    """Mean cross-entropy of S networks in k variants each: (S, k)."""
    logp = net(data[0], Ws).log_softmax(-1)
    right = logp.gather(-1, data[1][:, None, :, None].expand(-1, logp.shape[1], -1, -1))[..., 0]
    return -((1 - smooth) * right + smooth * logp.mean(-1)).mean(-1)


def accuracies(data, Ws):
    """Share of right answers of S networks in k variants each: (S, k)."""
    return (net(data[0], Ws).argmax(-1) == data[1][:, None]).double().mean(-1)


def sgd(g, memory, k):
    return g


def train(parts, data, batches, rule, rates, marks=(), smooth=0.0):
    """{step: matrices (S, k, ·, ·)} for the steps in marks and the last one; k learning rates at once.

    A part is, for one matrix, the tensors (S, ·, ·) that are trained and how W is built of them. `data` is x (S, N, 64)
    and the answers (S, N); `batches` (steps, S, b) says which of the N each step sees.
    """
    rate = torch.tensor(rates, dtype=torch.float64)[:, None, None]  # whatever the default is
    rows = torch.arange(batches.shape[1])[:, None]
    copy = lambda t: t[:, None].repeat(1, len(rates), 1, 1).requires_grad_()
    groups = [([copy(t) for t in start], build) for start, build in parts]
    leaves = [t for group, _ in groups for t in group]
    memory, kept = [torch.zeros(2, *t.shape, dtype=t.dtype) for t in leaves], {}
    for k, at in enumerate(batches, 1):
        loss = losses([t[rows, at] for t in data], [build(*group) for group, build in groups], smooth)
        slopes = torch.autograd.grad(loss.sum(), leaves)
        with torch.no_grad():
            for t, g, m in zip(leaves, slopes, memory, strict=True):
                t -= rate.to(t) * rule(g, m, k)
            if k in marks or k == len(batches):
                kept[k] = [build(*group).clone() for group, build in groups]
    return kept


class Task:
    """Networks that have learned the digits and are to learn them mirrored.

    Each number is a network with random numbers of its own: start, split of the images, batches. Trained along with
    others it is the same. `W` holds the three matrices (S, ·, ·), `tune` and `test` the mirrored images with their
    answers, `old` those of before, `G` the gradients at W over all of `tune`, `batches` what each step sees.
    """

    def __init__(self, networks, steps=300, dtype=torch.float64):
        images, targets = load_digits(return_X_y=True)
        images, targets = torch.tensor(images / 16, dtype=dtype), torch.tensor(targets)
        mirrored = images.unflatten(1, (8, 8)).flip(2).flatten(1)
        draws = [torch.Generator().manual_seed(number) for number in networks]
        each = lambda make: torch.stack([make(draw) for draw in draws])
        order = each(lambda g: torch.randperm(len(images), generator=g))
        fresh = [each(lambda g, s=s: torch.randn(s, generator=g, dtype=dtype) * (2 / s[0]) ** 0.5) for s in SIZES]
        draw = lambda n, steps, size: each(lambda g: torch.randint(n, (steps, size), generator=g)).movedim(1, 0)
        first, self.batches = draw(800, 300, 128), draw(480, steps, 128)
        self.noise = [each(lambda g, s=s: torch.randn(2, max(s), 16, generator=g, dtype=dtype)) for s in SIZES]
        old, tune, test = order[:, :800], order[:, 800:1280], order[:, 1280:1680]
        self.old = images[old], targets[old]
        self.tune, self.test = ((mirrored[i], targets[i]) for i in (tune, test))
        parts = [((W,), lambda W: W) for W in fresh]
        self.W = [W[:, 0] for W in train(parts, self.old, first, adam, [3e-3], smooth=0.1)[300]]
        self.G = self.gradients(self.tune)

    def gradients(self, data):
        """The gradients (S, n, m) of the loss over `data` at W."""
        leaves = [W[:, None].clone().requires_grad_() for W in self.W]
        return [g[:, 0] for g in torch.autograd.grad(losses(data, leaves).sum(), leaves)]


# ---- the starts that chapter 5 compares


def orthonormal(G, r, noise):
    """A_0 with orthonormal columns and B_0 with orthonormal rows, random: of noise (S, 2, ≥ max(n, m), ≥ r)."""
    n, m = G.shape[-2:]
    return torch.linalg.qr(noise[:, 0, :n, :r])[0], torch.linalg.qr(noise[:, 1, :m, :r])[0].mT


def usual(W, r, noise):
    """LoRA's usual start: A_0 uniform in ±1/√n, B_0 zero."""
    n, m = W.shape[-2:]
    return (2 * torch.special.ndtr(noise[:, 0, :n, :r]) - 1) / n**0.5, W.new_zeros(len(W), r, m)


SPLIT = {  # each a pair (A_0, B_0) for the gradients G
    "random": orthonormal,
    "gradient": lambda G, r, noise: lora_ga(G, r),
    "swapped": lambda G, r, noise: lora_ga(G, r, first="B"),
    "mirrored": lambda G, r, noise: (lora_ga(G, r)[0] * 0, lora_ga(G, r, first="B")[1]),
    "reversed": lambda G, r, noise: (lora_ga(G, r)[0], lora_ga(G, r)[1].flip(-2)),
    "sign": lambda G, r, noise: scaled(*lora_ga(G.sign(), r), G),
    "searched": searched,
}
SIZED = {"random": (0.5, 1, 2, 4, 8), **dict.fromkeys(("gradient", "sign", "searched"), (0.25, 0.5, 1, 2))}
CROSSED = [(way, half, size) for way in ("random", "gradient") for half in (True, False) for size in SIZED[way]]
OTHERS = [(way, False, 1) for way in ("swapped", "mirrored", "reversed")]
ADAMS = [(way, False, size) for way in ("sign", "searched") for size in SIZED[way]]
STARTS = ["full", "LoRA", *CROSSED, *OTHERS, *ADAMS, ("gradient", True, 4)]  # half: B_0 = 0
RULES = {"SGD": (sgd, [2.0**k for k in range(-7, 3)]), "Adam": (adam, [2.0**k for k in range(-9, -1)])}
RANKS, MARKS, FEW, CUTS = (2, 8), (1, 3, 10, 30), (60, 120, 240, 480), ("twice", "gained", "twice by B")


def offered(rule, start):
    """The learning rates that a start may choose from: smaller above size 2, for equal steps, but for random A."""
    size = start[2] if len(start) == 3 and start[:2] != ("random", True) else 1
    return [rate * min(1, 2 / size) ** {"SGD": 2, "Adam": 1}[rule] for rate in RULES[rule][1]]


def parts(task, G, start, r):
    """What is trained of each matrix from one of STARTS, given the gradients G."""
    if start == "full":
        return [((W,), lambda W: W) for W in task.W]
    made = []
    for W, slope, noise in zip(task.W, G, task.noise, strict=True):
        way, half, size = ("LoRA", False, 1) if start == "LoRA" else start
        A, B = usual(W, r, noise) if start == "LoRA" else SPLIT[way](slope, r, noise)
        made.append(adapter(W, size * A, size * B * (not half), 8 / r if start == "LoRA" else 1))
    return made


def adapter(W, A, B, lam=1):
    """The factors of one matrix, to be trained, and how W is built of them."""
    frozen = (W - lam * A @ B)[:, None]  # the same at every learning rate
    return (A, B), lambda A, B: frozen + lam * A @ B


def fixed_A(W, A, B):
    """As `adapter`, but B alone is trained."""
    (A, B), build = adapter(W, A, B)
    return (B,), partial(build, A[:, None])


def without(W, A, B, part):
    """As `adapter`, but a factor's steps leave off a part of what the start makes of them: LoRA-GA of size 1 is meant.

    With P = A_0 A_0ᵀ, Q = B_0ᵀ B_0 and the gradient g of W, A's gradient is g Bᵀ less P g B_0ᵀ ("twice": what both
    factors step) or less (I − P) g B_0ᵀ ("gained"), or B's is Aᵀ g less A_0ᵀ g Q ("twice by B").
    """
    factors, build = adapter(W, A, B)
    P, Q, one, two = (t[:, None] for t in (A @ A.mT, B.mT @ B, A, B))
    if part == "twice by B":
        return factors, lambda A, B: build(A, B) - one @ (B - B.detach()) @ Q  # nothing, but its slope is not
    off = P if part == "twice" else torch.eye(P.shape[-1]).to(P) - P
    return factors, lambda A, B: build(A, B) - off @ (A - A.detach()) @ two


def with_cut(task, r, part):
    """The loss after ten steps of SGD from LoRA-GA, at each network's best rate, but `without` a part: (S,)."""
    made = [without(W, *lora_ga(G, r), part) for W, G in zip(task.W, task.G, strict=True)]
    [Ws] = train(made, task.tune, task.batches[:10], *RULES["SGD"]).values()
    return losses(task.tune, Ws).nan_to_num(torch.inf).amin(1)


def with_frozen(task, rule, r):
    """Gradient A with A frozen, so that its size is a learning rate: the loss after MARKS at best rates, (mark, S)."""
    pairs = [lora_ga(G, r) for G in task.G]
    made = [fixed_A(W, A, 0 * B) for W, (A, B) in zip(task.W, pairs, strict=True)]
    kept = train(made, task.tune, task.batches[: MARKS[-1]], *RULES[rule], MARKS)
    return torch.stack([losses(task.tune, kept[k]).nan_to_num(torch.inf).amin(1) for k in MARKS])


def mean_error(samples):
    """Mean over the last axis, and its standard error."""
    samples = np.asarray(samples)
    return samples.mean(-1), samples.std(-1, ddof=1) / samples.shape[-1] ** 0.5


def at_best(values, loss):
    """Of values (S, k) those at the learning rate with the least loss: (S,)."""
    return values.gather(1, loss.argmin(1, keepdim=True))[:, 0]


def measure(task, rule, start, r, far, own):
    """One start under one rule, from step to step.

    Gives {"loss": after each of MARKS at each network's best learning rate, "rate": that rate's number, "there": the
    distance from the path `far` of full fine-tuning at that rate, "gap": at the rate that is nearest}, each (mark, S),
    and "aside": after ten steps the distance in direction from `own`, the change of the matrices by full fine-tuning at
    its own best rate, (S,).
    """
    how = RULES[rule][0], offered(rule, start)
    kept = train(parts(task, task.G, start, r), task.tune, task.batches[: MARKS[-1]], *how, MARKS)
    loss = torch.stack([losses(task.tune, kept[k]).nan_to_num(torch.inf) for k in MARKS])
    gap = torch.stack([distance(kept[k], far[k], task.W) for k in MARKS])
    there = gap.gather(-1, loss.argmin(-1, keepdim=True))[..., 0]
    aside = in_direction(change(task, kept[10], loss[MARKS.index(10)]), own)
    return {"loss": loss.amin(-1), "rate": loss.argmin(-1), "there": there, "gap": gap.amin(-1), "aside": aside}


def change(task, Ws, loss):
    """How far all matrices of a network have gone at the rate of the least loss (S, k), in one row: (S, ·)."""
    at = torch.arange(len(loss)), loss.argmin(1)
    return torch.cat([(W[at] - W_0).flatten(1) for W, W_0 in zip(Ws, task.W, strict=True)], 1)


def full_change(task, rule, steps=10):
    """The change by full fine-tuning after ten steps, for each network at its own best rate: (S, ·)."""
    made = parts(task, task.G, "full", None), task.tune, task.batches[:steps]
    [Ws] = train(*made, *RULES[rule]).values()
    return change(task, Ws, losses(task.tune, Ws).nan_to_num(torch.inf))


def in_direction(moved, whole):
    """Distance of changes (S, ·) at their best lengths, relative: the sine of the angle between them, (S,)."""
    cos = (moved * whole).sum(1) / moved.norm(dim=1) / whole.norm(dim=1)
    return (1 - cos**2).clamp(min=0).sqrt()


def distance(Ws, to, since):
    """‖W − to‖ / ‖to − since‖ over all matrices, for each of k variants: (S, k)."""
    square = lambda parts: sum(part.square().sum((2, 3)) for part in parts)
    off = square([W - end for W, end in zip(Ws, to, strict=True)])
    gone = square([end - W[:, None] for end, W in zip(to, since, strict=True)])
    return (off / gone).sqrt().nan_to_num(torch.inf)


def full_path(task, rule, steps=MARKS[-1], marks=MARKS):
    """Where full fine-tuning stands after each of marks, at the rate 2⁻³ (SGD) or 2⁻⁷ (Adam)."""
    rate = {"SGD": 2.0**-3, "Adam": 2.0**-7}[rule]
    return train(parts(task, task.G, "full", None), task.tune, task.batches[:steps], RULES[rule][0], [rate], marks)


def lots(task, N):
    """Which of N images each step sees, drawn with replacement: N // 16 steps of 32, about 2 N draws; and 30 of 128."""
    return (task.batches % N)[: N // 16, :, :32], (task.batches % N)[:30]


def with_few(task, rule, start, N):
    """Share of right test answers from N images, r = 8, after each of the two `lots`: (2, S)."""
    data, found = [t[:, :N] for t in task.tune], []
    for batches in lots(task, N):
        [Ws] = train(parts(task, task.gradients(data), start, 8), data, batches, *RULES[rule]).values()
        found.append(at_best(accuracies(task.test, Ws), losses(data, Ws).nan_to_num(torch.inf)))
    return torch.stack(found)


def experiment(task, ranks=RANKS, starts=STARTS, few=FEW, rules=RULES):
    """What chapter 5 ships, as arrays: loss, rate, there, gap (rule, r, start, mark, S), few (rule, start, N, 2, S).

    And aside (rule, r, start, S); cut (r, part, S): LoRA-GA under SGD without each of CUTS; frozen (rule, r, mark, S):
    gradient A with A frozen.
    """
    S = len(task.W[0])
    found, right, held = {"loss": [], "rate": [], "there": [], "gap": [], "aside": []}, [], []
    for rule in rules:
        far, own = full_path(task, rule), full_change(task, rule)
        whole = measure(task, rule, "full", None, far, own) if "full" in starts else None  # it has no rank
        for r in ranks:
            for start in starts:
                one = whole if start == "full" else measure(task, rule, start, r, far, own)
                for name, rows in found.items():
                    rows.append(one[name])
            held.append(with_frozen(task, rule, r))
        right += [with_few(task, rule, start, N) for start in ("LoRA", ("gradient", False, 1)) for N in few]
    shape, each = (len(rules), len(ranks), len(starts)), {"aside": (S,)}
    shapes = {name: (*shape, *each.get(name, (len(MARKS), S))) for name in found}
    arrays = {name: torch.stack(rows).reshape(shapes[name]).numpy() for name, rows in found.items()}
    arrays = {name: a.astype({"rate": np.int8, "loss": np.float64}.get(name, np.float32)) for name, a in arrays.items()}
    if few:
        arrays["few"] = torch.stack(right).reshape(len(rules), 2, len(few), 2, S).numpy()
    cut = torch.stack([with_cut(task, r, part) for r in ranks for part in CUTS])
    arrays["cut"] = cut.view(len(ranks), len(CUTS), -1).numpy()
    arrays["frozen"] = torch.stack(held).view(len(rules), len(ranks), len(MARKS), S).numpy()
    return arrays


class Live(TorchDispatchMode):
    """Counts the bytes of the tensors made inside: `now`, and at the `peak`. Exact, and the same in each run."""

    def __init__(self):
        super().__init__()
        self.now, self.peak, self.known = 0, 0, set()

    def gone(self, key, size):
        self.now -= size
        self.known.discard(key)

    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        storages = lambda tree: {
            t.untyped_storage()._cdata: t.untyped_storage() for t in tree_leaves(tree) if torch.is_tensor(t)
        }
        before, out = storages((args, kwargs)), f(*args, **(kwargs or {}))
        for key, storage in storages(out).items():
            if key not in before and key not in self.known:
                self.known.add(key)
                self.now += storage.nbytes()
                weakref.finalize(storage, self.gone, key, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return out


def differences(made, shipped):
    """{what: (largest difference, what is allowed)} of two files; of 400 images two may fall on the other side."""
    limits = {"loss": 1e-3, "there": 1e-3, "gap": 1e-3, "aside": 1e-3, "cut": 1e-3, "frozen": 1e-3, "few": 0.006}
    return {name: (float(np.abs(made[name] - shipped[name]).max()), limit) for name, limit in limits.items()}


def main():
    command(lambda file: experiment(Task(range(24))), differences)


if __name__ == "__main__":
    main()
