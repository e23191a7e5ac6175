"""helpers.explore: frames, sliders, alt texts, budget, and refused input. (Moving them in a browser: test_pages.py.)"""

import html as html_module
import json
import re
import sys
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from helpers import explore as explore_
from helpers import show as show_

module = sys.modules["helpers.explore"]
NAMES = {"label": "fig-a-b", "caption": "Move it: the line $y=x$ turns."}
explore, show = partial(explore_, **NAMES), partial(show_, **NAMES)
GRID = {"t": [1, 2, 3], "tau": [0.5, 1.0]}


def draw(**params):
    with plt.style.context("helpers.book"):
        fig, ax = plt.subplots()
        ax.plot([0, 1], [0, float(np.sum(list(params.values())))])
        ax.set_xlabel("$x$")
    return fig


def frames_of(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])


def test_page_form():
    html = explore(draw, alt="slope at t {t}, tau {tau}", **GRID).html
    frames = frames_of(html)
    assert len(frames) == 6 and len(set(frames)) == 6
    assert html.count('type="range"') == 2 and ">τ</label>" in html
    labels = [re.search('aria-label="([^"]*)"', frame)[1] for frame in frames]
    assert labels == [f"slope at t {t}, tau {tau}" for t in (1, 2, 3) for tau in (0.5, 1.0)]
    defined, used = (
        set(re.findall(r'<(?:path|clipPath) id="([^"]+)"', html)),
        set(re.findall(r"(?:url\(|href=\\?\")#([^)\"\\]+)", html)),
    )
    assert used and used <= defined
    ids, targets = re.findall(r'<input[^>]* id="([^"]+)"', html), re.findall(r'<label for="([^"]+)"', html)
    assert ids == targets
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)  # w3.org names in xmlns are not requests


def test_live_form_draws_anew():
    explorer = explore(draw, alt=lambda t, tau: f"at {t} and {tau}", **GRID)
    assert set(explorer._repr_mimebundle_()) == {
        "text/html",
        "text/plain",
        "application/vnd.jupyter.widget-view+json",
    }
    picture, t, tau, caption = explorer.widget.children
    assert [t.description, tau.description] == ["t", "τ"]
    assert caption.value == NAMES["caption"]
    before = picture.value
    t.value = 3
    assert picture.value != before and 'aria-label="at 3 and 0.5"' in picture.value
    assert picture.value == explorer.frames[4]  # both forms show the same picture


def test_a_live_drawing_that_fails_says_so():
    broken = []

    def fragile(t):
        if broken:
            raise KeyError("<gone>")
        return draw(t=t)

    picture, slider, _ = explore(fragile, alt="at {t}", t=[1, 2]).widget.children
    broken.append(True)
    slider.value = 2
    assert "KeyError" in picture.value and "&lt;gone&gt;" in picture.value and "Run the cells" in picture.value


def test_figures_are_closed_and_take_the_page_colours():
    fig = draw(t=1)
    html = show(fig, alt='a "line" & more')._repr_html_()
    assert plt.get_fignums() == []
    assert "currentColor" in html and module.INK not in html
    assert 'aria-label="a &quot;line&quot; &amp; more"' in html
    assert repr(show(draw(t=1), alt='a "line"')) == 'figure: a "line"'


def test_same_figure_same_bytes():
    assert show(draw(t=1), alt="a line").html == show(draw(t=1), alt="a line").html


@pytest.mark.parametrize(
    ("grid", "error", "says"),
    [
        ({}, ValueError, "1 to 3"),
        ({name: [1, 2] for name in "abcd"}, ValueError, "1 to 3"),
        ({"t": [1]}, ValueError, "t is"),
        ({"t": []}, ValueError, "t is"),
        ({"t": [1, 1]}, ValueError, "read differently"),
        ({"t": [1.0000001, 1.0000002]}, ValueError, "read differently"),
        ({"t": [1, float("nan")]}, ValueError, "t holds nan"),
        ({"t": [1, None]}, TypeError, "t holds None"),
        ({"t": [True, False]}, TypeError, "t holds True"),
        ({"t": range(61)}, ValueError, "t has 61 values"),
        ({"t": 3}, TypeError, "t is int"),
        ({"t": "ab"}, TypeError, "t is str"),
        ({"t": {1, 2}}, TypeError, "t is set"),
        ({"t": np.ma.masked_array([1, 2, 3], [0, 1, 0])}, TypeError, "t is MaskedArray"),
        ({"t": [0.0, -0.0]}, ValueError, "read differently"),
        ({"a b": [1, 2]}, ValueError, "'a b'"),
        ({"t": ["a|b", "c"]}, ValueError, "t holds"),
    ],
)
def test_bad_grids_are_refused(grid, error, says):
    with pytest.raises(error, match=says):
        explore(draw, alt=lambda **params: str(params), **grid)


@pytest.mark.parametrize(
    ("alt", "error"),
    [
        ("no field", ValueError),
        ("{t} and {u}", ValueError),
        ("", ValueError),
        (r"$\tau$ at {t}", ValueError),
        (3, TypeError),
        (lambda t: "always the same", ValueError),
        (lambda t: None, TypeError),
        ("{t:zz}", ValueError),
        ("{t", ValueError),
        ("{t.x}", ValueError),
    ],
)
def test_bad_alt_texts_are_refused(alt, error):
    with pytest.raises(error, match="alt"):
        explore(draw, alt=alt, t=[1, 2])


def test_bad_draw_is_refused():
    with pytest.raises(TypeError, match="draw"):
        explore(None, alt="{t}", t=[1, 2])
    with pytest.raises(TypeError, match="return fig"):
        explore(lambda t: None, alt="{t}", t=[1, 2])
    with pytest.raises(TypeError, match="Figure"):
        show(plt, alt="words")


def test_figures_have_one_size_and_are_closed_after_an_error():
    def growing(t):
        return plt.figure(figsize=(t, 2))

    with pytest.raises(ValueError, match="different sizes"):
        explore(growing, alt="at {t}", t=[1, 2])
    with pytest.raises(ValueError, match="alt"):
        show(draw(t=1), alt="")
    assert plt.get_fignums() == []


def test_figures_share_no_id():
    """Where the first of two figures is not rendered, what it defines would be missing in the second."""
    found = [
        re.findall(r'\bid="([^"]+)"', show_(draw(t=1), **NAMES | {"label": label}, alt="a line").html)
        for label in ("fig-a", "fig-b")
    ]
    assert found[0] and not set(found[0]) & set(found[1])


def test_the_caption_is_shown():
    for picture in (show(draw(t=1), alt="a line"), explore(draw, alt="at {t}", t=[1, 2])):
        figure = re.fullmatch(
            r'<figure class="explore" id="fig-a-b">.*<figcaption>(.*)</figcaption></figure>', picture.html, re.DOTALL
        )
        assert html_module.unescape(figure[1]) == NAMES["caption"]


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ({"label": "photo"}, ValueError),
        ({"label": "fig-A"}, ValueError),
        ({"label": None}, TypeError),
        ({"caption": " "}, ValueError),
        ({"caption": "one $x"}, ValueError),
        ({"caption": None}, TypeError),
    ],
)
def test_bad_names_are_refused(names, error):
    with pytest.raises(error, match=next(iter(names))):
        show_(draw(t=1), **NAMES | names, alt="a line")
    with pytest.raises(error, match=next(iter(names))):
        explore_(draw, **NAMES | names, alt="{t}", t=[1, 2])
    assert plt.get_fignums() == []


def test_it_starts_where_it_is_told_to():
    explorer = explore(draw, alt="at {t} and {tau}", start={"t": 3}, **GRID)
    assert 'value="2"' in explorer.html and ">3</output>" in explorer.html
    assert re.search('aria-label="([^"]*)"', explorer.html)[1] == "at 3 and 0.5"
    picture, t, tau, _ = explorer.widget.children
    assert (t.value, tau.value, picture.value) == (3, 0.5, explorer.frames[4])


@pytest.mark.parametrize(
    ("start", "error", "says"),
    [
        (3, TypeError, "start is int"),
        ({"t": 9}, ValueError, "start has t = 9"),
        ({"u": 1}, ValueError, "start names 'u'"),
    ],
)
def test_bad_starts_are_refused(start, error, says):
    with pytest.raises(error, match=says):
        explore(draw, alt="at {t}", start=start, t=[1, 2])


def test_equal_ids_mean_equal_things():
    def clipped(radius):
        fig, ax = plt.subplots()
        image = ax.imshow(np.eye(2))
        image.set_clip_path(plt.Circle((0.5, 0.5), radius, transform=ax.transData))
        return show(fig, alt="a clipped image").html

    found = [dict(re.findall(r'<clipPath id="([^"]+)">(.*?)</clipPath>', clipped(r), re.DOTALL)) for r in (0.3, 0.6)]
    assert all(found[0][i] == found[1][i] for i in set(found[0]) & set(found[1]))
    assert set(found[0]) != set(found[1])


def test_numpy_and_torch_values_are_numbers():
    explorer = explore(draw, alt="at {t}", t=np.array([1, 2]))
    assert "at 2" in explorer.html
    assert "at 0.5" in explore(draw, alt="at {t:g}", t=torch.tensor([0.5, 1.0])).html


def test_too_many_frames_are_refused_before_they_are_drawn():
    drawn = []

    def noisy(t, u):
        drawn.append(t)
        fig, ax = plt.subplots()
        ax.plot(np.random.default_rng(10 * t + u).normal(size=3000))
        return fig

    with pytest.raises(ValueError, match="grid has 100 frames"):
        explore(noisy, alt="noise {t} {u}", t=list(range(10)), u=list(range(10)))
    assert len(drawn) == 2


def test_script_cannot_be_ended_by_a_label():
    html = explore(draw, alt=lambda t: f"at </script> {t}", t=[1, 2]).html
    assert html.count("</script>") == 2


def test_equal_images_share_no_id():
    fig, axes = plt.subplots(1, 2)
    for ax in axes:
        ax.imshow(np.eye(2))
    html = show(fig, alt="the same image twice").html
    assert html.count("<image") == 2 and 'id="image' not in html
