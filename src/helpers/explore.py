"""Figures that a reader can move: live widgets with a kernel, native sliders over rendered frames without one."""

import html
import io
import itertools
import json
import math
import re
import string
import unicodedata
import zlib

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from tqdm import tqdm

BUDGET = 300_000  # bytes of one explorer after gzip: a chapter's page has 1.2 MB for everything
STOPS = 60  # of one slider: more cannot be told apart by hand
INK = "#1a1a1b"  # the ink of book.mplstyle, replaced by the page's text colour
_ITEMS = re.compile(r'<(path|clipPath) id="([^"]+)"(?:[^>]*/>|.*?</clipPath>)', re.DOTALL)  # what a frame defines


def show(fig, *, label, caption, alt):
    """A still figure with its caption and its text alternative; the last expression of a cell.

    Args:
        fig: a matplotlib Figure; it is closed, so that it is not shown twice.
        label: the figure's name in the book, such as "fig-rnn-memory": the target of {numref}.
        caption: what to look at and what is seen, a sentence or two; formulas between $ signs.
        alt: what the figure shows, in plain words without TeX, for readers who do not see it.

    Raises:
        TypeError, ValueError: an argument that is not so, named.
    """
    picture = _picture(fig, alt, str(label))
    return Still(_figure(label, caption)(picture))


def explore(draw, *, label, caption, alt, start=None, **grid):
    """A figure with one slider for each parameter; the last expression of a cell.

    With a kernel the sliders call `draw`; in the built page they switch between frames rendered beforehand.

    Args:
        draw: called as `draw(**params)`; returns a new matplotlib Figure, always of one size.
        label: the figure's name in the book, such as "fig-id-photo": the target of {numref}.
        caption: what to do and what is seen, a sentence or two; formulas between $ signs.
        alt: what a frame shows: a text with the parameters in braces, as in "weights at step {t}", or a function of
            the parameters that returns one. No two frames may have the same.
        start: the parameters of the frame that is shown first, as in `{"t": 8}`: the one that tells most. What is
            not named starts at its first value.
        **grid: one to three parameters, each a list of two or more different numbers or strings. Greek letters may
            be spelled: `tau` is labelled τ.

    Raises:
        TypeError, ValueError: an argument that is not so, named; frames that would exceed `BUDGET` bytes.
    """
    if not callable(draw):
        raise TypeError(f"draw is {type(draw).__name__}; it must be a function that returns a matplotlib Figure")
    if not 1 <= len(grid) <= 3:
        raise ValueError(f"grid has {len(grid)} parameters; it must have 1 to 3 (for a still figure use show)")
    grid = {name: _values(name, values) for name, values in grid.items()}
    return Explorer(draw, _figure(label, caption), _template(alt, grid), grid, _start(start, grid))


class Still:
    """A picture as HTML."""

    def __init__(self, html):
        self.html = html

    def _repr_html_(self):
        return self.html

    def __repr__(self):
        return "figure: " + html.unescape(re.search('aria-label="([^"]*)"', self.html)[1])


class Explorer:
    """Sliders over a figure, as a live widget and as a page without a kernel: see `explore`."""

    def __init__(self, draw, figure, alt, grid, start):
        points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        alts = [alt(**point) for point in points]
        if len(set(alts)) < len(alts):
            twice = next(a for a in alts if alts.count(a) > 1)
            raise ValueError(f"alt says {twice!r} of more than one frame; name every parameter in it")

        def frame(point):
            return _picture(draw(**point), alt(**point), figure.label)

        # Two frames tell what the rest will cost, before the time is spent on them.
        first, last = frame(points[0]), frame(points[-1])
        one, two = _size([first]), _size([first, last])
        _afford(one + (len(points) - 1) * (two - one), len(points))
        middle = [frame(point) for point in tqdm(points[1:-1], desc="frames", leave=False)]
        self.frames = [first, *middle, last]
        if len(sizes := {re.search('viewBox="([^"]*)"', frame)[1] for frame in self.frames}) > 1:
            raise ValueError(f"draw gives figures of different sizes, {sorted(sizes)}; they must have one")
        opening = self.frames[points.index(start)]
        self.html = figure(_page(self.frames, figure.label, opening, grid, start))
        _afford(_size(self.frames), len(points))
        self.widget = _live(frame, figure.caption, opening, grid, start)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.widget._repr_mimebundle_() | {"text/html": self.html, "text/plain": repr(self)}

    def __repr__(self):
        return f"explorer with {len(self.frames)} frames"


class _figure:
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


def _live(frame, caption, opening, grid, start):
    """The ipywidgets form: a kernel draws each frame anew."""
    picture = ipywidgets.HTML(opening)
    sliders = {
        name: ipywidgets.SelectionSlider(
            options=[(_text(v), v) for v in values], value=start[name], description=_label(name)
        )
        for name, values in grid.items()
    }

    def redraw(_):
        try:
            picture.value = frame({name: slider.value for name, slider in sliders.items()})
        except Exception as error:  # a widget has nowhere else to say it
            said = html.escape(f"{type(error).__name__}: {error}")
            picture.value = f"<p>The figure could not be drawn ({said}). Run the cells above again, then this one.</p>"

    for slider in sliders.values():
        slider.observe(redraw, "value")
    return ipywidgets.VBox([picture, *sliders.values(), ipywidgets.HTMLMath(html.escape(caption, quote=False))])


_SCRIPT = """(()=>{const root=document.currentScript.parentElement,sliders=[...root.querySelectorAll("input")],
frames=JSON.parse(root.querySelector("script[type='application/json']").textContent),
values=sliders.map(s=>s.dataset.values.split("|"));
const move=()=>{let n=0;sliders.forEach((s,i)=>{const v=values[i][s.value];n=n*values[i].length+ +s.value;
s.setAttribute("aria-valuetext",v);s.nextElementSibling.textContent=v});
root.querySelector(".frame").innerHTML=frames[n]};
sliders.forEach(s=>s.addEventListener("input",move));move()})()"""


def _page(frames, id, opening, grid, start):
    """The form without a kernel: native range inputs that switch between the frames, and no library."""
    rows, opening = [], frames.index(opening)
    frames, shared = _share(frames)
    for name, values in grid.items():
        label, texts = html.escape(_label(name)), [html.escape(_text(v)) for v in values]
        at = values.index(start[name])
        rows.append(
            f'<div class="explore-row"><label for="{id}-{name}">{label}</label> '
            f'<input type="range" id="{id}-{name}" min="0" max="{len(values) - 1}" value="{at}" step="1" '
            f'autocomplete="off" aria-valuetext="{texts[at]}" data-values="{"|".join(texts)}"> '
            f'<output for="{id}-{name}">{texts[at]}</output></div>'
        )
    data = json.dumps(frames, ensure_ascii=False).replace("</", "<\\/")  # no </script> inside a script
    return (
        f'{shared}<div class="frame">{frames[opening]}</div>{"".join(rows)}'
        "<noscript><p>The slider needs JavaScript; this is the frame it starts with.</p></noscript>"
        f'<script type="application/json">{data}</script><script>{_SCRIPT}</script>'
    )


def _share(frames):
    """The frames without their definitions, and these once for all: letters, markers and clips are most of a frame."""
    blocks = re.compile(r"<defs>.*?</defs>\n?", re.DOTALL)
    defs = {item[2]: item[0] for frame in frames for block in blocks.findall(frame) for item in _ITEMS.finditer(block)}
    hidden = 'aria-hidden="true" width="0" height="0" style="position:absolute"'
    return [blocks.sub("", frame) for frame in frames], f"<svg {hidden}><defs>{''.join(defs.values())}</defs></svg>"


def _picture(fig, alt, label):
    """`fig` as an inline SVG that fits its column and takes the page's text colour; closes `fig`.

    Clips, letters and markers are named by content and `label`: shared between figures, they would vanish from all
    of them where the first is not rendered.
    """
    if not isinstance(fig, Figure):
        raise TypeError(f"fig is {type(fig).__name__}; it must be a matplotlib Figure: end draw with `return fig`")
    file = io.StringIO()
    try:
        alt = _alt(alt)
        with plt.rc_context({"svg.hashsalt": "book", "svg.fonttype": "path"}):  # the same bytes and letters everywhere
            fig.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    finally:
        plt.close(fig)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub("<!--.*?-->\n?|<(metadata|style)\\b.*?</\\1>\n?", "", svg, flags=re.DOTALL)  # its style is for "*"
    # matplotlib numbers groups alike in every figure of a page, and names images by their content
    svg = re.sub(r'(<g|<image[^>]*?) id="[^"]*"', r"\1", svg)
    svg = re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\.\d\d)\d+", r"\1", d[0]), svg)  # 0.01 pt is finer than any screen
    # matplotlib names some clip paths by their order
    names = {i[2]: f"s{zlib.crc32((label + i[0].replace(i[2], '')).encode()):x}" for i in _ITEMS.finditer(svg)}
    svg = re.sub(r'(\bid="|url\(#|href="#)([^")]+)', lambda m: m[1] + names.get(m[2], m[2]), svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r' width="[^"]*"', ' style="display:block;width:100%;max-width:40rem;height:auto"', svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt)}" stroke-linejoin="round"', 1)


def _size(frames):
    """Bytes of the frames in a page after gzip."""
    bare, shared = _share(frames)
    return len(zlib.compress((shared + "".join(bare)).encode()))


def _afford(size, frames):
    if size > BUDGET:
        raise ValueError(
            f"grid has {frames} frames of about {size / frames / 1000:.1f} kB each, {size / 1000:.0f} kB after gzip; "
            f"it must stay within {BUDGET // 1000} kB: take fewer values or a simpler figure"
        )


def _values(name, values):
    if not name.isidentifier():
        raise ValueError(f"grid has the parameter {name!r}; it must be a name that Python allows")
    array = getattr(values, "ndim", 0) == 1 and not hasattr(values, "mask")
    if not (array or isinstance(values, (list, tuple, range))):
        raise TypeError(f"{name} is {type(values).__name__}; it must be a list of values for its slider")
    values = [v.item() if getattr(v, "ndim", None) == 0 else v for v in values]
    for v in values:
        if isinstance(v, bool) or not isinstance(v, (int, float, str)):
            raise TypeError(f"{name} holds {v!r}; it must hold numbers or strings")
        if (isinstance(v, float) and not math.isfinite(v)) or (isinstance(v, str) and (not v or "|" in v)):
            raise ValueError(f"{name} holds {v!r}; it must hold finite numbers, or strings without '|'")
    if len(values) > STOPS:
        raise ValueError(f"{name} has {len(values)} values; a slider has at most {STOPS} stops: take fewer")
    if len(values) < 2 or min(len(set(values)), len({_text(v) for v in values})) < len(values):
        raise ValueError(f"{name} is {values}; it must hold two or more values that read differently")
    return values


def _start(start, grid):
    """The parameters of the opening frame, complete."""
    start = {} if start is None else start
    if not isinstance(start, dict):
        raise TypeError(f"start is {type(start).__name__}; it must be a dict of parameters, such as {{'t': 8}}")
    for name, value in start.items():
        if name not in grid:
            raise ValueError(f"start names {name!r}; the parameters are {list(grid)}")
        if value not in grid[name]:
            raise ValueError(f"start has {name} = {value!r}; it must be one of {grid[name]}")
    return {name: start.get(name, values[0]) for name, values in grid.items()}


def _template(alt, grid):
    """`alt` as a function of the parameters, with each text checked."""
    if callable(alt):
        return lambda **point: _alt(alt(**point))
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(_alt(alt)) if field is not None}
        if fields != set(grid):
            raise ValueError(f"it has the fields {sorted(fields)} and must name each parameter: {sorted(grid)}")
        alt.format(**{name: values[0] for name, values in grid.items()})
    except (ValueError, LookupError, AttributeError) as error:
        raise ValueError(f"alt is {alt!r}; {error}") from error
    return lambda **point: _alt(alt.format(**point))


def _alt(alt):
    if not isinstance(alt, str):
        raise TypeError(f"alt is {type(alt).__name__}; it must be text that says what the figure shows")
    if not alt.strip() or re.search(r"[$\\]", alt):
        raise ValueError(f"alt is {alt!r}; it must say in plain words, without TeX, what the figure shows")
    return alt


def _label(name):
    """τ for tau; any other name as it is."""
    try:
        return unicodedata.lookup(f"GREEK SMALL LETTER {name.rstrip('_').replace('lambda', 'lamda')}")
    except KeyError:
        return name.replace("_", " ").strip()


def _text(value):
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
