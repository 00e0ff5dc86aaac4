"""Which files are the splits of one data set, by their names."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TRAINING, VALIDATION, TEST, AGAINST = range(4)
"""What a file is there for. The rows of each are compared with those of the ones behind it."""

_NAMES = (
    (TRAINING, re.compile(r"(?<![a-z])train(ing)?(?![a-z])", re.IGNORECASE)),
    (VALIDATION, re.compile(r"(?<![a-z])(val|valid|validation|dev)(?![a-z])", re.IGNORECASE)),
    (TEST, re.compile(r"(?<![a-z])(test|eval|evaluation|held[-_ ]?out)(?![a-z])", re.IGNORECASE)),
)


def splits_of(paths: Iterable[str]) -> dict[str, int]:
    """The split of each file, where some of them are named for training and others for validation or test; else {}.

    A file that is named for none of them is there for training. The name of the file counts, or else that of the
    innermost of its folders that names one; not the folders that hold all of the files.
    """
    parts = {path: path.split("/") for path in paths}
    shared = len(os.path.commonprefix([folders[:-1] for folders in parts.values()]))  # noqa: RUF071 (of lists)
    named = {path: _named(folders[shared:]) for path, folders in parts.items()}
    if TRAINING not in named.values() or set(named.values()) <= {TRAINING, None}:
        return {}
    return {path: split or TRAINING for path, split in named.items()}


def _named(folders: list[str]) -> int | None:
    for depth, name in enumerate(reversed(folders)):
        found = [split for split, pattern in _NAMES if (pattern.search if depth == 0 else pattern.fullmatch)(name)]
        if found:
            return found[0] if len(found) == 1 else None
    return None
