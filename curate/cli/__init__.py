"""The command line. One command, one file; a command's module is imported only when the command runs."""

from curate.cli.main import main

__all__ = ["main"]
