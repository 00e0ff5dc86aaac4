"""The control tokens of the known chat templates: one table, by family, and the search over it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each name as its family's tokenizer_config.json spells it. A token that several families share stands once, under the
# name that a reader knows it by.
FAMILIES: dict[str, tuple[str, ...]] = {
    "ChatML (Qwen, Yi, SmolLM)": ("<|im_start|>", "<|im_end|>", "<|im_sep|>"),
    "GPT-2 and its heirs": ("<|endoftext|>", "<|endofprompt|>"),
    "code infilling": (
        "<|fim_prefix|>",
        "<|fim_middle|>",
        "<|fim_suffix|>",
        "<|fim_pad|>",
        "<|repo_name|>",
        "<|file_sep|>",
        "<fim_prefix>",
        "<fim_middle>",
        "<fim_suffix>",
    ),
    "Qwen vision": ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
    "Llama 3": (
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|python_tag|>",
        "<|finetune_right_pad_id|>",
    ),
    "Llama 4": ("<|header_start|>", "<|header_end|>", "<|eot|>", "<|eom|>", "<|python_start|>", "<|python_end|>"),
    "Llama 2 and Mistral": ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>"),
    "Mistral": (
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_CALLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[SYSTEM_PROMPT]",
        "[/SYSTEM_PROMPT]",
    ),
    "Gemma": ("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<start_of_image>", "<end_of_image>"),
    "Phi, Zephyr and GLM": ("<|user|>", "<|assistant|>", "<|system|>", "<|tool|>", "<|observation|>"),
    "gpt-oss (Harmony) and Phi": ("<|end|>",),
    "gpt-oss (Harmony)": (
        "<|start|>",
        "<|message|>",
        "<|channel|>",
        "<|constrain|>",
        "<|return|>",
        "<|call|>",
        "<|startoftext|>",
    ),
    "GLM": ("[gMASK]", "<sop>", "<eop>"),
    "Command R": (
        "<BOS_TOKEN>",
        "<EOS_TOKEN>",
        "<|START_OF_TURN_TOKEN|>",
        "<|END_OF_TURN_TOKEN|>",
        "<|USER_TOKEN|>",
        "<|CHATBOT_TOKEN|>",
        "<|SYSTEM_TOKEN|>",
        "<|START_THINKING|>",
        "<|END_THINKING|>",
        "<|START_RESPONSE|>",
        "<|END_RESPONSE|>",
        "<|START_ACTION|>",
        "<|END_ACTION|>",
    ),
    "Granite": ("<|start_of_role|>", "<|end_of_role|>", "<|tool_call|>"),
    "Kimi": ("<|im_user|>", "<|im_assistant|>", "<|im_system|>", "<|im_middle|>"),
    "InternLM": ("<|action_start|>", "<|action_end|>", "<|interpreter|>", "<|plugin|>"),
    "EXAONE": ("[|user|]", "[|assistant|]", "[|system|]", "[|endofturn|]"),
}
FAMILY_OF = {token: family for family, tokens in FAMILIES.items() for token in tokens}
DEEPSEEK = "DeepSeek"

# The tokens that end an answer. <|end|> and [/INST] end other things too, but typed last they stop the model as well.
STOP_TOKENS = (
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|eot|>",
    "<|eom_id|>",
    "<|end|>",
    "<|return|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|END_RESPONSE|>",
    "<EOS_TOKEN>",
    "<end_of_turn>",
    "<eos>",
    "<｜end▁of▁sentence｜>",
    "[|endofturn|]",
    "</s>",
)

_LISTED = "|".join(re.escape(token) for token in FAMILY_OF if token not in ("<s>", "</s>"))
_TOKEN = re.compile(rf"{_LISTED}|<\|reserved_special_token_\d{{1,3}}\|>|<｜[^｜\s<>]{{1,40}}｜>|</?s>")
_HINTS = (
    "<|",
    "|]",
    "<｜",
    "INST]",
    "SYS>>",
    "_of_",
    "os>",
    "s>",
    "_TOKEN",
    "TOOL",
    "SYSTEM_PROMPT]",
    "MASK]",
    "op>",
    "fim_",
)


class TypedToken(NamedTuple):
    """A control token that stands in a text: its span in code points, and the family that it belongs to."""

    token: str
    family: str
    start: int
    end: int


def find_tokens(text: str) -> Iterator[TypedToken]:
    """Every control token in a text, in order.

    `<s>` and `</s>` are HTML's strike-through as well, so they count only where they cannot be that: an end without a
    start, a start that nothing ends at the head of the text, or a pair around the whole text.
    """
    if ("<" not in text and "[" not in text) or not any(hint in text for hint in _HINTS):
        return
    marks = _sentence_marks(text) if "s>" in text else frozenset()
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in ("<s>", "</s>") and match.start() not in marks:
            continue
        if "｜" in token:
            family = DEEPSEEK
        elif token.startswith("<|reserved_special_token_"):
            family = "Llama 3"
        else:
            family = FAMILY_OF[token]
        yield TypedToken(token, family, match.start(), match.end())


def _sentence_marks(text: str) -> frozenset[int]:
    """Where `<s>` and `</s>` stand that are not a strike-through."""
    marks: set[int] = set()
    open_tags: list[int] = []
    head, tail = len(text) - len(text.lstrip()), len(text.rstrip())
    for match in re.finditer("</?s>", text):
        if match[0] == "<s>":
            open_tags.append(match.start())
        elif not open_tags:
            marks.add(match.start())
        elif (start := open_tags.pop()) == head and match.end() == tail:
            marks |= {start, match.start()}
    return frozenset(marks | {start for start in open_tags if start == head})


@lru_cache(maxsize=64)
def stop_token_at_end(text: str) -> TypedToken | None:
    """The stop token that a text ends with: the first one where several stand in a row.

    Cached, since many rules ask for the same answers.
    """
    first: TypedToken | None = None
    marks: frozenset[int] | None = None
    end = len(text.rstrip())
    while text.endswith(STOP_TOKENS, 0, end):
        token = next(token for token in STOP_TOKENS if text.endswith(token, 0, end))
        start = end - len(token)
        if token == "</s>":
            marks = _sentence_marks(text) if marks is None else marks
            if start not in marks:
                break
        first = TypedToken(token, FAMILY_OF.get(token, DEEPSEEK), start, end)
        end = start
        while end and text[end - 1].isspace():
            end -= 1
    return first


def strip_stop_token(text: str) -> str:
    """The text without the stop tokens that it ends with, and without the space around them."""
    stop = stop_token_at_end(text)
    return text[: stop.start].rstrip() if stop else text
