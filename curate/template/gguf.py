"""The tokenizer and the chat templates inside a GGUF file, as Hugging Face's tokenizer.json would have them.

The format: github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only the metadata at the file's head are read, by a few
lines of our own: the package `gguf` needs some 20 times as long for it.

A GGUF file names how text is split before it is looked up (`tokenizer.ggml.pre`) but does not say how that is done, so
that only the ways are built whose original is known to the letter. Everything else is refused: nearly the right ids
are wrong ids.
"""

from __future__ import annotations

import json
import mmap
import struct
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.template.source import Contents

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".gguf"
MAGIC = b"GGUF"
VERSIONS = (2, 3)  # version 1 has 32-bit lengths, and is gone since 2023

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5

# The special tokens that templates use by name, and how GGUF calls them ("seperator" is its own spelling).
SPECIAL = {
    "bos_token": "bos",
    "eos_token": "eos",
    "unk_token": "unknown",
    "sep_token": "seperator",
    "pad_token": "padding",
    "cls_token": "cls",
    "mask_token": "mask",
}

# How the models behind each name split text: what their own tokenizer.json say.
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
_BYTES_OF_WORDS = {**_BYTES, "use_regex": True}


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


_DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PRE_TOKENIZERS: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [_BYTES_OF_WORDS],
    "smollm": [{"type": "Digits", "individual_digits": True}, _BYTES_OF_WORDS],
    "llama-bpe": [_split(rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}"), _BYTES],
    "qwen2": [_split(rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}|{_REST}"), _BYTES],
    "deepseek-v3": [_split(r"\p{N}{1,3}"), _split("[一-龥぀-ゟ゠-ヿ]+"), _split(_DEEPSEEK), _BYTES],
}
NORMALIZERS = {"qwen2": {"type": "NFC"}}
WHOLE_WORDS_FIRST = frozenset({"llama-bpe"})  # a word of the vocabulary is one token, whatever the merges give


def read_gguf(file: Path) -> Contents:
    """The tokenizer and chat templates of a GGUF file.

    Raises:
        CurateError: no GGUF file, one without a tokenizer, or with one that cannot be built exactly.
    """
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            facts = metadata(data)
    except OSError as error:
        raise CurateError(f"{file}: cannot be read ({(error.strerror or str(error)).lower()})") from error
    except (ValueError, struct.error) as error:  # an empty file is a ValueError of mmap
        raise CurateError(f"{file}: is no readable GGUF file ({error}); fetch the file again") from error
    try:
        return Contents(json.dumps(_tokenizer(facts)).encode(), _templates(facts), _special_tokens(facts))
    except (KeyError, TypeError, ValueError) as error:
        raise CurateError(f"{file}: {_why(error, facts)}; {INSTEAD}") from error


INSTEAD = "give the folder of the model that it was made from, with its tokenizer.json, or its name on the hub"


def metadata(data: mmap.mmap | bytes) -> dict[str, Any]:
    """Everything that a GGUF file says of itself, by key.

    Raises:
        ValueError, struct.error: not GGUF, or cut off.
    """
    if data[:4] != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version, _tensors, count = struct.unpack_from("<IQQ", data, 4)
    if version not in VERSIONS:
        raise ValueError(f"version {version}; 2 and 3 can be read")
    facts, at = {}, 24
    for _ in range(count):
        key, at = _string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        facts[key], at = _value(data, at + 4, kind)
    return facts


def _value(data: mmap.mmap | bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind == STRING:
        return _string(data, at)
    if kind == ARRAY:
        kind, count = struct.unpack_from("<IQ", data, at)
        at += 12
        if kind == STRING:
            strings = []
            for _ in range(count):
                string, at = _string(data, at)
                strings.append(string)
            return strings, at
        if kind == ARRAY:
            raise ValueError("an array of arrays")
        numbers = f"<{count}{_number(kind)}"
        return list(struct.unpack_from(numbers, data, at)), at + struct.calcsize(numbers)
    number = f"<{_number(kind)}"
    return struct.unpack_from(number, data, at)[0], at + struct.calcsize(number)


def _number(kind: int) -> str:
    if kind not in NUMBERS:
        raise ValueError(f"a value of the unknown type {kind}")
    return NUMBERS[kind]


def _string(data: mmap.mmap | bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, at)
    at += 8
    if at + length > len(data):
        raise ValueError("it is cut off")
    return data[at : at + length].decode(), at + length


def _tokenizer(facts: dict[str, Any]) -> dict[str, Any]:
    """What tokenizer.json would say."""
    model, pre = facts["tokenizer.ggml.model"], facts.get("tokenizer.ggml.pre", "default")
    if model != "gpt2" or pre not in PRE_TOKENIZERS:
        raise ValueError(f"its tokenizer ({model}, {pre}) cannot be built exactly from the file")
    tokens, kinds = facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"]
    if len(tokens) != len(kinds):
        raise ValueError(f"has {len(tokens):,} tokens, but the types of {len(kinds):,}")
    if unknown := set(kinds) - {NORMAL, CONTROL, USER_DEFINED, UNUSED}:
        raise ValueError(f"has tokens of the types {sorted(unknown)}, which this kind of tokenizer does not have")
    # Tokens that fill the vocabulary up to the size of the embedding stand in no text.
    used = [(i, token, kind) for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind != UNUSED]
    vocabulary = {token: i for i, token, _ in used}
    if len(vocabulary) != len(used):
        raise ValueError("has a token twice")
    added = [
        {
            "id": i,
            "content": token,
            "special": kind == CONTROL,
            **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False),
        }
        for i, token, kind in used
        if kind != NORMAL
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": NORMALIZERS.get(pre),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[pre]},
        "post_processor": _post_processor(facts),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": pre in WHOLE_WORDS_FIRST,
            "vocab": vocabulary,
            "merges": [merge.split(" ", 1) for merge in facts["tokenizer.ggml.merges"]],
        },
    }


def _post_processor(facts: dict[str, Any]) -> dict[str, Any] | None:
    """What puts a start token before plain text; rendered conversations have theirs from the template."""
    if not facts.get("tokenizer.ggml.add_bos_token"):
        return None
    bos = facts["tokenizer.ggml.bos_token_id"]
    token = _token(facts, bos)
    start = {"SpecialToken": {"id": token, "type_id": 0}}
    one, other = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [start, one],
        "pair": [start, one, start, other],
        "special_tokens": {token: {"id": token, "ids": [bos], "tokens": [token]}},
    }


def _templates(facts: dict[str, Any]) -> dict[str, str]:
    named = {
        name: facts[f"tokenizer.chat_template.{name}"]
        for name in facts.get("tokenizer.chat_templates", [])
        if f"tokenizer.chat_template.{name}" in facts
    }
    default = facts.get("tokenizer.chat_template")
    return {**named, "default": default} if default else named


def _special_tokens(facts: dict[str, Any]) -> dict[str, str]:
    ids = {name: facts.get(f"tokenizer.ggml.{key}_token_id") for name, key in SPECIAL.items()}
    return {name: _token(facts, i) for name, i in ids.items() if i is not None}


def _token(facts: dict[str, Any], i: int) -> str:
    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    if i >= len(tokens):
        raise ValueError(f"names token {i:,} of {len(tokens):,}")
    return tokens[i]


def _why(error: Exception, facts: dict[str, Any]) -> str:
    if not isinstance(error, KeyError):
        return str(error)
    if "split.no" in facts:
        return "holds no tokenizer: in a model of several files it is in the first"
    return f"holds no tokenizer ({error.args[0]} is not in it)"
