"""Run a claim: compare two independent routes to one quantity, and show the error that was measured.

Each function takes the id of the claim it checks (the label of a `prf:` statement in the same chapter), shows one
line, and raises AssertionError where the claim does not hold. The line carries a record of what ran (MIME type
`MIME`), from which the book's ledger is assembled. Input that cannot be compared at all is a TypeError or ValueError.
"""

import html
import math
import re
import reprlib
from contextlib import contextmanager

import numpy as np
from IPython.display import display

MIME = "application/vnd.derive-then-check+json"
KINDS = ("exact", "statistical", "conditional", "counter-example", "not reproduced")
BROKEN = "broken variant"  # the kind that `fails` records: it never counts as evidence for a claim
# Names for the things of a chapter that have one colour in formulas, pictures and words; the first colours of
# book.mplstyle, which each theme of the page replaces by a shade that can be read on it.
TERMS = {"blue": "#0072b2", "orange": "#d55e00", "green": "#009e73", "purple": "#b8608f"}


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
    with _about(id):
        atol = _number("atol", atol, least=0)
        seen = _compare(got, want)
    if not seen["error"] <= atol:
        at, far = _index(seen["at"]), f"|Δ| = {_g(seen['error'], 6)} > atol = {_g(atol, 6)}"
        if atol == 0 and seen["error"] < 1e-6 * (1 + abs(seen["want"])):
            far += "; if that is rounding, derive a tolerance: eps × size × conditioning"
        worst = f"got{at} = {_whole(seen['got'])}, want{at} = {_whole(seen['want'])}"
        raise AssertionError(f"claim {_id(id)}: worst at {worst}: {far}  ({seen['dtype']})")
    _record(id, kind, "close", f"|Δ| {_g(seen['error'])} ≤ {_g(atol)}", seen["error"], atol, seen["dtype"])


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
    with _about(id):
        bound = _number("bound", bound)
        value, dtype = _array("value", value)
        if value.dtype.kind == "c":
            raise TypeError(f"value is {dtype}; it must be real, for complex numbers have no order")
    at = _worst(value)
    worst = value[at]
    if not (_finite(value) and worst <= bound):
        raise AssertionError(f"claim {_id(id)}: value{_index(at)} = {_whole(worst)} is not ≤ {_whole(bound)}")
    _record(id, kind, "below", f"{_g(worst, 3)} ≤ {_g(bound, 3)}", worst, bound, dtype)


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
    with _about(id):
        seen = _text("seen", seen)
        condition = _scalar("condition", condition)
        if not isinstance(condition, bool):
            raise TypeError(f"condition is {type(condition).__name__}; it must be one bool: reduce arrays with .all()")
    if not condition:
        raise AssertionError(f"claim {_id(id)}: does not hold: {seen}")
    _record(id, kind, "holds", seen, None, None, None)


def fails(id, got, want, *, atol, broken, term=None):
    """Pass if `close` would fail: a deliberately broken variant goes red, so the check of this claim can fail.

    Args:
        id: the claim's id.
        got: what the broken variant gives. NaN and infinity are failures here as in `close`.
        want, atol: as in `close`; `want` must be finite.
        broken: what was broken, in words.
        term: the colour of what was broken, where the formulas of the section have it in one: one of `TERMS`. The page
            then has a button that marks it there.

    Raises:
        AssertionError: the broken variant passes: the check sees nothing.
        TypeError, ValueError: an argument that cannot be compared, named. A wrong shape is no evidence.
    """
    with _about(id):
        atol, broken = _number("atol", atol, least=0), _text("broken", broken)
        if term is not None and term not in TERMS:
            raise ValueError(f"term is {term!r}; it must be one of {', '.join(TERMS)}")
        if not _finite(_array("want", want)[0]):
            raise ValueError("want holds NaN or infinity; a broken variant needs a sound value to miss")
        seen = _compare(got, want)
    error, bound = _g(seen["error"]), _g(atol)
    if seen["error"] <= atol:
        what = f"the broken variant ({broken}) passes: |Δ| {error} ≤ {bound}"
        raise AssertionError(f"claim {_id(id)}: {what}: the check is too weak, or the variant not wrong")
    _record(id, BROKEN, "fails", f"|Δ| {error} > {bound}: {broken}", seen["error"], atol, seen["dtype"], term)


@contextmanager
def _about(id):
    """Name the claim in what is said of the other arguments."""
    id = _id(id)
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"claim {id}: {error}") from error


def _array(name, value):
    """`value` as a numpy array (integers as Python ints, which are exact) and the name of its dtype."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise TypeError(f"{name} is a masked array; it must be plain: fill or drop what is masked")
    try:
        if hasattr(value, "detach"):  # a torch tensor, without importing torch
            dtype = str(value.dtype).removeprefix("torch.")
            value = value.detach().cpu().resolve_conj().resolve_neg()
            value = (value.double() if value.is_floating_point() else value).numpy()  # numpy has no bfloat16
        elif hasattr(value, "dtype"):
            value = np.asarray(value)
            dtype = str(value.dtype)
        else:  # numpy would make floats of a list of large integers, and numbers of bools
            exact = np.array(value, dtype=object)
            integers = exact.size and all(type(x) is int for x in exact.flat)
            if any(isinstance(x, (bool, np.bool_)) for x in exact.flat):
                raise TypeError("it holds a bool")
            value = exact if integers else np.asarray(value)
            dtype = "int" if integers else str(value.dtype)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise TypeError(f"{name} cannot be read as a rectangular array of numbers: {error}") from error
    if value.dtype.kind in "iu":
        value = value.astype(object)
    elif value.dtype.kind not in "fc" and dtype != "int":
        raise TypeError(f"{name} has dtype {dtype}; it must hold real, complex or integer numbers")
    if value.size == 0:
        raise ValueError(f"{name} is empty, of shape {value.shape}; a comparison of nothing cannot fail")
    return value, dtype


def _floats(name, array):
    """`array` in float64 or complex128; refuses integers that would be rounded."""
    if array.dtype.kind == "O" and any(abs(x) > 2**53 for x in array.flat):
        raise ValueError(f"{name} holds an integer beyond 2**53, which float64 rounds; compare integers with integers")
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _compare(got, want):
    """The worst element of |got − want|: its error, place, both values, and the dtypes."""
    (got, got_dtype), (want, want_dtype) = _array("got", got), _array("want", want)
    if got.shape != want.shape:
        raise ValueError(f"got has shape {got.shape} and want {want.shape}; they must be equal, nothing is broadcast")
    if got.dtype.kind == want.dtype.kind == "O":
        error = np.asarray(abs(got - want), dtype=object)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.abs(_floats("got", got) - _floats("want", want))
    at = _worst(error)
    dtype = got_dtype if got_dtype == want_dtype else f"{got_dtype} against {want_dtype}"
    return {"error": error[at], "at": at, "got": got[at], "want": want[at], "dtype": dtype}


def _finite(array):
    return array.dtype.kind == "O" or bool(np.isfinite(array).all())


def _worst(array):
    """The place of the first element that is not finite, else of the largest one."""
    if array.dtype.kind == "O":
        worst = max(range(array.size), key=array.flat.__getitem__)
    else:
        worst = np.argmax(np.where(np.isfinite(array), array, np.inf))
    return np.unravel_index(worst, array.shape)


def _whole(number):
    """All digits, unless there are too many to read."""
    long = isinstance(number, int) and abs(number) > 10**30
    return f"an integer of {number.bit_length()} bits" if long else str(number)


def _g(number, digits=2):
    """A few digits."""
    try:
        return f"{float(number):.{digits}g}"
    except OverflowError:
        return f"2^{number.bit_length() - 1}"


def _index(at):
    return f"[{', '.join(str(int(i)) for i in at)}]" if at else ""


def _scalar(name, value):
    """The Python number of a numpy or torch scalar; anything else as it is."""
    if getattr(value, "ndim", None) != 0 or isinstance(value, np.ma.MaskedArray):
        return value
    if getattr(value.dtype, "kind", "f") not in "biufc":
        raise TypeError(f"{name} has dtype {value.dtype}; it must be a number or a bool")
    try:
        return value.item()
    except RuntimeError as error:
        raise TypeError(f"{name} has no value: {error}") from error


def _number(name, value, least=-math.inf):
    value = _scalar(name, value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {reprlib.repr(value)}; it must be one real number")
    if not (isinstance(value, int) or math.isfinite(value)) or value < least:
        raise ValueError(f"{name} is {_whole(value)}; it must be finite" + f" and ≥ {least}" * (least > -math.inf))
    return value


def _text(name, value):
    if not isinstance(value, str):
        raise TypeError(f"{name} is {type(value).__name__}; it must be text")
    if not value.strip():
        raise ValueError(f"{name} is empty; it must say in words what was seen")
    return " ".join(value.split())


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
        term = f' data-term="{r["term"]}"' if "term" in r else ""
        line = (
            f'<p class="check {name}"{term}><span class="check-mark">{mark}</span> '
            f'<a href="#{r["id"]}"><code>{r["id"]}</code></a> '
            f'<span class="check-seen">{html.escape(r["seen"])}</span> <span class="check-kind">{tail}</span></p>'
        )
        return {"text/plain": f"{mark} {r['id']}   {r['seen']}   {tail}", "text/html": line, MIME: r}

    def __repr__(self):
        return self._repr_mimebundle_()["text/plain"]


def _record(id, kind, how, seen, error, tolerance, dtype, term=None):
    if not isinstance(kind, str) or kind not in (*KINDS, BROKEN) or (kind == BROKEN) != (how == "fails"):
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    record = {"id": _id(id), "kind": kind, "how": how, "seen": seen}
    record |= {"error": _json(error), "tolerance": _json(tolerance), "dtype": dtype}
    display(_Line(record | ({"term": term} if term else {})))


def _json(number):
    """JSON has no NaN and its readers no large integers; `seen` says what they are."""
    return float(number) if number is not None and abs(number) < 1e300 else None
