"""What each arm is asked, as conversations."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from curate.errors import CurateError
from curate.sample import Message
from curate_evaluate.arms import Arm, Case, Nearest, Passage, Prompts, arms_for, format_line, read_documents
from curate_evaluate.arms.nearest import PASSAGE_WORDS, passages_of
from curate_evaluate.metrics import fit

if TYPE_CHECKING:
    from pathlib import Path


def case(question: str, answer: str, *, system: str | None = None, before: tuple[str, ...] = ()) -> Case:
    roles = ("user", "assistant")
    context = [Message(roles[i % 2], text) for i, text in enumerate((*before, question))]
    if system is not None:
        context.insert(0, Message("system", system))
    return Case("v1:0", 1, tuple(context), Message("assistant", answer), answer, None, {}, "", (), 0)


TRAIN = [
    case("Where is my parcel?", "On its way.", system="Be brief."),
    case("Can I return a tent?", "Yes, within 30 days.", system="Be brief."),
    case("Do you ship to Norway?", "Yes.", system="Be brief."),
    case("And to Spain?", "Yes.", system="Be brief.", before=("Do you ship to France?", "Yes.")),
]
TEST = case("Can I return a used tent?", "No.", system="Be brief.")
PASSAGES = [Passage("returns.md", 1, "Used tents cannot be returned."), Passage("ship.md", 1, "Parcels take two days.")]


def said(turns: list[Message]) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in turns]


def test_zero_shot_is_the_training_prompt_with_the_format_line_behind_its_system_prompt() -> None:
    prompts = Prompts(TRAIN, "Answer in 3 words.")
    assert said(prompts.conversation(TEST, Arm("zero-shot", form=True))) == [
        ("system", "Be brief.\n\nAnswer in 3 words."),
        ("user", "Can I return a used tent?"),
    ]
    assert said(prompts.conversation(TEST, Arm("zero-shot"))) == said(list(TEST.context))


def test_without_a_system_prompt_the_format_line_begins_the_first_question() -> None:
    prompts = Prompts(TRAIN, "Answer in 3 words.")
    bare = case("Is it open?", "Yes.")
    assert said(prompts.conversation(bare, Arm("zero-shot", form=True))) == [
        ("user", "Answer in 3 words.\n\nIs it open?")
    ]
    shots = said(prompts.conversation(bare, Arm("few-shot", shots=1, form=True)))
    assert shots[0][1].startswith("Answer in 3 words.\n\n")
    assert shots[-1] == ("user", "Is it open?")


def test_few_shot_puts_the_same_training_examples_before_every_question() -> None:
    prompts = Prompts(TRAIN, "", seed=3)
    first, second = (
        said(prompts.conversation(of, Arm("few-shot", shots=2))) for of in (TEST, case("Hello?", "Hi.", system="Be."))
    )
    assert first[1:5] == second[1:5]
    assert [role for role, _ in first] == ["system", "user", "assistant", "user", "assistant", "user"]
    pairs = {(example.question, example.answer.text) for example in TRAIN}
    assert {(first[i][1], first[i + 1][1]) for i in (1, 3)} <= pairs
    assert said(Prompts(TRAIN, "", seed=3).conversation(TEST, Arm("few-shot", shots=2))) == first
    several = {
        tuple(said(Prompts(TRAIN, "", seed=seed).conversation(TEST, Arm("few-shot", shots=2)))) for seed in range(9)
    }
    assert len(several) > 1


def test_the_examples_of_few_shot_are_not_the_first_rows_of_a_sorted_file() -> None:
    train = [case(f"Complaint {k}?", "repair" if k < 100 else "clean") for k in range(200)]
    turns = said(Prompts(train, "").conversation(TEST, Arm("few-shot", shots=5)))
    assert {text for role, text in turns if role == "assistant"} == {"repair", "clean"}


def test_the_nearest_example_stands_last() -> None:
    turns = said(Prompts(TRAIN, "").conversation(TEST, Arm("few-shot-nearest", shots=2, nearest=True)))
    assert turns[-3:] == [
        ("user", "Can I return a tent?"),
        ("assistant", "Yes, within 30 days."),
        ("user", "Can I return a used tent?"),
    ]


def test_examples_are_of_one_question_where_there_are_such() -> None:
    assert [example.question for example in Prompts(TRAIN, "").examples] == [
        "Where is my parcel?",
        "Can I return a tent?",
        "Do you ship to Norway?",
    ]
    assert len(Prompts(TRAIN[3:], "").examples) == 1


def test_earlier_turns_of_the_row_stay_between_the_examples_and_its_question() -> None:
    turns = said(Prompts(TRAIN, "").conversation(TRAIN[3], Arm("few-shot", shots=1)))
    assert turns[-3:] == [
        ("user", "Do you ship to France?"),
        ("assistant", "Yes."),
        ("user", "And to Spain?"),
    ]


def test_passages_stand_before_the_last_question_for_the_tuned_arm_too() -> None:
    prompts = Prompts(TRAIN, "Answer in 3 words.", passages=PASSAGES)
    tuned = said(prompts.conversation(TEST, Arm("fine-tuned + retrieval", tuned=True, passages=1)))
    assert tuned == [
        ("system", "Be brief."),
        ("user", "These passages may help:\n\n[1] Used tents cannot be returned.\n\nCan I return a used tent?"),
    ]
    both = said(prompts.conversation(TEST, Arm("retrieval", passages=2, form=True)))
    assert "[2] Parcels take two days." in both[-1][1]
    assert both[0][1].endswith("Answer in 3 words.")


def test_a_system_prompt_of_the_user_replaces_that_of_the_rows_for_the_base_model_alone() -> None:
    prompts = Prompts(TRAIN, "Answer in 3 words.", system="You are a clerk.")
    assert said(prompts.conversation(TEST, Arm("zero-shot", form=True)))[0] == ("system", "You are a clerk.")
    assert said(prompts.conversation(TEST, Arm("fine-tuned", tuned=True)))[0] == ("system", "Be brief.")


def test_a_row_in_which_no_user_speaks_gets_both_as_a_system_prompt() -> None:
    alone = replace(TEST, context=())
    prompts = Prompts(TRAIN, "Answer in 3 words.", passages=PASSAGES)
    assert said(prompts.conversation(alone, Arm("zero-shot", form=True))) == [("system", "Answer in 3 words.")]
    assert said(prompts.conversation(alone, Arm("retrieval", passages=1)))[0][0] == "system"


def test_building_a_prompt_changes_no_case() -> None:
    before = said(list(TEST.context))
    Prompts(TRAIN, "Answer.", passages=PASSAGES).conversation(TEST, Arm("retrieval", shots=2, passages=1, form=True))
    assert said(list(TEST.context)) == before


@pytest.mark.parametrize(
    ("references", "line"),
    [
        (["good", "Bad", "good"] * 9, "Answer with exactly one of these, and nothing else: good, Bad."),
        ([f"2 * {k} = {2 * k}\n#### {2 * k}" for k in range(30)], 'in this form: "#### 0"'),
        ([str(k) for k in range(100, 150)], "Answer with the number alone."),
        (
            [json.dumps({"name": "Ada", "born": k}) for k in range(30)],
            'Answer with JSON and nothing else: an object with the keys "name", "born".',
        ),
        ([json.dumps([k]) for k in range(30)], "Answer with JSON and nothing else."),
        ([json.dumps({"name": "f", "arguments": {"a": k}}) for k in range(30)], "a call of one of the tools"),
        ([f"{city} in {what}" for city in ("Oslo", "Rome") for what in "abcdefghijkl"], "Answer in at most 3 words"),
        ([f"It is a sentence {k} of exactly nine words." for k in range(30)], "in about 9 words"),
    ],
)  # fmt: skip
def test_the_format_line_says_what_the_training_answers_look_like(references: list[str], line: str) -> None:
    assert line in format_line(fit(references), references)


def test_the_arms_are_the_fine_tuned_one_and_the_baselines_that_the_data_allow() -> None:
    names = [arm.name for arm in arms_for(shots=5, nearest_shots=3, form=True, passages=2)]
    assert names == [
        "fine-tuned", "zero-shot", "few-shot", "few-shot-nearest", "retrieval", "fine-tuned + retrieval",
    ]  # fmt: skip
    assert [arm.name for arm in arms_for(shots=0, nearest_shots=0, form=True, passages=0)] == [
        "fine-tuned",
        "zero-shot",
    ]
    assert all(not (arm.tuned and arm.form) for arm in arms_for(shots=1, nearest_shots=1, form=True, passages=1))
    assert Arm("few-shot", shots=1).title == "few-shot, 1 example"
    assert Arm("few-shot", shots=5).title == "few-shot, 5 examples"


def test_bm25_finds_what_shares_the_rare_words_in_any_script() -> None:
    texts = ["the cat sat on the mat", "the dog ate the bone", "水は百度で沸騰する", "the the the", ""]
    index = Nearest(texts)
    assert index.find("where is the dog", 2)[0] == 1
    assert index.find("水の沸騰する温度", 1) == [2]
    assert index.find("zebra", 3) == [0, 1, 2]
    assert index.find("", 2) == [0, 1]
    assert Nearest([]).find("anything", 3) == []
    assert Nearest(["", "?"]).find("anything", 3) == [0, 1]


def test_documents_are_cut_at_blank_lines_and_nothing_is_lost(tmp_path: Path) -> None:
    paragraphs = [" ".join(f"w{i}x{j}" for j in range(70)) for i in range(9)]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.md").write_text("\n\n".join(paragraphs))
    (tmp_path / "b.txt").write_text(" ".join(f"long{i}" for i in range(1000)))
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    passages = read_documents(tmp_path)
    assert {passage.path for passage in passages} == {"b.txt", "deep/a.md"}
    assert all(0 < len(passage.text.split()) <= PASSAGE_WORDS for passage in passages)
    words = " ".join(passage.text for passage in passages).split()
    assert sorted(words) == sorted([*" ".join(paragraphs).split(), *(f"long{i}" for i in range(1000))])
    lines = (tmp_path / "deep/a.md").read_text().splitlines()
    assert all(passage.text.startswith(lines[passage.line - 1]) for passage in passages if passage.path != "b.txt")


def test_a_short_document_is_one_passage() -> None:
    assert list(passages_of("a.md", "# Returns\n\nWithin 30 days.\n")) == [
        Passage("a.md", 1, "# Returns\n\nWithin 30 days.")
    ]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_documents_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CurateError, match=r"--docs|no text"):
        read_documents(tmp_path / name)
