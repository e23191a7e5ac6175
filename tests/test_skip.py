"""helpers.skip: samplers against diffusers' own arithmetic and closed forms, networks, distances, what is shipped."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from helpers import skip

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SHIPPED, MEASURED = NOTEBOOKS / "07_skip_tuning.safetensors", NOTEBOOKS / "07_skip_tuning.npz"
DOUBLE = {"dtype": torch.float64}
noisy = lambda y, s: torch.sin(y) + s * y / 3


@pytest.fixture(scope="module")
def networks():
    return skip.load(SHIPPED)


def gauss(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), **DOUBLE)


# ---- noise levels and samplers


def test_levels():
    s = torch.tensor([0.002, 0.3, 1.0, 6.0, 100.0], **DOUBLE)
    torch.testing.assert_close(skip.s_of(skip.time_of(s)), s, rtol=1e-10, atol=0)
    grid = skip.even(4, **DOUBLE)
    torch.testing.assert_close(skip.time_of(grid).diff(), torch.full((4,), -0.15, **DOUBLE))
    torch.testing.assert_close(skip.alpha(skip.time_of(s)) ** -2, 1 + s**2)
    grid = skip.karras(5, 80.0, **DOUBLE)
    want = [(80 ** (1 / 7) + i / 4 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(5)]
    assert grid.tolist() == pytest.approx([*want, 0])
    assert skip.karras(3)[0].item() == pytest.approx(skip.even(3)[0].item())


def test_euler_is_the_step_of_diffusers_ddim():
    """DDIMScheduler.step with eta = 0, in its own words; y = sample / √ᾱ."""
    grid, y = skip.even(5, **DOUBLE), gauss(3, 4)
    path = skip.euler(noisy, y, grid)
    for (s, s_prev), y, y_prev in zip(pairwise(grid), path, path[1:], strict=False):
        alpha_prod_t, alpha_prod_t_prev = 1 / (1 + s**2), 1 / (1 + s_prev**2)
        beta_prod_t, sample, model_output = 1 - alpha_prod_t, alpha_prod_t**0.5 * y, noisy(y, s)
        pred_original_sample = (sample - beta_prod_t**0.5 * model_output) / alpha_prod_t**0.5
        pred_sample_direction = (1 - alpha_prod_t_prev) ** 0.5 * model_output
        prev_sample = alpha_prod_t_prev**0.5 * pred_original_sample + pred_sample_direction
        torch.testing.assert_close(y_prev, prev_sample / alpha_prod_t_prev**0.5)


def test_ancestral_is_the_step_of_diffusers_ddim_with_noise():
    """DDIMScheduler.step with eta = 1 and its variance."""
    grid, y = skip.even(5, **DOUBLE), gauss(3, 4)
    path = skip.ancestral(noisy, y, grid, torch.Generator().manual_seed(3))
    chance = torch.Generator().manual_seed(3)
    for (s, s_prev), y, y_prev in zip(pairwise(grid), path, path[1:], strict=False):
        alpha_prod_t, alpha_prod_t_prev = 1 / (1 + s**2), 1 / (1 + s_prev**2)
        beta_prod_t, beta_prod_t_prev = 1 - alpha_prod_t, 1 - alpha_prod_t_prev
        variance = (beta_prod_t_prev / beta_prod_t) * (1 - alpha_prod_t / alpha_prod_t_prev)
        sample, model_output, std_dev_t = alpha_prod_t**0.5 * y, noisy(y, s), variance**0.5
        pred_original_sample = (sample - beta_prod_t**0.5 * model_output) / alpha_prod_t**0.5
        pred_sample_direction = (1 - alpha_prod_t_prev - std_dev_t**2) ** 0.5 * model_output
        prev_sample = alpha_prod_t_prev**0.5 * pred_original_sample + pred_sample_direction
        prev_sample = prev_sample + std_dev_t * torch.randn(y.shape, generator=chance, **DOUBLE)
        torch.testing.assert_close(y_prev, prev_sample / alpha_prod_t_prev**0.5)


def test_heun_is_the_step_of_diffusers_heun():
    """HeunDiscreteScheduler.step, first and second order in turn, and Euler to 0."""
    grid, sample = skip.karras(4, **DOUBLE), gauss(3, 4)
    path = skip.heun(noisy, sample, grid)
    for (sigma, sigma_next), want in zip(pairwise(grid), path[1:], strict=True):
        pred_original_sample = sample - sigma * noisy(sample, sigma)
        derivative, dt = (sample - pred_original_sample) / sigma, sigma_next - sigma
        after = sample + derivative * dt
        if sigma_next > 0:
            pred_original_sample = after - sigma_next * noisy(after, sigma_next)
            second = (after - pred_original_sample) / sigma_next
            after = sample + (derivative + second) / 2 * dt
        torch.testing.assert_close(after, want)
        sample = after


def test_two_steps_are_euler_first_and_then_exact_where_the_estimate_is_a_line():
    grid, y = torch.tensor([3.0, 1.0, 0.4, 0.0], **DOUBLE), gauss(3, 4)
    path = skip.two_step(lambda y, s: s * torch.ones_like(y), y, grid)
    torch.testing.assert_close(path[:2], skip.euler(lambda y, s: s * torch.ones_like(y), y, grid)[:2])
    squares = grid**2 / 2
    torch.testing.assert_close(path[2:] - path[1], (squares[2:] - squares[1])[:, None, None].expand(2, 3, 4))


def test_samplers_solve_the_gaussian_case():
    grid = torch.tensor([3.0, 1.0, 0.4, 0.0], **DOUBLE)
    exact = skip.Gauss(gauss(50, 1, 2, 2))
    y = gauss(5, 1, 2, 2, seed=1)
    torch.testing.assert_close(skip.split(exact.noise, y, grid, exact)[-1], exact.move(y, grid[0], grid[-1]))
    fine = torch.linspace(3, 0.4, 4001, **DOUBLE)
    torch.testing.assert_close(
        skip.heun(exact.noise, y, fine)[-1], exact.move(y, fine[0], fine[-1]), rtol=1e-6, atol=1e-6
    )
    still = lambda y, s: torch.zeros_like(y)
    for solver in (skip.euler, skip.heun, skip.two_step):
        assert torch.equal(solver(still, y, grid), y.expand(4, *y.shape))


def test_gauss_is_the_posterior_mean():
    x = gauss(200, 1, 2, 2) @ gauss(2, 2, seed=5) + 2
    flat, exact = x.flatten(1), skip.Gauss(x)
    C, y = torch.cov(flat.T), gauss(6, 1, 2, 2, seed=2)
    want = 0.7 * (y.flatten(1) - flat.mean(0)) @ torch.linalg.inv(C + 0.49 * torch.eye(4, **DOUBLE))
    torch.testing.assert_close(exact.noise(y, 0.7).flatten(1), want)
    torch.testing.assert_close(exact.move(y, torch.tensor(0.7), torch.tensor(0.7)), y)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: skip.even(0), ValueError, "n is 0"),
        (lambda: skip.even(2.0), TypeError, "n is 2.0"),
        (lambda: skip.even(True), TypeError, "n is True"),
        (lambda: skip.even(3, start=0), ValueError, "start"),
        (lambda: skip.karras(1), ValueError, "n is 1"),
        (lambda: skip.karras(3, 0.001), ValueError, "least and top"),
        (lambda: skip.karras(3, float("inf")), ValueError, "least and top"),
        (lambda: skip.taper(float("nan")), ValueError, "bottom"),
        (lambda: skip.taper(1, k=0), ValueError, "k is 0"),
        (lambda: skip.euler(noisy, gauss(2), torch.tensor([1.0, 2.0])), ValueError, "grid"),
        (lambda: skip.euler(noisy, gauss(2), torch.tensor([1.0, 1.0])), ValueError, "grid"),
        (lambda: skip.heun(noisy, gauss(2), torch.tensor([1.0])), ValueError, "grid"),
        (lambda: skip.heun(noisy, gauss(2), torch.tensor([2, 1])), ValueError, "grid"),
        (lambda: skip.euler(noisy, gauss(2), torch.tensor([1.0, -1.0])), ValueError, "grid"),
        (lambda: skip.euler(noisy, gauss(2), torch.tensor([float("inf"), 1.0])), ValueError, "grid"),
        (lambda: skip.Gauss(gauss(1, 4)), ValueError, "x has shape"),
        (lambda: skip.Gauss(gauss(5, 4) * float("nan")), ValueError, "x has shape"),
        (lambda: skip.nonlinearity(gauss(64, 64), gauss(64, 64)), ValueError, "x and y hold 64 and 64"),
        (lambda: skip.nonlinearity(gauss(90, 4), gauss(91, 4)), ValueError, "x and y hold"),
        (lambda: skip.vertex([1, 2], [1, 2]), ValueError, "rhos and values"),
    ],
)
def test_bad_input_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_taper():
    assert skip.taper(0.5) == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5])
    assert skip.taper(1, 0.6, 2) == pytest.approx([0.6, 0.8, 1])


# ---- networks


def test_factors_act_on_their_own_skip(networks):
    net, x, t = networks["first"], torch.randn(3, 1, 8, 8), torch.rand(3)
    with torch.no_grad():
        plain = net(x, t)
        assert torch.equal(net(x, t, [1.0] * 6, [1.0] * 6), plain)
        for i in range(6):
            rho = [0.5 if j == i else 1.0 for j in range(6)]
            seen = {}
            hook = net.up[5 - i].register_forward_pre_hook(lambda block, args, seen=seen: seen.update(h=args[0]))
            net(x, t)
            before = seen["h"]
            net(x, t, rho)
            hook.remove()
            half = before.shape[1] // 2
            torch.testing.assert_close(seen["h"][:, half:], 0.5 * before[:, half:])
            torch.testing.assert_close(seen["h"][:, :half], before[:, :half])


def test_residual_layers_take_a_factor():
    torch.manual_seed(0)
    net, x, t = skip.fresh("transformer"), torch.randn(3, 1, 8, 8), torch.rand(3)
    assert net(x, t).shape == x.shape
    assert not torch.allclose(net(x, t), net(x, t, 0.9))


def test_the_transformer_is_its_formulas():
    torch.manual_seed(0)
    net, x, t = skip.fresh("transformer").double(), gauss(3, 1, 8, 8), torch.tensor([0.2, 0.5, 0.9], **DOUBLE)
    time, line = net.time(skip.waves(t)), lambda layer, u: u @ layer.weight.T + layer.bias
    norm = lambda u: (u - u.mean(-1, keepdim=True)) / (u.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    cut = lambda x: x.reshape(3, 4, 2, 4, 2).transpose(2, 3).reshape(3, 16, 4)
    for rho in (1.0, 0.9):
        h = line(net.first, cut(x)) + net.place
        for mix, bend, first, second in zip(net.mix, net.bend, net.times[::2], net.times[1::2], strict=True):
            heads = line(mix[0], norm(h) + line(first, time)[:, None]).reshape(3, 16, 3, 4, 12)
            q, k, v = (heads[:, :, i].transpose(1, 2) for i in range(3))
            seen = torch.softmax(q @ k.mT / 12**0.5, -1) @ v
            h = rho * h + line(mix[1], seen.transpose(1, 2).reshape(3, 16, 48))
            u = line(bend[0], norm(h) + line(second, time)[:, None])
            h = rho * h + line(bend[2], u * (1 + torch.erf(u / 2**0.5)) / 2)
        torch.testing.assert_close(cut(net(x, t, rho)), line(net.last[1], norm(h)))
    sizes = len(net.norms), len(net.mix), net.bend[0][0].out_features
    assert sizes == (8, 4, 192) and 0.015 < net.place.std() < 0.025


def test_training_lowers_the_loss(monkeypatch):
    images, labels = skip.digits()
    assert images.shape == (1797, 1, 8, 8) and images.aminmax() == (-1, 1) and labels.max() == 9
    monkeypatch.setitem(skip.CONFIG, "steps", 30)
    for name, loss in (("first", skip.denoising(images)), ("features", skip.naming(images, labels))):
        torch.manual_seed(0)
        network = skip.fresh(name)
        before = loss(network).item()
        assert loss(skip.fit(network, loss, name)).item() < 0.9 * before


def test_the_loss_is_that_of_the_noise_in_the_image():
    torch.manual_seed(0)
    image, wide = torch.rand(1, 1, 8, 8), lambda t: t[:, None, None, None]
    tell = lambda y, t: (y / wide(skip.alpha(t)) - image) / wide(skip.s_of(t))
    assert skip.denoising(image)(tell) < 1e-5


# ---- what is shipped


def test_networks_are_used_and_small(networks):
    assert SHIPPED.stat().st_size <= 1_100_000
    tensors = load_file(SHIPPED)
    assert {t.dtype.itemsize for t in tensors.values()} == {2}
    assert all(t.isfinite().all() for t in tensors.values())
    assert set(networks) == {"first", "second", "four groups", "no skips", "features"}
    assert torch.equal(networks["first"].last[2].bias, tensors["first.last.2.bias"].float())


@pytest.mark.parametrize("part", ["config", "images", "weights"])
def test_other_metadata_are_refused(tmp_path, part):
    tensors = load_file(SHIPPED)
    made = json.loads(skip.label(tensors)["made"]) | {part: "another"}
    save_file(tensors, tmp_path / "other.safetensors", {"made": json.dumps(made)})
    with pytest.raises(ValueError, match="make checkpoint"):
        skip.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("damage", ["empty", "cut short", "no safetensors", "one bit", "no metadata"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    file, whole = tmp_path / "damaged.safetensors", SHIPPED.read_bytes()
    if damage == "no metadata":
        save_file(load_file(SHIPPED), file)
    else:
        flipped = whole[:-1000] + bytes([whole[-1000] ^ 1]) + whole[-999:]
        file.write_bytes(
            {"empty": b"", "cut short": whole[:-2], "no safetensors": b"x" * 5000, "one bit": flipped}[damage]
        )
    with pytest.raises(ValueError, match="make checkpoint"):
        skip.load(file)


def test_a_missing_file_and_another_configuration_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        skip.load(tmp_path / "none.safetensors")
    monkeypatch.setitem(skip.CONFIG, "steps", 1)
    with pytest.raises(ValueError, match="CONFIG"):
        skip.load(SHIPPED)


def test_loading_leaves_random_numbers_alone():
    torch.manual_seed(0)
    want = torch.rand(1)
    torch.manual_seed(0)
    skip.load(SHIPPED)
    assert torch.equal(torch.rand(1), want)


def test_a_file_is_written_whole(tmp_path):
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"old")
    skip.keep(file, b"new")
    assert file.read_bytes() == b"new" and [path.name for path in tmp_path.iterdir()] == [file.name]


def test_measurements_are_whole_and_small():
    assert MEASURED.stat().st_size < 200_000
    arrays, B = dict(np.load(MEASURED)), skip.BLOCKS + 1
    assert {name: a.shape for name, a in arrays.items()} == {
        "sweep": (3, 5, len(skip.RHOS), B, 4),
        "tried": (3, len(skip.FEW), len(skip.TRIED), B, 4),
        "blind": (B, 4),
        "identity": (len(skip.FEW), len(skip.IDENTITY), B, 4),
        "others": (3, len(skip.OTHER), B, 4),
        "rest": (3, len(skip.REST), B, 4),
        "shown": (5, len(skip.RHOS), 24, 8, 8),
    }
    assert all(np.isfinite(a).all() for a in arrays.values())
    one, steps = skip.RHOS.index(1.0), skip.STEPS["Euler"].index(4)
    same = arrays["tried"][0, skip.FEW.index(4), skip.TRIED.index("as trained")]
    np.testing.assert_allclose(arrays["sweep"][0, steps, one], same, rtol=1e-4)


def test_only_the_classifier_learns_names(monkeypatch):
    losses = {}
    monkeypatch.setattr(skip, "naming", lambda images, labels: "names")
    monkeypatch.setattr(skip, "denoising", lambda images, rho: rho)
    monkeypatch.setattr(skip, "fit", lambda network, loss, name: losses.update({name: loss}))
    made = skip.train()
    assert losses == {name: [rho] * 6 for name, (_, _, rho) in skip.CONFIG["networks"].items()} | {"features": "names"}
    torch.manual_seed(4)
    assert torch.equal(made["features.1.weight"], skip.fresh("features")[1].weight.half())


def test_the_command_makes_and_compares(tmp_path, monkeypatch):
    whole = skip.experiment
    small = {
        "blocks": 2,
        "each": 80,
        "steps": {"Euler": [2], "Heun": [3]},
        "rhos": [0.6, 1.0],
        "nets": ["first"],
        "few": [2],
        "settings": [("two-step", "even", 3, 0.8)],
    }
    monkeypatch.setattr(skip, "experiment", lambda networks: whole(networks, **small))
    monkeypatch.setattr(skip, "train", lambda: load_file(SHIPPED))
    monkeypatch.setattr(skip, "fit", lambda network, loss, name: network)
    made = tmp_path / MEASURED.name
    monkeypatch.setattr("sys.argv", ["skip", str(made)])
    skip.main()
    assert (tmp_path / SHIPPED.name).read_bytes() == SHIPPED.read_bytes()
    arrays = dict(np.load(made))
    assert arrays["sweep"].shape == (2, 1, 2, 3, 4) and arrays["tried"].shape == (1, 1, len(skip.TRIED), 3, 4)
    images, x = skip.digits()[0], skip.noise(0, 2, 80)
    blind = skip.marked(skip.Measures(skip.load(SHIPPED)["features"][:5], images), x, skip.blind(x, images))
    np.testing.assert_allclose(arrays["blind"], blind, rtol=1e-4)
    for change, says in ((1e-4, "0"), (0.5, "differ")):
        np.savez(tmp_path / "other.npz", **(arrays | {"sweep": arrays["sweep"] * (1 + change)}))
        monkeypatch.setattr("sys.argv", ["skip", str(tmp_path / "other.npz"), "--compare", str(made)])
        with pytest.raises(SystemExit, match=says):
            skip.main()
    short = {name: a[:1] for name, a in arrays.items()}
    assert skip.differences(short, arrays) == {"shapes": (np.inf, 1)}
    one_off = arrays | {"blind": arrays["blind"] + 0.5 * (np.arange(4) == 0)}
    apart = skip.differences(one_off, arrays)["blind"][0]
    assert apart == pytest.approx(np.max(0.5 / (0.03 * np.abs(arrays["blind"][:, 0]) + 0.003)))


# ---- measures


def test_score_is_the_distance_of_all_and_of_all_but_one(networks):
    images, _ = skip.digits()
    measures, xs = skip.Measures(networks["features"][:5], images), torch.rand(3, 90, 1, 8, 8)
    rows = measures.score(xs)
    for b, row in zip((None, 0, 1, 2), rows, strict=True):
        x = torch.cat([x for i, x in enumerate(xs) if i != b])
        torch.testing.assert_close(row, torch.stack([measures.frechet(x), measures.energy(x), measures.contrast(x)]))
    assert measures.frechet(images) < 1e-6 and measures.contrast(images) == 1
    for bad in (images[:1], torch.rand(5, 1, 4, 4)):
        with pytest.raises(ValueError, match="x has shape"):
            measures.energy(bad)


def test_distances_of_gaussians_are_known():
    """Fréchet: of N(0, 1) and N(m, σ²) in each coordinate, m² + (1 − σ)². Energy: against a double loop."""
    measures, unit = skip.Measures(lambda x: x.double(), gauss(30, 4)), torch.eye(4, **DOUBLE)
    measures.mean, measures.cov = torch.zeros(4, **DOUBLE), unit
    assert measures.between(torch.ones(4, **DOUBLE), 9 * unit) == pytest.approx(4 * (1 + 4))
    a, b = gauss(30, 4), 1 + 3 * gauss(20, 4, seed=1)
    measures, far = skip.Measures(lambda x: x.double(), a), lambda x, w: sum((p - q).norm() for p in x for q in w)
    want = 2 * far(a, b) / 600 - far(b, b) / (20 * 19) - far(a, a) / 900
    torch.testing.assert_close(measures.energy(b), want)


def test_jackknife_is_the_error_of_a_mean():
    x = np.random.default_rng(0).normal(size=12)
    rest = [np.delete(x, b).mean() for b in range(12)]
    value, error = skip.jackknife([x.mean(), *rest])
    assert value == pytest.approx(x.mean()) and error == pytest.approx(x.std(ddof=1) / 12**0.5)


def test_power_and_nonlinearity():
    x = gauss(500, 1, 8, 8)
    assert skip.power(torch.ones(1, 1, 8, 8)).tolist() == pytest.approx([64, 0, 0, 0, 0, 0, 0], abs=1e-12)
    wave = torch.cos(torch.arange(8.0) * torch.pi / 2).expand(1, 1, 8, 8)
    assert skip.power(wave).argmax() == 2
    assert skip.nonlinearity(x, 3 * x + 1) < 1e-20
    assert skip.nonlinearity(x, gauss(500, 1, 8, 8, seed=1)) == pytest.approx(1, abs=0.02)


def test_vertex():
    rhos = np.array([0.2, 0.5, 0.6, 1.0])
    assert skip.vertex(rhos, (rhos - 0.55) ** 2) == pytest.approx(0.55)
    assert skip.vertex(rhos, rhos) == 0.2 and skip.vertex(rhos, -rhos) == 1.0


def test_affine_maps_give_the_moments_asked_for():
    real, made = torch.rand(300, 1, 8, 8), 3 * torch.rand(2, 400, 1, 8, 8) + 1
    flat = lambda x: x.flatten(-3).flatten(0, -2).double()
    same = skip.affine(made, real, "covariance")(made)
    torch.testing.assert_close(flat(same).mean(0), flat(real).mean(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cov(flat(same).T), torch.cov(flat(real).T), atol=1e-4, rtol=0)
    same = skip.affine(made, real, "contrast")(made)
    assert flat(same).var(0).mean() == pytest.approx(flat(real).var(0).mean().item(), rel=1e-4)
    torch.testing.assert_close(flat(same).mean(0), flat(made).mean(0), atol=1e-4, rtol=0)


def test_stretch_finds_what_was_stretched():
    a, vectors = gauss(200, 1, 2, 2), torch.linalg.qr(gauss(4, 4, seed=3))[0]
    factor = torch.tensor([1.5, 1, 0.5, 2], **DOUBLE)
    b = (((a.flatten(1) @ vectors) * factor) @ vectors.T + 1).view(a.shape)
    for whole in (False, True):
        found, move = skip.stretch(a, b, vectors, whole)
        torch.testing.assert_close(found.diag() if whole else found, factor)
        torch.testing.assert_close(move(a), b)
        found_too, stay = skip.stretch(a, b, vectors, whole, kept=True)
        torch.testing.assert_close(found_too, found)
        torch.testing.assert_close(stay(a) - a.mean(0), b - b.mean(0))


def test_cases_that_change_nothing_are_the_network(networks, monkeypatch):
    net, x, images = networks["first"], skip.noise(0, 1, 90), skip.digits()[0]
    plain = skip.draw(net, "Euler", 2, 1.0, x)
    assert torch.equal(skip.tune("as trained", net, 2, x), plain)
    torch.testing.assert_close(skip.tune("Skip-Tuning", net, 2, x), skip.draw(net, "Euler", 2, 0.6, x))
    monkeypatch.setattr(skip, "LOW", skip.ONE)
    for how in skip.LIKE.values():
        torch.testing.assert_close(skip.like(net, 2, x, x, skip.Gauss(images).vectors, how), plain, atol=1e-3, rtol=0)
    flat = skip.gaussian(images, 0)
    assert flat.values.unique().numel() == 1 and flat.values.sum() == pytest.approx(64 * 0.2950, rel=0.05)
