"""The arms: what the fine-tuned model is compared with, and what each is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

TUNED, TUNED_RETRIEVAL = "fine-tuned", "fine-tuned + retrieval"
ZERO, FEW, NEAREST, RETRIEVAL = "zero-shot", "few-shot", "few-shot-nearest", "retrieval"
# Who answers: the base model as it was trained on, the same with the adapter, and the base in bf16.
BASE, ADAPTER, UNQUANTISED = "base", "adapter", "unquantised"
# And those behind endpoints: this and their name there, which may be any of the three.
ENDPOINT = "endpoint "


@dataclass(frozen=True)
class Arm:
    """One way to get an answer.

    Attributes:
        name: as in commands and files.
        tuned: whether what answers has learned the task, so that it gets the prompts of training.
        answered_by: the name of its answerer.
        shots: how many training examples stand before the question.
        nearest: whether these are the ones most like the question, or the same ones for all.
        passages: how many passages of the documents stand before the question.
        form: whether the prompt says which form the answer should have. The tuned model has learned it.
    """

    name: str
    tuned: bool = False
    answered_by: str = BASE
    shots: int = 0
    nearest: bool = False
    passages: int = 0
    form: bool = False

    @property
    def title(self) -> str:
        """As people write it: "few-shot, 5 examples"."""
        return f"{self.name}, {self.shots} example{'s'[: self.shots != 1]}" if self.shots else self.name


def arms_for(*, shots: int, nearest_shots: int, form: bool, passages: int, unquantised: bool = False) -> list[Arm]:
    """The arms of a run: the fine-tuned one first, then the baselines. Without `passages`, none with retrieval.

    Args:
        shots: examples of the few-shot arm; 0 where there is no training row to take.
        nearest_shots: examples of the arm that picks them by question.
        form: whether the prompts of the base model say which form the answer should have.
        passages: of the documents, per question; 0 without documents.
        unquantised: whether the base answers each prompt in bf16 too: the form that one would deploy.
    """
    found = [Arm(TUNED, tuned=True, answered_by=ADAPTER), Arm(ZERO, form=form)]
    if shots:
        found.append(Arm(FEW, shots=shots, form=form))
    if nearest_shots:
        found.append(Arm(NEAREST, shots=nearest_shots, nearest=True, form=form))
    if passages:
        found += [
            Arm(RETRIEVAL, passages=passages, form=form),
            Arm(TUNED_RETRIEVAL, tuned=True, answered_by=ADAPTER, passages=passages),
        ]
    if unquantised:
        found += [
            replace(arm, name=f"{arm.name}, unquantised", answered_by=UNQUANTISED) for arm in found if not arm.tuned
        ]
    return found
