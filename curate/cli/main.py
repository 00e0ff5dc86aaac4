"""The entry point: the list of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
import traceback

import click

from curate import __version__
from curate.errors import CurateError

COMMANDS = {
    "check": ("curate.cli.check", "List every bad row of a data set with its reason."),
    "render": ("curate.cli.render", "Show rows as a model sees them: the exact tokens, and which are trained."),
    "stats": ("curate.cli.stats", "Show how long the rows are, in tokens and by role."),
    "review": ("curate.cli.review", "Look at the flagged rows on a page: keep, drop or edit them."),
    "app": ("curate.cli.review", "Open the app on a run, or on the runs of this folder."),
    "decisions": ("curate.cli.decisions", "Export or import what a review decided."),
    "clean": ("curate.cli.clean", "Keep the good rows, and list the others with their reasons."),
    "split": ("curate.cli.split", "Put the kept rows into train, val and test."),
    "mix": ("curate.cli.mix", "Mix several data sets, with so much of each, into one."),
    "tokens": ("curate.cli.tokens", "Turn the splits into the ids and labels that are trained."),
    "plan": ("curate.cli.plan", "Say what a training takes: parameters, memory, time, and what it can show."),
    "train": ("curate.cli.train", "Train a LoRA adapter on the tokens of the train split."),
    "evaluate": ("curate.cli.evaluate", "Score the base model and the adapter on the held-out rows."),
    "judge": ("curate.cli.judge", "Say blind which of two answers is better, or have a model say it."),
    "report": ("curate.cli.report", "Show both arms side by side, and what their difference allows to say."),
    "adapters": ("curate.cli.adapters", "List, inspect and combine trained adapters."),
    "export": ("curate.cli.export", "Write what was trained in the form in which it is served."),
    "trace": ("curate.cli.trace", "Follow one row from its score back to its line in the data."),
    "demo": ("curate.cli.demo", "Run the whole chain on a sample with a small local model."),
    "convert": ("curate.cli.convert", "Rewrite a data set in another format, losing nothing unsaid."),
    "rules": ("curate.cli.rules", "List the rules."),
    "rule": ("curate.cli.rules", "Explain one rule: why it matters, an example, how to fix it."),
}

EXAMPLES = """\b
Examples:
  curate check data.jsonl                            what is wrong, the worst first
  curate check data.jsonl --output-format json       every finding, for scripts
  curate rule FMT104                                 why a rule matters and how to fix it
  curate convert chat.jsonl -o out.jsonl --to sharegpt

\b
Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 wrong usage, unreadable input or an internal error.
"""


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no such command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=EXAMPLES,
)
@click.version_option(__version__, prog_name="curate")
def cli() -> None:
    """Exact, fast, explained checks for the data behind fine-tuned language models."""


def main() -> None:
    """Run the command line and exit: a crash must never look like findings, so it exits with 2."""
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except CurateError as error:
        code = _say(f"curate: {error}")
    except click.ClickException as error:
        error.show()
        code = 2
    except (KeyboardInterrupt, click.Abort):
        code = _say("curate: interrupted", 130)
    except BrokenPipeError:
        _forget_standard_output()
        code = 141
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            _forget_standard_output()
            code = _say(f"curate: the output cannot be written ({(error.strerror or '').lower()})")
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
            code = _say(
                f"curate: {error.filename}: cannot be opened or written ({(error.strerror or '').lower()}); change who "
                "may, or copy the run to a folder of your own"
            )
        else:
            code = _say_internal_error()
    except Exception:
        code = _say_internal_error()
    sys.exit(code if isinstance(code, int) else 0)


def _say_internal_error() -> int:
    traceback.print_exc()
    return _say("curate: internal error (the traceback is above): this is a bug of curate, not of your data")


def _forget_standard_output() -> None:
    """Have the interpreter flush what is left into nothing when it ends, instead of failing once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: str, code: int = 2) -> int:
    from curate.report.safe import safe

    click.echo(safe(line), err=True)
    return code
