"""FMT111 to FMT113: what the train flags of the turns (`weight`, `train`, `loss`, `masked`) leave to be learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Fault, Fix, Where
from curate.rules.rule import rule
from curate.sample import ROLES, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator


@rule("FMT111", severity="error", fix=Fix("drop"))
def nothing_trained(sample: Sample) -> Iterator[Fault]:
    """Every assistant turn is flagged as not to be trained.

    Why it matters: the row has no target. It costs compute and teaches nothing, and a batch of such rows has the loss
    NaN.

    Example: `{"role": "assistant", "content": "Paris.", "weight": 0}` as the only answer.

    How to fix it: give the answer that should be learned `weight` 1, or drop the row.
    """
    answers = 0
    for message in sample.messages:
        if message.role == "assistant":
            if message.weight != 0:
                return
            answers += 1
    if answers:
        which = "the only assistant turn has" if answers == 1 else f"all {answers} assistant turns have"
        yield Fault(f"{which} weight 0: nothing is trained", None, {"answers": answers})


@rule("FMT112", severity="info")
def untrained_last_answer(sample: Sample) -> Iterator[Fault]:
    """The last answer is flagged as not to be trained, though an earlier one is.

    Why it matters: nothing after the last trained turn has any effect, so it only costs compute. Mostly the flags have
    slipped by a turn, since the usual intention is to train the last answer and mask the earlier ones.

    Example: assistant `weight` 1, user, assistant `weight` 0.

    How to fix it: correct the flags, or cut the conversation after the last trained answer.
    """
    weights = [(i, m.weight) for i, m in enumerate(sample.messages) if m.role == "assistant"]
    if len(weights) > 1 and weights[-1][1] == 0 and any(weight != 0 for _, weight in weights):
        yield Fault("an earlier answer is trained and the last is not", Where(weights[-1][0], "weight"))


@rule("FMT113", severity="warning")
def trained_prompt(sample: Sample) -> Iterator[Fault]:
    """A turn that is not the assistant's is flagged to be trained.

    Why it matters: a trainer that reads the flag puts loss on the user's, the system's or the tool's words, so that the
    model learns to write them; other trainers and hosted services reject the row.

    Example: `{"role": "user", "content": "What is 2+2?", "weight": 1}`.

    How to fix it: remove the flag or set it to 0 on every turn but the assistant's.
    """
    roles: list[str] = []
    first = -1
    for i, message in enumerate(sample.messages):
        if message.weight and message.role != "assistant" and message.role in ROLES:
            first = i if first < 0 else first
            roles.append(message.role)
    if roles:
        more = f" (and {len(roles) - 1} more turns)" if len(roles) > 1 else ""
        yield Fault(f"the {roles[0]} turn {first + 1} is flagged to be trained{more}", Where(first, "weight"))
