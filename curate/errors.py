"""The one error a user is meant to read."""


class CurateError(Exception):
    """An expected failure: one line that says what, where and what to do next.

    The command line prints the message without a traceback and exits with 2. Every other exception is a bug and keeps
    its traceback.
    """
