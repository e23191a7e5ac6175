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

from helpers import TERMS
from helpers import explore as explore_
from helpers import show as show_
from helpers.sketch import numbers

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
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])["data"][
        "frames"
    ]


def test_page_form():
    html = explore(draw, alt="slope at t {t}, tau {tau}", **GRID).html
    frames = frames_of(html)
    assert len(frames) == 6 and len(set(frames)) == 6
    assert html.count('type="range"') == 2 and ">τ</label>" in html
    labels = [re.search('aria-label="([^"]*)"', frame)[1] for frame in frames]
    assert labels == [f"slope at t {t}, tau {tau}" for t in (1, 2, 3) for tau in (0.5, 1.0)]
    defined, used = (
        set(re.findall(r'<(?:path|clipPath) id=\\?"([^"\\]+)', html)),
        set(re.findall(r"(?:url\(|href=\\?\")#([^)\"\\]+)", html)),
    )
    assert used and used <= defined
    ids, targets = re.findall(r'<input[^>]* id="([^"]+)"', html), re.findall(r'<label for="([^"]+)"', html)
    assert ids == targets
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)  # w3.org names in xmlns are not requests


def test_frames_find_what_they_draw_with():
    def hatched(t):
        with plt.style.context("helpers.book"):
            fig, ax = plt.subplots()
            ax.fill_between([0, 1], [0, t], hatch="//", facecolor="none", edgecolor="red")
            ax.plot([0, 1], [0, t], marker="o", clip_on=True)
        return fig

    html = explore(hatched, alt="a field up to {t}", t=[1, 2, 3]).html
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])["data"]
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", "".join(data["frames"])))
    defined = re.findall(r'<(path|clipPath|pattern) id="([^"]+)"', data["shared"])
    assert used == {name for _, name in defined} and {kind for kind, _ in defined} == {"path", "clipPath", "pattern"}


def test_axes_stay_from_frame_to_frame_and_nothing_is_cut():
    figs = []

    def growing(t):
        with plt.style.context("helpers.book"):
            fig, ax = plt.subplots()
            ax.ticklabel_format(style="plain")
            ax.plot([0, 10**t])
        figs.append(fig)
        return fig

    explore(growing, alt="up to ten to the {t}", t=[0, 4, 8])
    assert len({fig.axes[0].get_position().bounds for fig in figs}) == 1
    for fig in figs:
        room, (width, height) = fig.get_tightbbox(), fig.get_size_inches()
        assert 0 <= room.x0 < room.x1 <= width and 0 <= room.y0 < room.y1 <= height


def parts_of(picture):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', picture.html, re.DOTALL)[1])


def test_both_forms_have_the_same_parts():
    explorer = explore(draw, alt=lambda t, tau: f"at {t} and {tau}", **GRID)
    kinds = {"text/html", "text/plain", "application/vnd.jupyter.widget-view+json"}
    assert set(explorer._repr_mimebundle_()) == kinds
    picture, caption = explorer.widget().children
    assert caption.value == NAMES["caption"]
    assert all(f"--t-{name}: {colour};" in picture._css for name, colour in TERMS.items())  # no page gives them there
    assert {"data": picture.data, "state": picture.state, "module": picture._esm} == parts_of(explorer)
    assert picture.html in explorer.html


def test_a_sentence_for_each_frame():
    seen = explore(draw, alt="at {t} and {tau}", see="t is {t}", start={"t": 2}, **GRID)
    assert parts_of(seen)["data"]["see"] == [f"t is {t}" for t in (1, 1, 2, 2, 3, 3)]
    assert '<output class="see">t is 2</output>' in seen.html
    silent = explore(draw, alt="at {t} and {tau}", **GRID)
    assert '<output class="see unseen">at 1 and 0.5</output>' in silent.html


def test_handles_lie_where_the_data_say():
    explorer = explore(draw, alt="at {t}", handle=lambda t: (0.5, t / 2), t=[1, 2, 4])
    (x1, y1), (x2, y2), (x3, y3) = parts_of(explorer)["data"]["places"]
    # In the middle of axes of which the line fills the same share.
    width, height = map(float, re.search('viewBox="0 0 ([0-9.]+) ([0-9.]+)"', explorer.html).groups())
    assert max(abs(x1 - x3), abs(x2 - x3)) < 9 and 0.4 * width < x1 < 0.65 * width
    assert max(abs(y1 - y3), abs(y2 - y3)) < 0.2 and 0.3 * height < y1 < 0.6 * height


def test_a_drag_stays_on_its_curve(monkeypatch):
    """Where curves cross, the handle of another one may lie nearer; where only names are left, a drag changes them."""
    drawn = lambda **params: draw(t=1)
    lines = explore(
        drawn,
        alt="{line} at {t}",
        handle=lambda line, t: (t / 4, 0.5 if line == "flat" else t / 4),
        line=["flat", "steep"],
        t=[1, 2, 3],
    )
    names = explore(drawn, alt="{line}", handle=lambda line: (0.5, len(line) / 5), line=["a", "abc"])
    to = "export const to = (data, { n, ...state }) => drag(data, state, 'knob', ...data.places[n])"
    monkeypatch.setattr(sys.modules["helpers.sketch"], "_source", lambda name: f"{module.MODULE}\n{to}")
    for picture, state, n, then in (
        (lines, {"line": 0, "t": 1}, 5, {"line": 0, "t": 2}),
        (lines, {"line": 1, "t": 1}, 2, {"line": 1, "t": 2}),
        (names, {"line": 0}, 1, {"line": 1}),
    ):
        assert numbers("frames", parts_of(picture)["data"], [state | {"n": n}], "to") == [then]


def test_presets_and_steps_are_buttons():
    explorer = explore(
        draw, alt="at {t}, {tau}", presets={"the <last>": {"t": 3}}, steps="t", start={"tau": 1.0}, **GRID
    )
    buttons = re.findall(r"<button type=\"button\" (.*?)>(.*?)</button>", explorer.html)
    assert [text for _, text in buttons] == ["‹ back", "next ›", "the &lt;last&gt;"]
    assert 'data-of="t"' in buttons[0][0] and 'data-step="-1"' in buttons[0][0]
    assert json.loads(html_module.unescape(re.search('data-set="(.*?)"', buttons[2][0])[1])) == {"t": 2, "tau": 1}


def test_a_pressed_parameter_has_buttons_and_no_slider():
    explorer = explore(draw, alt="at {t}, {tau}", press="tau", start={"t": 2}, **GRID)
    buttons = re.findall(r"<button type=\"button\" data-set=\"(.*?)\">(.*?)</button>", explorer.html)
    sets = [(json.loads(html_module.unescape(set)), text) for set, text in buttons]
    assert sets == [({"tau": 0}, "0.5"), ({"tau": 1}, "1")]  # t stays where it is
    assert re.findall(r'data-name="(\w+)"', explorer.html) == ["t"]
    assert len(frames_of(explorer.html)) == 6


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"handle": 3}, TypeError, "handle is int"),
        ({"handle": lambda t: None}, ValueError, "handle gives None"),
        ({"handle": lambda t: (1, 2, 3)}, ValueError, "handle gives"),
        ({"presets": ["a"]}, TypeError, "presets is list"),
        ({"press": "u"}, ValueError, "press is 'u'"),
        ({"presets": {"a": {"u": 1}}}, ValueError, "names 'u'"),
        ({"presets": {"a": {"t": 9}}}, ValueError, "t = 9"),
        ({"steps": "u"}, ValueError, "steps is 'u'"),
        ({"see": "{u}"}, ValueError, "see is"),
        ({"see": r"$x$ {t}"}, ValueError, "see is"),
        ({"see": lambda t: 3}, TypeError, "see is int"),
    ],
)
def test_bad_controls_are_refused(more, error, says):
    with pytest.raises(error, match=says):
        explore(draw, alt="at {t}", t=[1, 2], **more)
    plt.close("all")


def test_terms_take_the_colour_of_the_page():
    fig, ax = plt.subplots()
    ax.plot([0, 1], color=TERMS["orange"], gid="t-orange")
    html = show(fig, alt="a line").html
    assert '<g class="t-orange"' in html and "var(--t-orange, #d55e00)" in html


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
    assert parts_of(explorer)["state"] == {"t": 2, "tau": 0}


def test_what_asks_stands_in_the_place_of_the_start_only(monkeypatch):
    def marked(t, tau):
        return draw(t=9 if t == "?" else t, tau=tau)

    asks = {"start": {"t": 3}, "asks": {"t": "?"}, "press": "t"}
    explorer = explore(marked, alt="at {t} and {tau}", see="{t}", **asks, **GRID)
    parts, start = parts_of(explorer), {"t": 2, "tau": 0}
    assert parts["state"] == start | {"asked": start} and ">?</output>" in explorer.html
    assert re.search('aria-label="([^"]*)"', explorer.html)[1] == "at ? and 0.5"
    assert parts["data"]["see"][-1] == "?" and parts["data"]["see"].count("?") == 1
    pressed = json.loads(html_module.unescape(re.findall('data-set="([^"]*)"', explorer.html)[2]))
    monkeypatch.setattr(sys.modules["helpers.sketch"], "_source", lambda name: module.MODULE)
    states = [parts["state"], parts["state"] | {"t": 0}, start | {"asked": None}, parts["state"] | pressed]
    seen = numbers("frames", parts["data"], states, "draw")
    assert [frame["see"] for frame in seen] == ["?", "1", "3", "3"]
    assert seen[0]["svg"] == parts["data"]["frames"][-1]


@pytest.mark.parametrize(
    ("asks", "error", "says"), [(3, TypeError, "asks is int"), ({"u": 1}, ValueError, "asks names 'u'")]
)
def test_bad_questions_are_refused(asks, error, says):
    with pytest.raises(error, match=says):
        explore(draw, alt="at {t}", asks=asks, t=[1, 2])


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
    assert html.count("</script>") == 1


def test_equal_images_share_no_id():
    fig, axes = plt.subplots(1, 2)
    for ax in axes:
        ax.imshow(np.eye(2))
    html = show(fig, alt="the same image twice").html
    assert html.count("<image") == 2 and 'id="image' not in html
