"""Texts on a page: marks where the findings point, nothing invisible, differences that add up."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.review.differences import LONGEST as LONGEST_COMPARED
from curate.review.differences import differences
from curate.review.editing import leaves, replaced, restored
from curate.review.screens.texts import AROUND, LONGEST, Mark, compared, line, marked, visible
from tests.report.test_safe import acts
from tests.review_app.pages import elements, texts

TEXT = st.text(alphabet=st.sampled_from("ab \n.,<三日\u202e\u0301é"), max_size=40)


def plain(nodes: list[object]) -> str:
    """The text of nodes as the data has it: without the numbers of findings."""
    return "".join(
        node if isinstance(node, str) else "".join(child for child in node[2:] if isinstance(child, str))
        for node in nodes
    )


@given(TEXT, TEXT)
def test_differences_add_up_to_both_texts(other: str, this: str) -> None:
    pieces = differences(other, this)
    assert pieces is not None
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == this
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == other


def test_one_word_of_a_language_without_spaces_differs_alone() -> None:
    pieces = differences("我们在三天内退款。", "我们在五天内退款。")
    assert [piece for piece in pieces or () if piece.kind != "same"] == [("removed", "三"), ("added", "五")]


def test_texts_too_long_to_compare_are_not_compared() -> None:
    assert differences("a " * LONGEST_COMPARED, "b " * LONGEST_COMPARED) is None


def test_words_replaced_in_a_row_are_one_change() -> None:
    pieces = differences("within 30 days of the order", "within 2 weeks of the order")
    assert pieces == [("same", "within "), ("removed", "30 days"), ("added", "2 weeks"), ("same", " of the order")]


@settings(max_examples=200)
@given(TEXT, st.lists(st.tuples(st.integers(0, 45), st.integers(0, 45)), max_size=4))
def test_marks_change_no_character_of_a_text(text: str, spans: list[tuple[int, int]]) -> None:
    nodes = marked(text, [Mark(start, end, "error", 1) for start, end in spans])
    shown = "".join(texts(["div", {}, *nodes])).replace(" ", "")
    for mark in elements(["div", {}, *nodes]):
        if mark[0] == "sup":
            shown = shown.replace("1", "")
    assert shown == "".join(texts(["div", {}, *visible(text)])).replace(" ", "")


def test_a_mark_stands_where_the_finding_points() -> None:
    nodes = marked("You have 30 days.", [Mark(9, 16, "error", 2)])
    assert nodes == ["You have ", ["mark", {"class": "error"}, "30 days", ["sup", {}, "2"]], "."]


def test_a_mark_without_length_is_a_point() -> None:
    (_, point, _) = marked("ab", [Mark(1, 1, "error")])
    assert point[1]["class"] == "point"


def test_what_acts_or_hides_is_an_escape() -> None:
    nodes = visible("a\u202eb\x1b[31mc\ud800\u200bd\te\nf")
    assert not [char for char in "".join(texts(["div", {}, *nodes])) if acts(char) and char not in "\t\n"]
    assert [node[2] for node in nodes if isinstance(node, list)] == ["\\u202e", "\\x1b", "\\ud800", "\\u200b"]
    assert line("a\n b\u202e") == "a b\\u202e"


def test_a_long_text_is_cut_but_for_what_is_around_its_marks() -> None:
    text = "x" * LONGEST + "y" * 5000 + "HERE" + "z" * 5000
    at = LONGEST + 5000
    nodes = marked(text, [Mark(at, at + 4, "error")])
    gaps = [node[2] for node in nodes if isinstance(node, list) and node[1].get("class") == "gap"]
    assert gaps == [f"… {5000 - AROUND:,} characters are not shown …"] * 2
    assert "HERE" in "".join(texts(["div", {}, *nodes]))
    assert not [node for node in marked(text, whole=True) if isinstance(node, list)]


def test_equal_stretches_between_differences_are_cut() -> None:
    same = "word " * 1000
    pieces = differences(f"one {same} two", f"uno {same} due")
    shown = compared(pieces or [])
    assert [node[0] for node in shown if isinstance(node, list)] == ["del", "ins", "span", "del", "ins"]
    assert len(plain(shown)) < 4 * AROUND + 100
    assert len(plain(compared(pieces or [], whole=True))) > 5000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="ab/~#.0", max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON.filter(lambda value: isinstance(value, dict | list)))
def test_texts_are_replaced_where_they_stand(value: object) -> None:
    found = leaves(value)
    assert replaced(value, {leaf.path: leaf.text for leaf in found}) == value
    again = replaced(value, {leaf.path: f"{leaf.text}!" for leaf in found})
    assert [leaf.text for leaf in leaves(again)] == [f"{leaf.text}!" for leaf in found]
    assert [leaf.path for leaf in leaves(again)] == [leaf.path for leaf in found]


def test_a_leaf_is_named_as_people_write_it() -> None:
    names = [leaf.name for leaf in leaves({"messages": [{"role": "user", "content": "x"}], "a/b": ["c"]})]
    assert names == ["messages[0].role", "messages[0].content", "a/b[0]"]


def test_line_ends_survive_a_field_of_a_browser() -> None:
    assert restored("a\r\nb\rc", "a\nb\nc") == "a\r\nb\rc"
    assert restored("a\r\nb", "a\nB") == "a\r\nB"
    assert restored("a\nb", "a\nB") == "a\nB"
