"""The models of an evaluation: the trained one with its adapter on or off, and the base as one would deploy it."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from curate.run import file_hash
from curate_evaluate.answering.answerers import Local
from curate_evaluate.answering.decode import Decoder
from curate_evaluate.answering.loaded import OneAtATime, load, too_large
from curate_evaluate.arms.arm import ADAPTER, BASE, UNQUANTISED
from curate_evaluate.thoughts import thoughts
from curate_train.adapter import BASE as SAID
from curate_train.adapter import refuse_another_base, refuse_no_adapter, text_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.model import Model
    from curate.run import Run
    from curate.run.step import Config
    from curate_evaluate.answering.answerers import Answerer
    from curate_evaluate.answering.answers import Answers
    from curate_evaluate.arms import Case

# Template arguments by which models are told to think first.
THINKING_ARGUMENTS = ("enable_thinking", "thinking")
# What a generation_config.json says of sampling; `generate` of transformers takes all of them.
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p", "repetition_penalty")


class Models:
    """Who answers, by name: ADAPTER and BASE are one model, with its adapter and without; UNQUANTISED is the base in
    bf16, where the trained one is quantised, and is loaded in its place."""

    def __init__(
        self,
        run: Run,
        config: Config,
        model: Model,
        base: Path,
        adapter: Path,
        training: Mapping[str, Any],
        answers: Answers,
    ) -> None:
        """Prepare; nothing is loaded before the first answer is missing.

        Args:
            run: a run with an adapter.
            config: of the step.
            model: its tokenizer and template.
            base: the folder of the base model.
            adapter: the folder of the adapter.
            training: train/train.json of the run.
            answers: those that are known, and where new ones go.

        Raises:
            CurateError: no adapter, or one that was trained on another base.
        """
        self.base, self.model = base, model
        refuse_no_adapter(adapter)
        refuse_another_base(adapter, base)
        tokens = json.loads((run / "tokens" / "tokens.json").read_bytes())
        said = json.loads((adapter / SAID).read_bytes())
        # What was combined of adapters of several precisions says none: that of the run then.
        quant, dtype = (
            said[name] if name in said else training["settings"][name]["value"] for name in ("quant", "dtype")
        )
        self.room: int = text_shape(base).get("max_position_embeddings") or 10**9
        self._memory = OneAtATime()
        self._identity = {
            "model": said["base"],  # its weights too, and not by their size alone: others have the same
            "generation_config": file_hash(base / "generation_config.json"),
            "template": tokens["template_sha256"],
            "arguments": tokens["template_args"],
        }
        self._options = {
            "answers": answers,
            "stop_token_id": tokens["stop_token_id"],
            "batch_size": config["batch_size"],
            "seed": config["seed"],
        }
        self._thinks = any(tokens["template_args"].get(name) for name in THINKING_ARGUMENTS)
        precision = quant if quant == "nf4" and dtype == "bf16" else f"{quant}, {dtype}" if quant == "nf4" else dtype
        self.trained = self._decoder(precision, adapter, quant=quant, dtype=dtype)
        self.answerers: dict[str, Answerer] = {
            name: Local(model, self.trained, tuned=name == ADAPTER, room=self.room) for name in (ADAPTER, BASE)
        }
        self.is_quantised = quant == "nf4"

    def add_unquantised(self) -> str:
        """Have the base answer in bf16 too. Returns why it cannot, in words; "" where it can."""
        if reason := too_large(self.base):
            return reason
        decoder = self._decoder("bf16", None, quant="none", dtype="bf16")
        decoder.sampling = self.trained.sampling
        self.answerers[UNQUANTISED] = Local(self.model, decoder, tuned=False, room=self.room)
        return ""

    def think(self, learned: Sequence[Case]) -> bool:
        """Whether answers begin with thoughts: the template's arguments ask for them, or most answers that were learned
        hold some. Greedy thoughts run in circles, so that then the model's own sampling is used, if it has one."""
        thoughtful = sum(bool(case.answer.reasoning or thoughts(case.reference)) for case in learned)
        if not self._thinks and 2 * thoughtful <= len(learned):
            return False
        self.trained.sampling = own_sampling(self.base)
        return True

    def _decoder(self, precision: str, adapter: Path | None, *, quant: str, dtype: str) -> Decoder:
        load_it = partial(load, self.base, adapter, quant=quant, dtype=dtype)
        return Decoder(
            partial(self._memory.get, precision, load_it),
            identity={**self._identity, "precision": precision},
            adapter=file_hash(adapter) if adapter else None,
            **self._options,
        )


def own_sampling(base: Path) -> dict[str, Any]:
    """How the model's generation_config.json says to sample; {} where it says nothing of it."""
    file = base / "generation_config.json"
    found = json.loads(file.read_bytes()) if file.is_file() else {}
    said = {name: found[name] for name in SAMPLING if found.get(name) is not None}
    return {"temperature": 1.0, **said} if found.get("do_sample") or "temperature" in said else {}
