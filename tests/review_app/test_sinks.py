"""Row text has one way to the screen, and it ends in text nodes: no other sink is used anywhere in the app."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import curate.review

REVIEW = Path(curate.review.__file__).parent
SCREENS = REVIEW / "screens"
JS = (SCREENS / "paper.js").read_text(encoding="utf-8")
KNOWS_STREAMLIT = {"shell.py", "paper.py"}
# What the two modules that know Streamlit may use of it: none of these draws text.
HARMLESS = {"set_page_config", "session_state", "query_params", "components"}


def trees() -> dict[str, ast.Module]:
    files = [*SCREENS.glob("*.py"), *(REVIEW / "app").glob("*.py"), *REVIEW.glob("*.py")]
    return {file.name: ast.parse(file.read_text(encoding="utf-8")) for file in files}


def test_two_modules_know_streamlit_and_none_draws_with_it() -> None:
    knowing = set()
    for name, tree in trees().items():
        for node in ast.walk(tree):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(module.split(".")[0] == "streamlit" for module in imported):
                assert isinstance(node, ast.Import), f"{name}: import streamlit as st, so that its uses can be seen"
                knowing.add(name)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "st":
                assert node.attr in HARMLESS, f"{name}: st.{node.attr}"
    assert knowing == KNOWS_STREAMLIT


def test_nothing_unsafe_is_asked_for() -> None:
    for name, tree in trees().items():
        words = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
        assert not {"unsafe_allow_html", "unsafe_allow_javascript", "html"} & words, name
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not {"markdown", "write", "html", "iframe"} & names - {"write"} or name in {"index.py"}, name


def test_the_style_and_the_script_are_files_of_ours() -> None:
    """The one component gets constants: nothing of a run can be in what the browser runs."""
    tree = trees()["paper.py"]
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "component"
    ]
    for keyword in call.keywords:
        assert keyword.arg in {"js", "css", "isolate_styles"}
    assert all(
        "read_text" in ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg != "isolate_styles"
    )


def listed(name: str) -> set[str]:
    """A set of names in the script."""
    found = re.search(rf"const {name} = new Set\((\[[^\]]*\])\)", JS)
    assert found is not None
    return set(json.loads(found[1]))


def test_tags_and_attributes_are_constants_that_the_script_knows() -> None:
    tags, plain = listed("TAGS"), listed("PLAIN")
    shapes = listed("SHAPES")
    assert shapes == {"svg", "polyline"}, "nothing of a picture that leads elsewhere or holds markup"
    known = plain | listed("FLAGS") | {"press", "key", "fill", "points", "value", "cls"}
    assert not tags & {
        "a",
        "form",
        "img",
        "iframe",
        "script",
        "style",
        "link",
        "object",
        "embed",
        "svg",
        "base",
        "meta",
    }
    assert not plain & {"href", "src", "style", "action", "srcdoc"} and not [name for name in plain if name[:2] == "on"]
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "el"):
                continue
            tag = node.args[0]
            assert isinstance(tag, ast.Constant) and tag.value in tags | shapes, f"{name}:{node.lineno}"
            for keyword in node.keywords:
                if keyword.arg is None:  # **more: of a button or a label
                    continue
                attribute = keyword.arg.replace("_", "-")
                assert attribute in known or attribute.startswith(("data-", "aria-")), (
                    f"{name}:{node.lineno} {attribute}"
                )


def test_the_script_parses_no_markup_and_runs_no_text() -> None:
    code = re.sub(r"//.*", "", JS)
    for sink in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "srcdoc",
        "DOMParser",
        "createContextualFragment",
        "setHTML",
        "location",
        "window.open",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ):
        assert sink not in code, sink
    assert re.findall(r"createElement\(([^)]*)\)", code) == ["tag", '"div"', '"div"']
    assert re.findall(r"createElementNS\(([^)]*)\)", code) == ["SVG, tag"]
    assert "TAGS.has(tag)" in code and "SHAPES.has(tag)" in code and "POINTS.test(value)" in code
    assert len(re.findall(r"createTextNode", code)) == 1
