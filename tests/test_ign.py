"""helpers.ign: the optimizer against torch's, the measures against cases by hand, networks alone and together."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ttest_ind

from helpers import ign
from helpers.ign import Setting

SHIPPED = Path(__file__).parents[1] / "notebooks" / "06_ign_as_gan.npz"


SMALL = {"seeds": [0, 1], "marks": (30, 60, 125), "film": (30, 125), "digit_steps": 0, "shown": (30, 125)}


@pytest.fixture(scope="module")
def small():
    """A small run of the experiment, whose best rates differ from mark to mark; and its runs, as (settings, kept)."""
    runs, trained = [], (ign.train_ign, ign.train_gan)

    def record(*args, train, at, **more):
        found = train(*args, **more)
        runs.append((args[at], found[0] if "tell" in more else found))
        return found

    ign.train_ign, ign.train_gan = (partial(record, train=train, at=i) for i, train in enumerate(trained))
    try:
        return ign.experiment(**SMALL), runs
    finally:
        ign.train_ign, ign.train_gan = trained


@pytest.fixture(scope="module")
def shipped():
    return dict(np.load(SHIPPED))


def gauss(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_adam_is_torch_s_with_a_rate_for_each_row():
    W, slopes = gauss(2, 5), gauss(7, 2, 5, seed=1)
    ours, rates = W.clone(), torch.tensor([[0.1], [0.02]], dtype=torch.float64)
    rule = ign.Adam(ours, rates)
    rows = [torch.nn.Parameter(row.clone()) for row in W]
    theirs = [torch.optim.Adam([row], lr=r.item(), betas=(0.5, 0.9)) for row, r in zip(rows, rates, strict=True)]
    for slope in slopes:
        rule(slope)
        for row, g, optimizer in zip(rows, slope, theirs, strict=True):
            row.grad = g.clone()
            optimizer.step()
    torch.testing.assert_close(ours, torch.stack([row.detach() for row in rows]))


def test_a_network_is_the_same_alone_and_along_with_others():
    one = Setting(3, "moons", 0.001)
    many = [Setting(0), Setting(3, "ring", 0.002), one, Setting(3, centre=3.0, turn=45.0, w_t=1.0, bound=False)]
    for train in (
        ign.train_ign,
        lambda s, k: ign.train_gan("EBGAN", s, k),
        lambda s, k: ign.train_gan("WGAN-GP", s, k),
    ):
        alone, together = train([one], [3]), train(many, [3])
        torch.testing.assert_close(alone[3][0], together[3][2], atol=1e-4, rtol=1e-3)
        assert not torch.equal(together[3][1], together[3][2])


def test_training_does_not_depend_on_the_default_dtype():
    before = torch.get_default_dtype()
    try:
        found = []
        for dtype in (torch.float32, torch.float64):
            torch.set_default_dtype(dtype)
            one = [Setting(1), Setting(2, "moons", centre=3.0)]
            kept, told = ign.train_ign(one, [2], tell=ign.players(one))
            found.append([kept[2], told[2].float(), ign.train_gan("WGAN-GP", one, [2])[2]])
    finally:
        torch.set_default_dtype(before)
    for a, b in zip(*found, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_layers_are_slices_in_order():
    widths = (2, 3, 2)
    W = torch.arange(2.0 * ign.size(*widths)).view(2, -1)
    net = ign.layers(W, widths)
    assert [(M.shape, b.shape) for M, b in net] == [((2, 2, 3), (2, 1, 3)), ((2, 3, 2), (2, 1, 2))]
    x = gauss(2, 5, 2).float()
    M, b = net[0]
    hidden = torch.nn.functional.silu(x[1] @ M[1] + b[1])
    torch.testing.assert_close(ign.run(net, x)[1], hidden @ net[1][0][1] + net[1][1][1])


def test_the_terms_by_hand():
    net = ign.layers(ign.fresh([0], 2, 4, 2), (2, 4, 2))
    G, (x, z) = lambda y: ign.run(net, y), gauss(2, 1, 6, 2).float()
    turn = ign.turns([Setting(0, turn=90.0)])
    torch.testing.assert_close(torch.tensor([[[1.0, 0.0]]]) @ turn, torch.tensor([[[0.0, 1.0]]]), atol=1e-6, rtol=0)
    mean = lambda v: (v**2).sum(-1).mean()
    want = [mean(G(x) - x @ turn), mean(G(G(z)) - G(z) @ turn), mean(G(G(z)) - G(z) @ turn)]
    torch.testing.assert_close(torch.cat(ign.terms(net, x, z, turn)), torch.stack(want))


def test_the_bound_is_one_and_a_half_times_the_reconstruction():
    net = ign.layers(ign.fresh([0, 0], 2, 4, 2), (2, 4, 2))
    x, z = gauss(2, 1, 6, 2).float().expand(2, 2, 6, 2)
    rec, tight, idem = ign.terms(net, x, z, torch.eye(2))
    judge, forger = ign.ign_losses(rec, tight, idem, torch.tensor([0.5, 0.5]), torch.tensor([True, False]))
    b = 1.5 * rec[0]
    torch.testing.assert_close(judge, torch.stack((rec[0] - 0.5 * b * (tight[0] / b).tanh(), rec[1] - 0.5 * tight[1])))
    torch.testing.assert_close(forger, idem)


def test_players_tell_weight_and_cosine():
    one = [Setting(0, bound=True, w_t=0.3), Setting(0, bound=False, w_t=0.3)]
    _, told = ign.train_ign(one, [2], tell=ign.players(one, batches=1))
    ratio, left, cosine = told[2].T
    torch.testing.assert_close(left[0], 0.3 / ratio[0].cosh() ** 2)
    assert left[1] == pytest.approx(0.3)
    assert (cosine.abs() <= 1).all()


def test_data():
    g = torch.Generator().manual_seed(0)
    x = ign.ring(4000, g)
    assert abs(x.norm(dim=1).mean() - 2) < 0.02
    assert ign.modes(x[None]) == 8
    y = ign.moons(4000, g)
    assert y.mean(0).abs().max() < 0.06  # symmetric under a half turn
    assert ign.mmd2(y[None, :2000], -y[None, 2000:])[0].abs() < 0.01


def test_modes_are_near_and_are_one_in_a_hundred():
    angle = torch.arange(8) * (torch.pi / 4)
    centres = 2 * torch.stack((angle.cos(), angle.sin()), -1)
    x = centres[[0] * 99 + [1]]
    assert ign.modes(x[None]) == 2
    assert ign.modes(centres[[0] * 199 + [1]][None]) == 1
    assert ign.modes(1.25 * x[None]) == 0  # half a unit away
    assert ign.modes(1.19 * x[None]) == 2


def test_reach():
    x = torch.arange(21.0)[:, None].expand(21, 2)[None]  # neighbours at the distance √2
    near, reached = ign.reach(torch.tensor([[[0.9, 0.9], [50.0, 50.0]]]), x)
    assert (near, reached) == (0.5, pytest.approx(2 / 21))  # 0 and 1 are within √2 of 0.9
    near, reached = ign.reach(x[:, 5:6], x)  # √2 is near, too
    assert (near, reached) == (1, pytest.approx(3 / 21))


def test_frechet_of_a_shift_and_of_a_scale():
    x = gauss(1, 500, 3)
    variance = x.var(1, correction=0).sum()
    assert ign.frechet(x, x)[0] == pytest.approx(0, abs=1e-9)
    assert ign.frechet(x + 2, x)[0] == pytest.approx(12 / variance)
    centred = x - x.mean(1, keepdim=True)
    assert ign.frechet(3 * centred, centred)[0] == pytest.approx(4)


def test_measure_of_known_maps():
    g = torch.Generator().manual_seed(1)
    x, z = ign.ring(300, g)[None], torch.randn(1, 300, 2, generator=g)
    names = list(ign.MEASURES)
    of = lambda G: dict(zip(names, ign.measure(G, x, z)[:, 0].tolist(), strict=True))
    assert of(lambda y: y)["moved"] == of(lambda y: y)["gap"] == of(lambda y: y)["rest"] == 0
    double = of(lambda y: 2 * y)
    assert double["gap"] == double["moved"] == double["rest"] == pytest.approx(1)


def test_samples_for_scores_are_others_than_those_of_training():
    one = [Setting(0)]
    trained = ign.Batches([0], ["ring"], [0.0])()
    seen = [trained, *(ign.sample(one, salt, 64) for salt in (2, 3, 4))]
    assert len({tuple(x[0, :3, 0].tolist()) for x, _ in seen}) == 4


@pytest.mark.parametrize(
    "call",
    [
        lambda: ign.train_ign([], [1]),
        lambda: ign.train_ign([(0, "ring")], [1]),
        lambda: ign.train_ign([Setting(0)], []),
        lambda: ign.train_ign([Setting(0)], [0]),
        lambda: ign.train_ign([Setting(0, rate=0.0)], [1]),
        lambda: ign.train_ign([Setting(0, w_t=-1.0)], [1]),
        lambda: ign.train_ign([Setting(0, "square")], [1]),
        lambda: ign.train_gan("GAN", [Setting(0)], [1]),
        lambda: ign.match("GAN"),
        lambda: ign.mmd2(gauss(1, 1, 2), gauss(1, 5, 2)),
        lambda: ign.mmd2(gauss(5, 2), gauss(5, 2)),
        lambda: ign.mmd2(gauss(1, 5, 3), gauss(1, 5, 2)),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(
        (TypeError, ValueError), match=r"(settings|marks|data|kind|name|x and y|rate|w_t).* (is|are|have) "
    ):
        call()


def test_what_is_shipped_is_small_and_whole():
    assert SHIPPED.stat().st_size <= 200_000
    arrays = np.load(SHIPPED)
    S, R, K, two = len(ign.SEEDS), len(ign.RATES), len(ign.MARKS), len(ign.DATA)
    shapes = {
        "held": (4, two, R, S, K),
        "scores": (4, two, R, S, K, 7),
        "players": (2, two, R, S, K, 3),
        "cases": (len(ign.CASES), S, K, 7),
        "case_players": (len(ign.CASES), S, K, 3),
        "film": (2, len(ign.FILM), ign.size(*ign.IGN)),
        "clouds": (4, two, 2, 300, 2),
        "case_clouds": (len(ign.CASES), 300, 2),
        "control": (S, 7),
        "control_cloud": (300, 2),
        "level": (2, two, S, 4),
        "digits": (6, 5, S),
        "images": (6, 8, 64),
    }
    assert {name: array.shape for name, array in arrays.items()} == shapes
    assert all(array.dtype == np.float16 for array in arrays.values())


def test_the_experiment_makes_what_is_shipped(small, shipped):
    made, seeds = small[0], slice(2)
    pairs = {name: (made[name][..., 0, :], shipped[name][..., seeds, 0, :]) for name in ("players", "case_players")}
    no_modes = lambda v: np.delete(v, 3, -1)  # which jump
    for name in ("scores", "cases"):
        pairs[name] = no_modes(made[name][..., 0, :]), no_modes(shipped[name][..., seeds, 0, :])
    pairs["held"] = made["held"][..., 0], shipped["held"][..., seeds, 0]
    pairs["film"] = made["film"][:, 0], shipped["film"][:, 0]
    pairs["level"] = made["level"], shipped["level"][:, :, seeds]
    for name, (a, b) in pairs.items():
        np.testing.assert_allclose(a.astype(float), b.astype(float), atol=0.01, rtol=0.01, err_msg=name)


def test_the_experiment_shows_the_networks_that_it_names(small):
    made, runs = small
    (settings, kept), *gans, (shifted, of_control) = runs
    dots = lambda one, W, widths: ign.acting(W[None], widths)(ign.sample([one], 4, 300)[1])[0]
    near = lambda a, b: np.testing.assert_allclose(a, b, atol=0.005, rtol=1e-3)
    for i, centre in enumerate((0.0, 3.0)):
        one = settings.index(Setting(0, rate=ign.CASE, centre=centre))
        near(made["film"][i], torch.stack([kept[k][one] for k in (30, 125)]))
    for got, more in zip(made["case_clouds"], ign.CASES.values(), strict=True):
        one = Setting(0, rate=ign.CASE, **more)
        near(got, dots(one, kept[125][settings.index(one)], ign.IGN))
    for i, (name, (those, W)) in enumerate(zip(ign.MODELS, [runs[0], runs[0], *gans], strict=True)):
        for j, row in enumerate(made["held"][i].astype(float)):  # (rate, seed, mark)
            one = ign.match(name, [0], [ign.RATES[row[:, :, 2].mean(1).argmin()]])[j]
            for k, step in enumerate(ign.marks_of(name, (30, 125))):
                near(made["clouds"][i, j, k], dots(one, W[step][those.index(one)], ign.IGN if i < 2 else ign.FORGER))
    assert shifted == [Setting(s, rate=ign.CASE, centre=3.0) for s in (0, 1)]
    W = of_control[41]  # 125 / 3.0543
    near(made["control"], ign.scored(shifted, {41: W}, ign.FORGER)[1].squeeze(1))
    near(made["control_cloud"], dots(shifted[0], W[0], ign.FORGER))


def test_marks_of_as_many_operations():
    assert [ign.marks_of(name, [1, 125]) for name in ("IGN", "WGAN-GP", "EBGAN")] == [[1, 125], [1, 41], [2, 235]]


def test_differences_against_welch_s_error():
    rng, shapes = np.random.default_rng(0), {"film": (2, 3, 4), "scores": (4, 2, 2, 3, 4, 7), "control": (6, 7)}
    a, b = ({name: rng.normal(size=shape) for name, shape in shapes.items()} for _ in range(2))
    off = ign.differences(a, b)
    film = np.abs(a["film"][:, 0] - b["film"][:, 0]).max()
    first = np.abs(a["scores"][:, :, :, :, 0, 0] - b["scores"][:, :, :, :, 0, 0]).max()
    want = {"film": (film, 0.01), "first scores": (first, 0.01)}
    cut = lambda f, *at: np.clip(f["scores"][at[0], at[1], :, :, 3, at[2]], -1, 1).ravel()
    pairs = {
        f"{name}, {data}, {measure}": (cut(a, i, j, q), cut(b, i, j, q))
        for i, name in enumerate(ign.MODELS)
        for j, data in enumerate(ign.DATA)
        for q, measure in enumerate(("mmd2", "near", "reached"))
    } | {"control, mmd2": (a["control"][:, 0], b["control"][:, 0])}
    for name, (x, y) in pairs.items():
        apart = x.mean() - y.mean()
        error = apart / ttest_ind(x, y, equal_var=False).statistic
        want[name] = (abs(apart), 5 * error + 0.002)
    assert off.keys() == want.keys()
    for name, pair in off.items():
        assert pair == pytest.approx(want[name]), name


def test_the_command_makes_and_compares(small, tmp_path, monkeypatch):
    file, other = (str(tmp_path / f"{name}.npz") for name in "ab")
    monkeypatch.setattr(ign, "experiment", lambda: small[0])
    monkeypatch.setattr("sys.argv", ["ign", file])
    ign.main()
    arrays = dict(np.load(file))
    assert arrays.keys() == small[0].keys()
    for change in (0, 0.1, np.nan):
        np.savez(other, **{k: v + np.float16(change) for k, v in arrays.items()})
        monkeypatch.setattr("sys.argv", ["ign", file, "--compare", other])
        with pytest.raises(SystemExit) as end:
            ign.main()
        assert bool(end.value.code) == (change != 0)


def test_digits_with_white_and_with_fitted_noise(shipped):
    task = ign.Digits()
    root = task.root.double()
    torch.testing.assert_close(root @ root.T, task.C, atol=1e-4, rtol=0)
    scores, images = ign.digits([0, 1], 6)
    assert (scores.shape, images.shape) == ((6, 5, 2), (6, 8, 64))
    for k in (0, 1, 4):  # what no network has touched
        np.testing.assert_allclose(scores[k], shipped["digits"][k][:, :2], atol=0.005, rtol=0.002)
        np.testing.assert_allclose(images[k], shipped["images"][k], atol=0.005)
    setting, widths, forger = [Setting(s, rate=0.001) for s in (0, 1)], (64, 64, 32, 64, 64), (64, 64, 32, 64)
    z = torch.stack([torch.randn(600, 64, generator=torch.Generator().manual_seed(99 + s)) for s in (0, 1)])
    noise = z, z @ task.root.T
    white, fitted = (ign.train_ign(setting, [6], widths, task.batches([0, 1], [fit, fit]))[6] for fit in (False, True))
    rival = ign.train_gan("WGAN-GP", setting, [2], forger, (64, 64, 32, 1), task.batches([0, 1], [False, False]))[2]
    for k, W, u in ((2, white, noise[0]), (3, rival, noise[0]), (5, fitted, noise[1])):
        y = ign.acting(W, forger if k == 3 else widths)(u)
        np.testing.assert_allclose(images[k], y[0, :8], atol=1e-3)
        moved = (y - u).square().sum((1, 2)) / u.square().sum((1, 2))
        np.testing.assert_allclose(scores[k, 1], moved.sqrt(), atol=1e-3)


def test_a_layer_may_be_narrower_than_the_points():
    task = ign.Digits()
    assert ign.train_ign([Setting(0)], [1], (64, 8, 64), task.batches([0], [False]))[1].shape == (1, 64 * 17 + 8)
