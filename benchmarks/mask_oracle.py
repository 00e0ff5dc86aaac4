"""Hold the loss mask against templates that mark what a model writes.

    python benchmarks/mask_oracle.py [--rows N] [--seed S] [--write]

trl (pip install --no-deps trl) has training templates whose `{% generation %}` marks the answers. The engine gets them
without the marks, with a tokenizer of bytes and of the template's control tokens, and renders 15 kinds of conversation,
then N random ones (tags, white space and empty texts in odd places) for each template. Every row is rendered whole
(`--turns all`) and each answer on its own (`--turns each`). Exit codes: 0 no verified row trains anything else than
what is marked, 1 one does, 2 trl is missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from near_duplicates import machine  # noqa: E402

from tests.template.oracle import CONVERSATIONS, Judged, judge, judge_each, twins  # noqa: E402
from tests.template.random_rows import conversation  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

VERDICTS = ("exact", "but header", "wrong")


def table(judged: Iterable[Judged]) -> list[str]:
    """One line a family: verified and flagged rows by verdict, and the codes of the flags."""
    families: dict[str, list[Judged]] = {}
    for one in judged:
        families.setdefault(one.family, []).append(one)
    lines = [
        "| template | rendered | exact | but header | flagged, exact | flagged, but header | flagged, wrong | "
        "**verified, wrong** | why flagged |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    everything = [one for rows in families.values() for one in rows]
    for name, rows in [*families.items(), ("**all**", everything)]:
        count = Counter((one.is_verified, one.verdict) for one in rows)
        codes = Counter(code for one in rows if one.verdict != "refused" for code in one.codes)
        why = ", ".join(f"{code} {n}" for code, n in codes.most_common())
        cells = [count[True, v] for v in VERDICTS[:2]] + [count[False, v] for v in VERDICTS] + [count[True, "wrong"]]
        rendered = sum(one.verdict != "refused" for one in rows)
        lines.append(f"| {name} | {rendered:,} | {' | '.join(f'{n:,}' for n in cells)} | {why} |")
    return lines


def summary(judged: list[Judged]) -> str:
    rendered = [one for one in judged if one.verdict != "refused"]
    agree = sum(one.verdict != "wrong" for one in rendered)
    silent = sum(one.verdict == "wrong" and one.is_verified for one in rendered)
    refused = len(judged) - len(rendered)
    return (
        f"{agree:,} of {len(rendered):,} cases that render agree ({agree / len(rendered):.1%}), "
        f"{silent:,} silent errors; {refused:,} are refused by their template (TPL001)."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100, help="random conversations for each template  [default: 100]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the tables into mask_oracle.md")
    options = parser.parse_args()
    templates = twins()
    if templates is None:
        print("trl is not installed: pip install --no-deps trl", file=sys.stderr)
        return 2
    ordinary: list[Judged] = []
    random_rows: list[Judged] = []
    alone: list[Judged] = []
    for family, file in templates.items():
        random = Random(f"{options.seed} {family}")
        rows = {f"random {n}": conversation(random) for n in range(options.rows)}
        with tempfile.TemporaryDirectory() as folder:
            ordinary += judge(Path(folder), family, file)
            random_rows += judge(Path(folder), family, file, rows)
            alone += judge_each(Path(folder), family, file, rows)
        print(f"{family}: done", file=sys.stderr)
    parts = [
        "# The loss mask against templates that mark it",
        f"`benchmarks/mask_oracle.py --rows {options.rows} --seed {options.seed}`, trl {version('trl')}. {machine()}.",
        "*exact*: the trained characters are the marked ones. *but header*: they differ only by the header that the "
        "inference prompt supplies, the white space and control tokens behind the stop token, or a stop token that the "
        "template does not mark. *flagged*: the row is not verified, and says why; *wrong* there is the best guess "
        "that is shown and not trained. Rows are flagged where the template rewrites history (TPL002), leaves "
        "something out (TPL005) or has another prompt at inference (TPL006), or where an answer is empty (TPL009).",
        f"## {len(CONVERSATIONS)} kinds of conversation",
        ", ".join(CONVERSATIONS) + ".",
        summary(ordinary),
        "\n".join(table(ordinary)),
        f"## {options.rows} random conversations for each template, whole",
        summary(random_rows),
        "\n".join(table(random_rows)),
        "## The same, each answer on its own",
        summary(alone),
        "\n".join(table(alone)),
    ]
    text = "\n\n".join(parts) + "\n"
    if options.write:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    return int(any(one.verdict == "wrong" and one.is_verified for one in [*ordinary, *random_rows, *alone]))


if __name__ == "__main__":
    sys.exit(main())
