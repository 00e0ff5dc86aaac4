"""From characters to ids, with the proof: the trained ids spell the answer, and those before it are the prompt's.

Control tokens cut a text: what stands between two of them has the same ids whatever stands around. So the ids of an
inference prompt are those of the row up to the last control token before the answer, and then those of the header
behind it, which is nearly always the same few characters. Where that shows nothing, the prompt's own ids are made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from curate.template.note import ADVICE, BOUNDARY, DOUBLE_BOS, NO_STOP, UNVERIFIED, Note
from curate.template.probe import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curate.template.load import ChatTokenizer
    from curate.template.mask import Draft

HEADERS = 4096
LONG_HEADER = 200


@dataclass(slots=True)
class TrainedTurn:
    """One trained answer: what stands right behind its inference prompt, and the stop token after it.

    `message` is its index in the sample. Ids `first` to `last` (excluded) are trained, the stop token included; in
    characters of the rendered text these are `start` to `stop`, and the stop token begins at `end`.
    """

    message: int
    first: int
    last: int
    start: int
    end: int
    stop: int


@dataclass(slots=True)
class Rendering:
    """A row as the model sees it. `verified`: every trained turn is proven, that is its trained ids spell what the
    template writes for it and its stop token, and the ids before them are those of the inference prompt. Where it is
    not, `notes` say why, and the turns are the best guess: nothing may be trained on them."""

    text: str
    ids: list[int]
    turns: list[TrainedTurn]
    notes: list[Note] = field(default_factory=list)
    verified: bool = False

    @property
    def trained(self) -> int:
        """How many ids are trained."""
        return sum(turn.last - turn.first for turn in self.turns)


class Prover:
    """Finds trained answers among the ids of a text, and proves them."""

    def __init__(self, chat: ChatTokenizer, control_tokens: Iterable[str]) -> None:
        self.chat = chat
        self.tokenizer = chat.tokenizer
        added = {token.content: (n, token) for n, token in chat.tokenizer.get_added_tokens_decoder().items()}
        wanted = [(text, *added[text]) for text in control_tokens if text in added]
        # A token that swallows the white space around it does not cut where it stands.
        self.number = {text: n for text, n, t in wanted if not (t.lstrip or t.rstrip or t.single_word)}
        self.cut = pattern(self.number)
        self.numbers = frozenset(self.number.values())
        bos = added.get(chat.special_tokens.get("bos_token", ""))
        self.bos = bos[0] if bos else None
        self.headers: dict[tuple[int, str], list[int]] = {}

    def rendering(self, draft: Draft, ids: list[int]) -> Rendering:
        """The row with its trained ids, and with what keeps them from being verified."""
        notes = list(draft.notes)
        if self.bos is not None and ids[:2] == [self.bos, self.bos]:
            notes.append(Note(DOUBLE_BOS, "the row begins with two of the tokens that begin a text"))
        turns = self.by_control_tokens(draft, ids) or self.by_offsets(draft, ids, notes)
        for turn in turns:
            if not self._spells(ids, turn, draft.text):
                said = f"the trained ids of turn {turn.message + 1} (assistant) do not spell its text"
                notes.append(Note(UNVERIFIED, said, {"message": turn.message}))
        return Rendering(draft.text, ids, turns, notes, bool(turns) and all(note.code in ADVICE for note in notes))

    def by_control_tokens(self, draft: Draft, ids: list[int]) -> list[TrainedTurn] | None:
        """The trained ids of all answers, their prompts proven; None where the control tokens alone do not show it."""
        cuts = [(token.start(), token.end(), token[0]) for token in self.cut.finditer(draft.text)]
        turns: list[TrainedTurn] = []
        k = len(cuts)
        at = len(ids)
        for message, start, end, stop in reversed(draft.turns):
            last = -1
            while True:  # from the end, one control token after the other, in the text and among the ids
                k, at = k - 1, at - 1
                while at >= 0 and ids[at] not in self.numbers:
                    at -= 1
                if k < 0 or at < 0 or ids[at] != self.number[cuts[k][2]]:
                    return None
                if cuts[k][:2] == (end, stop):
                    last = at
                elif cuts[k][1] <= start:
                    break
            header = self._header(ids[at], cuts[k][2], draft.text[cuts[k][1] : start])
            first = at + 1 + len(header)
            if last < 0 or ids[at + 1 : first] != header:
                return None
            turns.append(TrainedTurn(message, first, last + 1, start, end, stop))
            k, at = k + 1, at + 1  # it may stop the answer before as well
        return turns[::-1]

    def by_offsets(self, draft: Draft, ids: list[int], notes: list[Note]) -> list[TrainedTurn]:
        """The trained ids of all answers by the offsets of one tokenization, and those of their prompts by another."""
        if not draft.turns:
            return []
        encoding = self.tokenizer.encode(draft.text, add_special_tokens=False)
        prompts = self.chat.ids_of([draft.text[: turn.start] for turn in draft.turns])
        if encoding.ids != ids:
            notes.append(Note(UNVERIFIED, "two tokenizers give different ids for the row"))
        turns = []
        for turn, prompt in zip(draft.turns, prompts, strict=True):
            name, where = f"turn {turn.message + 1} (assistant)", {"message": turn.message}
            first, last = len(prompt), encoding.char_to_token(turn.end)
            if ids[:first] != prompt:
                at = next((k for k, (a, b) in enumerate(zip(ids, prompt, strict=False)) if a != b), first)
                said = f"prompt ids differ at the boundary: {name} merges with what is before it"
                notes.append(Note(BOUNDARY, said, where, {"at_inference": prompt[at:][:4], "in_the_row": ids[at:][:4]}))
                first = at
            if last is None or encoding.offsets[last] != (turn.end, turn.stop):
                notes.append(Note(NO_STOP, f"the stop token after {name} is not one token", where))
                last = len(ids) - 1 if last is None else last
            turns.append(TrainedTurn(turn.message, min(first, last), last + 1, turn.start, turn.end, turn.stop))
        return turns

    def _header(self, number: int, token: str, text: str) -> list[int]:
        """The ids of a text that stands behind a control token."""
        if not text:
            return []
        found = self.headers.get((number, text))
        if found is None:
            found = self.chat.ids_of([token + text])[0][1:]
            if len(text) <= LONG_HEADER:
                if len(self.headers) >= HEADERS:
                    self.headers.clear()
                self.headers[number, text] = found
        return found

    def _spells(self, ids: list[int], turn: TrainedTurn, text: str) -> bool:
        payload = text[turn.start : turn.stop]
        decoded = self.tokenizer.decode(ids[turn.first : turn.last], skip_special_tokens=False)
        if decoded == payload:
            return True
        normalizer = self.tokenizer.normalizer
        if normalizer is not None and decoded == normalizer.normalize_str(payload):
            return True
        # Older tokenizers put a space before the first word behind a control token.
        return bool(decoded.removeprefix(" ") == payload.removeprefix(" "))
