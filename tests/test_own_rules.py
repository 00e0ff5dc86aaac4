import json
from pathlib import Path

import pytest

import curate
from curate.errors import CurateError
from curate.rules import RULES

OWN = '''
from collections.abc import Iterator

import curate


@curate.rule("OWN001", severity="warning")
def shouting(sample: curate.Sample, *, min_letters: int = 10) -> Iterator[curate.Fault]:
    """An answer is all capitals.

    Why it matters: it reads as shouting.

    Example: "PLEASE RESTART THE ROUTER".

    How to fix it: write it in sentence case.
    """
    for i, message in sample.answers():
        if message.text.isupper() and len(message.text) >= min_letters:
            yield curate.Fault("all capitals", curate.Where(i, "content", 0, len(message.text)))


@curate.dataset_rule("OWN002", severity="info", measure=lambda sample: len(sample.messages))
def odd_turns(measured, *, at_least: int = 1):
    """Rows with an odd number of turns.

    Why it matters: it does not.

    Example: three turns.

    How to fix it: leave it.
    """
    for place, turns in measured:
        if turns % 2 and turns >= at_least:
            yield curate.Flag(place, f"{turns} turns")
'''


@pytest.fixture
def own_rules(tmp_path: Path) -> Path:
    file = tmp_path / "my_rules.py"
    file.write_text(OWN)
    return file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "data.jsonl"
    rows = [
        {"messages": [{"role": "user", "content": "It is off."}, {"role": "assistant", "content": answer}]}
        for answer in ("PLEASE RESTART THE ROUTER", "Please restart the router.", "OK")
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def lines(report: "curate.api.Report", code: str) -> list[int]:
    return [finding.place.line for finding in report.findings if finding.code == code]


@pytest.mark.parametrize("jobs", [1, 2])
def test_own_rules_run_beside_the_others(own_rules: Path, data: Path, jobs: int) -> None:
    report = curate.check(data, rules=[str(own_rules)], jobs=jobs)
    assert lines(report, "OWN001") == [1]
    assert lines(report, "OWN002") == []
    assert "OWN001" not in RULES, "the register holds the built-in rules only"


def test_their_thresholds_and_severity_are_settings(own_rules: Path, data: Path) -> None:
    report = curate.check(
        data, rules=[str(own_rules)], thresholds={"OWN001": {"min_letters": 2}}, severity={"OWN001": "error"}
    )
    assert lines(report, "OWN001") == [1, 3]
    assert {finding.severity for finding in report.findings if finding.code == "OWN001"} == {"error"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"thresholds": {"OWN001": {"min_leters": 2}}}, "no such threshold; OWN001 has: min_letters"),
        ({"thresholds": {"OWN001": {"min_letters": "two"}}}, "expected int"),
        ({"thresholds": {"OWN001": {"min_letters": True}}}, "expected int"),
        ({"thresholds": {"OWN009": {}}}, "no rule is called 'OWN009'; did you mean OWN00"),
        ({"select": ["NOPE"]}, "no rule is called 'NOPE'"),
        ({"severity": {"OWN001": "fatal"}}, "severity"),
    ],
)
def test_wrong_settings_say_what_is_known(own_rules: Path, data: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(CurateError) as caught:
        curate.check(data, rules=[str(own_rules)], **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_that_name", "does not load: ModuleNotFoundError"),
        ("x = 1", "registers no rule"),
        (OWN.replace("OWN001", "FMT101"), "already taken"),
        (OWN.replace("OWN001", "shout"), "'shout' is no rule code"),
        (OWN.replace('severity="warning"', 'severity="bad"'), "severity 'bad'; use one of error, warning, info"),
        ("import sys\nsys.exit(0)", "does not load: SystemExit"),
        (OWN.replace('"""An answer is all capitals.', '"""').replace('"""', "#", 2), "does not load"),
    ],
)
def test_a_bad_rule_file_is_one_line(tmp_path: Path, data: Path, text: str, words: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(CurateError) as caught:
        curate.check(data, rules=[str(file)])
    assert words in str(caught.value)
    assert "bad.py" in str(caught.value)


def test_a_rule_that_crashes_on_a_row_is_an_internal_error_and_the_rest_is_checked(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "crash.py"
    file.write_text(
        OWN.replace("if message.text.isupper()", 'if 1 // (message.text != "OK") and message.text.isupper()')
    )
    report = curate.check(data, rules=[str(file)])
    assert lines(report, "OWN001") == [1]
    (error,) = report.internal_errors
    assert (error.code, error.place.line) == ("OWN001", 3)
    assert "ZeroDivisionError" in error.error
    assert report.exit_code("never") == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ('yield "all capitals"', "OWN001 must yield curate.Fault, not str"),
        ("return 3", "'int' object is not iterable"),
    ],
)
def test_a_rule_that_misbehaves_never_passes_for_a_good_check(
    tmp_path: Path, data: Path, body: str, words: str
) -> None:
    file = tmp_path / "odd.py"
    doc = OWN[OWN.index('    """An answer') : OWN.index("    for i, message")]
    head = 'import curate\n\n\n@curate.rule("OWN001", severity="warning")\ndef odd(sample):\n'
    file.write_text(f"{head}{doc}    {body}\n")
    report = curate.check(data, rules=[str(file)])
    assert [error.place.line for error in report.internal_errors] == [1, 2, 3]
    assert words in report.internal_errors[0].error
    assert report.exit_code("never") == 2


def test_settings_take_a_rule_by_code_or_name(own_rules: Path, data: Path) -> None:
    by_name = curate.check(data, rules=[str(own_rules)], severity={"shouting": "error"})
    assert {finding.severity for finding in by_name.findings if finding.code == "OWN001"} == {"error"}
