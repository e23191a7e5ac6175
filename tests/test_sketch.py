"""helpers.sketch and helpers.predict: what is shown, what is refused. (Moving it in a browser: test_pages.py.)"""

import json
import re

import pytest

from helpers import predict, sketch
from helpers.sketch import FOLDER, numbers

NAMES = {"label": "fig-a-b", "caption": "Move it."}
CLOUD = {"cloud": [[3, 0], [3, 1]]}
START = {"x": 58, "y": 103}


def test_the_start_is_drawn_by_the_module_itself():
    picture = sketch("outlier", CLOUD, start=START, ranges={"x": 140, "y": 140}, **NAMES)
    [drawn] = numbers("outlier", CLOUD, [START], "draw")
    assert drawn["svg"] in picture.html and drawn["see"] in picture.html
    assert picture.html.count('type="range"') == 2 and 'max="140" value="58"' in picture.html
    parts = json.loads(re.search(r'<script type="application/json">(.*?)</script>', picture.html, re.DOTALL)[1])
    assert parts["data"] == CLOUD and parts["state"] == START
    assert parts["module"].endswith((FOLDER / "outlier.js").read_text("utf-8"))
    assert "application/vnd.jupyter.widget-view+json" in picture._repr_mimebundle_()


def test_actions_are_buttons():
    picture = sketch(
        "outlier",
        CLOUD,
        start=START,
        ranges={"x": list("a" * 58 + "b")},
        actions={"home": {"x": 90}, "keep": "keep"},
        **NAMES,
    )
    assert 'aria-valuetext="b"' in picture.html
    assert 'data-set="{&quot;x&quot;: 90}">home' in picture.html and 'data-act="keep">keep' in picture.html


@pytest.mark.parametrize(
    ("name", "data", "more", "error", "says"),
    [
        ("nothing", CLOUD, {}, FileNotFoundError, "no nothing.js"),
        ("outlier", {"cloud": 3}, {}, ValueError, "outlier.js fails in draw"),
        ("outlier", {"cloud": {1, 2}}, {}, TypeError, "data and states"),
        ("outlier", CLOUD, {"ranges": {"z": 3}}, ValueError, "start has z = None"),
        ("outlier", CLOUD, {"ranges": {"x": 3}}, ValueError, "from 0 to 3"),
    ],
)
def test_bad_sketches_are_refused(name, data, more, error, says):
    with pytest.raises(error, match=says):
        sketch(name, data, start=START, **NAMES, **more)


def test_a_prediction_needs_no_script():
    html = predict("Is $x<y$?", ["yes", "no & never"], right=1, because="Since $y=x$.").html
    assert html.count('type="radio"') == 2 and "<script" not in html
    assert "Is $x&lt;y$?" in html and '<label class=right><input type="radio"' in html
    assert re.search(r'class="reveal"><b>no &amp; never\.</b> Since \$y=x\$\.', html)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("", ["a", "b"], 0, "why"), ValueError, "question is"),
        (("$x", ["a", "b"], 0, "why"), ValueError, "question is"),
        (("x", ["a"], 0, "why"), ValueError, "options is"),
        (("x", ["a", "a"], 0, "why"), ValueError, "options is"),
        (("x", ["a", 3], 0, "why"), TypeError, "options holds int"),
        (("x", ["a", "b"], 2, "why"), ValueError, "right is 2"),
        (("x", ["a", "b"], True, "why"), ValueError, "right is True"),
        (("x", ["a", "b"], 0, None), TypeError, "because holds"),
    ],
)
def test_bad_predictions_are_refused(arguments, error, says):
    with pytest.raises(error, match=re.escape(says)):
        predict(*arguments)
