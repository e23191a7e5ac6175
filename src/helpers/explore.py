"""Figures: still ones, and ones that a reader moves from frame to frame, with a kernel and without one."""

import html
import io
import itertools
import math
import re
import string
import zlib

import numpy as np
from tqdm import tqdm

from helpers.check import TERMS
from helpers.moving import HERE, Framed, Moving, buttons, slider

BUDGET = 300_000  # bytes of one explorer after gzip: a chapter's page has 1.2 MB for everything
STOPS = 60  # of one slider: more cannot be told apart by hand
INK = "#1a1a1b"  # the ink of book.mplstyle, replaced by the page's text colour
MODULE = (HERE / "frames.js").read_text("utf-8")
# What a frame defines. Paths stand in clips and patterns too, but have no id there.
_ITEMS = re.compile(r'<(path|clipPath|pattern) id="([^"]+)"(?:[^>]*/>|.*?</(?:clipPath|pattern)>)', re.DOTALL)


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
    return Still(Framed(label, caption)(picture))


def explore(
    draw,
    *,
    label,
    caption,
    alt,
    start=None,
    asks=None,
    see=None,
    handle=None,
    ghost=False,
    presets=None,
    steps=None,
    press=None,
    **grid,
):
    """A figure with one slider for each parameter; the last expression of a cell.

    Every frame is drawn here and now; the sliders switch between them, in the built page as with a kernel.

    Args:
        draw: called as `draw(**params)`; returns a new matplotlib Figure, always of one size.
        label: the figure's name in the book, such as "fig-id-photo": the target of {numref}.
        caption: what to do and what is seen, a sentence or two; formulas between $ signs.
        alt: what a frame shows: a text with the parameters in braces, as in "weights at step {t}", or a function of
            the parameters that returns one. No two frames may have the same.
        start: the parameters of the frame that is shown first, as in `{"t": 8}`: the one that tells most. What is
            not named starts at its first value.
        asks: parameters of one frame more, of any value, which keeps something back: it stands in the place of the
            start until the question before the picture (see `predict`) is answered. Others are as in `start`.
        see: a sentence under each frame, in the form of `alt`, without TeX; it may be the same for several frames.
            Screen readers hear it when it changes, and `alt` where there is none.
        handle: a function of the parameters that gives a place (x, y) on each frame, in the data of the figure's
            first axes. What lies there can be dragged; the sliders follow, those of numbers if there are any.
        ghost: whether the start stays faint behind the picture.
        presets: buttons, a dict from their text to the parameters that they set.
        steps: the name of a parameter of which two buttons go one step back and one on.
        press: the name of a parameter that has a button for each of its values in the place of a slider. The others
            stay where they are.
        **grid: one to three parameters, each a list of two or more different numbers or strings. Greek letters may
            be spelled: `tau` is labelled τ.

    Raises:
        TypeError, ValueError: an argument that is not so, named; frames that would exceed `BUDGET` bytes.
    """
    for name, function in (("draw", draw), ("handle", handle)):
        if not (callable(function) or (name == "handle" and handle is None)):
            gives = "matplotlib Figure" if name == "draw" else "place (x, y)"
            raise TypeError(f"{name} is {type(function).__name__}; it must be a function that returns a {gives}")
    if not 1 <= len(grid) <= 3:
        raise ValueError(f"grid has {len(grid)} parameters; it must have 1 to 3 (for a still figure use show)")
    grid = {name: _values(name, values) for name, values in grid.items()}
    framed, start = Framed(label, caption), _start("start", start, grid)
    if asks is not None:
        asks = start | _named("asks", asks, grid)
    says = _template("alt", alt, grid), _template("see", alt if see is None else see, grid)
    if presets is not None and not isinstance(presets, dict):
        raise TypeError(f"presets is {type(presets).__name__}; it must be a dict from texts to parameters")
    sets = {text: _start(f"presets[{text!r}]", params, grid, start) for text, params in (presets or {}).items()}
    if steps is not None and steps not in grid:
        raise ValueError(f"steps is {steps!r}; it must be one of the parameters, {list(grid)}")
    if press is not None and press not in grid:
        raise ValueError(f"press is {press!r}; it must be one of the parameters, {list(grid)}")
    return Explorer(draw, framed, says, grid, start, asks, handle, ghost, sets, steps, press, silent=see is None)


class Still:
    """A picture as HTML."""

    def __init__(self, html):
        self.html = html

    def _repr_html_(self):
        return self.html

    def __repr__(self):
        return "figure: " + html.unescape(re.search('aria-label="([^"]*)"', self.html)[1])


class Explorer(Moving):
    """Sliders over a figure: see `explore`."""

    def __init__(self, draw, framed, says, grid, start, asks, handle, ghost, presets, steps, press, silent):
        points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        points += [asks] if asks else []  # the last frame
        alts, seen = ([say(**point) for point in points] for say in says)
        if len(set(alts)) < len(alts):
            twice = next(a for a in alts if alts.count(a) > 1)
            raise ValueError(f"alt says {twice!r} of more than one frame; name every parameter in it")
        places, last = {}, len(points) - 1
        ends = [draw(**points[0]), draw(**points[last])]
        settle = _layout(ends)

        def frame(n, fig):
            settle(fig)
            picture = _picture(fig, alts[n], framed.label)
            if handle is not None:
                places[n] = _place(fig, handle(**points[n]))
            return picture

        # Two frames tell what the rest will cost, before the time is spent on them.
        first, final = frame(0, ends[0]), frame(last, ends[1])
        one, two = _size([first]), _size([first, final])
        _afford(one + last * (two - one), len(points))
        middle = [frame(n, draw(**points[n])) for n in tqdm(range(1, last), desc="frames", leave=False)]
        self.frames = [first, *middle, final]
        if len(sizes := {re.search('viewBox="([^"]*)"', frame)[1] for frame in self.frames}) > 1:
            raise ValueError(f"draw gives figures of different sizes, {sorted(sizes)}; they must have one")
        _afford(_size(self.frames), len(points))
        index = lambda params: {name: grid[name].index(value) for name, value in params.items()}
        state, opening = index(start), points.index(asks or start)
        bare, shared = _share(self.frames)
        data = {"frames": bare, "shared": shared, "see": seen, "sizes": {name: len(v) for name, v in grid.items()}}
        if places:
            data["places"] = [places[n] for n in range(len(points))]
            data["named"] = [name for name, values in grid.items() if isinstance(values[0], str)]
        rows = ""
        for name, values in grid.items():
            if name == press:
                continue
            texts = [_text(value) for value in values]
            rows += slider(framed.label, name, state[name], len(values) - 1, texts[state[name]], texts)
        told = {"asked": None} if asks else {}  # a button answers too
        moves = [(text, {"data-set": index(params) | told}) for text, params in presets.items()]
        if press:
            moves = [(_text(value), {"data-set": {press: n} | told}) for n, value in enumerate(grid[press])] + moves
        if steps:
            one = {"data-of": steps}
            moves = [("‹ back", one | {"data-step": "-1"}), ("next ›", one | {"data-step": "1"}), *moves]
        super().__init__(
            framed,
            self.frames[opening],
            rows + buttons(*moves),
            seen[opening],
            MODULE,
            data,
            state | {"asked": state} if asks else state,
            f"explorer with {len(self.frames)} frames",
            ghost,
            silent,
        )


def _layout(figs):
    """A function that gives a figure the layout in which all of `figs` have room.

    So axes stay where they are from frame to frame, and drawing takes a quarter of the time.
    """
    import matplotlib.pyplot as plt  # here and below: the build and the tests of pages show nothing and need not wait
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    boxes = []
    for fig in figs:
        if not isinstance(fig, Figure):
            break  # _picture says what is wrong
        fig.draw_without_rendering()
        boxes.append([ax.get_position(original=True).extents for ax in fig.axes])
    rooms = [Bbox.from_extents(*np.max(b, 0)[:2], *np.min(b, 0)[2:]) for b in zip(*boxes, strict=False)]

    def settle(fig):
        if isinstance(fig, Figure) and len(fig.axes) == len(rooms):
            with plt.rc_context({"figure.constrained_layout.use": False}):  # or saving draws twice, once for a layout
                fig.set_layout_engine(None)
            for ax, room in zip(fig.axes, rooms, strict=True):
                ax.set_position(room)

    return settle


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
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

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
    svg = re.sub(r"<!--.*?-->|<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)  # its style is for "*"
    svg = re.sub(r">\s+<", "><", svg)  # a line for each element would be a node more for each
    # matplotlib numbers groups alike in every figure of a page, and names images by their content
    svg = re.sub(r'<g id="(t-[a-z]+)', r'<g class="\1"', svg)  # a term, named by set_gid
    svg = re.sub(r'(<g|<image[^>]*?) id="[^"]*"', r"\1", svg)
    for name, colour in TERMS.items():
        svg = svg.replace(colour, f"var(--t-{name}, {colour})")
    svg = re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\.\d\d)\d+", r"\1", d[0]), svg)  # 0.01 pt is finer than any screen
    # matplotlib names some clip paths by their order
    names = {i[2]: f"s{zlib.crc32((label + i[0].replace(i[2], '')).encode()):x}" for i in _ITEMS.finditer(svg)}
    svg = re.sub(r'(\bid="|url\(#|href="#)([^")]+)', lambda m: m[1] + names.get(m[2], m[2]), svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r' width="[^"]*"', ' style="display:block;width:100%;max-width:40rem;height:auto"', svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt)}" stroke-linejoin="round"', 1)


def _place(fig, point):
    """A place in the data of the first axes, in the units of the picture's viewBox."""
    try:
        x, y = fig.axes[0].transData.transform([float(part) for part in point]) * 72 / fig.dpi
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"handle gives {point!r}; it must give a place (x, y) in the first axes") from error
    return [round(x, 1), round(72 * fig.get_size_inches()[1] - y, 1)]


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


def _named(which, params, grid):
    if not isinstance(params, dict):
        raise TypeError(f"{which} is {type(params).__name__}; it must be a dict of parameters, such as {{'t': 8}}")
    for name in params:
        if name not in grid:
            raise ValueError(f"{which} names {name!r}; the parameters are {list(grid)}")
    return params


def _start(which, start, grid, rest=None):
    """Parameters as a dict with all names; those that are not named are as in `rest`, or at their first value."""
    start = _named(which, {} if start is None else start, grid)
    for name, value in start.items():
        if value not in grid[name]:
            raise ValueError(f"{which} has {name} = {value!r}; it must be one of {grid[name]}")
    return {name: start[name] if name in start else (rest or {}).get(name, grid[name][0]) for name in grid}


def _template(which, alt, grid):
    """`alt` or `see` as a function of the parameters, with each text checked."""
    if callable(alt):
        return lambda **point: _alt(alt(**point), which)
    _alt(alt, which)
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(alt) if field is not None}
        if (fields != set(grid)) if which == "alt" else not fields <= set(grid):
            raise ValueError(f"it has the fields {sorted(fields)} and must name each parameter: {sorted(grid)}")
        alt.format(**{name: values[0] for name, values in grid.items()})
    except (ValueError, LookupError, AttributeError) as error:
        raise ValueError(f"{which} is {alt!r}; {error}") from error
    return lambda **point: _alt(alt.format(**point), which)


def _alt(alt, which="alt"):
    if not isinstance(alt, str):
        raise TypeError(f"{which} is {type(alt).__name__}; it must be text that says what the figure shows")
    if not alt.strip() or re.search(r"[$\\]", alt):
        raise ValueError(f"{which} is {alt!r}; it must say in plain words, without TeX, what the figure shows")
    return alt


def _text(value):
    """What stands beside the slider, with a true minus sign."""
    if isinstance(value, str):
        return value
    return (f"{value:g}" if isinstance(value, float) else str(value)).replace("-", "−")
