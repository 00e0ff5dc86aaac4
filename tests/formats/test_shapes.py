"""Every shape of row seen in the wild is recognised and read; the rows are data."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import curate
from curate.errors import CurateError
from curate.formats import FORMATS, Unreadable, read_value, survey
from curate.formats.format import detect, known_names
from curate.formats.tools import dump_json

if TYPE_CHECKING:
    from curate.sample import Message

ROOT = Path(__file__).resolve().parents[2]
SHAPES = yaml.safe_load((Path(__file__).parent / "shapes.yaml").read_text(encoding="utf-8"))


def turn(message: Message) -> list[str]:
    calls = "".join(f"{call.name}({dump_json(call.parsed_arguments())})" for call in message.tool_calls)
    return [message.role, message.text + calls]


@pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda shape: f"{shape['format']}-{shape.get('why', next(iter(shape['row'])))}"
)
def test_a_shape_is_read(shape: dict[str, Any]) -> None:
    row = shape["row"]
    assert detect(row) == shape["format"]
    layout = survey([row, row])
    assert layout.format == shape["format"]
    assert layout.evidence.endswith("in 2 of 2 rows")
    (sample,) = read_value(row, layout)
    assert sample.format == shape["format"]
    assert [turn(message) for message in sample.messages] == shape["turns"]
    assert [turn(message) for message in sample.rejected or []] == shape.get("rejected", [])
    assert sample.label is shape.get("label")
    assert len(sample.tools or []) == shape.get("tools", 0)
    assert sorted(sample.metadata) == sorted(shape.get("metadata", []))
    assert [fault.rule for fault in sample.faults] == shape.get("faults", [])


def test_every_format_has_a_shape() -> None:
    assert {shape["format"] for shape in SHAPES} == FORMATS.keys() - {"pretokenised"}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["format"])
def test_a_canonical_row_is_of_its_own_format(shape: dict[str, Any]) -> None:
    (sample,) = read_value(shape["row"], survey([shape["row"]]))
    for name, target in FORMATS.items():
        if not target.cannot_hold(sample):
            row = target.write(sample)
            assert detect(row) in (name, "prompts")


def test_the_flags_of_trainers_mean_the_same() -> None:
    row = next(shape["row"] for shape in SHAPES if shape.get("why") == "train flags of several trainers")
    (sample,) = read_value(row, survey([row]))
    assert [message.weight for message in sample.messages] == [0, 0, 0, 1, None, 0.5]


def test_the_most_frequent_format_with_answers_is_the_file_s() -> None:
    pair = {"prompt": "a", "completion": "b"}
    layout = survey([{"prompt": "a"}, {"prompt": "b"}, pair, {"x": 1}, {"messages": []}])
    assert layout.format == "prompt-completion"
    assert layout.counts == {"prompts": 2, "prompt-completion": 1, "unknown": 2}
    assert not layout.forced
    assert survey([{"prompt": "a"}, {"prompt": "b"}]).format == "prompts"
    assert survey([]).format == "unknown"


def test_columns_can_be_named() -> None:
    row = {"q": "Hi", "a": "Hello", "prompt": "template 3"}
    layout = survey([row], columns={"prompt": "q", "completion": "a"})
    (sample,) = read_value(row, layout)
    assert [turn(message) for message in sample.messages] == [["user", "Hi"], ["assistant", "Hello"]]
    assert sample.metadata == {"prompt": "template 3"}


def test_the_documented_columns_are_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    (settings,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    (tmp_path / "curate.toml").write_text(settings, encoding="utf-8")
    (tmp_path / "x.jsonl").write_text('{"frage": "Hauptstadt?", "antwort": "Paris"}\n', encoding="utf-8")
    report = curate.check(tmp_path / "x.jsonl", config=str(tmp_path / "curate.toml"), select=["FMT"])
    assert (report.inputs[0].format, report.inputs[0].samples, report.findings) == ("prompt-completion", 1, [])


def test_the_columns_of_the_readme_are_read() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (inline,) = re.findall(r"^\| `columns` .*`(\{.+\})`", text, re.M)
    columns = tomllib.loads(f"columns = {inline}")["columns"]
    row = dict(zip(columns.values(), ("Hauptstadt?", "Paris"), strict=True))
    (sample,) = read_value(row, survey([row], columns=columns))
    assert [turn(message) for message in sample.messages] == [["user", "Hauptstadt?"], ["assistant", "Paris"]]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"promt": "question"}, "columns: no role 'promt'; did you mean 'prompt'?"),
        ({"frage": "prompt"}, "columns: 'frage' is no role; the role comes first: prompt = \"frage\""),
        ({"xyz": "question_1"}, "columns: no role 'xyz'; roles are prompt, completion"),
        ({"prompt": "questin"}, "columns: no row has the column 'questin'; did you mean 'question'?"),
        ({"prompt": "zzz"}, "columns: no row has the column 'zzz'; columns: question, reply"),
    ],
)
def test_a_wrong_name_of_a_column_is_an_error(columns: dict[str, str], said: str) -> None:
    with pytest.raises(CurateError) as caught:
        survey([{"question": "Hi"}, {"question": "Ho", "reply": "Hello"}], columns=columns)
    assert str(caught.value).startswith(said)


def test_a_column_of_a_single_row_or_of_no_row_at_all_is_no_error() -> None:
    columns = {"prompt": "q", "completion": "a"}
    assert survey([{"q": "Hi"}, {"q": "Hi", "a": "Hello"}], columns=columns).format == "prompt-completion"
    assert survey([], columns=columns).format == "unknown"


def test_a_name_is_never_said_to_be_meant_as_itself() -> None:
    with pytest.raises(Unreadable, match=r"^no known format \(name the columns"):
        read_value({"summary": "Paris", "id": 1}, survey([]))
    with pytest.raises(Unreadable, match="is 'sumary' meant to be 'summary'"):
        read_value({"sumary": "Paris", "id": 1}, survey([]))


def test_the_format_is_told_by_the_known_names_alone() -> None:
    for shape in SHAPES:
        names = frozenset(shape["row"] if isinstance(shape["row"], dict) else ())
        for each in FORMATS.values():
            for few in (names, *(names - {name} for name in names)):
                assert each.has_columns(few) == each.has_columns(few & known_names()), (each.name, few)


def test_the_keys_of_turns_can_be_named() -> None:
    row = {"dialog": [{"speaker": "user", "said": "Hi"}, {"speaker": "bot", "said": "Hello"}]}
    columns = {"messages": "dialog", "role": "speaker", "content": "said"}
    (sample,) = read_value(row, survey([row], columns=columns))
    assert [turn(message) for message in sample.messages] == [["user", "Hi"], ["assistant", "Hello"]]


def test_a_format_can_be_forced() -> None:
    row = {"prompt": "Hi", "completion": "Hello", "text": "Hi Hello"}
    layout = survey([row], forced="text")
    assert layout.forced
    (sample,) = read_value(row, layout)
    assert [turn(message) for message in sample.messages] == [["assistant", "Hi Hello"]]
    with pytest.raises(Unreadable) as caught:
        read_value({"x": 1}, layout)
    assert [fault.rule for fault in caught.value.faults] == ["unknown-format"]
