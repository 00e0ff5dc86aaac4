"""Held-out rows that resemble training rows, by the LEAK rules: they are scored too well."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.run import Run


def leaked(run: Run) -> dict[int, list[str]]:
    """The codes of the LEAK findings, by the line of split/test.jsonl that they are on."""
    import curate

    test, train = (run / "split" / f"{split}.jsonl" for split in ("test", "train"))
    check = run.config("check")
    options = {key: check[key] for key in ("format", "columns") if check.get(key)}
    found: dict[int, set[str]] = defaultdict(set)
    for finding in curate.check([test], against=[train], select=["LEAK"], **options).findings:
        found[finding.place.line].add(finding.code)
    return {line: sorted(codes) for line, codes in sorted(found.items())}
