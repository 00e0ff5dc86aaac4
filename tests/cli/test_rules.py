"""`curate rules` and `curate rule`, as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from curate.rules import RULES

OWN = '''
import curate

@curate.rule("OWN001", severity="warning")
def bell(sample: curate.Sample, *, times: int = 3):
    """A row rings \\x1b[31m[bold]<b>loudly</b>.

    Why it matters: it wakes people.

    Example: `x`

    How to fix it: stop.
    """
    return ()
'''


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "curate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_rules_lists_each_rule_once() -> None:
    done = run("rules")
    assert done.returncode == 0
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == sorted(RULES)


def test_rules_as_json_holds_the_register() -> None:
    listed = json.loads(run("rules", "--output-format", "json").stdout)
    assert [(r["code"], r["name"], r["severity"], r["default"]) for r in listed] == [
        (code, RULES[code].name, RULES[code].severity, RULES[code].on_by_default) for code in sorted(RULES)
    ]
    assert all(r["summary"] and r["fix"].keys() == {"action", "safe"} for r in listed)


def test_rule_explains_a_code_or_a_name_in_any_case() -> None:
    by_code, by_name = run("rule", "fmt104"), run("rule", "empty-answer")
    assert by_code.stdout == by_name.stdout
    assert by_code.stdout.startswith("# FMT104: empty-answer\n")
    assert all(heading in by_code.stdout for heading in ("Why it matters", "Example", "How to fix it"))


def test_rule_shows_the_thresholds_as_they_are_set() -> None:
    with_thresholds = next(rule for rule in RULES.values() if rule.thresholds)
    shown = run("rule", with_thresholds.code).stdout
    assert f"[thresholds.{with_thresholds.code}]" in shown
    assert all(f"\n{name} = " in shown for name in with_thresholds.thresholds)


def test_an_unknown_rule_is_a_usage_error_that_names_the_nearest() -> None:
    done = run("rule", "FMT1040")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean FMT104?" in done.stderr
    assert run("rule", "empty-anwser").stderr.count("did you mean empty-answer?") == 1


def test_own_rules_of_the_configuration_are_listed_and_explained_harmlessly(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "curate.toml").write_text('rules = ["mine.py"]')
    assert "OWN001" in run("rules", folder=tmp_path).stdout
    shown = run("rule", "OWN001", folder=tmp_path).stdout
    assert "\x1b" not in shown
    assert "\\x1b[31m[bold]<b>loudly" in shown
    assert "times = 3" in shown
