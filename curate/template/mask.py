"""Which ids of a conversation are to be learned: verified row by row, or the row is rejected; never guessed.

What is trained of an answer is its text, as the template writes it, and the stop token after it: no role header, and
nothing behind the stop token. That is what a model writes at inference, behind the inference prompt, so the two
must fit: the prompt has to begin the rendered row, and to have the very ids with which the row begins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.errors import CurateError
from curate.template.render import ChatTemplate, TemplateRefuses, to_messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tokenizers import Encoding

    from curate.sample import Message, Sample
    from curate.template.load import ChatTokenizer

NOT_TRAINED = -100

REFUSED = "TPL001"
REWRITTEN = "TPL002"
TYPED = "TPL003"
LEFT_OUT = "TPL005"
BOUNDARY = "TPL006"
UNVERIFIED = "TPL007"
NO_STOP = "TPL008"
NOTHING_TRAINED = "TPL009"
TOO_LONG = "LEN004"

PROBE = "an answer to probe with"
SHOWN = 40


class Masked(NamedTuple):
    """A row whose mask is verified. `labels` are the `ids` where they are trained, else -100; `prompt_length` is the
    number of ids before the last trained answer, `answer` that answer's text as rendered, without its stop token."""

    text: str
    ids: list[int]
    labels: list[int]
    prompt_length: int
    answer: str


class Rejected(NamedTuple):
    """Why a row's mask cannot be verified, or gives nothing to train on."""

    code: str
    reason: str


class _Turn(NamedTuple):
    """One trained answer in the rendered row: from `start` to `end` in characters, `stop` with its stop token."""

    name: str
    prompt: str
    end: int
    stop: int

    @property
    def start(self) -> int:
        return len(self.prompt)


class _Cannot(Exception):
    def __init__(self, code: str, reason: str) -> None:
        self.rejected = Rejected(code, reason)


class Masker:
    """Turns samples into ids and labels by one model's template and tokenizer."""

    def __init__(
        self, chat: ChatTokenizer, args: Mapping[str, Any], clock: date, *, max_length: int | None = None
    ) -> None:
        """Learn the template's stop token and control tokens from a probe.

        Raises:
            CurateError: a template that is no Jinja, or that writes no stop token after an answer.
        """
        self.chat = chat
        self.max_length = max_length
        self.template = ChatTemplate(chat, args, clock)
        added = chat.tokenizer.get_added_tokens_decoder()
        ids = {token.content: token_id for token_id, token in added.items()}
        special = {token.content for token in added.values() if token.special}
        special |= {chat.special_tokens.get("eos_token", "")} & ids.keys()
        prompt, ending = self._probe()
        self.stop_token = max((token for token in special if ending.startswith(token)), key=len, default="")
        if not self.stop_token:
            raise CurateError(
                f"{chat.folder}: its chat template writes no stop token after an answer (but {ending[:SHOWN]!r}), so "
                "training on it would not teach the model to stop; use the template that the model was trained with"
            )
        rest = ending.removeprefix(self.stop_token)
        if second := next((token for token in special if rest.startswith(token)), ""):
            raise CurateError(
                f"{chat.folder}: its chat template ends an answer with two control tokens, {self.stop_token}{second}: "
                "which of them stops the model cannot be verified yet"
            )
        self.stop_token_id: int = ids[self.stop_token]
        # Not every control token is marked as special (DeepSeek's roles are not): what stands in a prompt is one too.
        roles = {token for token in ids if token in prompt and not token.isspace()}
        self.typed = re.compile("|".join(re.escape(token) for token in sorted(special | roles, key=len, reverse=True)))

    def mask(self, samples: Sequence[Sample]) -> list[Masked | Rejected]:
        """The ids and labels of each sample, or why it has none; in batches of hundreds, the tokenizer is faster."""
        plans = [self._plan(sample) for sample in samples]
        kept = [plan for plan in plans if not isinstance(plan, Rejected)]
        tokenizer = self.chat.tokenizer
        encodings = iter(tokenizer.encode_batch([text for text, _ in kept], add_special_tokens=False))
        prompts = [turn.prompt for _, turns in kept for turn in turns]
        encoded_prompts = iter(tokenizer.encode_batch_fast(prompts, add_special_tokens=False))
        masked: list[Masked | Rejected] = []
        for plan in plans:
            if isinstance(plan, Rejected):
                masked.append(plan)
                continue
            text, turns = plan
            encoding = next(encodings)
            prompt_ids = [next(encoded_prompts).ids for _ in turns]
            try:
                masked.append(self._label(text, turns, encoding, prompt_ids))
            except _Cannot as cannot:
                masked.append(cannot.rejected)
        return masked

    def _probe(self) -> tuple[str, str]:
        """The prompt of the plainest conversation, and what the template writes behind its answer (but white space)."""
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": PROBE}]
        try:
            prompt = self.template.render(messages[:1], add_generation_prompt=True)
            _, found, ending = self.template.render(messages).rpartition(PROBE)
        except TemplateRefuses as error:
            raise CurateError(
                f"{self.chat.folder}: its chat template fails on a question and its answer ({error})"
            ) from error
        if not found:
            raise CurateError(f"{self.chat.folder}: its chat template leaves the answer out")
        return prompt, ending.lstrip()

    def _plan(self, sample: Sample) -> tuple[str, list[_Turn]] | Rejected:
        """The rendered row and where its trained answers stand, or why they cannot be told."""
        try:
            self._refuse_what_cannot_be_verified(sample)
            messages = to_messages(sample)
            text = self._render(messages, sample)
            turns = [self._turn(text, messages, i, sample) for i, _ in sample.answers()]
            self._refuse_left_out(sample, messages, text)
        except _Cannot as cannot:
            return cannot.rejected
        return text, turns

    def _refuse_what_cannot_be_verified(self, sample: Sample) -> None:
        answers = list(sample.answers())
        if not answers:
            raise _Cannot(NOTHING_TRAINED, "no trained token: no answer is meant to be learned")
        for i, message in enumerate(sample.messages):
            if message.tool_calls or message.role == "tool":
                raise _Cannot(UNVERIFIED, f"tool calls cannot be verified yet: {_named(i, message)}")
            if message.reasoning:
                raise _Cannot(UNVERIFIED, f"reasoning cannot be verified yet: {_named(i, message)}")
            if message.has_media:
                raise _Cannot(UNVERIFIED, f"images and audio cannot be verified: {_named(i, message)}")
            if found := self.typed.search(message.text):
                raise _Cannot(TYPED, f"{_named(i, message)} holds the control token {found[0]}")
        for i, message in answers:
            if i == 0:
                raise _Cannot(UNVERIFIED, "no prompt: the row begins with its answer")
            if not message.text.strip():
                raise _Cannot(NOTHING_TRAINED, f"no trained token: {_named(i, message)} has no text")

    def _render(self, messages: Sequence[dict[str, Any]], sample: Sample, *, is_prompt: bool = False) -> str:
        try:
            text = self.template.render(messages, sample.tools or None, add_generation_prompt=is_prompt)
            text.encode()
        except TemplateRefuses as error:
            raise _Cannot(REFUSED, f"the template refuses the row: {str(error)[:200]}") from error
        except UnicodeEncodeError as error:
            raise _Cannot(UNVERIFIED, "half of a surrogate pair is no character: no tokenizer takes it") from error
        return text

    def _turn(self, text: str, messages: Sequence[dict[str, Any]], i: int, sample: Sample) -> _Turn:
        """Where answer `i` stands in the rendered row: right behind its inference prompt, and before a stop token."""
        name = _named(i, sample.messages[i])
        prompt = self._render(messages[:i], sample, is_prompt=True)
        if not text.startswith(prompt):
            if i + 1 < len(messages):
                raise _Cannot(REWRITTEN, f"the template rewrites {name} once later turns follow{self._hint(i, sample)}")
            raise _Cannot(REWRITTEN, f"the template rewrites what is before {name} once it is answered")
        content = sample.messages[i].text
        answer = content.strip()
        begin = text.find(answer, len(prompt))
        if begin < 0:
            raise _Cannot(REWRITTEN, f"the template rewrites {name}")
        if added := text[len(prompt) : begin].strip():
            raise _Cannot(REWRITTEN, f"the template writes {_short(added)} before {name}{self._scaffold_hint()}")
        end = text.find(self.stop_token, begin + len(answer))
        if end < 0 or text[begin + len(answer) : end].strip():
            raise _Cannot(NO_STOP, f"no stop token {self.stop_token} follows {name}")
        # The template may trim white space, but must not add any: it would be learned as part of the answer.
        before, _, after = content.partition(answer)
        if not (before.endswith(text[len(prompt) : begin]) and after.startswith(text[begin + len(answer) : end])):
            raise _Cannot(REWRITTEN, f"the template adds white space to {name}")
        return _Turn(name, prompt, end, end + len(self.stop_token))

    def _refuse_left_out(self, sample: Sample, messages: Sequence[dict[str, Any]], text: str) -> None:
        for i, message in enumerate(sample.messages):
            if message.role != "assistant" and message.text.strip() not in text:
                raise _Cannot(LEFT_OUT, f"the template leaves out or rewrites {_named(i, message)}")
        if sample.tools:
            try:
                without = self.template.render(messages)
            except TemplateRefuses:
                return
            if without == text:
                raise _Cannot(LEFT_OUT, "the template leaves out the tool definitions")

    def _label(self, text: str, turns: Sequence[_Turn], encoding: Encoding, prompts: Sequence[list[int]]) -> Masked:
        """Labels by the offsets of one tokenization of the row, each answer proven by its ids alone as well."""
        ids = encoding.ids
        if self.max_length is not None and len(ids) > self.max_length:
            raise _Cannot(TOO_LONG, f"too long: {len(ids):,} of {self.max_length:,} tokens")
        labels, offsets = [NOT_TRAINED] * len(ids), encoding.offsets
        for turn, prompt in zip(turns, prompts, strict=True):
            first, last = len(prompt), encoding.char_to_token(turn.end)
            if last is None or ids[last] != self.stop_token_id or offsets[last] != (turn.end, turn.stop):
                raise _Cannot(NO_STOP, f"the stop token after {turn.name} is not one token")
            if ids[:first] != prompt or first > last or offsets[first][0] < turn.start:
                raise _Cannot(BOUNDARY, f"prompt ids differ at the boundary: {turn.name} merges with what is before it")
            trained = ids[first : last + 1]
            if self.chat.tokenizer.decode(trained, skip_special_tokens=False) != text[turn.start : turn.stop]:
                raise _Cannot(UNVERIFIED, f"the tokenizer changes the text of {turn.name}")
            labels[first : last + 1] = trained
        answer = turns[-1]
        return Masked(text, ids, labels, len(prompts[-1]), text[answer.start : answer.end])

    def _hint(self, i: int, sample: Sample) -> str:
        return "; give it weight 0 to train only the last" if i < max(j for j, _ in sample.answers()) else ""

    def _scaffold_hint(self) -> str:
        is_known = any("enable_thinking" in source for source in self.chat.templates.values())
        if is_known and "enable_thinking" not in self.template.args:
            return "; try --template-args '{\"enable_thinking\": false}'"
        return ""


def _named(i: int, message: Message) -> str:
    return f"turn {i + 1} ({message.role})"


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
