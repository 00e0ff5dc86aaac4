"""Held-out rows that resemble training rows, by the LEAK rules: they are scored too well."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.run import Run


def leaked(run: Run) -> dict[int, list[str]]:
    """The codes of the LEAK findings, by the line of split/test.jsonl that they are on."""
    from curate.config import Config
    from curate.io import find_inputs
    from curate.pipeline import run_check

    test, train = (run / "split" / f"{split}.jsonl" for split in ("test", "train"))
    check = run.config("check")
    # Not `curate.check`, which obeys the configuration file of the working directory, whatever that ignores.
    settings = {key: check[key] for key in ("format", "columns") if check.get(key)}
    config = Config(select=["LEAK"], against=[str(train)], **settings)
    found: dict[int, set[str]] = defaultdict(set)
    for finding in run_check(find_inputs([str(test)]), config).findings:
        found[finding.place.line].add(finding.code)
    return {line: sorted(codes) for line, codes in sorted(found.items())}
