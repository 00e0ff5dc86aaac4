"""`curate convert`."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  curate convert chat.jsonl -o out.jsonl --to sharegpt
  curate convert alpaca.json -o chat.jsonl --to messages
  curate convert dpo.jsonl -o sft.jsonl --to messages --use chosen
"""
