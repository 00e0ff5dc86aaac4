"""A loaded model that answers for its arms, through lm-eval, and keeps every answer."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from curate_evaluate.answering.answers import Answer, Answers, key_of
from curate_evaluate.answering.loaded import quiet, without_adapter
from curate_evaluate.arms.cases import ids_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from curate_evaluate.answering.loaded import Loaded

SECONDS_BETWEEN_LINES = 5.0


class Decoder:
    """Answers prompts in fixed batches, with the adapter or without, greedily or with the model's own sampling.

    What is in `answers` is not asked again. Batches are always those of all prompts of a call, so that a call which
    goes on after a kill answers as one that was never interrupted: in bf16 an answer may depend on its neighbours.
    """

    def __init__(
        self,
        load: Callable[[], Loaded],
        *,
        answers: Answers,
        identity: Mapping[str, Any],
        adapter: str | None,
        stop_token_id: int,
        batch_size: int,
        sampling: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        """Prepare; the model is loaded when the first answer is missing.

        Args:
            load: gives the model, with its adapter on it, and the tokenizer.
            answers: those that are known, and where new ones go.
            identity: what is asked, but for the adapter: model, precision, template, arguments.
            adapter: the hash of its folder; None where the model has none.
            stop_token_id: at which an answer ends, beside the model's own stop tokens.
            batch_size: how many prompts are answered at once.
            sampling: temperature, top_p and such, as `generate` of transformers has them; {} for greedy answers.
            seed: of the sampling.
        """
        self.load = load
        self.answers = answers
        self.identity = dict(identity)
        self.adapter = adapter
        self.stop_token_id, self.batch_size = stop_token_id, batch_size
        self.sampling, self.seed = dict(sampling or {}), seed
        self.asked = 0

    @property
    def decoding(self) -> dict[str, Any]:
        """How answers are made, but for their length."""
        found = {"method": "greedy", "stop_token_id": self.stop_token_id, "batch_size": self.batch_size}
        return found | {"method": "sampled", **self.sampling, "seed": self.seed} if self.sampling else found

    def who(self, *, tuned: bool) -> dict[str, Any]:
        """What gives an answer: the model, with the adapter or without."""
        return {**self.identity, "adapter": self.adapter if tuned else None}

    def key(self, prompt: str, *, tuned: bool, max_new_tokens: int) -> str:
        """The key of an answer."""
        return key_of(self.who(tuned=tuned), {**self.decoding, "max_new_tokens": max_new_tokens}, prompt)

    def answer(
        self, name: str, prompts: Sequence[str], lengths: Sequence[int], *, tuned: bool, max_new_tokens: int
    ) -> list[Answer]:
        """The answer to each prompt.

        Args:
            name: of the arm, for people.
            prompts: rendered texts.
            lengths: how many ids each has.
            tuned: with the adapter.
            max_new_tokens: where an answer is cut.
        """
        keys = [self.key(prompt, tuned=tuned, max_new_tokens=max_new_tokens) for prompt in prompts]
        # lm-eval's order: the longest first.
        order = sorted(range(len(prompts)), key=lambda i: (-lengths[i], prompts[i]))
        size = self.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        if missing := self.answers.missing(batches, keys):
            self._answer([[(keys[i], prompts[i]) for i in batch] for batch in missing], name, tuned, max_new_tokens)
        return self.answers.all(keys)

    @quiet()
    def _answer(self, batches: list[list[tuple[str, str]]], name: str, tuned: bool, max_new_tokens: int) -> None:
        import torch

        from curate_train.memory import peak, restart_peak

        model, tokenizer = self.load()
        stop_ids = sorted({self.stop_token_id, *_own_stop_ids(model)})
        lm = recording_model(model, tokenizer, self.batch_size)
        device = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else model.device.type
        progress = Progress(name, sum(map(len, batches)))
        options = {
            **({"temperature": 1.0, **self.sampling, "do_sample": True} if self.sampling else {"do_sample": False}),
            "max_gen_toks": max_new_tokens,
            "until": [tokenizer.decode(token) for token in stop_ids],
            "eos_token_id": stop_ids,
        }
        with nullcontext() if tuned else without_adapter(model):
            for batch in batches:
                # Of the batch, not of the run: one that goes on after a kill draws what it would have drawn.
                torch.manual_seed(int(batch[0][0][:16], 16))
                restart_peak()
                started = time.perf_counter()
                texts = lm.answer([prompt for _, prompt in batch], options)
                seconds, memory = (time.perf_counter() - started) / len(batch), peak()
                self.answers.add(
                    {
                        key: as_answer(text, lm.sent[prompt], stop_ids, seconds, memory, device)
                        for (key, prompt), text in zip(batch, texts, strict=True)
                    }
                )
                self.asked += len(batch)
                progress.add(len(batch))


def as_answer(
    text: str, sent: tuple[list[int], list[int]], stop_ids: Sequence[int], seconds: float, memory: int, device: str
) -> Answer:
    prompt, generated = sent
    length = next((i for i, token in enumerate(generated) if token in stop_ids), None)
    return Answer(
        text=text,
        stopped="length" if length is None else "stop",
        tokens=len(generated) if length is None else length + 1,
        prompt_tokens=len(prompt),
        sent_sha256=ids_hash(prompt),
        seconds=round(seconds, 4),
        memory_bytes=memory,
        device=device,
    )


class Progress:
    """Says on standard error, at most every few seconds, how many rows of an arm are done."""

    def __init__(self, arm: str, total: int, step: str = "evaluate") -> None:
        self.arm, self.total, self.done, self.step = arm, total, 0, step
        self.started = self.said = time.perf_counter()

    def add(self, rows: int) -> None:
        self.done += rows
        now = time.perf_counter()
        if now - self.said >= SECONDS_BETWEEN_LINES or self.done == self.total:
            self.said = now
            a_row = (now - self.started) / self.done
            print(
                f"{self.step}: {self.arm}: {self.done:,} of {self.total:,}, {a_row:.2f} s each, "
                f"{a_row * (self.total - self.done):,.0f} s left",
                file=sys.stderr,
                flush=True,
            )


def recording_model(model: Any, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> Any:
    """lm-eval's own model on ours. `sent` gives, by prompt, the ids that went in and those that came out."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from curate_evaluate.answering.cache import cache_of

    class Recorder(HFLM):  # type: ignore[misc]  # lm-eval has no types
        def __init__(self) -> None:
            super().__init__(
                pretrained=model, tokenizer=tokenizer, batch_size=batch_size, backend="causal", add_bos_token=False
            )
            self.sent: dict[str, tuple[list[int], list[int]]] = {}
            self._prompts: list[str] = []

        def answer(self, prompts: Sequence[str], options: Mapping[str, Any]) -> list[str]:
            requests = [
                Instance(request_type="generate_until", doc={}, arguments=(prompt, dict(options)), idx=i)
                for i, prompt in enumerate(prompts)
            ]
            texts: list[str] = self.generate_until(requests, disable_tqdm=True)
            return texts

        def tok_batch_encode(self, strings: list[str], *args: Any, **kwargs: Any) -> Any:
            self._prompts = list(strings)
            return super().tok_batch_encode(strings, *args, **kwargs)

        def tok_decode(self, tokens: Any, skip_special_tokens: bool = False) -> Any:
            # Control tokens stay: the text is cut at the stop token, and an answer may hold others (tool calls).
            return self.tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)

        def _model_generate(self, context: Any, max_length: int, stop: list[str], **kwargs: Any) -> Any:
            cache = cache_of(self.model, max_length)
            made = super()._model_generate(context, max_length, stop, past_key_values=cache, **kwargs)
            for prompt, ids, mask, row in zip(self._prompts, context, kwargs["attention_mask"], made, strict=True):
                self.sent[prompt] = (ids[mask.bool()].tolist(), row[len(ids) :].tolist())
            return made

    return Recorder()


def _own_stop_ids(model: Any) -> list[int]:
    """The tokens at which the base model itself stops."""
    own = model.generation_config.eos_token_id
    return own if isinstance(own, list) else [] if own is None else [own]
