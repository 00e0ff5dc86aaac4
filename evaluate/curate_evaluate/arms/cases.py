"""The rows of a split as cases: a conversation up to an answer, and the answer."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.api import read
from curate.errors import CurateError
from curate.sample import SYSTEM_ROLES, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from curate.run import Run

NAMED = 5
# Training rows give examples, for which their ids are not needed: millions of them.
WITHOUT_IDS = ("sample_id", "line", "turn", "answer")
ALL = (*WITHOUT_IDS, "text", "input_ids", "labels", "prompt_length")


@dataclass(frozen=True)
class Case:
    """One answer to give.

    Attributes:
        sample_id: of its row.
        line: of its row, in the file of its split.
        context: the turns before the answer.
        answer: the turn itself.
        reference: its text as the template writes it, without the stop token.
        tools: the definitions that the row offers.
        metadata: the columns of the row that are no part of the conversation.
        prompt: the rendered text before the answer, as it was made for training.
        prompt_ids: its ids.
        answer_length: how many ids the answer has, with its stop token.
    """

    sample_id: str
    line: int
    context: tuple[Message, ...]
    answer: Message
    reference: str
    tools: list[dict[str, Any]] | None
    metadata: Mapping[str, Any]
    prompt: str
    prompt_ids: tuple[int, ...]
    answer_length: int

    @property
    def prompt_sha256(self) -> str:
        """The hash of its prompt's ids."""
        return ids_hash(self.prompt_ids)

    @property
    def question(self) -> str:
        """The last thing that was said to the model."""
        return next((turn.text for turn in reversed(self.context) if turn.role in ("user", "tool")), "")

    @property
    def turns(self) -> list[Message]:
        """The context without its system prompt."""
        return [turn for turn in self.context if turn.role not in SYSTEM_ROLES]

    @property
    def system(self) -> list[Message]:
        """The system prompt."""
        return [turn for turn in self.context if turn.role in SYSTEM_ROLES]


def read_cases(
    run: Run,
    split: str,
    stop_token: str = "",
    encode: Callable[[str], Sequence[int]] | None = None,
    places: Sequence[int] | None = None,
) -> list[Case]:
    """The cases of a split: one for each row of its tokens, which has its last trained answer.

    Args:
        run: a run with tokens.
        split: train, val or test.
        stop_token: what ends an answer.
        encode: a text to its ids, as in the tokens; without it the cases have no prompts, which training rows need not.
        places: of the rows among those of the tokens, in ascending order; None for all.

    Raises:
        CurateError: tokens and split are not of one another, or a prompt whose ids no part of its row's text has.
    """
    samples = {sample.line: sample for sample in _samples(run, split)}
    cases: list[Case] = []
    faults: list[str] = []
    rows = 0
    columns = ALL if encode else WITHOUT_IDS
    for row in read_rows(run / "tokens" / f"{split}.arrow", columns, places):
        sample = samples.get(row["line"])
        if sample is None or sample.id != row["sample_id"]:
            raise CurateError(
                f"{run / 'tokens' / f'{split}.arrow'}: line {row['line']} is not that of split/{split}.jsonl; make the "
                f"tokens again: curate tokens {run.folder} --force"
            )
        turn = row["turn"]
        rows += 1
        prompt: str | None = ""
        prompt_ids: tuple[int, ...] = ()
        answer_length = 0
        if encode:
            prompt_ids = tuple(row["input_ids"][: row["prompt_length"]])
            answer_length = sum(label != -100 for label in row["labels"][row["prompt_length"] :])
            prompt = find_prompt(row["text"], row["answer"] + stop_token, prompt_ids, encode)
        if prompt is None:
            faults.append(f"line {row['line']} ({row['sample_id']}): no prefix of its text gives its prompt's ids")
            continue
        cases.append(
            Case(
                sample_id=sample.id,
                line=sample.line,
                context=tuple(sample.messages[:turn]),
                answer=sample.messages[turn],
                reference=row["answer"],
                tools=sample.tools,
                metadata=sample.metadata,
                prompt=prompt,
                prompt_ids=prompt_ids,
                answer_length=answer_length,
            )
        )
    refuse(run, split, faults, rows)
    return cases


def refuse(run: Run, split: str, faults: Sequence[str], of: int) -> None:
    """Refuse prompts that are not those of training.

    Raises:
        CurateError: there are faults; it names the first ones.
    """
    if faults:
        shown = "; ".join(faults[:NAMED]) + (f"; and {len(faults) - NAMED:,} more" if len(faults) > NAMED else "")
        raise CurateError(
            f"{run / 'tokens' / f'{split}.arrow'}: {len(faults):,} of {of:,} prompts are not those of the tokens, so "
            f"the scores would be of another task: {shown}; make the tokens again: curate tokens {run.folder} --force"
        )


def find_prompt(
    text: str, ending: str, prompt_ids: tuple[int, ...], encode: Callable[[str], Sequence[int]]
) -> str | None:
    """The part of `text` before `ending` that has these ids; None where there is none.

    An answer may be said twice in a conversation, so each place is tried, the last first.
    """
    start = text.rfind(ending)
    while start >= 0:
        if tuple(encode(text[:start])) == prompt_ids:
            return text[:start]
        start = text.rfind(ending, 0, start + len(ending) - 1)
    return None


def ids_hash(ids: Sequence[int]) -> str:
    """The sha256 of token ids, each as 4 bytes, little-endian."""
    return hashlib.sha256(array("i", ids).tobytes()).hexdigest()


def _samples(run: Run, split: str) -> Iterator[Any]:
    file = run / "split" / f"{split}.jsonl"
    check = run.config("check")
    if file.stat().st_size:
        yield from read(file, format=check.get("format"), columns=check.get("columns"))


def read_rows(file: Path, names: Sequence[str], places: Sequence[int] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of an Arrow file at these places (None: all), of which only these columns are read."""
    from arro3.core import Array, DataType
    from arro3.io import read_ipc

    start = 0
    for batch in read_ipc(str(file)):
        end = start + batch.num_rows
        if places is not None:
            here = [place - start for place in places if start <= place < end]
            batch = batch.take(Array(here, type=DataType.uint32()))
        for values in zip(*(batch[name].to_pylist() for name in names), strict=True):
            yield dict(zip(names, values, strict=True))
        start = end
