"""Format oasst: a conversation as a tree of replies, and flat rows of messages that are gathered into trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from curate.finding import Fault, Where
from curate.formats.format import Format, Row, Unreadable, rest
from curate.formats.roles import canonical_role
from curate.formats.turns import as_text, kind, short
from curate.sample import Message, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from curate.io import RawRow

_NODE_KEYS = ("text", "role", "replies")


def is_flat(row: Row) -> bool:
    """Whether a row is one message of a tree (Open Assistant's flat export)."""
    return "message_id" in row and "parent_id" in row and "text" in row and "role" in row


def _is_tree(row: Row) -> bool:
    prompt = row.get("prompt")
    return is_flat(row) or (isinstance(prompt, dict) and "text" in prompt and ("replies" in prompt or "role" in prompt))


def _read(row: Row) -> list[Sample]:
    """Read the best path of a tree: of the replies to each message the one with the lowest rank."""
    if is_flat(row):
        said = f"message {short(row['message_id'])} stands alone: its tree has no root"
        raise Unreadable([Fault(said, Where(field="parent_id"), rule="tree-without-root")])
    node = row.get("prompt")
    if not isinstance(node, dict) or node.get("text") is None:
        said = "prompt is " + ("an object without text" if isinstance(node, dict) else kind(node))
        raise Unreadable([Fault(said, Where(field="prompt"), rule="tree-without-root")])
    faults: list[Fault] = []
    messages: list[Message] = []
    unread = 0
    while node is not None:
        word = node.get("role")
        role = canonical_role(word) if isinstance(word, str) else ("assistant" if len(messages) % 2 else "user")
        text = as_text(
            node.get("text"), faults, Where(len(messages), "content"), f"text of message {len(messages) + 1}"
        )
        extra = {name: value for name, value in node.items() if name not in _NODE_KEYS}
        messages.append(Message(role, text, extra=extra))
        replies = [reply for reply in node.get("replies") or () if isinstance(reply, dict) and not _is_withdrawn(reply)]
        unread += max(len(replies) - 1, 0)
        node = min(replies, key=_rank) if replies else None
    metadata = rest(row, "prompt")
    if unread:
        metadata["other_replies"] = unread
    return [Sample(messages, "oasst", metadata=metadata, faults=faults)]


def _is_withdrawn(reply: dict[str, Any]) -> bool:
    return reply.get("deleted") is True or reply.get("review_result") is False


def _rank(reply: dict[str, Any]) -> float:
    rank = reply.get("rank")
    return rank if isinstance(rank, (int, float)) else float("inf")


def gather_trees(rows: Iterable[RawRow]) -> Iterator[RawRow]:
    """Gather flat rows into one row a tree, in order of each tree's first line.

    A tree's row holds `{"message_tree_id", "prompt": {..., "replies": [...]}}`, the line of its first message and, in
    `rows`, how many physical rows it stands for. Rows that are not flat, or whose parent is in no row, pass unchanged.
    The whole input is held in memory.
    """
    order: list[RawRow | str] = []
    trees: dict[str, list[tuple[RawRow, Row]]] = {}
    for raw in rows:
        value = _parse(raw.data)
        if value is None:
            order.append(raw)
            continue
        tree = str(value.get("message_tree_id") or value["message_id"])
        if tree not in trees:
            trees[tree] = []
            order.append(tree)
        trees[tree].append((raw, value))
    for entry in order:
        if isinstance(entry, str):
            yield from _plant(entry, trees.pop(entry))
        else:
            yield entry


def _parse(data: bytes) -> Row | None:
    try:
        value = orjson.loads(data)
    except ValueError:
        return None
    if not isinstance(value, dict) or not is_flat(value):
        return None
    return value if isinstance(value["message_id"], str) and isinstance(value["parent_id"], str | None) else None


def _plant(tree: str, members: list[tuple[RawRow, Row]]) -> Iterator[RawRow]:
    replies: dict[str | None, list[tuple[RawRow, Row]]] = {}
    for raw, value in members:
        replies.setdefault(value["parent_id"], []).append((raw, value))
    roots = replies.get(None, [])
    planted: set[int] = set()
    for root_raw, root in roots:
        rows = [root_raw]
        root["replies"] = []
        waiting = [root]
        while waiting:
            node = waiting.pop()
            for raw, value in replies.pop(node["message_id"], []):
                value["replies"] = []
                node["replies"].append(value)
                waiting.append(value)
                rows.append(raw)
        planted.update(map(id, rows))
        data = orjson.dumps({"message_tree_id": tree, "prompt": root})
        faults = tuple(fault for raw in rows for fault in raw.faults)
        line = min(raw.line for raw in rows)
        yield root_raw._replace(data=data, line=line, offset=-1, faults=faults, rows=sum(raw.rows for raw in rows))
    yield from (raw for raw, _ in members if id(raw) not in planted)


OASST = Format(
    name="oasst",
    summary="trees of prompt and replies (Open Assistant), or their messages as flat rows",
    columns=frozenset({"message_tree_id", "message_id", "parent_id"}),
    has_columns=lambda names: "prompt" in names or {"message_id", "parent_id", "text", "role"} <= names,
    signs=frozenset({"prompt", "text", "role"}),
    fits=_is_tree,
    read_row=_read,
)
