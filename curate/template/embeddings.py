"""Control tokens that a model has never learned: their rows of the embedding, read out of a local checkpoint.

A template can use tokens that a base model never saw (Llama 3's <|eot_id|>). A row that was never trained is zero, or
lies where the rows of tokens lie that stand in no text (Land and Bartolo, "Fishing for Magikarp", 2024), or is the same
row as another token's. LoRA on the other layers leaves such rows as they are, and the model does not learn to stop.
"""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.template.load import ChatTokenizer

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
LONGEST_HEADER = 100_000_000

# What models call the matrix whose rows a token's id picks, and the one that scores tokens (many have but the first).
INPUT = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "tok_embeddings.weight", "embed_in.weight")
OUTPUT = ("lm_head.weight", "embed_out.weight", "output.weight")
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}

SAMPLE = 512
ZERO = 1e-3  # of an ordinary row's length
SAME = 0.01  # of a row's length: bf16 keeps 8 bits, so two equal rows differ by less than half of it
SPREAD = 1.5  # of the median distance of unused rows from their middle; in hundreds of dimensions, all are about as far
FEWEST_UNUSED = 3
ORDINARY_INSIDE = 0.02  # a middle around which ordinary rows lie as well tells nothing


class Untrained(NamedTuple):
    """A token whose row is untrained, in which matrix, and how that shows."""

    token: str
    id: int
    matrix: str
    why: str


class Checked(NamedTuple):
    """The tokens with untrained rows; `reason` says why the rows could not be read, and is empty where they were."""

    untrained: list[Untrained]
    reason: str = ""


class _Unreadable(Exception):
    pass


class _Matrix(NamedTuple):
    """A matrix inside a safetensors file: its name, and where and how its values lie."""

    name: str
    file: Path
    start: int
    rows: int
    columns: int
    type: str

    def read(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Some rows of it, and nothing else."""
        dtype = np.dtype(TYPES[self.type])
        width = self.columns * dtype.itemsize
        parts = []
        with self.file.open("rb") as file:
            for i in ids:
                file.seek(self.start + i * width)
                parts.append(np.frombuffer(file.read(width), dtype))
        values = np.stack(parts) if parts else np.empty((0, self.columns), dtype)
        if self.type == "BF16":  # the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32)


def untrained_tokens(chat: ChatTokenizer, tokens: Iterable[str]) -> Checked:
    """Which of these control tokens have untrained rows in the model's checkpoint.

    The rows that they are compared with are those of the tokenizer's other added tokens, which no template writes, and
    those beyond its vocabulary.
    """
    wanted = {token: i for token in tokens if (i := chat.tokenizer.token_to_id(token)) is not None}
    added = chat.tokenizer.get_added_tokens_decoder()
    named = set(chat.special_tokens.values())
    sources = "".join(chat.templates.values())
    unused = [
        i for i, token in added.items() if token.content not in {*wanted, *named} and token.content not in sources
    ]
    return untrained(chat.folder, wanted, unused, chat.tokenizer.get_vocab_size())


def untrained(folder: Path, tokens: Mapping[str, int], unused: Sequence[int], vocabulary: int) -> Checked:
    """Which of `tokens` (text to id) have untrained rows in the safetensors files of a folder.

    `unused` are ids of tokens that stand in no text; the rows from `vocabulary` on belong to no token at all.
    """
    try:
        matrices = [found for names in (INPUT, OUTPUT) if (found := _find(folder, names))]
        if not matrices:
            return Checked([], f"{folder}: none of its tensors is an embedding")
        return Checked([row for matrix in matrices for row in _untrained_in(matrix, tokens, unused, vocabulary)])
    except _Unreadable as error:
        return Checked([], str(error))
    except OSError as error:
        return Checked([], f"{error.filename or folder}: cannot be read ({(error.strerror or str(error)).lower()})")
    except (ValueError, KeyError, TypeError) as error:
        return Checked([], f"{folder}: its safetensors files are broken ({error})")


def _untrained_in(
    matrix: _Matrix, tokens: Mapping[str, int], unused: Sequence[int], vocabulary: int
) -> Iterator[Untrained]:
    if outside := [token for token, i in tokens.items() if i >= matrix.rows]:
        raise _Unreadable(f"{matrix.file}: {matrix.name} has {matrix.rows:,} rows, and none for {', '.join(outside)}")
    beyond = range(vocabulary, matrix.rows)
    chosen = [*_some([i for i in unused if i < matrix.rows]), *_some(beyond)]
    ordinary = _some([i for i in range(min(vocabulary, matrix.rows)) if i not in {*unused, *tokens.values()}])
    rows, empty, usual = matrix.read([*tokens.values()]), matrix.read(chosen), matrix.read(ordinary)
    if not all(np.isfinite(part).all() for part in (rows, empty, usual)):
        raise _Unreadable(f"{matrix.file}: {matrix.name} holds values that are no numbers")
    length = float(np.median(np.linalg.norm(usual, axis=1))) if len(usual) else 1.0
    is_near = _near_unused(rows, empty, usual)
    control = np.concatenate([rows, empty])
    for n, (token, i) in enumerate(tokens.items()):
        own = float(np.linalg.norm(rows[n]))
        to_others: NDArray[np.float32] = np.delete(np.linalg.norm(control - rows[n], axis=1), n)
        if own < ZERO * length:
            yield Untrained(token, i, matrix.name, "its row is zero")
        elif is_near[n]:
            yield Untrained(token, i, matrix.name, "its row lies among those of tokens that stand in no text")
        elif len(to_others) and float(to_others.min()) < SAME * own:
            yield Untrained(token, i, matrix.name, "its row is the same as another control token's")


def _near_unused(rows: NDArray[np.float32], empty: NDArray[np.float32], usual: NDArray[np.float32]) -> list[bool]:
    """Whether each row lies about as near to the middle of unused rows as these do themselves.

    The middle is the median, value by value: some of the tokens that are thought unused may have been trained.
    """
    if len(empty) < FEWEST_UNUSED:
        return [False] * len(rows)
    middle = np.median(empty, axis=0)

    def distance(part: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.linalg.norm(part - middle, axis=1)

    radius = max(SPREAD * float(np.median(distance(empty))), SAME * float(np.linalg.norm(middle)))
    if len(usual) and float(np.mean(distance(usual) <= radius)) > ORDINARY_INSIDE:
        return [False] * len(rows)
    return [bool(near) for near in distance(rows) <= radius]


def _some(ids: Sequence[int]) -> list[int]:
    """At most SAMPLE of them, from all over."""
    return list(ids[:: max(1, len(ids) // SAMPLE)][:SAMPLE])


def _find(folder: Path, names: Sequence[str]) -> _Matrix | None:
    """The matrix of one of these names, or that ends in one; in a model of several files, the index says where."""
    if (folder / INDEX).is_file():
        places = json.loads((folder / INDEX).read_bytes())["weight_map"]
        files = {name: folder / str(file) for name, file in places.items() if "/" not in file and "\\" not in file}
    elif (folder / WEIGHTS).is_file():
        files = dict.fromkeys(_header(folder / WEIGHTS)[0], folder / WEIGHTS)
    elif not folder.is_dir():
        raise _Unreadable(f"{folder}: embeddings are read from safetensors files, not from this file")
    else:
        raise _Unreadable(f"{folder}: holds no weights ({WEIGHTS} or {INDEX})")
    for known in names:
        for name, file in files.items():
            if name == known or name.endswith(f".{known}"):
                header, start = _header(file)
                return _matrix(name, file, header[name], start)
    return None


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """What a safetensors file says of its tensors, and where their values begin."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > min(LONGEST_HEADER, file.stat().st_size - 8):
            raise _Unreadable(f"{file}: is no whole safetensors file; fetch it again")
        header: dict[str, Any] = json.loads(opened.read(length))
    return header, 8 + length


def _matrix(name: str, file: Path, said: Mapping[str, Any], start: int) -> _Matrix:
    if said["dtype"] not in TYPES:
        raise _Unreadable(f"{file}: {name} is quantized ({said['dtype']}); give the folder of the full model")
    rows, columns = said["shape"]
    first, last = said["data_offsets"]
    size = prod((rows, columns, np.dtype(TYPES[said["dtype"]]).itemsize))
    if first < 0 or last - first != size or start + last > file.stat().st_size:
        raise _Unreadable(f"{file}: is cut off; fetch it again")
    return _Matrix(name, file, start + first, rows, columns, said["dtype"])
