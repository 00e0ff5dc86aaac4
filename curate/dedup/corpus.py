"""Everything that is compared: all samples of a check as exchanges, their sketches in memory and their texts on disk.

Workers `pack` the samples of a batch; the check adds the packs to one Corpus, which the rules about duplicates,
contradictions and leakage then ask.
"""

from __future__ import annotations

import marshal
import mmap
import tempfile
import weakref
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curate.dedup.folded import Folded
from curate.dedup.lsh import Sketches, bits, sketches
from curate.dedup.minhash import EMPTY, densified, signatures
from curate.dedup.ngrams import NgramIndex
from curate.dedup.splits import AGAINST, TRAINING, splits_of
from curate.sample import sorted_json
from curate.special_tokens import strip_stop_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.config import Config
    from curate.contradiction.groups import Group
    from curate.dedup.overlap import Match
    from curate.dedup.paraphrases import Requests
    from curate.finding import Place
    from curate.sample import Message, Sample


ANSWER_BITS = 32
TURN = "\x01"  # behind each turn of a gist


class Turn(NamedTuple):
    """A turn as it is compared: its text, tool calls and reasoning included, and its number among the messages.

    `beside` is what the text holds beside the content: "", "reasoning" or "calls" (with or without reasoning). Where it
    is "", places in the text are places in the content.
    """

    role: str
    text: str
    message: int
    beside: str = ""


class Exchange(NamedTuple):
    """An answer meant to be learned and all that stands before it."""

    context: list[Turn]
    answer: Turn

    @property
    def question(self) -> str:
        """The text of the last turn that is not the assistant's."""
        return next((turn.text for turn in reversed(self.context) if turn.role != "assistant"), "")


@dataclass(slots=True)
class Pack:
    """The samples of a batch, packed for the way between processes.

    Arrays by sample: `ends` of its record in `records`, `rows` its sketch as a whole. Arrays by exchange: `sample` and
    `turn` of the answer, hashes of what context and answer say (64 bits), `contexts` the sketch of the context, and of
    the answer its length in characters and a small sketch (uint8 [n, ANSWER_BITS]).
    """

    places: list[Place]
    records: bytes
    ends: NDArray[np.int64]
    rows: Sketches
    sample: NDArray[np.int64]
    turn: NDArray[np.int32]
    context_hash: NDArray[np.uint64]
    answer_hash: NDArray[np.uint64]
    contexts: Sketches
    answer_length: NDArray[np.int32]
    answer_bits: NDArray[np.uint8]


def pack(samples: Sequence[Sample]) -> Pack:
    """Sketch the samples of a batch."""
    turns: list[Turn] = []
    first_turn = [0]
    answers: list[list[int]] = []
    for sample in samples:
        mine = turns_of(sample)
        learned = {i for i, _ in sample.answers()}
        answers.append([len(turns) + i for i, turn in enumerate(mine) if turn.message in learned and turn.text])
        turns += mine
        first_turn.append(len(turns))
    folded = Folded([turn.text for turn in turns])
    by_turn = signatures(folded)
    spoken = [
        (turn.role, text or turn.text.encode("utf-8", "surrogatepass"))
        for turn, text in zip(turns, folded.said(), strict=True)
    ]
    gists = folded.gists()
    records = [
        marshal.dumps((gists[start:end], marshal.dumps([tuple(turn) for turn in turns[start:end]])))
        for start, end in pairwise(first_turn)
    ]

    exchanges = [(number, turn) for number, mine in enumerate(answers) for turn in mine]
    contexts = np.full((len(exchanges), by_turn.shape[1]), EMPTY, dtype=np.uint32)
    context_hash: NDArray[np.uint64] = np.empty(len(exchanges), dtype=np.uint64)
    for i, (number, turn) in enumerate(exchanges):
        start = first_turn[number]
        if turn > start:
            np.minimum.reduce(by_turn[start:turn], axis=0, out=contexts[i])
        context_hash[i] = hash_of(spoken[start:turn])
    rows = np.full((len(samples), by_turn.shape[1]), EMPTY, dtype=np.uint32)
    starts = np.array(first_turn)
    says_something = np.diff(starts) > 0
    rows[says_something] = np.minimum.reduceat(by_turn, starts[:-1][says_something], axis=0) if turns else EMPTY
    return Pack(
        places=[sample.place for sample in samples],
        records=b"".join(records),
        ends=np.cumsum([len(record) for record in records], dtype=np.int64),
        rows=sketches(rows),
        sample=np.array([number for number, _ in exchanges], dtype=np.int64),
        turn=np.array([turn - first_turn[number] for number, turn in exchanges], dtype=np.int32),
        context_hash=context_hash,
        answer_hash=np.array([hash_of([spoken[turn]]) for _, turn in exchanges], dtype=np.uint64),
        contexts=sketches(contexts),
        answer_length=np.array([len(turns[turn].text) for _, turn in exchanges], dtype=np.int32),
        answer_bits=bits(densified(by_turn[[turn for _, turn in exchanges], :ANSWER_BITS])),
    )


def turns_of(sample: Sample) -> list[Turn]:
    """What a sample says, turn by turn; tool definitions first, a rejected answer and a label last.

    Those have the number -1.
    """
    turns = [Turn(message.role, _text(message), i, _beside(message)) for i, message in enumerate(sample.messages)]
    turns += [Turn("rejected", _text(message), -1) for message in sample.rejected or ()]
    if sample.tools:
        turns.insert(0, Turn("tools", _json(sample.tools), -1))
    if sample.label is not None:
        turns.append(Turn("label", str(sample.label).lower(), -1))
    return turns


def _beside(message: Message) -> str:
    return "calls" if message.tool_calls else "reasoning" if message.reasoning else ""


def _text(message: Message) -> str:
    content = strip_stop_token(message.text) if message.role == "assistant" else message.text
    if not message.reasoning and not message.tool_calls:
        return content
    calls = [{"name": call.name, "arguments": _arguments(call)} for call in message.tool_calls]
    called = _json(calls) if calls else ""
    return "\n".join(part for part in (message.reasoning, content, called) if part)


def _json(value: Any) -> str:
    return sorted_json(value).decode("utf-8", "surrogatepass")


def _arguments(call: Any) -> Any:
    try:
        return call.parsed_arguments()
    except ValueError:
        return call.arguments


def hash_of(turns: Sequence[tuple[str, bytes]]) -> int:
    """A hash of 64 bits of some turns, each a role and the bytes of its plain text."""
    digest = blake2b(digest_size=8)
    for role, text in turns:
        digest.update(b"%b\0%b\0" % (role.encode("utf-8", "surrogatepass"), text))
    return int.from_bytes(digest.digest(), "little")


class Corpus:
    """All the samples of a check, in input order, mine first and then theirs (the files given with `--against`).

    264 bytes a sample and 320 an exchange stay in memory, beside the places; the texts lie in a temporary file.
    """

    def __init__(self, config: Config, reviewed: frozenset[str] = frozenset()) -> None:
        self.config = config
        self.reviewed = reviewed
        self.places: list[Place] = []
        self.theirs_from: int | None = None
        self.ngrams = NgramIndex()  # of theirs
        self._packs = [pack([])]  # so that the arrays of no samples have their types
        self._spool = tempfile.TemporaryFile(prefix="curate-")  # noqa: SIM115 (lives as long as the corpus)
        weakref.finalize(self, self._spool.close)

    def add(self, pack: Pack) -> None:
        """Take in the samples of one batch, in input order."""
        self._spool.write(pack.records)
        pack.records = b""
        self.places += pack.places
        self._packs.append(pack)

    def begin_theirs(self) -> None:
        """All that is added from now on is what the user's rows are compared against."""
        self.theirs_from = len(self.places)

    @cached_property
    def mine(self) -> int:
        """How many samples are the user's own: they have the numbers from 0 on."""
        return len(self.places) if self.theirs_from is None else self.theirs_from

    @cached_property
    def rows(self) -> Sketches:
        return self._sketches("rows")

    @cached_property
    def contexts(self) -> Sketches:
        return self._sketches("contexts")

    @cached_property
    def sample(self) -> NDArray[np.int64]:
        """The sample of each exchange."""
        sizes = np.cumsum([0, *(len(pack.places) for pack in self._packs)])
        parts = self._taken("sample")
        return np.concatenate([part + before for part, before in zip(parts, sizes, strict=False)])

    @cached_property
    def turn(self) -> NDArray[np.int32]:
        return self._joined("turn")

    @cached_property
    def context_hash(self) -> NDArray[np.uint64]:
        return self._joined("context_hash")

    @cached_property
    def answer_hash(self) -> NDArray[np.uint64]:
        return self._joined("answer_hash")

    @cached_property
    def answer_length(self) -> NDArray[np.int32]:
        return self._joined("answer_length")

    @cached_property
    def answer_bits(self) -> NDArray[np.uint8]:
        return self._joined("answer_bits")

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        parts = self._taken("ends")
        sizes = np.cumsum([0, *(int(part[-1]) if len(part) else 0 for part in parts)])
        return np.concatenate([[0], *(part + before for part, before in zip(parts, sizes, strict=False))])

    @cached_property
    def _texts(self) -> mmap.mmap:
        self._spool.flush()
        return mmap.mmap(self._spool.fileno(), 0, access=mmap.ACCESS_READ)

    def _taken(self, name: str) -> list[Any]:
        """What the packs have of one name; they give it up, so that nothing is in memory twice."""
        parts = [getattr(pack, name) for pack in self._packs]
        for pack in self._packs:
            delattr(pack, name)
        return parts

    def _joined(self, name: str) -> NDArray[Any]:
        joined: NDArray[Any] = np.concatenate(self._taken(name))
        return joined

    def _sketches(self, name: str) -> Sketches:
        keys, bits = map(np.concatenate, zip(*self._taken(name), strict=True))
        return Sketches(keys, bits)

    def turns(self, sample: int) -> list[Turn]:
        """The turns of a sample, read from disk."""
        return [Turn(*turn) for turn in marshal.loads(self._record(sample)[1])]

    def gist(self, sample: int, turns: int | None = None) -> str:
        """The words that carry meaning of a sample's first turns (all of them), each as one character, turn by turn."""
        gists = self._record(sample)[0]
        return TURN.join(gist.decode("utf-32-le") for gist in gists[:turns]) + TURN

    def _record(self, sample: int) -> Any:
        return marshal.loads(self._texts[self._ends[sample] : self._ends[sample + 1]])

    def exchange(self, number: int) -> Exchange:
        """An exchange with its texts, read from disk."""
        turns, answer = self.turns(int(self.sample[number])), int(self.turn[number])
        return Exchange(turns[:answer], turns[answer])

    @cached_property
    def answered(self) -> list[Group]:
        """The requests that were answered more than once: found once for all the rules that ask."""
        from curate.contradiction.groups import answered

        return answered(self)

    @cached_property
    def requests(self) -> Requests:
        """The user's requests as vectors, by the model of `--semantic`: embedded once for all the rules that ask."""
        from curate.dedup.paraphrases import requests

        return requests(self)

    @cached_property
    def split(self) -> NDArray[np.int8]:
        """What each sample is there for: one of TRAINING, VALIDATION, TEST, by its file, or AGAINST."""
        paths = [place.path for place in self.places[: self.mine]]
        splits = splits_of(dict.fromkeys(paths))
        split: NDArray[np.int8] = np.full(len(self.places), AGAINST, dtype=np.int8)
        split[: self.mine] = [splits.get(path, TRAINING) for path in paths]
        return split

    @cached_property
    def overlaps(self) -> dict[int, list[Match]]:
        """What of the user's rows is in theirs or in a later split: found once for all the rules that ask."""
        from curate.dedup.overlap import overlaps

        return overlaps(self)

    @cached_property
    def final(self) -> NDArray[np.int64]:
        """The last exchange of each sample, -1 for a sample without an answer."""
        last: NDArray[np.int64] = np.full(len(self.places), -1, dtype=np.int64)
        last[self.sample] = np.arange(len(self.sample))
        return last
