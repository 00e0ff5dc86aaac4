"""GGUF files of tokenizers, written by the package `gguf` as llama.cpp's converter writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gguf
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path


def write_gguf(folder: Path, file: Path, pre: str, *, size: int | None = None, **facts: Any) -> Path:
    """The tokenizer of a Hugging Face folder as a GGUF file without tensors.

    `size` fills the vocabulary up, as the embedding of many models is larger; `facts` replace what is written, and
    leave it out where they are None.
    """
    source = json.loads((folder / "tokenizer.json").read_bytes())
    config = json.loads((folder / "tokenizer_config.json").read_bytes())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    added = {token["id"]: token for token in source["added_tokens"]}
    by_id = {i: token for token, i in tokenizer.get_vocab().items()}
    tokens, kinds = [], []
    for i in range(size or max(by_id) + 1):
        tokens.append(by_id.get(i, f"[PAD{i}]"))
        if i not in by_id:
            kinds.append(gguf.TokenType.UNUSED)
        elif i in added:
            kinds.append(gguf.TokenType.CONTROL if added[i]["special"] else gguf.TokenType.USER_DEFINED)
        else:
            kinds.append(gguf.TokenType.NORMAL)
    written: dict[str, Any] = {
        "model": "gpt2",
        "pre": pre,
        "tokens": tokens,
        "kinds": kinds,
        "merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in source["model"]["merges"]],
        "template": config.get("chat_template"),
        "bos": _id(config.get("bos_token"), tokenizer),
        "eos": _id(config.get("eos_token"), tokenizer),
        "pad": _id(config.get("pad_token"), tokenizer),
        "add_bos": tokenizer.encode("x").ids[0] == _id(config.get("bos_token"), tokenizer),
    } | facts
    writer = gguf.GGUFWriter(file, "llama")
    writers = {
        "model": writer.add_tokenizer_model,
        "pre": writer.add_tokenizer_pre,
        "tokens": writer.add_token_list,
        "kinds": writer.add_token_types,
        "merges": writer.add_token_merges,
        "template": writer.add_chat_template,
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "pad": writer.add_pad_token_id,
        "add_bos": writer.add_add_bos_token,
    }
    for name, value in written.items():
        if value is not None:
            writers[name](value)
    writer.add_token_scores([0.0] * len(written["tokens"] or ()))  # a float array, as models of other kinds have it
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return file


def _id(token: Any, tokenizer: Tokenizer) -> int | None:
    text = token["content"] if isinstance(token, dict) else token
    return None if text is None else tokenizer.token_to_id(text)
