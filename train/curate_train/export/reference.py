"""What exported forms are compared with: the adapter on its own base, as it was trained, and in fp32."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from curate_train.export import agreement, merged
from curate_train.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from curate_train.data import Row
    from curate_train.export.agreement import Agreement, Drift
    from curate_train.export.trained import Trained


@dataclass(frozen=True)
class Said:
    """The log probabilities of a model on the rows, and its greedy answers to their prompts."""

    distributions: list[torch.Tensor]
    answers: list[list[int]]


@dataclass(frozen=True)
class Reference:
    """Two models of the same weights: `trained` with the kernels of the training, 4-bit ones and bf16, and `exact` with
    these weights written out and everything in fp32.

    What they differ by is the arithmetic's own noise. No export can be nearer to `trained` than that, so what an export
    itself costs is measured from `exact`, with both computed alike.
    """

    trained_model: Trained
    rows: list[Row]
    trained: Said
    exact: Said

    @property
    def asked(self) -> list[list[int]]:
        return agreement.prompts(self.rows)

    @cached_property
    def text(self) -> Callable[[Sequence[int]], str]:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.trained_model.base / "tokenizer.json"))
        return lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=False))

    def said_by(self, model: Any) -> Said:
        Progress().say("export: asking what was written")
        return Said(self.distributions_of(model), agreement.greedy(model, self.asked, self.trained_model.stops))

    def distributions_of(self, model: Any) -> list[torch.Tensor]:
        return agreement.log_probabilities(model, self.rows)

    def cost(self, in_fp32: list[torch.Tensor]) -> Drift:
        """By how much a form that computes in fp32 differs from the same adapter that is not merged."""
        return agreement.drift(self.rows, self.exact.distributions, in_fp32)

    def drift(self, before: Said, after: Said) -> Drift:
        return agreement.drift(self.rows, before.distributions, after.distributions)

    def agreement(self, before: Said, answers: Sequence[Sequence[int]]) -> Agreement:
        return agreement.agreement(self.asked, before.answers, answers, self.text)

    @property
    def noise(self) -> Drift:
        """By how much the same weights differ with other arithmetic."""
        return self.drift(self.trained, self.exact)

    @property
    def noisy_answers(self) -> Agreement:
        return self.agreement(self.trained, self.exact.answers)

    def as_json(self) -> dict[str, Any]:
        """What the arithmetic alone changes."""
        found = self.noisy_answers
        return {"noise": {**self.noise._asdict(), "equal_answers": found.equal, "shared_tokens": found.shared}}


def reference(trained: Trained) -> Reference:
    """Ask both models, one after the other, on the first held-out rows.

    Raises:
        CurateError: the tokens or the model cannot be read.
    """
    rows = agreement.held_out(trained)
    asked, progress = agreement.prompts(rows), Progress()
    progress.say(f"export: asking the adapter as trained on {len(rows)} held-out rows")
    model = merged.as_trained(trained)
    with merged.measuring(model):
        distributions = agreement.log_probabilities(model, rows)
    model.eval()  # as it answers in peft
    said = Said(distributions, agreement.greedy(model, asked, trained.stops))
    del model
    progress.say("export: asking it in fp32")
    model = merged.in_fp32(trained)
    exact = Said(agreement.log_probabilities(model, rows), agreement.greedy(model, asked, trained.stops))
    return Reference(trained, rows, said, exact)
