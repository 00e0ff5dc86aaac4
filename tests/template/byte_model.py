"""A model folder whose tokenizer knows bytes and control tokens only: no download, and no merges at any boundary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CHATML = """{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}"""


def byte_tokenizer(control_tokens: Iterable[str], words: Iterable[str] = ()) -> Tokenizer:
    """One id a byte; `words` are ids of their own wherever they stand, but no control tokens."""
    vocabulary = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control_tokens])
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in words])
    return tokenizer


def write_model(
    folder: Path,
    template: str | None = CHATML,
    control_tokens: Iterable[str] = ("<|im_start|>", "<|im_end|>"),
    words: Iterable[str] = (),
    **config: object,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    byte_tokenizer(control_tokens, words).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder
