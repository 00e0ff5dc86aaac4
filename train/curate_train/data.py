"""The tokens that were made from the reviewed rows, read as they are: nothing is cut, packed, dropped or tokenised."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np

    Ids = np.ndarray[Any, np.dtype[np.int32]]

NOT_TRAINED = -100
COLUMNS = ("sample_id", "line", "input_ids", "labels")
NAMED = 5


class Row(NamedTuple):
    """One row of tokens/SPLIT.arrow: ids and, at each position, the same id where it is trained, else -100."""

    split: str
    sample_id: str
    line: int
    ids: Ids
    labels: Ids

    @property
    def trained(self) -> int:
        """How many tokens carry loss; the first never does, as nothing stands before it to predict it from."""
        return int((self.labels[1:] != NOT_TRAINED).sum())

    def __str__(self) -> str:
        return f"split/{self.split}.jsonl:{self.line} ({self.sample_id})"


def read_tokens(folder: Path, split: str, *, vocabulary: int, longest: int | None = None) -> list[Row]:
    """The rows of one split, in order. `vocabulary` is the model's number of embeddings, `longest` its context length.

    Raises:
        CurateError: a missing or damaged file, rows that are not those that were made, or rows that cannot be trained.
    """
    file = folder / f"{split}.arrow"
    rows = list(_read(file, split))
    refuse_faulty(rows, vocabulary=vocabulary, longest=longest)
    expected = _expected_hash(folder / "tokens.json", split)
    if (found := ids_sha256(rows)) != expected:
        raise CurateError(
            f"{file}: its ids are not those that were made (sha256 {found[:12]}, tokens.json says {expected[:12]}); "
            "make them again: curate tokens RUN --force"
        )
    return rows


def refuse_faulty(rows: Sequence[Row], *, vocabulary: int, longest: int | None = None) -> None:
    """Refuse rows that would train on something else than what was reviewed, or crash.

    Raises:
        CurateError: naming the first of the rows.
    """
    checks: list[tuple[str, Callable[[Row], bool]]] = [
        ("as many labels as ids are needed", lambda row: len(row.ids) != len(row.labels)),
        (
            "a label is neither its own id nor -100",
            lambda row: bool(((row.labels != NOT_TRAINED) & (row.labels != row.ids)).any()),
        ),
        ("no token is trained", lambda row: row.trained == 0),
        (
            f"an id is outside the model's vocabulary of {vocabulary:,}",
            lambda row: bool(((row.ids < 0) | (row.ids >= vocabulary)).any()),
        ),
        (
            f"longer than the {longest or 0:,} tokens that the model can hold",
            lambda row: longest is not None and len(row.ids) > longest,
        ),
    ]
    for what, is_faulty in checks:
        if faulty := [row for row in rows if is_faulty(row)]:
            named = ", ".join(map(str, faulty[:NAMED])) + (" ..." if len(faulty) > NAMED else "")
            raise CurateError(f"{len(faulty):,} of {len(rows):,} rows cannot be trained: {what}: {named}")


def ids_sha256(rows: Iterable[Row]) -> str:
    """The hash that tokens.json holds of a split: each row's id, a zero byte, its number of ids (int64), its ids and
    labels (int32), all little-endian."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(row.sample_id.encode() + b"\0" + len(row.ids).to_bytes(8, "little"))
        digest.update(row.ids.astype("<i4").tobytes())
        digest.update(row.labels.astype("<i4").tobytes())
    return digest.hexdigest()


def _read(file: Path, split: str) -> Iterator[Row]:
    from arro3.core import list_flatten, list_offsets
    from arro3.io import read_ipc

    try:
        batches = list(read_ipc(str(file)))
        if batches and (missing := [name for name in COLUMNS if name not in batches[0].schema.names]):
            raise CurateError(f"{file}: has no column {', '.join(missing)}; make it again: curate tokens RUN --force")
        for batch in batches:
            sample_ids, lines = batch["sample_id"].to_pylist(), batch["line"].to_pylist()
            columns = []
            for name in ("input_ids", "labels"):
                flat, offsets = list_flatten(batch[name]).to_numpy(), list_offsets(batch[name]).to_numpy()
                columns.append([flat[offsets[i] - offsets[0] : offsets[i + 1] - offsets[0]] for i in range(len(lines))])
            for sample_id, line, ids, labels in zip(sample_ids, lines, *columns, strict=True):
                yield Row(split, sample_id, line, ids, labels)
    except CurateError:
        raise
    except FileNotFoundError as error:
        raise CurateError(f"{file}: is missing; make it: curate tokens RUN --model M") from error
    except Exception as error:  # arro3 raises its own classes, which are not public, and bare Exception
        raise CurateError(f"{file}: cannot be read ({error}); make it again: curate tokens RUN --force") from error


def _expected_hash(file: Path, split: str) -> str:
    try:
        expected: str = json.loads(file.read_bytes())["ids_sha256"][split]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CurateError(f"{file}: says no hash of {split}.arrow; make it again: curate tokens RUN --force") from error
    return expected
