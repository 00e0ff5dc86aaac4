"""A model's tokenizer and chat template, read without transformers (which takes seconds to import)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.template.source import (
    CONFIG,
    MORE_TEMPLATES,
    SPECIAL_TOKENS,
    TEMPLATE,
    TOKENIZER,
    Contents,
    find,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenizers import Tokenizer

    from curate.template.ids import Ids

STOCK = Path(__file__).with_name("stock")
OPTION = "--chat-template"


@dataclass(frozen=True)
class ChatTokenizer:
    """What of a model turns a conversation into ids.

    `source` is the model as the user named it, `folder` where its files are (of a GGUF file: the file), `revision` the
    commit of a model on the hub. `templates` are Jinja sources by name: "default", and in some models "tool_use" for
    rows with tools; `template_from` is the file or the option that they are from. `special_tokens` are those that
    templates use by name (`bos_token`, `eos_token`, ...).
    """

    source: str
    folder: Path
    revision: str | None
    tokenizer: Tokenizer
    templates: Mapping[str, str]
    template_from: str
    special_tokens: Mapping[str, str]
    tokenizer_sha256: str
    template_sha256: str
    encoder: Ids

    @property
    def bos(self) -> str | None:
        """The token that begins a text, where the model has one."""
        return self.special_tokens.get("bos_token")

    @property
    def eos(self) -> str | None:
        """The token that ends a text; at inference, a model stops at it."""
        return self.special_tokens.get("eos_token")

    @property
    def pad(self) -> str | None:
        """The token that fills rows of a batch up to one length."""
        return self.special_tokens.get("pad_token")

    @property
    def engine(self) -> str:
        """What makes the ids, and why: a line for the report."""
        return self.encoder.engine

    def ids_of(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of rendered texts; the template has written their special tokens, so none is added.

        Raises:
            UnicodeEncodeError: a text with half of a surrogate pair, which no tokenizer takes.
        """
        return self.encoder.of(texts)

    def ids(self, text: str) -> list[int]:
        """The ids of one rendered text."""
        return self.ids_of([text])[0]


def template_files(folder: Path, chat_template: str | None = None) -> list[Path]:
    """Every file that has a say in a conversation's ids, whether it is there or not; `folder` may be a GGUF file."""
    if folder.is_file():
        files = [folder]
    else:
        files = [folder / name for name in (TOKENIZER, CONFIG, SPECIAL_TOKENS, TEMPLATE, MORE_TEMPLATES)]
    return [*files, _template_file(chat_template)] if chat_template else files


def load(model: str | Path, *, chat_template: str | None = None, offline: bool = False) -> ChatTokenizer:
    """Load the tokenizer and the chat template of a model: a Hugging Face folder, a GGUF file, or a name on the hub.

    A local path goes before a name on the hub. `chat_template` is the name of one of our own templates or a Jinja file,
    and goes before the model's own.

    Raises:
        CurateError: no such model, or one whose tokenizer or chat template is missing or cannot be read.
    """
    from tokenizers import Tokenizer

    from curate.template.ids import Ids

    source = find(model, offline=offline)
    contents, template_from = _read_model(source.path)
    try:
        tokenizer = Tokenizer.from_buffer(contents.tokenizer_json)
    except Exception as error:  # tokenizers raises bare Exception
        raise CurateError(f"{source.name}: its tokenizer cannot be read ({error}); fetch its files again") from error
    if getattr(tokenizer.model, "dropout", None):
        raise CurateError(
            f"{source.name}: its tokenizer leaves merges out at random; set dropout to null in {TOKENIZER}"
        )
    tokenizer.no_truncation()  # some tokenizer.json carry the lengths of the run that saved them
    tokenizer.no_padding()
    templates = contents.templates
    if chat_template is not None:
        file = _template_file(chat_template)
        templates, template_from = {"default": _text(file)}, f"{OPTION} {chat_template}"
    if "default" not in templates:
        raise CurateError(
            f"{source.name}: has no chat template; take the model's instruct version, or say which to use: "
            f"{OPTION} {'|'.join(_stock())}|FILE"
        )
    return ChatTokenizer(
        source=source.name,
        folder=source.path,
        revision=source.revision,
        tokenizer=tokenizer,
        templates=templates,
        template_from=template_from,
        special_tokens=contents.special_tokens,
        tokenizer_sha256=hashlib.sha256(contents.tokenizer_json).hexdigest(),
        template_sha256=hashlib.sha256("\0".join(templates[name] for name in sorted(templates)).encode()).hexdigest(),
        encoder=Ids(tokenizer, contents.tokenizer_json),
    )


def _read_model(path: Path) -> tuple[Contents, str]:
    """What a folder or a GGUF file says, and which file the template is from."""
    if path.is_file():
        from curate.template.gguf import SUFFIX, read_gguf

        if path.suffix.lower() != SUFFIX:
            raise CurateError(
                f"{path}: is no {SUFFIX} file; --model takes a folder that holds {TOKENIZER} and a chat template, a "
                f"GGUF file, or a name on the hub (org/name); a template goes with {OPTION}"
            )
        return read_gguf(path), path.name
    return _read_folder(path)


def _read_folder(folder: Path) -> tuple[Contents, str]:
    source = _read(folder / TOKENIZER)
    if source is None:
        gguf = sorted(folder.glob("*.gguf"))
        remedy = f"give the file: --model {gguf[0]}" if gguf else "save one there with AutoTokenizer's save_pretrained"
        raise CurateError(f"{folder}: has no {TOKENIZER}; {remedy}")
    config = _json(folder / CONFIG)
    templates, template_from = _templates(folder, config)
    return Contents(source, templates, _special_tokens({**_json(folder / SPECIAL_TOKENS), **config})), template_from


def _templates(folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """The templates by name and the file of the default; a .jinja file wins over the config, as in transformers."""
    templates: dict[str, str] = {}
    template_from = CONFIG
    match config.get("chat_template"):
        case str(text):
            templates["default"] = text
        case list(named):
            try:
                templates |= {str(entry["name"]): str(entry["template"]) for entry in named}
            except (KeyError, TypeError) as error:
                raise CurateError(f"{folder / CONFIG}: its chat_template is no list of names and templates") from error
    if (folder / TEMPLATE).is_file():
        templates, template_from = {"default": _text(folder / TEMPLATE)}, TEMPLATE
    for file in sorted((folder / MORE_TEMPLATES).glob("*.jinja")):
        templates[file.stem] = _text(file)
    return templates, template_from


def _stock() -> list[str]:
    """The names of our own templates."""
    return sorted(file.stem for file in STOCK.glob("*.jinja"))


def _template_file(chat_template: str) -> Path:
    """The file of `--chat-template NAME|FILE`.

    Raises:
        CurateError: neither one of our own nor a file.
    """
    if chat_template in _stock():
        return STOCK / f"{chat_template}.jinja"
    file = Path(chat_template)
    if not file.is_file():
        raise CurateError(f"{OPTION} {chat_template}: neither {' nor '.join(_stock())}, and no such file")
    return file


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
        value = json.loads(source)
    except ValueError as error:
        raise CurateError(f"{file}: is not JSON ({error}); fetch the file again") from error
    if not isinstance(value, dict):
        raise CurateError(f"{file}: is not a JSON object; fetch the file again")
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
