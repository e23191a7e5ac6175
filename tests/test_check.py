"""helpers.check: what passes, what never passes, and what a failure says."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers import check
from helpers.seed import seed


@pytest.fixture
def shown(monkeypatch):
    """The lines that checks show."""
    lines = []
    monkeypatch.setattr(check, "display", lambda line: lines.append(line._repr_mimebundle_()))
    return lines


def test_close_shows_one_line_with_its_record(shown):
    check.close("a-claim", np.array([1.0, 2.5]), [1.0, 2.0], atol=1)
    (bundle,) = shown
    assert bundle["text/plain"] == "✓ a-claim   |Δ| 0.5 ≤ 1   exact, float64"
    assert 'href="#a-claim"' in bundle["text/html"]
    assert bundle[check.MIME] == {
        "id": "a-claim",
        "kind": "exact",
        "how": "close",
        "seen": "|Δ| 0.5 ≤ 1",
        "error": 0.5,
        "tolerance": 1.0,
        "dtype": "float64",
    }


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (1, 1),
        (np.float32(1), 1.0),
        (torch.ones(3, requires_grad=True), np.ones(3)),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2)),
        (torch.tensor([1j]).conj(), [-1j]),
        (10**400, 10**400),
        ([2**70, -1], [2**70, -1]),
        (np.uint8(3), 3),
        (np.array([[1.0]]), torch.ones(1, 1)),
    ],
)
def test_close_passes(shown, got, want):
    check.close("a-claim", got, want, atol=0)
    assert len(shown) == 1


def test_a_failure_names_claim_place_values_and_tolerance(shown):
    with pytest.raises(AssertionError) as failure:
        check.close("a-claim", [[1.0, 2.0], [3.0, 9.0]], [[1.0, 2.5], [3.0, 4.0]], atol=0.1)
    text = str(failure.value)
    assert all(
        part in text for part in ("a-claim", "got[1, 1] = 9.0", "want[1, 1] = 4.0", "|Δ| = 5", "atol = 0.1", "float64")
    )
    assert shown == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_passes(shown, bad):
    for got, want in [([1.0, bad], [1.0, bad]), ([1.0, bad], [1.0, 2.0]), ([1.0, 2.0], [1.0, bad])]:
        with pytest.raises(AssertionError, match=r"\[1\]"):
            check.close("a-claim", got, want, atol=1e300)
    with pytest.raises(AssertionError):
        check.below("a-claim", [0.0, bad], 1e300)
    assert shown == []


@pytest.mark.parametrize(
    ("got", "want", "error", "says"),
    [
        ([1.0, 1.0], 1.0, ValueError, r"shape \(2,\)"),
        ([[1.0, 1.0]], [1.0, 1.0], ValueError, "broadcast"),
        (np.ones((3, 1)), np.ones(3), ValueError, "broadcast"),
        ([], [], ValueError, "empty"),
        (np.ones((0, 3)), np.ones((0, 3)), ValueError, "empty"),
        ([True], [True], TypeError, "bool"),
        (["1"], [1.0], TypeError, "got has dtype"),
        ([1.0], [None], TypeError, "want has dtype object"),
        ([[1.0], [1.0, 2.0]], [1.0], TypeError, "got cannot be read as a rectangular"),
        ([1.0], [1.0, 1.0], ValueError, "broadcast"),
        ([1, True], [1, 1], TypeError, "bool"),
        ([2**70, True], [2**70, 1], TypeError, "bool"),
        ([2**70, 1.5], [2**70, 1.5], TypeError, "has dtype object"),
        (2**53 + 1, 2.0**53, ValueError, r"got holds an integer beyond 2\*\*53"),
        ([np.ma.masked_array([1.0, 9.0], [0, 1])], [[1.0, 9.0]], TypeError, "masked"),
        (torch.ones(2).to_sparse(), [1.0, 1.0], TypeError, "got cannot"),
        (torch.ones(2, device="meta"), [1.0, 1.0], TypeError, "got cannot"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), [1.0], TypeError, "got has dtype"),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), [1.0, 2.0], TypeError, "masked"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(shown, got, want, error, says):
    for call in (
        lambda: check.close("a-claim", got, want, atol=1),
        lambda: check.fails("a-claim", got, want, atol=1, broken="x"),
    ):
        with pytest.raises(error, match=says):
            call()
    assert shown == []


@pytest.mark.parametrize(
    "atol", [-1, math.nan, math.inf, "1", None, True, [1.0], np.True_, 1j, np.array("1"), torch.ones(1)]
)
def test_tolerance_is_one_finite_number(atol):
    with pytest.raises((TypeError, ValueError), match="atol"):
        check.close("a-claim", 1.0, 1.0, atol=atol)


def test_a_broken_variant_that_passes_is_told_with_what_that_means():
    with pytest.raises(AssertionError, match=r"passes: .*the check is too weak, or the variant not wrong"):
        check.fails("a-claim", 1.0, 1.0, atol=0, broken="nothing")


def test_a_long_array_in_place_of_a_number_is_told_on_one_short_line():
    with pytest.raises(TypeError, match=r"bound is array\(.{1,60}\); it must be one real number$"):
        check.below("a-claim", 1, np.arange(999.0))


@pytest.mark.parametrize("id", ["", "A-claim", "a_claim", "a claim", "-a", 'a"><script>', 3, None])
def test_id_is_checked(id):
    with pytest.raises((TypeError, ValueError), match="id is"):
        check.close(id, 1.0, 1.0, atol=0)


def test_nothing_is_rounded_or_dropped():
    for got, want, atol in [
        (torch.ones(1, dtype=torch.float64) * (1 + 2**-40), [1.0], 0),
        (1 + 2**-40, 1.0, 0),
        (1 + 2**-40 + 0j, 1.0 + 0j, 0),
        ([1j], [0.0], 0.5),
        (10**400, 0, 1e300),
        (10**5000, 0, 0),
        (-(10**400), 0, 1),
        ([2**63 + 1, -1], [2**63, -1], 0),
        (2**53 + 1, 0, 2**53),
    ]:
        with pytest.raises(AssertionError, match="a-claim"):
            check.close("a-claim", got, want, atol=atol)
    check.close("a-claim", torch.tensor([1 + 2j], dtype=torch.complex128).conj().imag, [-2.0], atol=0)
    check.close("a-claim", 1, 1, atol=10**400)
    with pytest.raises(AssertionError):
        check.below("a-claim", 2**53 + 1, 2**53)
    with pytest.raises(ValueError, match="id is"):
        check.close("A", 1, 2, atol=0)


def test_dtypes_are_named(shown):
    check.close("a-claim", np.float32(1), 1.0, atol=0)
    check.close("a-claim", torch.ones(1, dtype=torch.bfloat16), np.ones(1), atol=0)
    assert [s[check.MIME]["dtype"] for s in shown] == ["float32 against float64", "bfloat16 against float64"]


def test_integers_are_compared_exactly():
    with pytest.raises(AssertionError):
        check.close("a-claim", 2**53 + 1, 2**53, atol=0)
    with pytest.raises(AssertionError):
        check.close("a-claim", np.uint64(0), np.uint64(2**64 - 1), atol=1)


def test_below(shown):
    check.below("a-claim", [0.25, 0.5], 0.5)
    check.below("a-claim", -2.0, -1.0)
    assert shown[0][check.MIME]["error"] == 0.5 and shown[0][check.MIME]["kind"] == "statistical"
    with pytest.raises(AssertionError, match=r"value\[1\] = 0.75"):
        check.below("a-claim", [0.25, 0.75], 0.5)
    with pytest.raises(TypeError, match="complex"):
        check.below("a-claim", 1j, 2)
    with pytest.raises(ValueError, match="bound"):
        check.below("a-claim", 1, math.inf)
    with pytest.raises(ValueError, match="empty"):
        check.below("a-claim", [], 1)


def test_holds(shown):
    for true in (True, np.bool_(True), torch.tensor(True), np.array(True)):
        check.holds("a-claim", true, "as <it> should")
    assert "&lt;it&gt;" in shown[0]["text/html"]
    with pytest.raises(AssertionError, match="not seen"):
        check.holds("a-claim", False, "not seen")
    for no_bool in (
        1,
        np.ma.masked_array(True, mask=True),
        torch.tensor(True, device="meta"),
        [True],
        np.array([True, True]),
        torch.ones(2) > 0,
        None,
        "yes",
    ):
        with pytest.raises(TypeError, match="condition"):
            check.holds("a-claim", no_bool, "words")
    with pytest.raises(ValueError, match="seen"):
        check.holds("a-claim", True, " ")


def test_fails_passes_only_for_what_close_refuses(shown):
    check.fails("a-claim", [1.0, math.nan], [1.0, 1.0], atol=0.1, broken="a sign")
    check.fails("a-claim", [1.0, 2.0], [1.0, 1.0], atol=0.1, broken="a sign")
    assert [s[check.MIME]["kind"] for s in shown] == [check.BROKEN] * 2
    assert shown[0][check.MIME]["error"] is None  # JSON knows no NaN
    assert shown[1]["text/plain"].startswith("✗")
    with pytest.raises(AssertionError, match="a sign"):
        check.fails("a-claim", [1.0], [1.05], atol=0.1, broken="a sign")
    check.fails("a-claim", 10**400 + 1, 10**400, atol=0, broken="one")
    with pytest.raises(AssertionError):
        check.fails("a-claim", 1.5, 1.0, atol=0.5, broken="a sign")
    with pytest.raises(ValueError, match="atol"):
        check.fails("a-claim", 1.5, 1.0, atol=-1, broken="a sign")
    with pytest.raises(ValueError, match="broken"):
        check.fails("a-claim", 1.5, 1.0, atol=0, broken="")
    with pytest.raises(ValueError, match="want holds"):
        check.fails("a-claim", [1.0, 2.0], [1.0, math.nan], atol=0.1, broken="a sign")


def test_kind_is_one_of_the_list(shown):
    check.close("a-claim", 1, 1, atol=0, kind="conditional")
    for kind in ("Exact", "", None, np.array(["exact"]), check.BROKEN):
        with pytest.raises(ValueError, match="kind"):
            check.close("a-claim", 1, 1, atol=0, kind=kind)


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e6, 1e6)), st.data())
def test_one_moved_element_is_always_found(array, data):
    at = tuple(data.draw(st.integers(0, n - 1)) for n in array.shape)
    moved = array.copy()
    moved[at] += 1.0
    check.close("a-claim", array, array, atol=0)
    with pytest.raises(AssertionError):
        check.close("a-claim", moved, array, atol=0.5)
    check.fails("a-claim", moved, array, atol=0.5, broken="one element")


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "", str(2**32), "9" * 5000, "٣"])
def test_seed_is_an_integer(monkeypatch, text):
    monkeypatch.setenv("BOOK_SEED", text)
    with pytest.raises(ValueError, match="BOOK_SEED"):
        seed()


def test_seed(monkeypatch):
    monkeypatch.delenv("BOOK_SEED", raising=False)
    assert seed() == 0
    monkeypatch.setenv("BOOK_SEED", "7")
    assert seed() == 7
