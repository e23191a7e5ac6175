"""The small networks that chapter 2 trains at equal cache: one attention layer that answers questions about records.

A text has RECORDS tokens, each a record with FIELDS letters, and then one token that asks for every field f at once:
what stands in field f + 1 of the record whose field f has this letter? A record is a row of zeros and FIELDS ones, so
is what is asked. The layer keeps one row c = x W_c of each record. "GQA" copies its keys and values out of that row,
"MLA" makes them by matrices that are trained; nothing else differs. There are no positions. All is float64, whatever
torch's default.
"""

import numpy as np
import torch
import torch.nn.functional as F

from helpers.networks import adam, command

FIELDS, LETTERS, RECORDS, HEADS, SIZE = 4, 8, 8, 8, 4  # SIZE: of a key, and of a value
D, PAIR = FIELDS * LETTERS, 2 * SIZE  # numbers in a token, and in a key with its value
WAYS = [*((kind, pairs) for pairs in (1, 2, 4) for kind in ("GQA", "MLA")), ("GQA", 8)]  # MQA first, MHA last
RATES, LOT, STEPS, MARKS = (0.01, 0.02, 0.04, 0.08), 64, 800, (20, 100, 800)


def texts(draws, n):
    """n texts from each generator: the letters (S, n, RECORDS, FIELDS), and what is asked and right (S, n, FIELDS).

    No letter stands twice in a field, so each question has one answer.
    """
    each = lambda make: torch.stack([make(g) for g in draws])
    letters = each(lambda g: torch.rand(n, LETTERS, FIELDS, generator=g, dtype=torch.float64)).argsort(2)[
        :, :, :RECORDS
    ]
    about = each(lambda g: torch.randint(RECORDS, (n, 1, FIELDS), generator=g))
    return letters, letters.gather(2, about)[:, :, 0], letters.roll(-1, 3).gather(2, about)[:, :, 0]


def marked(letters):
    """Letters (…, FIELDS) as rows (…, D) of zeros and FIELDS ones."""
    return F.one_hot(letters, LETTERS).to(torch.float64).flatten(-2)


def copies(pairs):
    """GQA's fixed matrices (pairs · PAIR, HEADS · PAIR): head s copies [key, value] number s · pairs // HEADS."""
    eye = torch.eye(pairs * PAIR, dtype=torch.float64).unflatten(1, (pairs, PAIR))
    return eye[:, [s * pairs // HEADS for s in range(HEADS)]].flatten(1)


def begin(draws, kind, pairs):
    """Random weights, of one network for each generator: a dict of tensors (S, ·, ·)."""
    width = pairs * PAIR
    shapes = {"W_q": (D, HEADS * SIZE), "W_c": (D, width), "W_o": (HEADS * SIZE, D)}
    shapes |= {"maps": (width, HEADS * PAIR)} if kind == "MLA" else {}
    scale = {"W_q": LETTERS**0.5, "W_c": LETTERS**0.5}  # a token has one 1 in LETTERS places
    draw = lambda g, name: torch.randn(shapes[name], generator=g, dtype=torch.float64) / shapes[name][0] ** 0.5
    return {name: torch.stack([scale.get(name, 1) * draw(g, name) for g in draws]) for name in shapes}


def answers(w, letters, asked):
    """Scores of the letters for each field, (S, n, FIELDS, LETTERS)."""
    rows = marked(letters).flatten(1, 2) @ w["W_c"]  # all that is kept: (S, n · RECORDS, pairs · PAIR)
    both = rows @ (w["maps"] if "maps" in w else copies(rows.shape[2] // PAIR))
    k, v = both.unflatten(2, (HEADS, PAIR)).unflatten(1, letters.shape[1:3]).split(SIZE, -1)
    q = (marked(asked) @ w["W_q"]).unflatten(2, (HEADS, SIZE))
    p = (torch.einsum("snhd,snrhd->snhr", q, k) / SIZE**0.5).softmax(3)
    return (torch.einsum("snhr,snrhd->snhd", p, v).flatten(2) @ w["W_o"]).unflatten(2, (FIELDS, LETTERS))


def scored(w, batch):
    """Mean cross-entropy and share of right answers, (S,) each, on a batch of `texts`."""
    logits = answers(w, *batch[:2])
    loss = -logits.log_softmax(-1).gather(-1, batch[2][..., None]).mean((1, 2, 3))
    return loss, (logits.argmax(-1) == batch[2]).double().mean((1, 2))


@torch.enable_grad()
def train(numbers, kind, pairs, rates=RATES, steps=STEPS, marks=MARKS):
    """The networks of these numbers by Adam, each at all rates at once.

    Returns the weights (S · K, ·, ·), rates varying fastest, and the losses at `marks`, (mark, S, K). The rate rises
    for 50 steps, and falls to zero over the second half of STEPS. A network does not depend on those trained with it.
    """
    draws, many = [torch.Generator().manual_seed(n) for n in numbers], len(rates)
    repeated = lambda t: t.repeat_interleave(many, 0)
    w = {name: repeated(t).requires_grad_() for name, t in begin(draws, kind, pairs).items()}
    memory = {name: (torch.zeros_like(t), torch.zeros_like(t)) for name, t in w.items()}
    rate, kept = torch.tensor(rates, dtype=torch.float64).repeat(len(numbers))[:, None, None], []
    for k in range(1, steps + 1):
        loss = scored(w, [repeated(t) for t in texts(draws, LOT)])[0]
        slopes = torch.autograd.grad(loss.sum(), list(w.values()))
        now = rate * min(1, k / 50) * min(1, 2 * (STEPS + 1 - k) / STEPS)
        with torch.no_grad():
            for (name, t), g in zip(w.items(), slopes, strict=True):
                t -= now * adam(g, memory[name], k, (0.1, 0.01))
        if k in marks:
            kept.append(loss.detach().unflatten(0, (-1, many)))
    return {name: t.detach() for name, t in w.items()}, torch.stack(kept)


def fresh(numbers, use, n=500):
    """n texts for each network that its training has not seen: use 0 to choose a rate, use 1 to test."""
    return texts([torch.Generator().manual_seed(1000 * (use + 1) + number) for number in numbers], n)


def chosen(w, numbers):
    """Of the weights (S · K, ·, ·) those at each network's best rate on texts of their own, and its number: (S,)."""
    many = len(w["W_q"]) // len(numbers)
    with torch.no_grad():
        loss = scored(w, [t.repeat_interleave(many, 0) for t in fresh(numbers, 0)])[0].unflatten(0, (-1, many))
    best = loss.argmin(1)
    return {name: t.unflatten(0, (-1, many))[range(len(best)), best] for name, t in w.items()}, best


def experiment(numbers, ways=WAYS, steps=STEPS):
    """What chapter 2 ships: loss (way, mark, S, K), rate and right (way, S); the weights of MHA, 16 bits each."""
    found = {"loss": [], "rate": [], "right": []}
    for way in ways:
        w, loss = train(numbers, *way, steps=steps)
        w, rate = chosen(w, numbers)
        for name, value in zip(found, (loss, rate, scored(w, fresh(numbers, 1))[1]), strict=True):
            found[name].append(value.numpy())
    arrays = {name: np.stack(values) for name, values in found.items()}
    return arrays | {name: w[name].numpy().astype(np.float16) for name in ("W_q", "W_c", "W_o")}


def differences(made, shipped):
    """{what: (difference, what is allowed)} of two files: of losses up to step 100, of mean shares right."""
    off = np.abs(made["loss"][:, :2] - shipped["loss"][:, :2]).max()
    moved = np.abs(made["right"].mean(1) - shipped["right"].mean(1)).max()
    return {"loss": (float(off), 1e-6), "right": (float(moved), 0.02)}


def main():
    command(lambda file: experiment(range(8)), differences)


if __name__ == "__main__":
    main()
