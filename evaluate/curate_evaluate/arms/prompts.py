"""Each arm's prompt as a conversation. Pure: the model's own template makes text of it afterwards."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from curate.sample import Message
from curate_evaluate.arms.nearest import Nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate_evaluate.arms.arm import Arm
    from curate_evaluate.arms.cases import Case
    from curate_evaluate.arms.nearest import Passage

GIVEN = "These passages may help:"


class Prompts:
    """Builds the prompts of a run."""

    def __init__(
        self,
        train: Sequence[Case],
        line: str,
        *,
        passages: Sequence[Passage] = (),
        system: str | None = None,
        seed: int = 0,
    ) -> None:
        """Take what all prompts share.

        Args:
            train: the training cases, of which the examples are taken.
            line: the format line.
            passages: of the documents.
            system: a system prompt of the user's for the base model, in place of the rows' own and of the format line.
            seed: of the choice of the fixed examples.
        """
        self.line = line
        self.passages = passages
        self.system = system
        # A question and its answer alone make the plainest example.
        self.examples = [case for case in train if len(case.turns) == 1] or list(train)
        self._fixed = list(self.examples)
        Random(seed).shuffle(self._fixed)
        self._by_question = Nearest([case.question for case in self.examples])
        self._by_passage = Nearest([passage.text for passage in passages])

    def conversation(self, case: Case, arm: Arm) -> list[Message]:
        """The turns up to the answer: system prompt, examples, question.

        The format line ends the system prompt, or begins the first question where there is none. Passages stand before
        the last question. The nearest of the nearest examples stands last.
        """
        turns = [*self._examples(case, arm), *case.turns]
        if arm.passages:
            turns = _before_user(turns, -1, self._context(case, arm))
        system = case.system
        if self.system is not None and not arm.tuned:
            return [Message("system", self.system), *turns]
        if arm.form and self.line:
            if system:
                system = [*system[:-1], replace(system[-1], content=f"{system[-1].text}\n\n{self.line}")]
            else:
                turns = _before_user(turns, 0, self.line)
        return [*system, *turns]

    def _examples(self, case: Case, arm: Arm) -> list[Message]:
        if arm.nearest:
            found = [self.examples[i] for i in reversed(self._by_question.find(case.question, arm.shots))]
        else:
            found = self._fixed[: arm.shots]
        return [turn for example in found for turn in (*example.turns, example.answer)]

    def _context(self, case: Case, arm: Arm) -> str:
        found = [self.passages[i] for i in self._by_passage.find(case.question, arm.passages)]
        return "\n\n".join([GIVEN, *(f"[{i}] {passage.text}" for i, passage in enumerate(found, start=1))])


def _before_user(turns: Sequence[Message], which: int, text: str) -> list[Message]:
    """A text before what the user says first (0) or last (-1); as a system prompt where no user says anything."""
    users = [i for i, turn in enumerate(turns) if turn.role == "user"]
    if not users:
        return [Message("system", text), *turns]
    place = users[which]
    changed = replace(turns[place], content=f"{text}\n\n{turns[place].text}")
    return [*turns[:place], changed, *turns[place + 1 :]]
