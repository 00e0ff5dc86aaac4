"""An Ollama Modelfile beside a GGUF model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MODELFILE = "Modelfile"


def modelfile(gguf: str, stops: Sequence[str], context: int | None) -> str:
    """The text of a Modelfile. Without TEMPLATE Ollama takes the chat template that the GGUF file carries."""
    lines = [f"FROM ./{gguf}", *(f'PARAMETER stop "{_quoted(stop)}"' for stop in stops)]
    if context:
        lines.append(f"PARAMETER num_ctx {context}")
    return "\n".join([*lines, "PARAMETER temperature 0", ""])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
