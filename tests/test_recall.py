"""helpers.recall: the task against its rule, the layer against a loop, training against torch.optim, the file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import recall

SHIPPED = Path(__file__).parents[1] / "notebooks" / "02_mla_recall.npz"
draws = lambda *numbers: [torch.Generator().manual_seed(n) for n in numbers]


def test_each_question_has_one_answer():
    letters, asked, right = recall.texts(draws(0, 1), 5)
    assert letters.shape == (2, 5, 8, 4) and asked.shape == right.shape == (2, 5, 4)
    for net, n, f in np.ndindex(2, 5, 4):
        rows = letters[net, n]
        assert sorted(rows[:, f].tolist()) == list(range(8))
        [record] = (rows[:, f] == asked[net, n, f]).nonzero()[:, 0].tolist()
        assert rows[record, (f + 1) % 4] == right[net, n, f]


def test_records_are_marked():
    row = recall.marked(torch.tensor([[1, 0, 7, 2]]))
    assert row.dtype == torch.float64 and row.nonzero()[:, 1].tolist() == [1, 8, 23, 26]


@pytest.mark.parametrize("way", recall.WAYS, ids=str)
def test_the_layer_is_attention_over_what_is_kept(way):
    kind, pairs = way
    w = recall.begin(draws(3), *way)
    assert w["W_c"].shape == (1, 32, 8 * pairs) and ("maps" in w) == (kind == "MLA")
    letters, asked, _ = recall.texts(draws(4), 2)
    got = recall.answers(w, letters, asked)
    W_q, W_c, W_o = (w[name][0] for name in ("W_q", "W_c", "W_o"))
    for n in range(2):
        rows, q = recall.marked(letters[0, n]) @ W_c, recall.marked(asked[0, n]) @ W_q
        y = 0
        for s in range(8):
            own = (
                w["maps"][0][:, 8 * s : 8 * s + 8]
                if kind == "MLA"
                else torch.eye(8 * pairs).double()[:, 8 * (s * pairs // 8) :]
            )
            k, v = rows @ own[:, :4], rows @ own[:, 4:8]
            p = torch.softmax(k @ q[4 * s : 4 * s + 4] / 2, 0)
            y = y + p @ v @ W_o[4 * s : 4 * s + 4]
        torch.testing.assert_close(got[0, n].flatten(), y, rtol=0, atol=1e-12)


def test_starts_have_their_size():
    w = recall.begin(draws(*range(20)), "MLA", 4)
    for name, size in (("W_q", 0.5), ("W_c", 0.5), ("W_o", 32**-0.5), ("maps", 32**-0.5)):
        assert abs(w[name].std() / size - 1) < 0.03, name


def test_loss_and_share_of_right_answers():
    w, batch = recall.begin(draws(0, 1), "GQA", 2), recall.texts(draws(5, 6), 7)
    loss, right = recall.scored(w, batch)
    logits = recall.answers(w, *batch[:2])
    for net in range(2):
        flat = logits[net].flatten(0, 1), batch[2][net].flatten()
        torch.testing.assert_close(loss[net], torch.nn.functional.cross_entropy(*flat))
        assert right[net] == (flat[0].argmax(1) == flat[1]).double().mean()


def test_training_is_adam_and_does_not_know_its_neighbours():
    alone, losses = recall.train([1], "MLA", 1, (0.02,), 4, (1, 4))
    with torch.no_grad():
        both, more = recall.train([0, 1], "MLA", 1, (0.01, 0.02), 4, (1, 4))
    assert losses.shape == (2, 1, 1) and more.shape == (2, 2, 2)
    torch.testing.assert_close(more[:, 1, 1], losses[:, 0, 0], rtol=0, atol=1e-12)
    generator = draws(1)
    w = {name: t.requires_grad_() for name, t in recall.begin(generator, "MLA", 1).items()}
    adam = torch.optim.Adam(w.values(), lr=0.02, betas=(0.9, 0.99))
    for k in range(1, 5):
        adam.param_groups[0]["lr"] = 0.02 * k / 50
        adam.zero_grad()
        recall.scored(w, recall.texts(generator, recall.LOT))[0].sum().backward()
        adam.step()
    for name, t in w.items():
        torch.testing.assert_close(alone[name], t.detach(), rtol=0, atol=1e-12)
        torch.testing.assert_close(both[name][3:], t.detach(), rtol=0, atol=1e-12)
        assert not alone[name].requires_grad


def test_the_rate_falls_to_zero(monkeypatch):
    monkeypatch.setattr(recall, "STEPS", 60)
    ends = [recall.train([0], "GQA", 1, (0.02,), steps, (steps,))[0]["W_o"] for steps in (59, 60)]
    assert (ends[1] - ends[0]).abs().max() < 2.5 * 0.02 / 30


def test_the_best_rate_is_chosen_on_texts_of_its_own():
    shipped, random = np.load(SHIPPED), recall.begin(draws(0, 1), "GQA", 8)
    w = {
        name: torch.stack((t, torch.tensor(shipped[name][:2].astype(float))), 1).flatten(0, 1)
        for name, t in random.items()
    }
    best, rate = recall.chosen(w, [0, 1])
    assert rate.tolist() == [1, 1] and torch.equal(best["W_q"], w["W_q"][[1, 3]])
    assert not torch.equal(recall.fresh([0], 0, 3)[0], recall.fresh([0], 1, 3)[0])
    assert torch.equal(recall.fresh([0, 1], 1, 3)[0][1], recall.fresh([1], 1, 3)[0][0])


def test_what_is_shipped_is_whole_and_small():
    assert SHIPPED.stat().st_size < 200_000
    arrays = np.load(SHIPPED)
    ways, rates = len(recall.WAYS), len(recall.RATES)
    assert {name: arrays[name].shape for name in arrays} == {
        "loss": (ways, 3, 8, rates), "rate": (ways, 8), "right": (ways, 8),
        "W_q": (8, 32, 32), "W_c": (8, 32, 64), "W_o": (8, 32, 32),
    }  # fmt: skip
    assert all(np.isfinite(arrays[name]).all() for name in arrays)
    w = {name: torch.tensor(arrays[name].astype(float)) for name in ("W_q", "W_c", "W_o")}
    right = recall.scored(w, recall.fresh(range(8), 1))[1].numpy()
    assert np.abs(right - arrays["right"][-1]).max() < 0.005  # MHA, its weights in 16 bits


def test_the_command_makes_and_compares(tmp_path, monkeypatch):
    whole = recall.experiment
    monkeypatch.setattr(recall, "experiment", lambda numbers: whole(numbers[:1], recall.WAYS[:2], 100))
    made, other = str(tmp_path / "made.npz"), str(tmp_path / "other.npz")
    monkeypatch.setattr("sys.argv", ["recall", made])
    recall.main()
    arrays = dict(np.load(made))
    for name, change, says in (("loss", 1e-9, "0"), ("loss", 1e-4, "differ"), ("right", 0.1, "differ")):
        np.savez(other, **(arrays | {name: arrays[name] + change}))
        monkeypatch.setattr("sys.argv", ["recall", made, "--compare", other])
        with pytest.raises(SystemExit, match=says):
            recall.main()
