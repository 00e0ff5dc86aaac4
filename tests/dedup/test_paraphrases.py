"""What two requests in other words may not differ in, and what the check makes of those that pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import curate
from curate.dedup.paraphrases import same_values
from tests.dedup.models import sentence_model

if TYPE_CHECKING:
    from curate.finding import Finding


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Up to what weight does the hammock hold?", "What is the maximum weight for the hammock?"),
        ("What is the capital of Mongolia?", "Tell me the name of Mongolia's capital city."),
        ("Why is my order delayed?", "What is the reason for the delay of my order?"),
        ("How much is 1,000 euros in dollars?", "What are 1000 euros worth in dollars?"),
        ("Can I return boots within 30 days?", "Is it allowed to send boots back within 30 days?"),
    ],
)
def test_other_words_hold_the_same_values(left: str, right: str) -> None:
    assert same_values(left, right)
    assert same_values(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("How long do 3 eggs boil?", "For how long should 4 eggs be boiled?"),
        ("Is the shop open on 3 May?", "On 4 May, will the shop be open?"),
        ("Who wrote Hamlet?", "Who is the author of Macbeth?"),
        ("Did France beat Italy?", "Was it Italy that beat France?"),
        ("Which items can be returned?", "Tell me which items cannot be returned."),
        ("Who is more likely to win?", "Tell me who will less likely be the winner."),
        ("Is the larger box comfortable?", "Would you say that the larger box is uncomfortable?"),
        ("Does the dog chase the cat?", "Does the cat chase the dog?"),
        ("There are 3 cats and 5 dogs. How many are there?", "With 5 cats and 3 dogs, how many are there?"),
        ("How many more trays make less ice?", "How many trays less make less ice?"),
        ("When was it built?", "How many people built it?"),
    ],
)
def test_other_values_ask_for_something_else(left: str, right: str) -> None:
    assert not same_values(left, right)
    assert not same_values(right, left)


def row(question: str, answer: str, *before: tuple[str, str]) -> dict[str, Any]:
    turns = [*before, ("user", question), ("assistant", answer)]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def found(rows: list[dict[str, Any]], *codes: str, **options: Any) -> list[Finding]:
    report = curate.check(rows, select=list(codes), semantic=str(sentence_model()), **options)
    assert not report.internal_errors
    return report.findings


HAMMOCK = [
    row("Up to what weight does the Larch hammock hold?", "It holds up to 120 kg."),
    row("Where do you ship?", "To all of Europe."),
    row("What is the maximum weight for the Larch hammock?", "It holds up to 150 kg."),
]


def test_answers_to_paraphrases_contradict_each_other() -> None:
    findings = found(HAMMOCK, "CON001")
    assert [finding.place.line for finding in findings] == [1, 3]
    assert findings[0].evidence == {"kind": "number", "here": "120 kg", "there": "150 kg"}
    assert findings[0].related[0].line == 3
    assert curate.check(HAMMOCK, select=["CON001"]).findings == []


def test_answers_to_paraphrases_after_other_turns_do_not() -> None:
    system = ("system", "You speak of the hammock of 2019."), ("system", "You speak of the new hammock.")
    rows = [
        row("Up to what weight does the Larch hammock hold?", "It holds up to 120 kg.", system[0]),
        row("What is the maximum weight for the Larch hammock?", "It holds up to 150 kg.", system[1]),
    ]
    assert found(rows, "CON001") == []


def test_paraphrases_are_no_reworded_or_divergent_answers_to_one_request() -> None:
    rows = [
        row("How tall is Mount Everest?", "8,849 metres."),
        row("What is the height of Mount Everest?", "It is 8849 metres tall."),
    ]
    assert {finding.code for finding in found(rows, "DUP003", "DUP004", "CON")} == {"DUP004"}


def test_the_message_names_the_other_row_and_both_similarities() -> None:
    rows = [
        row("How tall is Mount Everest?", "8,849 metres."),
        row("What is the height of Mount Everest?", "It is 8849 metres tall."),
    ]
    (finding,) = found(rows, "DUP004")
    assert finding.place.line == 2
    assert "line 1" in finding.message
    request, answer = finding.evidence["request_similarity"], finding.evidence["answer_similarity"]
    assert finding.message.endswith(f"(similarity {request:.2f} and {answer:.2f})")
    assert 0.85 <= request < 1
    assert [place.line for place in finding.related] == [1]


def test_the_keep_policy_chooses_the_row_that_stays() -> None:
    rows = [
        row("How tall is Mount Everest?", "8,849 metres."),
        row("What is the height of Mount Everest?", "It is 8849 metres tall."),
    ]
    assert [finding.place.line for finding in found(rows, "DUP004", keep="longest")] == [1]


def test_without_a_model_the_rule_is_skipped() -> None:
    report = curate.check(HAMMOCK, select=["DUP004"])
    assert report.findings == []
    assert {"code": "DUP004", "reason": "no --semantic"}.items() <= report.skipped[-1].items()
