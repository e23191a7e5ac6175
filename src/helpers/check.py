"""Run a claim: compare two independent routes to one quantity, and show the error that was measured.

Each function takes the id of the claim it checks (the label of a `prf:` statement in the same chapter), shows one
line, and raises AssertionError where the claim does not hold. The line carries a record of what ran (MIME type
`MIME`), from which the book's ledger is assembled. Input that cannot be compared at all is a TypeError or ValueError.
"""

import html
import math
import re

import numpy as np
from IPython.display import display

MIME = "application/vnd.derive-then-check+json"
KINDS = ("exact", "statistical", "conditional", "counter-example", "not reproduced")
BROKEN = "broken variant"  # the kind that `fails` records: it never counts as evidence for a claim


def close(id, got, want, *, atol, kind="exact"):
    """Pass if every element of `got` is within `atol` of `want`.

    Args:
        id: the claim's id, in lower case with hyphens.
        got, want: real, complex or integer arrays, tensors or numbers of one and the same shape, not empty. Floating
            point is compared in float64 (complex128), integers exactly, whatever their size.
        atol: the tolerance, absolute, finite, ≥ 0. Derive it: eps × size × conditioning.
        kind: one of `KINDS`.

    Raises:
        AssertionError: an element differs by more than `atol`, or is NaN or infinite.
        TypeError, ValueError: an argument that cannot be compared, named.
    """
    atol = _number("atol", atol, least=0)
    seen = _compare(got, want)
    if not seen["error"] <= atol:
        raise AssertionError(_mismatch(_id(id), seen, atol))
    _record(
        id,
        kind,
        "close",
        f"|Δ| {seen['error']:.2g} ≤ {atol:.2g}",
        seen["error"],
        atol,
        seen["dtype"],
    )


def below(id, value, bound, *, kind="statistical"):
    """Pass if `value`, or the largest element of it, is at most `bound`.

    Args:
        id: the claim's id.
        value: a real number or array, not empty: an error, a ratio, the distance to an expected slope.
        bound: a finite real number: a proven bound, or a stated statistical margin.
        kind: one of `KINDS`.

    Raises:
        AssertionError: the largest element exceeds `bound`, or one is NaN or infinite.
        TypeError, ValueError: an argument that cannot be compared, named.
    """
    bound = _number("bound", bound)
    value, dtype = _array("value", value)
    if value.dtype.kind == "c":
        raise TypeError(f"value is {dtype}; it must be real, for complex numbers have no order")
    value = value.astype(np.float64)
    at = _worst(value)
    worst = float(value[at])
    if not (math.isfinite(worst) and worst <= bound):
        raise AssertionError(f"claim {_id(id)}: value{_index(at)} = {worst!r} is not ≤ {bound!r}")
    _record(id, kind, "below", f"{worst:.3g} ≤ {bound:.3g}", worst, bound, dtype)


def holds(id, condition, seen, *, kind="exact"):
    """Pass if `condition` is True: for claims that have no error, such as the equality of two lists of integers.

    Args:
        id: the claim's id.
        condition: a single bool (of Python, numpy or torch). Reduce arrays yourself, with `.all()`.
        seen: what was seen, in words: shown to the reader and written into the ledger.
        kind: one of `KINDS`.

    Raises:
        AssertionError: `condition` is False.
        TypeError, ValueError: `condition` is not a bool, or `seen` is not text.
    """
    seen = _text("seen", seen)
    if getattr(condition, "ndim", None) == 0:  # a numpy or torch scalar
        condition = condition.item()
    if not isinstance(condition, bool):
        raise TypeError(f"condition is {type(condition).__name__}; it must be one bool: reduce arrays with .all()")
    if not condition:
        raise AssertionError(f"claim {_id(id)}: does not hold: {seen}")
    _record(id, kind, "holds", seen, None, None, None)


def fails(id, got, want, *, atol, broken):
    """Pass if `close` would fail: a deliberately broken variant goes red, so the check of this claim can fail.

    Args:
        id: the claim's id.
        got: what the broken variant gives. NaN and infinity are failures here as in `close`.
        want, atol: as in `close`; `want` must be finite.
        broken: what was broken, in words.

    Raises:
        AssertionError: the broken variant passes: the check sees nothing.
        TypeError, ValueError: an argument that cannot be compared, named. A wrong shape is no evidence.
    """
    atol, broken = _number("atol", atol, least=0), _text("broken", broken)
    if not np.isfinite(_floats(_array("want", want)[0])).all():
        raise ValueError("want holds NaN or infinity; a broken variant needs a sound value to miss")
    seen = _compare(got, want)
    if seen["error"] <= atol:
        raise AssertionError(
            f"claim {_id(id)}: the broken variant ({broken}) passes: |Δ| {seen['error']:.2g} ≤ {atol:.2g}"
        )
    _record(
        id,
        BROKEN,
        "fails",
        f"|Δ| {seen['error']:.2g} > {atol:.2g}: {broken}",
        seen["error"],
        atol,
        seen["dtype"],
    )


def _array(name, value):
    """`value` as a numpy array (integers as Python ints) and the name of its dtype."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; it must be plain: fill or drop what is masked")
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        dtype = str(value.dtype).removeprefix("torch.")
        value = value.detach().cpu().resolve_conj().resolve_neg()
        value = (value.double() if value.is_floating_point() else value).numpy()  # numpy has no bfloat16
    else:
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"{name} is ragged; it must be a rectangular array") from error
        dtype = str(value.dtype)
    if value.dtype.kind == "O" and value.size and all(type(x) is int for x in value.flat):
        dtype = "int"  # Python integers beyond 64 bits
    elif value.dtype.kind in "iu":
        value = value.astype(object)
    elif value.dtype.kind not in "fc":
        raise TypeError(f"{name} has dtype {dtype}; it must hold real, complex or integer numbers")
    if value.size == 0:
        raise ValueError(f"{name} is empty, of shape {value.shape}; a comparison of nothing cannot fail")
    return value, dtype


def _floats(array):
    """`array` in float64 or complex128; integers too large for a float become infinite."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    try:
        return array.astype(np.float64)
    except OverflowError:
        return np.array([float(x) if abs(x) < 2**1023 else math.inf for x in array.flat]).reshape(array.shape)


def _compare(got, want):
    """The worst element of |got − want|: its error, place, both values, and the dtypes."""
    (got, got_dtype), (want, want_dtype) = _array("got", got), _array("want", want)
    if got.shape != want.shape:
        raise ValueError(f"got has shape {got.shape} and want {want.shape}; they must be equal, nothing is broadcast")
    if got.dtype.kind == want.dtype.kind == "O":
        error = _floats(np.asarray(abs(got - want), dtype=object))
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.abs(_floats(got) - _floats(want))
    at = _worst(error)
    dtype = got_dtype if got_dtype == want_dtype else f"{got_dtype} against {want_dtype}"
    return {"error": float(error[at]), "at": at, "got": got[at], "want": want[at], "dtype": dtype}


def _worst(array):
    """The place of the first element that is not finite, else of the largest one."""
    flat = np.where(np.isfinite(array), array, np.inf)
    return np.unravel_index(np.argmax(flat), array.shape)


def _index(at):
    return f"[{', '.join(str(int(i)) for i in at)}]" if at else ""


def _mismatch(id, seen, atol):
    i = _index(seen["at"])
    return (
        f"claim {id}: worst at got{i} = {seen['got']!s}, want{i} = {seen['want']!s}: "
        f"|Δ| = {seen['error']:.6g} > atol = {atol:.6g}  ({seen['dtype']})"
    )


def _number(name, value, least=-math.inf):
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__") or getattr(value, "ndim", 0):
        raise TypeError(f"{name} is {value!r}; it must be one real number")
    value = float(value)
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"{name} is {value!r}; it must be finite" + (f" and ≥ {least}" if least > -math.inf else ""))
    return value


def _text(name, value):
    if not isinstance(value, str):
        raise TypeError(f"{name} is {type(value).__name__}; it must be text")
    if not value.strip():
        raise ValueError(f"{name} is empty; it must say in words what was seen")
    return value


def _id(id):
    if not isinstance(id, str):
        raise TypeError(f"id is {type(id).__name__}; it must be the text of a claim's id")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", id):
        raise ValueError(f"id is {id!r}; it must be lower-case words joined by hyphens, such as 'rnn-stable'")
    return id


class _Line:
    """One line about one check, with its record."""

    def __init__(self, record):
        self.record = record

    def _repr_mimebundle_(self, include=None, exclude=None):
        r = self.record
        mark, name = ("✗", "check-broken") if r["kind"] == BROKEN else ("✓", "check-pass")
        tail = f"{r['kind']}, {r['dtype']}" if r["dtype"] else r["kind"]
        line = (
            f'<p class="check {name}"><span class="check-mark">{mark}</span> '
            f'<a href="#{r["id"]}"><code>{r["id"]}</code></a> '
            f'<span class="check-seen">{html.escape(r["seen"])}</span> <span class="check-kind">{tail}</span></p>'
        )
        return {
            "text/plain": f"{mark} {r['id']}   {r['seen']}   {tail}",
            "text/html": line,
            MIME: r,
        }

    def __repr__(self):
        return self._repr_mimebundle_()["text/plain"]


def _record(id, kind, how, seen, error, tolerance, dtype):
    if kind not in (*KINDS, BROKEN) or (kind == BROKEN) != (how == "fails"):
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    if error is not None and not math.isfinite(error):
        error = None  # JSON knows no NaN; the text in `seen` says it
    record = {"id": _id(id), "kind": kind, "how": how, "seen": seen}
    display(_Line(record | {"error": error, "tolerance": tolerance, "dtype": dtype}))
