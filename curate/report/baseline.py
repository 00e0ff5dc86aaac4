"""The baseline: an earlier report, whose findings are no news."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate.report.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curate.finding import Finding


def mark_known(findings: Iterable[Finding], baseline: str | Path) -> None:
    """Mark what the earlier report lists too: the same code on the same content, or, about a whole file, on that path.

    Content ids make a finding known wherever its row has moved to. `baseline` is a file that
    `curate check --output-format json` wrote.

    Raises:
        CurateError: the file cannot be read, or is no such report.
    """
    try:
        earlier = Report.from_json(json.loads(Path(baseline).read_bytes()))
    except OSError as error:
        raise CurateError(f"--baseline {baseline}: {error.strerror or error}") from error
    except ValueError as error:
        raise CurateError(
            f"--baseline {baseline}: not JSON ({error}); give a report of --output-format json"
        ) from error
    except CurateError as error:
        raise CurateError(f"--baseline {baseline}: {error}") from error
    known = {_identity(finding) for finding in earlier.findings}
    for finding in findings:
        finding.known = _identity(finding) in known


def _identity(finding: Finding) -> tuple[str, str]:
    place = finding.place
    return finding.code, place.path if place.sample_id is None else place.sample_id
