"""The columns that the user names: `[columns]` maps a role, a formats' own name, to the file's name of it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.formats.chat import TOOLS
from curate.formats.columns import CHOICES, CONTEXTS, SYSTEMS
from curate.formats.format import known_names
from curate.formats.turns import KNOWN as TURN_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from curate.formats.format import Row

_LOOKED_AT = 1000  # names of the file among which the nearest is sought


class NamedColumns:
    """Watches the rows of a file for the columns that were named.

    Raises:
        CurateError: a role that no format has.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        roles = (
            known_names() | TURN_KEYS | {*TOOLS, *SYSTEMS, *CHOICES, *CONTEXTS, "history"} if columns else frozenset()
        )
        for role, column in columns.items():
            if role not in roles:
                raise CurateError(_no_such_role(role, column, roles))
        self._missing = dict.fromkeys(columns.values())
        self._seen: dict[str, None] = {}
        self._rows = 0

    def see(self, row: Row) -> None:
        """Take note of the names of a row and of its turns."""
        self._rows += 1
        if not self._missing:
            return
        self._note(row)
        for value in row.values():
            if isinstance(value, list):
                for turn in value:
                    if isinstance(turn, dict):
                        self._note(turn)

    def check(self) -> None:
        """Raise where a named column is in no row.

        Raises:
            CurateError: names the column, and the nearest one that there is.
        """
        if self._missing and self._rows:
            column = next(iter(self._missing))
            close = get_close_matches(column, self._seen, n=1)
            seen = ", ".join(self._seen)
            hint = (
                f"did you mean {close[0]!r}?" if close else f"columns: {seen if len(seen) <= 80 else seen[:77] + '...'}"
            )
            raise CurateError(f"columns: no row has the column {column!r}; {hint}")

    def _note(self, names: dict[str, Any]) -> None:
        for column in [column for column in self._missing if column in names]:
            del self._missing[column]
        if len(self._seen) < _LOOKED_AT:
            self._seen.update(dict.fromkeys(map(str, names)))


def _no_such_role(role: str, column: str, roles: frozenset[str]) -> str:
    close = get_close_matches(role, sorted(roles), n=1, cutoff=0.75)
    if not close and column in roles:
        return f'columns: {role!r} is no role; the role comes first: {column} = "{role}"'
    hint = f"did you mean {close[0]!r}?" if close else "roles are prompt, completion, messages, chosen and the like"
    return f"columns: no role {role!r}; {hint}"
