"""What the maker of a form finds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SUMMARY = "export.json"


@dataclass
class Made:
    """`said` for people, `facts` for export.json, and what a person should know."""

    said: str
    facts: dict[str, Any]
    warnings: list[str]
