"""helpers.lora: the start against its definition and nasty input, the training against torch.optim, what is shipped."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch.linalg import svd, svdvals

from helpers import lora
from helpers.lora import Task, lora_ga

SHIPPED = Path(__file__).parents[1] / "notebooks" / "05_lora_ga.npz"
DOUBLE = {"dtype": torch.float64}


@pytest.fixture(scope="module")
def task():
    return Task([3, 7], steps=30)


def gauss(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **DOUBLE)


def misses(A, B, G):
    return (A @ A.mT @ G + G @ B.mT @ B - G).square().sum((-2, -1))


@pytest.mark.parametrize("first", ["A", "B"])
@pytest.mark.parametrize("shape", [(9, 7), (7, 9), (5, 5), (3, 2, 6, 4), (1, 4), (4, 1)])
def test_the_start_attains_the_bound(shape, first):
    G = gauss(*shape)
    for r in range(1, min(shape[-2:]) + 1):
        A, B = lora_ga(G, r, first)
        assert A.shape == (*shape[:-1], r) and B.shape == (*shape[:-2], r, shape[-1])
        least = svdvals(G)[..., 2 * r :].square().sum(-1)
        torch.testing.assert_close(misses(A, B, G), least, atol=1e-12, rtol=0)


def test_each_factor_takes_its_directions():
    G = torch.diag(torch.tensor([1.0, 5.0, 3.0, 2.0], **DOUBLE))
    A, B = lora_ga(G, 2)
    assert torch.equal(A, torch.eye(4, **DOUBLE)[:, [1, 2]]) and torch.equal(B, torch.eye(4, **DOUBLE)[[3, 0]])
    A, B = lora_ga(G, 2, first="B")
    assert torch.equal(A, torch.eye(4, **DOUBLE)[:, [3, 0]]) and torch.equal(B, torch.eye(4, **DOUBLE)[[1, 2]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_few_bits(dtype):
    G = gauss(8, 6).to(dtype)
    A, B = lora_ga(G, 2)
    assert A.dtype == B.dtype == dtype
    exact = lora_ga(G.double(), 2)
    for got, want in zip((A, B), exact, strict=True):
        torch.testing.assert_close(got.double(), want, atol=torch.finfo(dtype).eps + 1e-5, rtol=0)


def test_what_exceeds_the_rank_is_zero():
    G = gauss(8, 2) @ gauss(2, 6, seed=1)
    A, B = lora_ga(G, 3)
    assert not A[:, 2].any() and not B.any() and A[:, :2].any(0).all()
    A, B = lora_ga(torch.zeros(3, 4), 2)
    assert not A.any() and not B.any()


def test_a_small_direction_of_a_large_batch_is_kept():
    G = torch.diag(torch.tensor([1.0, 5e-15], **DOUBLE)).expand(60, 2, 2)
    assert lora_ga(G, 1)[1].abs().sum((1, 2)).min() == 1


def test_what_is_rounding_is_measured_by_the_longer_side():
    G = torch.zeros(100, 2, **DOUBLE)
    G[0, 0], G[1, 1] = 1, 5e-15  # below 100 ε, above 2 ε
    assert not lora_ga(G, 1)[1].any() and not lora_ga(G.T, 1)[1].any()


def test_the_largest_entry_of_a_column_is_positive():
    A = lora_ga(gauss(20, 9, 7), 3)[0]
    assert (A.gather(1, A.abs().argmax(1, keepdim=True)) > 0).all()
    assert torch.equal(lora_ga(-gauss(9, 7), 3)[0], lora_ga(gauss(9, 7), 3)[0])


def test_the_start_holds_no_more_memory_than_it_needs():
    for t in lora_ga(gauss(64, 64), 2):
        assert t.untyped_storage().nbytes() == t.nbytes


@pytest.mark.parametrize(
    ("G", "r", "first", "error", "says"),
    [
        (np.ones((3, 3)), 1, "A", TypeError, "G is float64; it must be a dense torch tensor"),
        ([[1.0]], 1, "A", TypeError, "G is list"),
        (torch.ones(3, 3, dtype=torch.int64), 1, "A", TypeError, "G is torch.int64"),
        (torch.ones(3, 3, dtype=torch.complex64), 1, "A", TypeError, "G is torch.complex64"),
        (torch.eye(3).to_sparse(), 1, "A", TypeError, "dense"),
        (torch.ones(3), 1, "A", ValueError, r"G has shape \(3,\)"),
        (torch.ones(0, 3), 1, "A", ValueError, "not empty"),
        (torch.tensor([[1.0, float("nan")]]), 1, "A", ValueError, "G holds NaN or infinity"),
        (torch.tensor([[1.0, float("inf")]]), 1, "A", ValueError, "G holds NaN or infinity"),
        (torch.ones(3, 4), 0, "A", ValueError, "r is 0; it must lie between 1 and 3"),
        (torch.ones(3, 4), 4, "A", ValueError, "r is 4"),
        (torch.ones(3, 4), 2.0, "A", TypeError, "r is 2.0; it must be a whole number"),
        (torch.ones(3, 4), True, "A", TypeError, "r is True"),
        (torch.ones(3, 4), 1, "C", ValueError, "first is 'C'"),
    ],
)
def test_bad_input_is_named(G, r, first, error, says):
    with pytest.raises(error, match=says):
        lora_ga(G, r, first)


# ---- training


@pytest.mark.parametrize(("rule", "torchs"), [(lora.sgd, torch.optim.SGD), (lora.adam, torch.optim.Adam)])
def test_training_is_that_of_torch(task, rule, torchs):
    rates = [2.0**-4, 2.0**-7]
    kept = lora.train(lora.parts(task, task.G, ("gradient", False, 1), 2), task.tune, task.batches, rule, rates, (1, 5))
    assert list(kept) == [1, 5, 30]
    for net in range(2):
        for k, rate in enumerate(rates):
            pairs = [[t[net].clone().requires_grad_() for t in lora_ga(G, 2)] for G in task.G]
            frozen = [W[net] - (A @ B).detach() for W, (A, B) in zip(task.W, pairs, strict=True)]
            build = lambda pairs=pairs, frozen=frozen: [F + A @ B for F, (A, B) in zip(frozen, pairs, strict=True)]
            optimizer = torchs([t for pair in pairs for t in pair], lr=rate)
            for now, at in enumerate(task.batches[:, net], 1):
                out = task.tune[0][net, at]
                for W in build()[:-1]:
                    out = (out @ W).relu()
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(out @ build()[-1], task.tune[1][net, at]).backward()
                optimizer.step()
                for W, want in zip(kept.get(now, []), build(), strict=now in kept):
                    torch.testing.assert_close(W[net, k], want.detach(), atol=1e-7, rtol=0)


def test_losses_and_accuracies_are_those_of_torch(task):
    Ws = [torch.stack((W, 0.5 * W), 1) for W in task.W]
    out = lora.net(task.test[0], Ws)
    for k in range(2):
        for net in range(2):
            cross = torch.nn.functional.cross_entropy(out[net, k], task.test[1][net], label_smoothing=0.1)
            torch.testing.assert_close(lora.losses(task.test, Ws, 0.1)[net, k], cross)
    right = (out.argmax(-1) == task.test[1][:, None]).double().mean(-1)
    assert torch.equal(lora.accuracies(task.test, Ws), right)


def test_networks_have_learned_the_digits_and_not_the_mirrored_ones(task):
    Ws = [W[:, None] for W in task.W]
    assert lora.accuracies(task.old, Ws).min() > 0.98 and lora.accuracies(task.test, Ws).max() < 0.6
    pixels = [set(map(bytes, part[0][0].numpy())) for part in (task.tune, task.test)]
    assert not pixels[0] & pixels[1]


def test_a_network_is_the_same_in_other_company(task):
    alone = Task([7], steps=30)
    for one, both in zip((*alone.W, *alone.G), (*task.W, *task.G), strict=True):
        torch.testing.assert_close(one[0], both[1], atol=1e-9, rtol=0)
    assert torch.equal(alone.batches[:, 0], task.batches[:, 1])


def test_the_default_dtype_changes_nothing(task):
    """The command runs with torch's own, the page with float64."""
    was = torch.get_default_dtype()
    made = []
    try:
        for dtype in (torch.float32, torch.float64):
            torch.set_default_dtype(dtype)
            parts = lora.parts(task, task.G, "full", 2)
            made.append(lora.train(parts, task.tune, task.batches[:3], lora.adam, [3e-3])[3])
    finally:
        torch.set_default_dtype(was)
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))


@pytest.mark.parametrize("start", lora.STARTS, ids=str)
def test_every_start_begins_with_the_pretrained_function(task, start):
    for W, (tensors, build) in zip(task.W, lora.parts(task, task.G, start, 2), strict=True):
        torch.testing.assert_close(build(*(t[:, None] for t in tensors))[:, 0], W, atol=1e-12, rtol=0)
        if start != "full":
            half = start == "LoRA" or start[1]
            assert tensors[1].any() != half


@pytest.mark.parametrize("part", lora.CUTS)
def test_a_cut_leaves_the_function_and_takes_its_part_of_the_slope(task, part):
    W, G = task.W[0], task.G[0]
    A_0, B_0 = lora_ga(G, 3)
    _, build = lora.without(W, A_0, B_0, part)
    A, B = (gauss(*t.shape, seed=k)[:, None].requires_grad_() for k, t in enumerate((A_0, B_0)))
    made = build(A, B)
    torch.testing.assert_close(made, (W - A_0 @ B_0)[:, None] + A @ B, atol=1e-12, rtol=0)
    g = gauss(*made.shape, seed=5)
    slopes = torch.autograd.grad((g * made).sum(), (A, B))
    P, Q, now = A_0 @ A_0.mT, B_0.mT @ B_0, g[:, 0]
    lost = {
        "twice": (P @ now @ B_0.mT, 0 * B_0),
        "gained": ((torch.eye(64, **DOUBLE) - P) @ now @ B_0.mT, 0 * B_0),
        "twice by B": (0 * A_0, A_0.mT @ now @ Q),
    }[part]
    torch.testing.assert_close(slopes[0], g @ B.mT - lost[0][:, None], atol=1e-12, rtol=0)
    torch.testing.assert_close(slopes[1], A.mT @ g - lost[1][:, None], atol=1e-12, rtol=0)


def test_the_random_starts_are_what_they_say(task):
    W, noise = task.W[0], task.noise[0]
    A, B = lora.orthonormal(W, 3, noise)
    for M in (A.mT @ A, B @ B.mT):
        torch.testing.assert_close(M, torch.eye(3, **DOUBLE).expand(2, 3, 3), atol=1e-12, rtol=0)
    A, B = lora.usual(W, 8, noise)
    assert not B.any() and A.abs().max() <= 1 / 8 and abs(A.var() * 64 * 3 - 1) < 0.1


def test_swapped_mirrored_and_reversed(task):
    G, noise = task.G[0], task.noise[0]
    (A, B), (C, D) = (lora.SPLIT[name](G, 2, noise) for name in ("gradient", "swapped"))
    U, _, Vt = svd(G)
    for columns, part in ((A, U[:, :, :2]), (C, U[:, :, 2:4]), (B.mT, Vt[:, 2:4].mT), (D.mT, Vt[:, :2].mT)):
        torch.testing.assert_close((columns.mT @ part).abs(), torch.eye(2, **DOUBLE).expand(2, 2, 2), atol=1e-9, rtol=0)
    zero, E = lora.SPLIT["mirrored"](G, 2, noise)
    assert not zero.any() and torch.equal(E, D)
    assert torch.equal(lora.SPLIT["reversed"](G, 2, noise)[1], B.flip(1))


def test_the_path_of_full_fine_tuning_has_no_distance_from_itself(task):
    path = lora.full_path(task, "SGD", 10, (1, 10))
    assert list(path) == [1, 10]
    assert lora.distance(path[10], path[10], task.W).max() == 0
    still = [W[:, None] for W in task.W]
    torch.testing.assert_close(lora.distance(still, path[10], task.W), torch.ones(2, 1, **DOUBLE))


def test_a_change_has_no_angle_with_itself_whatever_its_length(task):
    own = lora.full_change(task, "SGD", 3)
    assert own.shape == (2, sum(W[0].numel() for W in task.W))
    torch.testing.assert_close(lora.in_direction(3 * own, own), own.new_zeros(2), atol=1e-7, rtol=0)
    across = gauss(*own.shape)
    across -= (across * own).sum(1, keepdim=True) / own.square().sum(1, keepdim=True) * own
    torch.testing.assert_close(lora.in_direction(across, own), own.new_ones(2))
    equal = across / across.norm(dim=1, keepdim=True) + own / own.norm(dim=1, keepdim=True)
    torch.testing.assert_close(lora.in_direction(equal, own), own.new_full((2,), 0.5**0.5))


def test_the_change_is_that_at_the_rate_of_the_least_loss(task):
    Ws = [torch.stack([W, W + 1, W + 2], 1) for W in task.W]
    moved = lora.change(task, Ws, torch.tensor([[3.0, 1.0, 2.0], [5.0, 4.0, 0.5]]))
    torch.testing.assert_close(moved, torch.stack([torch.ones_like(moved[0]), 2 * torch.ones_like(moved[1])]))


def test_random_pairs_have_the_shape_of_the_gradient():
    A, B = lora.orthonormal(gauss(2, 10, 64), 3, gauss(2, 2, 64, 16))
    assert A.shape == (2, 10, 3) and B.shape == (2, 3, 64)
    A, B = lora.usual(gauss(2, 10, 64), 3, gauss(2, 2, 64, 16))
    assert A.shape == (2, 10, 3) and B.shape == (2, 3, 64)


def test_mean_and_standard_error():
    samples = np.arange(12.0).reshape(2, 6) ** 2
    mean, error = lora.mean_error(samples)
    np.testing.assert_allclose(mean, samples.mean(1))
    np.testing.assert_allclose(error, stats.sem(samples, axis=1))


def test_the_best_rate_is_that_of_the_least_loss():
    loss = torch.tensor([[3.0, 1.0, 2.0], [0.5, 9.0, 9.0]])
    assert lora.at_best(loss * 10, loss).tolist() == [10, 5]


# ---- Adam's first step


def test_the_fitted_factors_are_the_best(task):
    G = task.G[0]
    A, B = lora_ga(G, 2)
    share, ab = lora.fitted(A, B, G)
    P, Q = lora.halves(A, B, G)
    left = lambda a, b: ((a * P + b * Q - G.sign()) ** 2).sum((1, 2)) / G.sign().square().sum((1, 2))
    a, b = ab[:, :1, None], ab[:, 1:, None]
    torch.testing.assert_close(share, left(a, b))
    assert all((left(x * a, y * b) > share).all() for x, y in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99)))
    torch.testing.assert_close(lora.scaled(A, B, G)[0], a * A)


def test_the_search_finds_better_starts(task):
    for G, noise in zip(task.G[:2], task.noise[:2], strict=True):
        found = lora.fitted(*lora.searched(G, 2, noise), G)[0]
        assert all((found < lora.fitted(*lora_ga(H, 2), G)[0]).all() for H in (G, G.sign()))


def test_the_search_knows_nothing_of_the_size_of_the_gradient(task):
    G, noise = task.G[0], task.noise[0]
    for one, two in zip(lora.searched(G, 2, noise, 50), lora.searched(1024 * G, 2, noise, 50), strict=True):
        assert torch.equal(one, two)


# ---- memory, and what is shipped


def test_live_counts_bytes():
    before = torch.zeros(5000, dtype=torch.uint8)
    with lora.Live() as live:
        half = before[:2500]  # nothing new
        assert (live.now, live.peak, len(half)) == (0, 0, 2500)
        one = torch.zeros(1000, dtype=torch.uint8)
        two = one[:500]  # a view costs nothing
        three = torch.ones(300, dtype=torch.uint8)
        del one
        assert live.now == 1300
        del two
        assert (live.now, live.peak) == (300, 1300)
        del three
    assert live.now == 0


def test_what_is_shipped_is_whole_and_small():
    assert SHIPPED.stat().st_size < 200_000
    arrays = np.load(SHIPPED)
    shape = (2, 2, len(lora.STARTS), len(lora.MARKS), 24)
    assert {name: arrays[name].shape for name in arrays} == {
        "loss": shape, "rate": shape, "there": shape, "gap": shape, "few": (2, 2, len(lora.FEW), 2, 24),
        "aside": (2, 2, len(lora.STARTS), 24), "cut": (2, len(lora.CUTS), 24), "frozen": (2, 2, len(lora.MARKS), 24)
    }  # fmt: skip
    assert all(np.isfinite(arrays[name]).all() for name in arrays)


def test_the_command_makes_and_compares(tmp_path, monkeypatch):
    small = {"starts": ["full", "LoRA"], "ranks": (2,), "few": (60,), "rules": ["SGD"]}
    one, whole = Task([0]), lora.experiment
    monkeypatch.setattr(lora, "Task", {range(24): one}.__getitem__)  # nothing else is asked for
    monkeypatch.setattr(lora, "experiment", lambda task: whole(task, **small))
    made, other = str(tmp_path / "made.npz"), str(tmp_path / "other.npz")
    monkeypatch.setattr("sys.argv", ["lora", made])
    lora.main()
    arrays = dict(np.load(made))
    for change, says in ((1e-9, "0"), (0.01, "differs")):
        np.savez(other, **(arrays | {"loss": arrays["loss"] + change * np.eye(len(arrays["loss"].T))[0]}))
        monkeypatch.setattr("sys.argv", ["lora", made, "--compare", other])
        with pytest.raises(SystemExit, match=says):
            lora.main()
