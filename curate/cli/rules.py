"""`curate rules` and `curate rule CODE`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curate.rules import Rule

OUTPUT_FORMATS = ("text", "json")


@click.command()
@click.option("--output-format", type=click.Choice(OUTPUT_FORMATS), default="text", show_default=True)
@click.option("--config", metavar="FILE", help="Settings instead of the nearest curate.toml or [tool.curate].")
def rules(output_format: str, config: str | None) -> None:
    """List the rules by family, your own included."""
    known = known_rules(config)
    if output_format == "json":
        print_json([as_json(rule) for rule in known.values()])
    elif sys.stdout.isatty():
        print_table(known.values())
    else:
        print_lines(known.values())


@click.command()
@click.argument("code", metavar="CODE|NAME")
@click.option("--output-format", type=click.Choice(OUTPUT_FORMATS), default="text", show_default=True)
@click.option("--config", metavar="FILE", help="Settings instead of the nearest curate.toml or [tool.curate].")
def rule(code: str, output_format: str, config: str | None) -> None:
    """Explain one rule: why it matters, an example, how to fix it, and its thresholds."""
    from curate.docs import page

    found = find_rule(code, known_rules(config))
    if output_format == "json":
        print_json(as_json(found) | {"doc": found.doc})
        return
    if not sys.stdout.isatty():
        click.echo(page(found, for_terminal=True), nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    # Markdown is rendered, console markup is not: a docstring may show "[/red]" without harm.
    Console(width=min(100, os.get_terminal_size().columns)).print(Markdown(page(found), hyperlinks=False))


def known_rules(config: str | None) -> dict[str, Rule]:
    """The register and the own rules that the configuration names.

    Raises:
        CurateError: an unreadable configuration or rule file.
    """
    from pathlib import Path

    from curate.config import resolve
    from curate.plan import load_own_rules
    from curate.rules import RULES

    known = dict(RULES)
    for file in resolve({}, config).config.rules:
        known |= load_own_rules(Path(file), known)
    return dict(sorted(known.items()))


def find_rule(word: str, known: dict[str, Rule]) -> Rule:
    """The rule with this code, in capitals or not, or this name.

    Raises:
        CurateError: there is none; the message names the nearest.
    """
    import difflib

    from curate.errors import CurateError

    for candidate in known.values():
        if word.upper() == candidate.code or word.lower() == candidate.name:
            return candidate
    names = [*known, *(candidate.name for candidate in known.values())]
    near = difflib.get_close_matches(word.upper(), names, n=1) or difflib.get_close_matches(word.lower(), names, n=1)
    hint = f"did you mean {near[0]}?" if near else "`curate rules` lists them"
    raise CurateError(f"no rule is called {word!r}; {hint}")


def as_json(rule: Rule) -> dict[str, Any]:
    return {
        "code": rule.code,
        "name": rule.name,
        "family": rule.family,
        "severity": rule.severity,
        "default": rule.on_by_default,
        "fix": rule.fix.as_json(),
        "summary": rule.summary,
        "thresholds": rule.thresholds,
    }


def print_json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=list))


def print_lines(rules: Iterable[Rule]) -> None:
    """One rule a line, for grep and scripts."""
    from curate.docs import by_family, fix_words

    for _, _, members in by_family(rules):
        for r in members:
            default = "on" if r.on_by_default else "off"
            click.echo(f"{r.code:<8} {r.name:<32} {r.severity:<8} {default:<4} {fix_words(r):<22} {r.summary}")


def print_table(rules: Iterable[Rule]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from curate.docs import by_family, fix_words

    colour = {"error": "red", "warning": "yellow", "info": "cyan"}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("code", "name", "severity", "fix"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what is wrong", ratio=1)
    for family, title, members in by_family(rules):
        table.add_row()
        table.add_row(Text(family, style="bold"), Text(title, style="bold"))
        for r in members:
            off = "" if r.on_by_default else " (off)"
            table.add_row(
                r.code, r.name, Text(r.severity + off, style=colour[r.severity]), fix_words(r), Text(r.summary)
            )
    console = Console()
    console.print(table)
    console.print(Text("\ncurate rule CODE explains one of them.", style="dim"))
