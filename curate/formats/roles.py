"""The one table of role words: what the many spellings of a role in the wild mean."""

from __future__ import annotations

ALIASES: dict[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "client", "input"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "bing", "bard", "bot", "model", "ai", "output"),
        "assistant",
    ),
    **dict.fromkeys(("system", "instruction", "system_prompt"), "system"),
    "developer": "developer",
    **dict.fromkeys(
        (
            "tool",
            "function",
            "observation",
            "observations",
            "function_response",
            "function-response",
            "tool_response",
            "ipython",
        ),
        "tool",
    ),
}

# Turns of the assistant whose text is a call, as JSON: {"name", "arguments"} or a list of them.
CALL_ROLES = frozenset({"function_call", "function-call", "tool_call"})

# Objects that hold a whole exchange instead of one turn: {"user": ..., "assistant": ...}.
EXCHANGES: tuple[frozenset[str], ...] = (
    frozenset({"user", "assistant"}),
    frozenset({"human", "assistant"}),
    frozenset({"human", "gpt"}),
    frozenset({"human", "bot"}),
    frozenset({"input", "output"}),
)


def canonical_role(word: str) -> str:
    """Return the role that a word stands for, or the word itself where no alias of it is known.

    A word of CALL_ROLES is an assistant's turn.
    """
    role = ALIASES.get(word)
    if role is not None:
        return role
    plain = word.strip().lower()
    if plain in CALL_ROLES:
        return "assistant"
    return ALIASES.get(plain, word)


def is_call_role(word: str) -> bool:
    """Whether a turn of this role is a tool call written as JSON text."""
    return word in CALL_ROLES or word.strip().lower() in CALL_ROLES


def is_nonstandard(word: str) -> bool:
    """Whether a trainer that compares `role` with user, assistant and system would not know this known alias.

    The words for tool turns differ between trainers that all document theirs, so none of them is called nonstandard.
    """
    role = canonical_role(word)
    return word != role and role in ("user", "assistant", "system") and not is_call_role(word)
