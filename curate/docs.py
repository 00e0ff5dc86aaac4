"""The rule reference, made from the register: `python -m curate.docs` writes docs/rules."""

from __future__ import annotations

import re
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate.plan import LOCKS
from curate.report.safe import safe
from curate.rules import RULES, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FAMILIES = {
    "FMT": "Files, rows, turns and tool calls",
    "DUP": "Duplicates",
    "CON": "Contradictions",
    "LEN": "Length and truncation",
    "TPL": "Chat template and special tokens",
    "TXT": "Quality of the text",
    "PII": "Personal data and secrets",
    "LEAK": "Leakage between splits and from benchmarks",
    "SET": "The data set as a whole",
}
OWN = "Own rules"
HEADINGS = ("Why it matters", "Example", "How to fix it")
INDEX = "README.md"
_HEADING = re.compile(rf"^({'|'.join(HEADINGS)}):[ \n]*", re.MULTILINE)
_ENTITY = re.compile(r"&(?=#?\w+;)")
_CODE_SPAN = re.compile(r"(`+[^`]*`+)")


def by_family(rules: Iterable[Rule]) -> Iterator[tuple[str, str, list[Rule]]]:
    """Yield each family's prefix, title and rules by code: the families in the order above, then the unknown ones."""
    order = list(FAMILIES)

    def rank(rule: Rule) -> tuple[int, str]:
        return (order.index(rule.family) if rule.family in order else len(order), rule.code)

    for family, members in groupby(sorted(rules, key=rank), key=lambda rule: rule.family):
        yield family, FAMILIES.get(family, OWN), list(members)


def sections(rule: Rule) -> list[tuple[str, str]]:
    """Split the docstring into (heading, text) pairs; what comes before the first heading has the heading ""."""
    pieces = _HEADING.split(rule.doc)
    return [("", pieces[0].strip()), *zip(pieces[1::2], (text.strip() for text in pieces[2::2]), strict=True)]


def fix_words(rule: Rule) -> str:
    """What cleaning may do about the rule's findings, in words."""
    if rule.fix.action == "none":
        return "by hand"
    return f"{rule.fix.action}, {'safe' if rule.fix.safe else 'unsafe'}"


def default_words(rule: Rule) -> str:
    """Whether the rule runs unasked, in words, and with which flag."""
    if not rule.on_by_default:
        return "off"
    return f"with `{LOCKS[rule.needs][1]}`" if rule.needs else "on"


def page(rule: Rule, *, for_terminal: bool = False) -> str:
    """The Markdown page of one rule; for the terminal its text stands as the docstring has it, nothing escaped."""
    as_shown = _visible if for_terminal else _markdown
    head, *rest = sections(rule)
    facts = [rule.severity, f"fix: {fix_words(rule)}", f"default: {default_words(rule)}"]
    parts = [f"# {rule.code}: {rule.name}", as_shown(head[1]), " · ".join(facts)]
    for heading, text in rest:
        parts += [f"## {heading}", as_shown(text[:1].upper() + text[1:])]
    if rule.thresholds:
        example = [
            f"[thresholds.{rule.code}]",
            *(f"{name} = {_toml(value)}" for name, value in rule.thresholds.items()),
        ]
        parts += ["## Thresholds", "With their defaults, as in `curate.toml`:", "\n".join(["```toml", *example, "```"])]
    return "\n\n".join(parts) + "\n"


def index_row(rule: Rule) -> str:
    summary = _markdown(rule.summary).replace("|", "\\|")
    cells = (f"[{rule.code}]({rule.code}.md)", rule.name, rule.severity, default_words(rule), fix_words(rule), summary)
    return f"| {' | '.join(cells)} |"


def index(rules: Iterable[Rule]) -> str:
    """The Markdown table of rules, family by family."""
    rules = list(rules)
    parts = [
        "# Rules",
        f"{len(rules)} rules. `curate rules` prints this table and `curate rule CODE` one page. Made from the rules "
        "themselves by `python -m curate.docs`; a test fails when it is stale.",
    ]
    for family, title, members in by_family(rules):
        rows = [index_row(rule) for rule in members]
        header = ["| code | name | severity | default | fix | what is wrong |", "|---|---|---|---|---|---|"]
        parts += [f"## {family}: {title}", "\n".join(header + rows)]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    """Every file of the reference: its name and its text."""
    return {INDEX: index(RULES.values())} | {f"{rule.code}.md": page(rule) for rule in RULES.values()}


def write(folder: Path) -> list[str]:
    """Bring the folder up to date and return the names of the files that were written or removed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    changed = []
    for file in folder.glob("*.md"):
        if file.name not in wanted:
            file.unlink()
            changed.append(file.name)
    for name, text in wanted.items():
        file = folder / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8", newline="\n")
            changed.append(name)
    return sorted(changed)


def _visible(text: str) -> str:
    """The text with invisible and terminal-control characters made visible."""
    return "\n".join(safe(line) for line in text.split("\n"))


def _markdown(text: str) -> str:
    """The visible text with `<` and entities outside code kept as they are written."""
    pieces = _CODE_SPAN.split(_visible(text))
    pieces[::2] = [_ENTITY.sub("&amp;", piece).replace("<", "&lt;") for piece in pieces[::2]]
    return "".join(pieces)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | frozenset):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/rules")
    if not target.parent.is_dir():
        raise CurateError(f"{target.parent}: no such folder; run this from the root of the repository")
    print(f"{target}: {len(write(target))} of {len(RULES) + 1} files changed")
