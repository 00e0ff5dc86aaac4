"""Reading: every input becomes rows of bytes, then JSON values; one bad row is one fault, never a lost file."""

from curate.io.parse import Parsed, parse_row
from curate.io.rows import RawRow
from curate.io.sources import Input, find_inputs

__all__ = ["Input", "Parsed", "RawRow", "find_inputs", "parse_row"]
