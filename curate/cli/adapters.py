"""`curate adapters list`, `inspect` and `combine`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.cli.finite import Finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate_train.adapters.adapter import Adapter
    from curate_train.adapters.combine import Method
    from curate_train.adapters.ranks import Use

EPILOG = """\b
Examples:
  curate adapters list                                         those of the runs in this folder
  curate adapters inspect runs/support                         how much of its rank it uses
  curate adapters combine runs/support runs/billing -o both    one adapter that does both
  curate adapters combine A B --method slerp --weights 0.7,0.3 -o mixed
"""
COMBINE = """\b
Examples:
  curate adapters combine runs/a runs/b -o both                        the sum of both, nothing lost (cat)
  curate adapters combine runs/a runs/b --method svd --rank 16 -o both the closest one of rank 16
  curate adapters combine runs/a runs/b --method ties --density 0.5 -o both
  curate adapters combine runs/a runs/b --method slerp --weights 0.7,0.3 -o both
"""
OUTPUT_FORMATS = ("text", "json")
NEEDED = ("torch", "peft", "safetensors")


@click.group(epilog=EPILOG)
def adapters() -> None:
    """Look into trained LoRA adapters, and make one out of several."""
    from curate.errors import need

    need(NEEDED, "adapters need", "train")


@adapters.command("list", epilog=EPILOG)
@click.argument("folders", metavar="[FOLDER...]", nargs=-1)
@click.option("--output-format", type=click.Choice(OUTPUT_FORMATS), default="text", show_default=True)
def list_(folders: tuple[str, ...], output_format: str) -> int:
    """List the adapters in folders, however deep.  [default: this one]"""
    from curate.errors import CurateError
    from curate.report.safe import safe
    from curate_train.adapters.adapter import CONFIG, read_adapter

    places = [Path(folder) for folder in folders or (".",)]
    for place in places:
        if not place.is_dir():
            raise CurateError(f"{place}: no folder")
    found, unread = [], []
    for folder in sorted({file.parent for place in places for file in place.rglob(CONFIG)}):
        try:
            found.append(read_adapter(folder))
        except CurateError as error:
            unread.append(str(error))
    if output_format == "json":
        print_json([as_json(one) for one in found])
    elif found:
        table = [("adapter", "base", "method", "rank", "parameters")]
        table += [
            (str(one.folder), Path(one.base).name, one.method, str(one.rank), f"{one.parameters:,}") for one in found
        ]
        print_table(table, left=3)
    else:
        click.echo(f"No adapter under {', '.join(map(str, places))}. Train one: curate train DATA --model M")
    for line in unread:
        click.echo(safe(f"left out: {line}"), err=True)
    return 0


@adapters.command(epilog=EPILOG)
@click.argument("adapter")
@click.option(
    "--energy",
    type=Finite(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    help="The share of what the adapter adds that has to be kept.",
)
@click.option("--output-format", type=click.Choice(OUTPUT_FORMATS), default="text", show_default=True)
def inspect(adapter: str, energy: float, output_format: str) -> int:
    """Say what ADAPTER is, and how much of its rank it uses.

    ADAPTER is its folder, or a run. Energy is the sum of the squared singular values of what is added to the weights:
    a direction without any changes nothing.
    """
    from curate_train.adapters.adapter import read_adapter
    from curate_train.adapters.ranks import rank_use

    one = read_adapter(Path(adapter))
    uses = rank_use(one, energy)
    if output_format == "json":
        print_json(as_json(one) | {"energy": energy, "use": [use._asdict() | {"enough": use.enough} for use in uses]})
        return 0
    click.echo(f"{one.folder}: {one.method} of rank {one.rank} on {one.base or 'an unnamed base'}")
    click.echo(f"{len(one.updates):,} modules, {one.parameters:,} parameters\n")
    heads = ("modules", "number", "rank", f"for {energy:.0%}", "the neediest", "size of the change")
    rows = [
        (use.name, f"{use.modules:,}", str(use.rank), str(use.used), str(use.most), f"{use.norm:.3g}") for use in uses
    ]
    print_table([heads, *rows], left=1)
    click.echo(f"\n{verdict(uses[0], energy)}")
    return 0


@adapters.command(epilog=COMBINE)
@click.argument("folders", metavar="ADAPTER ADAPTER...", nargs=-1, required=True)
@click.option("-o", "--output", required=True, type=click.Path(), help="The folder to write.")
@click.option(
    "--method",
    type=click.Choice(["cat", "svd", "linear", "ties", "dare_linear", "dare_ties", "slerp"]),
    default="cat",
    show_default=True,
    help="cat and svd are exact up to the rank; linear, ties and dare_* are peft's; slerp is between two.",
)
@click.option("--weights", metavar="W,W...", help="How much each counts.  [default: 1 each; slerp: 0.5,0.5]")
@click.option("--rank", type=click.IntRange(1), help="Cut the result to this rank.  [svd: the largest of them]")
@click.option("--density", type=Finite(0, 1, min_open=True), help="ties, dare_*: the share of weights that stay.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random choice of dare_*.")
def combine(
    folders: tuple[str, ...],
    output: str,
    method: Method,
    weights: str | None,
    rank: int | None,
    density: float | None,
    seed: int,
) -> int:
    """Make one adapter out of several of the same base. Each ADAPTER is its folder, or a run."""
    from curate.report.safe import safe
    from curate_train.adapters.adapter import read_adapter
    from curate_train.adapters.combine import combined, differences, write

    found = [read_adapter(Path(folder)) for folder in folders]
    for line in differences(found):
        click.echo(safe(f"warning: {line}"), err=True)
    shares = numbers(weights) if weights else [0.5 if method == "slerp" else 1.0] * len(found)
    updates = combined(found, shares, method, rank=rank, density=density, seed=seed)
    made = {
        "schema": "curate.combined/1",
        "of": [
            {"adapter": str(one.folder), "sha256": one.sha256, "weight": share}
            for one, share in zip(found, shares, strict=True)
        ],
        "method": method,
        "rank": rank,
        "density": density,
        "seed": seed if method.startswith("dare") else None,
    }
    reached = write(updates, found, made, Path(output))
    click.echo(f"{output}: {method} of {len(found)} adapters, rank {reached}, {len(updates):,} modules")
    return 0


def numbers(text: str) -> list[float]:
    from curate.errors import CurateError

    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise CurateError(f"--weights {text}: give one finite number for each adapter, like 0.7,0.3")
    return found


def verdict(use: Use, energy: float) -> str:
    if not use.used:
        return "It adds nothing: every weight that it would change is left as it is."
    carry = f"{use.used} directions carry" if use.used > 1 else "1 direction carries"
    said = f"Trained with rank {use.rank}: {carry} {energy:.0%} of what it adds"
    if use.enough < use.rank:
        return f"{said}, so rank {use.enough} would do."
    return f"{said}, so it uses its rank; a higher one might learn more."


def as_json(one: Adapter) -> dict[str, Any]:
    return {
        "adapter": str(one.folder),
        "base": one.base,
        "method": one.method,
        "rank": one.rank,
        "modules": len(one.updates),
        "parameters": one.parameters,
        "other_tensors": one.other,
        "sha256": one.sha256,
    }


def print_json(value: object) -> None:
    import json

    click.echo(json.dumps(value, indent=2))


def print_table(table: Sequence[Sequence[str]], *, left: int) -> None:
    """Print rows under their heads; the first `left` columns are words, the others numbers."""
    from curate.report.safe import safe

    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        padded = zip(row, widths, strict=True)
        cells = [cell.ljust(wide) if i < left else cell.rjust(wide) for i, (cell, wide) in enumerate(padded)]
        click.echo(safe("  ".join(cells).rstrip()))
