"""Answers of a model behind an OpenAI-compatible endpoint, asked through lm-eval's API model."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from curate.errors import CurateError, need
from curate.report.phrases import count as counted
from curate.report.safe import safe
from curate.sample import Sample
from curate.template.form import Form, to_messages
from curate_evaluate.answering.answers import Answer, Answers, key_of
from curate_evaluate.answering.decode import Progress
from curate_evaluate.arms.arm import ENDPOINT, FEW, ZERO, Arm
from curate_evaluate.thoughts import is_cut, opens_thoughts, without_thoughts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from curate_evaluate.answering.answerers import Conversation

LIBRARIES = ("lm_eval", "aiohttp", "requests", "tenacity")
OPENAI = "api.openai.com"
KEY, OPENAI_KEY = "CURATE_API_KEY", "OPENAI_API_KEY"
CHAT = "/chat/completions"
# The protocol has calls as JSON text, and content beside them that is never left out.
FORM = Form(arguments="string", missing="empty")
UNKNOWN_TO_IT = ("reasoning_content", "thinking", "reasoning")
# Those of OpenAI that know no temperature.
WITHOUT_TEMPERATURE = re.compile(r"o\d|gpt-5")

AT_ONCE = 4
TRIES = 6
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds
SECONDS_FOR_AN_ANSWER = 300
# Where a model thinks before it answers, the limit is that of the answer alone.
ROOM_TO_THINK = 8192
PASSING = (408, 425, 429)
SHOWN = 300

NEXT = {
    400: "it does not take such a request: is the prompt too long for it? Fewer examples: --shots",
    401: "set its key: export {key}=...",
    403: "set its key: export {key}=...",
    404: "is this its address, and the model's name? Ask it: curl {base}/models",
    429: "it has had enough for now: wait and run this again",
}


@dataclass(frozen=True)
class Address:
    """Where a model is: the address of its chat completions, and its name there."""

    url: str
    model: str

    @classmethod
    def parse(cls, word: str) -> Address:
        """From URL#MODEL; /v1 and /chat/completions are added where the URL lacks them.

        Raises:
            CurateError: no such address, or one with a secret in it, which would be written into the run folder.
        """
        url, _, model = word.partition("#")
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_address = False
        if not is_address or not model:
            raise CurateError(
                f"{word}: give a model behind an endpoint as URL#MODEL, for instance "
                "https://api.openai.com/v1#gpt-4.1-mini or http://localhost:8000/v1#Qwen/Qwen3-32B"
            )
        if parts.username or parts.password or parts.query:
            raise CurateError(
                f"{parts.scheme}://{parts.hostname}: the address of an endpoint is written into the run folder, so it "
                f"may hold no user, password or query; put its key into the environment: export {KEY}=..."
            )
        path = parts.path.rstrip("/").removesuffix(CHAT) or "/v1"
        return cls(f"{parts.scheme}://{parts.netloc}{path}{CHAT}", model)

    def __str__(self) -> str:
        return f"{self.base}#{self.model}"

    @property
    def base(self) -> str:
        return self.url.removesuffix(CHAT)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def key_name(self) -> str:
        """The variable that holds the key: OpenAI's own is sent to nobody else, and one that names the host goes
        before the one for all."""
        own = f"{KEY}_{re.sub(r'[^A-Z0-9]', '_', self.host.upper())}"
        return own if own in os.environ else OPENAI_KEY if self.host == OPENAI else KEY

    @property
    def secret(self) -> str:
        """The key itself, from the environment; "" where there is none."""
        return os.environ.get(self.key_name, "").strip()


class Endpoint:
    """An answerer (see answerers.py): prompts are the JSON of the messages, which leave this machine.

    Each answer is kept as it comes, under the hash of address, model, decoding and prompt. What passes (429, a server's
    fault, a connection that breaks, a reply that is none) is tried again, each time later.
    """

    def __init__(
        self, address: Address, answers: Answers, count: Callable[[str], int], *, step: str = "evaluate"
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            address: of the model.
            answers: those that are known, and where new ones go.
            count: the tokens of a text, for a service that does not say how many it counted.
            step: what is being done, for people.

        Raises:
            CurateError: a library is missing.
        """
        need(LIBRARIES, "asking an endpoint needs", "eval")
        self.address, self.answers, self.count, self.step = address, answers, count, step
        self.asked = 0
        self._thinks = False
        self._lock = Lock()
        self._lm: Any = None

    def texts(self, conversations: Sequence[Conversation]) -> list[str]:
        """The request of each conversation, but for the settings, as canonical JSON."""
        return [
            json.dumps(request(*conversation), ensure_ascii=False, sort_keys=True) for conversation in conversations
        ]

    def refuse_too_long(self, prompts: Sequence[str], max_new_tokens: int) -> None:
        """Nothing is refused: how much it reads is known to the service alone, which says so itself."""

    def sent_sha256(self, prompts: Sequence[str]) -> list[str]:
        return [text_hash(prompt) for prompt in prompts]

    def key(self, prompt: str, *, max_new_tokens: int) -> str:
        identity = {"endpoint": self.address.url, "model": self.address.model}
        return key_of(identity, self.decoding(max_new_tokens), prompt)

    def decoding(self, max_new_tokens: int) -> dict[str, Any]:
        """Everything that is sent beside the messages."""
        return {**settings(self.address, max_new_tokens), "room_to_think": ROOM_TO_THINK}

    def answer(self, name: str, prompts: Sequence[str], *, max_new_tokens: int) -> list[Answer]:
        """The answer to each prompt.

        Raises:
            CurateError: the service refuses, or does not answer; what came until then is kept.
        """
        keys = [self.key(prompt, max_new_tokens=max_new_tokens) for prompt in prompts]
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if self.answers.get(key) is None}
        if missing:
            self._answer(missing, name, max_new_tokens)
        return self.answers.all(keys)

    def _answer(self, missing: Mapping[str, str], name: str, max_new_tokens: int) -> None:
        if self._lm is None:
            self._lm = chat_model(self.address)
            self._say(f"sends {counted(len(missing), 'prompt')} with texts of your rows to {self.address}")
        progress = Progress(name, len(missing), self.step)
        stop = Event()

        def keep(key: str, prompt: str) -> None:
            if stop.is_set():
                return
            try:
                answer = self._ask(prompt, max_new_tokens, stop)
            except BaseException:
                stop.set()  # others that are under way have been paid for: they are waited for and kept
                raise
            with self._lock:
                self.answers.add({key: answer})
                self.asked += 1
                progress.add(1)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = [pool.submit(keep, key, prompt) for key, prompt in missing.items()]
            try:
                wait(asked)
            except BaseException:
                stop.set()
                raise
        for one in asked:
            one.result()

    def _ask(self, prompt: str, max_new_tokens: int, stop: Event) -> Answer:
        limit = max_new_tokens + ROOM_TO_THINK * self._thinks
        reply, seconds = self._request(prompt, limit, stop)
        if limit == max_new_tokens and was_thinking(reply["choices"][0]):
            self._thinks = True
            reply, seconds = self._request(prompt, max_new_tokens + ROOM_TO_THINK, stop)
        usage = reply.get("usage") or {}
        text = text_of(reply["choices"][0]["message"])
        return Answer(
            text=text,
            stopped="length" if reply["choices"][0].get("finish_reason") == "length" else "stop",
            tokens=self._counted(usage.get("completion_tokens"), text),
            prompt_tokens=self._counted(usage.get("prompt_tokens"), prompt),
            sent_sha256=text_hash(prompt),
            seconds=round(seconds, 4),
        )

    def _counted(self, count: int | None, text: str) -> int:
        """How many tokens the service counted, or else how many there are here."""
        if count is not None:
            return count
        with self._lock:
            return self.count(text)

    def _request(self, prompt: str, max_new_tokens: int, stopped: Event) -> tuple[dict[str, Any], float]:
        """The reply, and how many seconds it took, without the waiting before it was asked again.

        Raises:
            CurateError: it was refused, or TRIES were in vain.
        """
        import requests
        from lm_eval.models.api_models import JsonChatStr
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_when_event_set
        from tenacity.nap import sleep_using_event

        def once() -> tuple[dict[str, Any], float]:
            started = time.perf_counter()
            reply = self._lm.model_call(
                [JsonChatStr(prompt)], generate=True, gen_kwargs={"max_gen_toks": max_new_tokens}
            )
            refuse_other_replies(reply)
            return reply, time.perf_counter() - started

        retrying = Retrying(
            retry=retry_if_exception(is_passing),
            stop=stop_after_attempt(TRIES) | stop_when_event_set(stopped),
            sleep=sleep_using_event(stopped),
            wait=pause,
            before_sleep=lambda state: self._say(
                f"{self.address}: {said(state.outcome.exception())}; again in {state.upcoming_sleep:.0f} s "
                f"({state.attempt_number + 1} of {TRIES})"
            ),
            reraise=True,
        )
        try:
            found: tuple[dict[str, Any], float] = retrying(once)
            return found
        except (requests.RequestException, NoReply) as error:
            advice = NEXT.get(status_of(error), "run the same command again")
            advice = advice.format(key=self.address.key_name, base=self.address.base)
            raise CurateError(
                self._without_key(f"{self.address}: {said(error)}; {advice}. Every answer that came is kept.")
            ) from None

    def _say(self, line: str) -> None:
        print(safe(self._without_key(f"{self.step}: {line}")), file=sys.stderr, flush=True)

    def _without_key(self, line: str) -> str:
        """Some services repeat the key in what they refuse."""
        key = self.address.secret
        return line.replace(key, "[key]") if key else line


def endpoints(words: Sequence[str], answers: Answers, count: Callable[[str], int]) -> dict[str, Endpoint]:
    """An answerer for each URL#MODEL, by the name of its model, or with its host where another has the same name.

    Raises:
        CurateError: a word that is no such address.
    """
    found = {str(address): address for address in map(Address.parse, words)}
    names = Counter(address.model for address in found.values())
    return {
        address.model if names[address.model] == 1 else f"{address.model} at {address.base}": Endpoint(
            address, answers, count
        )
        for address in found.values()
    }


def bigger_arms(models: Iterable[str], *, shots: int) -> list[Arm]:
    """The prompt arms of other models: each is asked plainly, and with the same examples before every question.

    Args:
        models: their names; those of their answerers have ENDPOINT before it.
        shots: examples of the few-shot arms; 0 for none.
    """
    return [
        Arm(f"{model} {name}", answered_by=ENDPOINT + model, shots=count, form=True)
        for model in models
        for name, count in ((ZERO, 0), (FEW, shots))
        if count or name == ZERO
    ]


class NoReply(ValueError):
    """What came back is JSON and yet no reply to a chat."""


def request(turns: Sequence[Any], tools: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    """A conversation as the protocol has it: without the thoughts of earlier turns; calls that a row gives no names get
    some, because results have to name the call that they are of."""
    messages = to_messages(Sample(list(turns)), FORM)
    unanswered: list[str] = []
    for number, message in enumerate(messages):
        for key in UNKNOWN_TO_IT:
            message.pop(key, None)
        for place, call in enumerate(message.get("tool_calls", ())):
            unanswered.append(call.setdefault("id", f"call_{number}_{place}"))
        if message["role"] == "tool" and unanswered:
            own = message.setdefault("tool_call_id", unanswered[0])
            unanswered = [name for name in unanswered if name != own]
    return {"messages": messages} | ({"tools": list(tools)} if tools else {})


def settings(address: Address, max_new_tokens: int) -> dict[str, Any]:
    """What is sent beside the messages: greedy decoding, where the model knows a temperature."""
    limit = "max_completion_tokens" if address.host == OPENAI else "max_tokens"
    is_free = address.host == OPENAI and WITHOUT_TEMPERATURE.match(address.model)
    return {"model": address.model, limit: max_new_tokens} | ({} if is_free else {"temperature": 0, "seed": 1234})


def chat_model(address: Address) -> Any:
    """lm-eval's model for chat completions, which sends what is ours: no stop words, as a chat model ends by itself,
    and the tools of the row."""
    from lm_eval.models.openai_completions import LocalChatCompletion

    logging.getLogger("lm_eval").setLevel(logging.ERROR)

    class Chat(LocalChatCompletion):  # type: ignore[misc]  # lm-eval has no types
        def _create_payload(self, messages: dict[str, Any], gen_kwargs: dict[str, Any], **more: Any) -> dict[str, Any]:
            return {**messages, **settings(address, gen_kwargs["max_gen_toks"])}

    key = address.secret
    return Chat(
        base_url=address.url,
        model=address.model,
        # Else lm-eval sends OpenAI's key to whatever address this is.
        header={"Authorization": f"Bearer {key}"} if key else {"Accept": "application/json"},
        timeout=SECONDS_FOR_AN_ANSWER,
    )


def refuse_other_replies(reply: Any) -> None:
    """Raises:
    NoReply: there is no message in it.
    """
    try:
        message = reply["choices"][0]["message"]
        content, calls = message.get("content"), message.get("tool_calls")
    except (TypeError, KeyError, IndexError, AttributeError):
        raise NoReply(f"it sent what is no reply: {json.dumps(reply)[:SHOWN]}") from None
    is_message = isinstance(content, str | None) and isinstance(calls, list | None)
    if not is_message or not all(map(_is_call_of_a_function, calls or ())):
        raise NoReply(f"it sent what is no message: {json.dumps(message)[:SHOWN]}")


def _is_call_of_a_function(call: Any) -> bool:
    """Nothing else was offered."""
    return isinstance(call, dict) and isinstance(call.get("function"), dict)


def text_of(message: Mapping[str, Any]) -> str:
    """What it wrote, after its thoughts; a call of a tool as JSON, which is read in any notation."""
    text = message.get("content") or ""
    if opens_thoughts(text) and not is_cut(text):
        text = without_thoughts(text)
    calls = [json.dumps(_call(one["function"]), ensure_ascii=False) for one in message.get("tool_calls") or ()]
    return "\n".join([*([text] if text else []), *calls])


def _call(function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    with suppress(ValueError):  # what is no JSON is no right call either
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"name": function.get("name"), "arguments": arguments}


def was_thinking(choice: Mapping[str, Any]) -> bool:
    """Whether a reply was cut before its thoughts came to an answer."""
    message = choice["message"]
    text = message.get("content") or ""
    return choice.get("finish_reason") == "length" and (not text.strip() or is_cut(text))


def is_passing(error: BaseException) -> bool:
    """Whether the same request may be answered later."""
    import requests

    if status := status_of(error):
        return status in PASSING or status >= 500
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, (NoReply, requests.JSONDecodeError, *broken))


def status_of(error: BaseException | None) -> int:
    """The status of the response that is this error; 0 where there is none."""
    status: int = getattr(getattr(error, "response", None), "status_code", 0)
    return status


def pause(state: Any) -> float:
    """The seconds until the next try: those that the service asks for, else twice as many each time."""
    response = getattr(state.outcome.exception(), "response", None)
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    if asked.isdecimal():
        return min(float(asked), LONGEST_WAIT)
    doubled: float = FIRST_WAIT * 2.0 ** (state.attempt_number - 1)
    return min(doubled, LONGEST_WAIT)


def said(error: BaseException | None) -> str:
    """What went wrong, in a few words."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        body = " ".join(error.response.text.split())[:SHOWN]
        return f"it answered {error.response.status_code}" + (f" ({body})" if body else "")
    if isinstance(error, requests.JSONDecodeError):
        return "it sent what is no JSON"
    if isinstance(error, requests.Timeout):
        return f"no answer within {SECONDS_FOR_AN_ANSWER} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.ConnectionError):
        return "no connection to it, or one that broke"
    return str(error)


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
