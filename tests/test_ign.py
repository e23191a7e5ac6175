"""helpers.ign: the optimizer against torch's, the measures against cases by hand, networks alone and together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import ign
from helpers.ign import Setting

SHIPPED = Path(__file__).parents[1] / "notebooks" / "06_ign_as_gan.npz"


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


def test_the_command_makes_and_compares(tmp_path, monkeypatch):
    file, other = (str(tmp_path / f"{name}.npz") for name in "ab")
    small = {
        "seeds": [0, 1],
        "rates": (0.002, 0.001),
        "marks": (3, 6),
        "film": (3, 6),
        "digit_steps": 0,
        "shown": (3, 6),
    }
    experiment = ign.experiment
    monkeypatch.setattr(ign, "experiment", lambda: experiment(**small))
    monkeypatch.setattr("sys.argv", ["ign", file])
    ign.main()
    arrays = dict(np.load(file))
    one = [Setting(0, rate=ign.CASE, centre=c) for c in (0.0, 3.0)]
    np.testing.assert_allclose(arrays["film"][:, -1], ign.train_ign(one, [6])[6], atol=0.01)
    for change in (0, 0.1, np.nan):
        np.savez(other, **{k: v + np.float16(change) for k, v in arrays.items()})
        monkeypatch.setattr("sys.argv", ["ign", file, "--compare", other])
        with pytest.raises(SystemExit) as end:
            ign.main()
        assert bool(end.value.code) == (change != 0)


def test_digits_with_white_and_with_fitted_noise():
    task = ign.Digits()
    root = task.root.double()
    torch.testing.assert_close(root @ root.T, task.C, atol=1e-4, rtol=0)
    scores, images = ign.digits([0, 1], 3)
    assert (scores.shape, images.shape) == ((6, 5, 2), (6, 8, 64))
