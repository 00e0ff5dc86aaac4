"""The pairs to judge: the answers of two arms to the same rows, drawn and shuffled by a stored seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.io.write import atomic_write
from curate_evaluate.arms.arm import TUNED
from curate_evaluate.arms.cases import read_cases
from curate_evaluate.judging.words import ENOUGH
from curate_evaluate.outputs import EVALUATION, EXAMPLES, read_examples, read_scores, side_by_side

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run
    from curate.sample import Message
    from curate_evaluate.arms import Case

FOLDER = "judge"
PLAN = f"{FOLDER}/plan.json"
SCHEMA = "curate.judge/1"


@dataclass(frozen=True)
class Plan:
    """What is judged.

    Attributes:
        arms: the two, the one in question first.
        pairs: so many at most.
        seed: of which pairs, their order, and which answer stands first.
    """

    arms: tuple[str, str]
    pairs: int = ENOUGH
    seed: int = 0


@dataclass(frozen=True)
class Pair:
    """Two different answers to one row.

    Attributes:
        id: the hash of the row, of both arms and of what they wrote: votes on other answers are not of this pair.
        sample_id: of the row.
        line: of the row, in split/test.jsonl.
        place: of the row, among those that were answered.
        prompt: the text that the arms were asked, as it was made for training.
        reference: the row's own answer.
        outputs: of the arms of the plan, in their order.
    """

    id: str
    sample_id: str
    line: int
    place: int
    prompt: str
    reference: str
    outputs: tuple[str, str]

    def is_swapped(self, seed: int, voter: str) -> bool:
        """Whether the second arm's answer stands first for this voter."""
        return bool(_hash(seed, voter, self.id)[0] & 1)


@dataclass(frozen=True)
class Pairs:
    """The pairs of a plan, in the order in which they are asked.

    Attributes:
        plan: by which they were drawn.
        titles: of the two arms, as people write them.
        asked: the pairs to judge.
        different: how many pairs there are to draw from.
        identical: rows on which both arms wrote the same: a tie that nobody has to be asked about.
        rows: all of them.
    """

    plan: Plan
    titles: tuple[str, str]
    asked: tuple[Pair, ...]
    different: int
    identical: int
    rows: int


def is_evaluated(run: Run) -> bool:
    return (run / EVALUATION / EXAMPLES).is_file()


def arm_titles(run: Run) -> dict[str, str]:
    """The arms of an evaluated run, and how people write each.

    Raises:
        CurateError: it was not evaluated.
    """
    return {name: arm["title"] for name, arm in _scores(run)["arms"].items()}


def read_plan(run: Run) -> Plan:
    """The stored plan; without one, the fine-tuned arm against the baseline that decides.

    Raises:
        CurateError: the run was not evaluated, or lacks an arm of the plan.
    """
    scores = _scores(run)
    file = run / PLAN
    usual = (TUNED, scores["verdict"]["decisive"])
    if not file.is_file():
        return Plan(usual)
    stored = json.loads(file.read_bytes())
    one, other = stored["arms"]
    # Another evaluation may have other arms.
    arms = (one, other) if one in scores["arms"] and other in scores["arms"] else usual
    return Plan(arms, stored["pairs"], stored["seed"])


def refuse_other_arms(run: Run, plan: Plan) -> None:
    """Raises:
    CurateError: an arm that the run does not have, or twice the same.
    """
    known = _scores(run)["arms"]
    for name in plan.arms:
        if name not in known:
            raise CurateError(f"{name}: no arm of {run.folder}; there are {', '.join(known)}")
    if len(set(plan.arms)) == 1:
        raise CurateError(f"{plan.arms[0]}: is to be compared with itself; name another arm with --against")


def make_plan(run: Run, plan: Plan) -> Plan:
    """Store a plan. Votes that were given stay: they are of pairs, and count wherever their pair is asked.

    Raises:
        CurateError: an arm that the run does not have, or twice the same.
    """
    refuse_other_arms(run, plan)
    (run / FOLDER).mkdir(exist_ok=True)
    with atomic_write(run / PLAN) as file:
        file.write(json.dumps({"schema": SCHEMA, **asdict(plan)}, indent=2).encode() + b"\n")
    return plan


def draw(run: Run, plan: Plan) -> Pairs:
    """The pairs of a plan, the same whoever draws them.

    Raises:
        CurateError: the run was not evaluated.
    """
    titles = arm_titles(run)
    one, other = plan.arms
    examples = _examples(run, _stamp(run / EVALUATION / EXAMPLES))
    found: dict[str, Pair] = {}
    identical = 0
    for place, example in enumerate(examples):
        outputs = example["outputs"][one]["output"], example["outputs"][other]["output"]
        if outputs[0].strip() == outputs[1].strip():
            identical += 1
            continue
        # One name, whichever of the two arms is the one in question.
        key = _hash(example["sample_id"], example["prompt"], *sorted(zip(plan.arms, outputs, strict=True))).hex()[:32]
        row = {name: example[name] for name in ("sample_id", "line", "prompt", "reference")}
        found.setdefault(key, Pair(key, place=place, outputs=outputs, **row))
    drawn = sorted(found.values(), key=lambda pair: _hash(plan.seed, pair.id))[: plan.pairs]
    return Pairs(plan, (titles[one], titles[other]), tuple(drawn), len(found), identical, len(examples))


def context_of(run: Run, pair: Pair) -> tuple[Message, ...]:
    """The turns before the answer, as the row has them.

    Raises:
        CurateError: the rows of the run are no longer those that were answered.
    """
    cases = _cases(run, tuple(_stamp(run / name) for name in ("split/test.jsonl", "tokens/test.arrow")))
    if pair.place >= len(cases) or (cases[pair.place].sample_id, cases[pair.place].line) != (pair.sample_id, pair.line):
        raise CurateError(
            f"{run / EVALUATION / EXAMPLES}: was made of other rows than split/test.jsonl holds; make it again: "
            f"curate evaluate {run.folder}"
        )
    return cases[pair.place].context


# Both as long as the files are those of the stamp: a page asks at every press.
@lru_cache(maxsize=4)
def _examples(run: Run, stamp: tuple[int, int]) -> list[dict[str, Any]]:
    return side_by_side(read_examples(run / EVALUATION))


@lru_cache(maxsize=4)
def _cases(run: Run, stamps: tuple[tuple[int, int], ...]) -> list[Case]:
    return read_cases(run, "test")


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _scores(run: Run) -> dict[str, Any]:
    if not is_evaluated(run):
        raise CurateError(f"{run.folder}: was not evaluated yet; run first: curate evaluate {run.folder}")
    return read_scores(run / EVALUATION)


def _hash(*words: object) -> bytes:
    return hashlib.sha256(json.dumps(words).encode()).digest()
