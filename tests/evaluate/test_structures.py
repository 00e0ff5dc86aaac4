"""What counts as right where the answer is JSON or a call of a tool."""

from __future__ import annotations

import unicodedata

import pytest

from curate_evaluate.metrics import score
from curate_evaluate.metrics.structures import calls

CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}\n</tool_call>'


def both(metric: str, output: str, reference: str, labels: tuple[str, ...] = ()) -> tuple[float, float]:
    """The tolerant and the strict score."""
    found = score(output, reference, (metric, f"{metric}_strict"), labels=labels)
    return found[metric], found[f"{metric}_strict"]


@pytest.mark.parametrize(
    ("output", "fields", "strict", "valid"),
    [
        ('{"name": "Ada", "born": 1815}', 1, 1, 1),
        ('{"born": 1815.0, "name": "Ada"}', 1, 1, 1),
        ('```json\n{"name": "Ada", "born": 1815}\n```', 1, 1, 1),
        ('Here it is: {"name": "Ada", "born": 1815}. Anything else?', 1, 0, 0),
        ('{"name": "Ada", "born": 1816}', 0.5, 0.5, 1),
        ('{"name": "Ada"}', 2 / 3, 2 / 3, 1),
        ('{"name": "Ada", "born": 1815, "died": 1852}', 0.8, 0.8, 1),
        ('{"name": "Ada", "born": "1815"}', 0.5, 0.5, 1),
        ('{"name": "Ada", "born": ', 0, 0, 0),
        ("[1]", 0, 0, 0),
        ("Ada, 1815", 0, 0, 0),
    ],
)
def test_json(output: str, fields: float, strict: float, valid: float) -> None:
    reference = '{"name": "Ada", "born": 1815}'
    assert both("json_fields", output, reference) == pytest.approx((fields, strict))
    assert score(output, reference, ["json_valid"]) == {"json_valid": valid}


@pytest.mark.parametrize(
    ("output", "reference", "fields", "strict", "valid"),
    [
        ("[]", "[]", 1, 1, 1),
        ("{}", "{}", 1, 1, 1),
        ("```json\n[]\n```", "[]", 1, 1, 1),
        ("Nothing was found: []", "[]", 1, 0, 0),
        ("{}", "[]", 0, 0, 0),
        ("I found nothing, sorry.", "[]", 0, 0, 0),
        ('[{"a": 1}]', "[]", 0, 0, 1),
        ("[]", '[{"a": 1}]', 0, 0, 1),
        ('Not [], but {"a": 1}', '{"a": 1}', 1, 0, 0),
        ("No data found.", "No data found.", 1, 1, 1),
        ("no data found", "No data found.", 1, 0, 1),
        ("garbage", "No data found.", 0, 0, 0),
        ("null", "null", 1, 1, 1),
        ('{"id": 98765432109876543210}', '{"id": 98765432109876543211}', 0, 0, 1),
        ('It is {"id": 98765432109876543210}.', '{"id": 98765432109876543210}', 1, 0, 0),
        ('{"x": [1, 1, 1]}', '{"x": [1]}', 0.5, 0.5, 1),
        ('{"x": [2, 1, 2]}', '{"x": [1, 2, 2]}', 1, 1, 1),
        ('{"a.b": 1}', '{"a": {"b": 1}}', 0, 0, 1),
        ('{"0": {"b": 1}}', '{"0": {"b": 1}}', 1, 1, 1),
        ('{"a": true}', '{"a": 1}', 0, 0, 1),
        (unicodedata.normalize("NFD", '{"name": "José"}'), '{"name": "José"}', 1, 1, 1),
        ('{"a": NaN}', '{"a": 1}', 0, 0, 0),
        ("[" * 500 + "1" + "]" * 500, '{"a": 1}', 0, 0, 0),
    ],
)
def test_json_of_any_size(output: str, reference: str, fields: float, strict: float, valid: float) -> None:
    assert both("json_fields", output, reference) == pytest.approx((fields, strict))
    assert score(output, reference, ["json_valid"]) == {"json_valid": valid}


@pytest.mark.parametrize(
    ("output", "tolerant", "strict"),
    [
        (CALL, 1, 1),
        (CALL.replace('{"city": "Oslo", "days": 3}', '{"days": 3, "city": "Oslo"}'), 1, 1),
        ('{"name": "weather", "parameters": {"city": "Oslo", "days": 3}}', 1, 0),
        ('[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}]', 1, 0),
        ('{"function": {"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\", \\"days\\": 3}"}}', 1, 0),
        ('<function=weather>{"city": "Oslo", "days": 3}</function>', 1, 0),
        (
            "<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>",
            1,
            0,
        ),
        (CALL.replace("3}", "4}"), 0, 0),
        (CALL.replace("weather", "forecast"), 0, 0),
        (CALL + CALL, 0, 0),
        ("It will rain in Oslo.", 0, 0),
    ],
)  # fmt: skip
def test_tool_calls(output: str, tolerant: float, strict: float) -> None:
    assert both("tool_call", output, CALL) == (tolerant, strict)


@pytest.mark.parametrize(
    ("output", "reference", "same"),
    [
        ("Done.", "I have booked it.", 1),
        ('I have read {"users": [{"name": "Ada"}]}.', "It is Ada.", 1),
        ('{"name": "f"}', "I cannot do that.", 0),
        ('<tool_call>{"name": "f"}</tool_call>', "I cannot do that.", 0),
        ('{"function": {"name": "f"}}', "I cannot do that.", 0),
        ('<tool_call>\n{"name": "f", "arguments": {"a": 1}', "I cannot do that.", 0),
        ('{"name": "f", "arguments": {"a": 1}', "I cannot do that.", 0),
        ("<function=f>\n<parameter=a>\n1", "I cannot do that.", 0),
        ("<tool_call>f(1)</tool_call>", "I cannot do that.", 0),
        (CALL + '<tool_call>{"name": "g", "argum', CALL, 0),
        (CALL.removesuffix("\n</tool_call>"), CALL, 1),
        ('{"name": "f", "arguments": "{broken"}', '{"name": "f", "arguments": {}}', 0),
        ('{"name": "f", "arguments": ""}', '{"name": "f", "arguments": {}}', 1),
        ("<function=f></function>", '{"name": "f", "arguments": {}}', 1),
        ("<function=f>city: Oslo</function>", '{"name": "f", "arguments": {}}', 0),
        ('{"name": "f", "arguments": {"City": "Rome"}}', '{"name": "f", "arguments": {"city": "Rome"}}', 1),
        ('{"name": "f", "arguments": {"a": "x", "A": "y"}}', '{"name": "f", "arguments": {"a": "y"}}', 0),
        ('{"name": "f", "arguments": {"zip": "01234"}}', '{"name": "f", "arguments": {"zip": 1234}}', 0),
    ],
)
def test_a_call_that_cannot_be_parsed_is_not_no_call(output: str, reference: str, same: float) -> None:
    assert score(output, reference, ["tool_call"]) == {"tool_call": same}
    assert both("tool_call", output, output) == (1, 1)


def test_names_of_arguments_have_their_case_in_the_notation_of_the_template() -> None:
    assert both("tool_call", CALL.replace("city", "City"), CALL) == (1, 0)


def test_an_argument_that_nests_without_end_is_a_text() -> None:
    deep = "[" * 100_000
    assert calls(f"<function=f><parameter=x>{deep}</parameter></function>") == [("f", f'{{"x":"{deep}"}}')]
