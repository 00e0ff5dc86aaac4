"""The one error a user is meant to read, and the one about libraries that are not installed."""

from collections.abc import Sequence
from importlib.util import find_spec


class CurateError(Exception):
    """An expected failure: one line that says what, where and what to do next.

    The command line prints the message without a traceback and exits with 2. Every other exception is a bug and keeps
    its traceback.
    """


def need(libraries: Sequence[str], what_needs: str, extra: str) -> None:
    """Refuse to go on without some libraries, none of which is imported.

    Raises:
        CurateError: with those that are missing and the extra of curate that brings them.
    """
    if missing := [name for name in libraries if find_spec(name) is None]:
        raise CurateError(f'{what_needs} {", ".join(missing)}; install what is missing: pip install "curate[{extra}]"')
