"""A model folder's tokenizer and chat template, read without transformers (which takes seconds to import)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
MORE_TEMPLATES = "additional_chat_templates"
SPECIAL_TOKENS = "special_tokens_map.json"  # what older versions of transformers wrote beside the config


@dataclass(frozen=True)
class ChatTokenizer:
    """What of a model turns a conversation into ids.

    `templates` are Jinja sources by name: "default", and in some models "tool_use" for rows with tools.
    `special_tokens` are those that templates use by name (`bos_token`, `eos_token`, ...).
    """

    folder: Path
    tokenizer: Tokenizer
    templates: Mapping[str, str]
    special_tokens: Mapping[str, str]
    tokenizer_sha256: str
    template_sha256: str

    def ids(self, text: str) -> list[int]:
        """The ids of a rendered text; the template has written its special tokens, so none is added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def template_files(folder: Path) -> list[Path]:
    """Every file of a model folder that has a say in a conversation's ids, whether it is there or not."""
    return [folder / name for name in (TOKENIZER, CONFIG, SPECIAL_TOKENS, TEMPLATE, MORE_TEMPLATES)]


def load(folder: Path) -> ChatTokenizer:
    """Load the tokenizer and the chat template of a model folder as Hugging Face lays it out.

    Raises:
        CurateError: no folder, no tokenizer.json or no chat template in it, or one that cannot be read.
    """
    from tokenizers import Tokenizer

    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise CurateError(f"{folder}: {what}; --model takes a local folder that holds {TOKENIZER} and a chat template")
    source = _read(folder / TOKENIZER)
    if source is None:
        raise CurateError(f"{folder}: has no {TOKENIZER}; save one there with AutoTokenizer's save_pretrained")
    try:
        tokenizer = Tokenizer.from_buffer(source)
    except Exception as error:  # tokenizers raises bare Exception
        raise CurateError(f"{folder / TOKENIZER}: cannot be read ({error}); fetch the file again") from error
    tokenizer.no_truncation()  # some tokenizer.json carry the lengths of the run that saved them
    tokenizer.no_padding()
    config = _json(folder / CONFIG)
    templates = _templates(folder, config)
    if "default" not in templates:
        raise CurateError(
            f"{folder}: has no chat template ({TEMPLATE}, or chat_template in {CONFIG}); "
            "take the model's instruct version, or put a template there"
        )
    return ChatTokenizer(
        folder=folder,
        tokenizer=tokenizer,
        templates=templates,
        special_tokens=_special_tokens({**_json(folder / SPECIAL_TOKENS), **config}),
        tokenizer_sha256=hashlib.sha256(source).hexdigest(),
        template_sha256=hashlib.sha256("\0".join(templates[name] for name in sorted(templates)).encode()).hexdigest(),
    )


def _templates(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """The templates by name; a .jinja file wins over the config, as in transformers."""
    templates: dict[str, str] = {}
    match config.get("chat_template"):
        case str(text):
            templates["default"] = text
        case list(named):
            templates |= {entry["name"]: entry["template"] for entry in named}
    if (folder / TEMPLATE).is_file():
        templates = {"default": _text(folder / TEMPLATE)}
    for file in sorted((folder / MORE_TEMPLATES).glob("*.jinja")):
        templates[file.stem] = _text(file)
    return templates


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    extra = config.get("extra_special_tokens")
    named = {**config, **(extra if isinstance(extra, dict) else {})}
    tokens = {key: _content(value) for key, value in named.items() if key.endswith("_token")}
    return {key: token for key, token in tokens.items() if token}


def _content(token: Any) -> str:
    """A token's text: given as it is, or in an object with how it is matched."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _json(file: Path) -> dict[str, Any]:
    source = _read(file)
    if source is None:
        return {}
    try:
        value: dict[str, Any] = json.loads(source)
    except ValueError as error:
        raise CurateError(f"{file}: is not JSON ({error}); fetch the file again") from error
    return value


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CurateError(f"{file}: cannot be read ({error}); fetch the file again") from error


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CurateError(f"{file}: cannot be read ({(error.strerror or str(error)).lower()})") from error
