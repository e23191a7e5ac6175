"""What every moving picture is made of: a figure with its caption, controls, and a module that runs in the page.

The module is JavaScript in anywidget's form, so that the same text is a widget in JupyterLab and runs in the built page
without a kernel.
"""

import html
import json
import re
import unicodedata
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from helpers.check import TERMS

HERE = Path(__file__).parent
STAGE, STYLE = ((HERE / name).read_text("utf-8") for name in ("stage.js", "stage.css"))
STYLE += f":where(.stage) {{{''.join(f'--t-{name}: {colour};' for name, colour in TERMS.items())}}}\n"


class Framed:
    """The frame of every picture: its label, its caption, and both as HTML around what is shown."""

    def __init__(self, label, caption):
        if not isinstance(label, str) or not re.fullmatch(r"fig(-[a-z0-9]+)+", label):
            kind = ValueError if isinstance(label, str) else TypeError
            raise kind(f"label is {label!r}; it must be 'fig-' and lower-case words joined by hyphens")
        if not isinstance(caption, str):
            raise TypeError(f"caption is {type(caption).__name__}; it must be text that says what to look at")
        if not caption.strip() or caption.count("$") % 2:
            raise ValueError(f"caption is {caption!r}; it must say what to look at, with each formula between two $")
        self.label, self.caption = label, " ".join(caption.split())

    def __call__(self, content):
        caption = html.escape(self.caption, quote=False)
        return f'<figure class="explore" id="{self.label}">{content}<figcaption>{caption}</figcaption></figure>'


class Moving:
    """A picture that moves: in a page, as a widget of JupyterLab, and as text."""

    def __init__(self, framed, picture, controls, see, module, data, state, text, ghost=False, silent=False):
        """`picture` and `see` are the SVG and the sentence of `state`, `module` the text that changes them.

        What a silent picture says is for screen readers only.
        """
        behind = '<div class="ghost" aria-hidden="true"></div>' * ghost
        self.inside = (
            f'<div class="stage">{behind}<div class="frame">{picture}</div></div>{controls}'
            f'<output class="see{" unseen" * silent}">{html.escape(see)}</output>'
            "<noscript><p>Moving it needs JavaScript; this is where it starts.</p></noscript>"
        )
        self.framed, self.text = framed, text
        self.parts = {"module": f"{STAGE}\n{module}", "data": data, "state": state}

    @property
    def html(self):
        """As the book's build takes it apart: the parts go into a file of their own."""
        parts = json.dumps(self.parts, ensure_ascii=False).replace("</", "<\\/")  # no </script> inside a script
        return self.framed(f'{self.inside}<script type="application/json">{parts}</script>')

    def widget(self):
        members = {name: traitlets.Dict(self.parts[name]).tag(sync=True) for name in ("data", "state")}
        members |= {"html": traitlets.Unicode(self.inside).tag(sync=True)}
        members |= {"_esm": self.parts["module"], "_css": STYLE}
        picture = type("Picture", (anywidget.AnyWidget,), members)()
        return ipywidgets.VBox([picture, ipywidgets.HTMLMath(html.escape(self.framed.caption, quote=False))])

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.widget()._repr_mimebundle_() | {"text/html": self.html, "text/plain": repr(self)}

    def __repr__(self):
        return self.text


def slider(id, name, value, top, text, values=None):
    """One row: a native range from 0 to `top`, whose stops read as `values` if there are any."""
    told = f' data-values="{html.escape("|".join(values))}"' if values else ""
    label, text = html.escape(symbol(name)), html.escape(text)
    return (
        f'<div class="explore-row"><label for="{id}-{name}">{label}</label> '
        f'<input type="range" id="{id}-{name}" data-name="{name}" min="0" max="{top}" value="{value}" step="1" '
        f'autocomplete="off" aria-valuetext="{text}"{told}> <output for="{id}-{name}">{text}</output></div>'
    )


def buttons(*rows):
    """A row of buttons; each is (text, {attribute: value})."""
    made = (
        f'<button type="button" {" ".join(f"{key}={json_attribute(value)}" for key, value in attributes.items())}>'
        f"{html.escape(text)}</button>"
        for text, attributes in rows
    )
    return f'<div class="explore-buttons">{"".join(made)}</div>' if rows else ""


def json_attribute(value):
    return '"' + html.escape(value if isinstance(value, str) else json.dumps(value)) + '"'


def symbol(name):
    """τ for tau; any other name as it is."""
    try:
        return unicodedata.lookup(f"GREEK SMALL LETTER {name.rstrip('_').replace('lambda', 'lamda')}")
    except KeyError:
        return name.replace("_", " ").strip()
