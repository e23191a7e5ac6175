"""helpers.translation without a browser: what it refuses, draws and packs. (With one: test_recipes.py, the chapter.)"""

import json
from pathlib import Path

import numpy as np
import pytest

from helpers import translation as web

SHIPPED = Path(__file__).parents[1] / "notebooks" / "08_mathjax.json"


@pytest.mark.parametrize("engines", [[], ["mathjax5"], ["katex", "katex"]])
def test_engines_that_are_none(engines):
    with pytest.raises(ValueError, match="engines is"):
        web.Laboratory(engines)


@pytest.mark.parametrize(("ratio", "n"), [(0, 3), (-1, 3), (float("nan"), 3), (1, 0)])
def test_pauses_that_are_none(ratio, n):
    with pytest.raises(ValueError, match="both must be positive"):
        web.pauses(ratio, n, 0)


@pytest.mark.parametrize("ratio", web.RATIOS)
def test_pauses_keep_their_ratio_and_their_seed(ratio):
    D, E = web.pauses(ratio, 4000, 7)
    assert [D, E] == web.pauses(ratio, 4000, 7) != web.pauses(ratio, 4000, 8)
    assert max(D + E) <= web.LONGEST and min(D + E) >= 0
    # the mean of 4000 uniform times has a relative standard error of 1/√(3 · 4000) < 1 %
    assert np.mean(E) / np.mean(D) == pytest.approx(ratio, rel=0.06)


def test_pack_gives_a_bit_for_each_schedule():
    assert web.pack([[1, 0], [0, 0], [1, 1]]) == [0b101, 0b100]
    assert web.pack([[1, 1]] * 32) == [2**32 - 1] * 2


def test_a_record_is_whole_or_refused(tmp_path):
    file = tmp_path / "record.json"
    with pytest.raises(FileNotFoundError, match=r"missing; make it with: python -m helpers\.translation"):
        web.load(file)
    shipped = json.loads(SHIPPED.read_text("utf-8"))
    for broken in ({}, [], {"katex": shipped["katex"]}):
        file.write_text(json.dumps(broken), "utf-8")
        with pytest.raises(ValueError, match="does not hold these engines"):
            web.load(file)
    for key in ("orders", "garbled"):
        file.write_text(json.dumps(shipped | {"katex": shipped["katex"] | {key: []}}), "utf-8")
        with pytest.raises(ValueError, match="all runs of katex"):
            web.load(file)
    assert web.load(SHIPPED) == shipped and SHIPPED.stat().st_size < 50_000
