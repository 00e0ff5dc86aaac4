"""What counts as right."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

import pytest

from curate_evaluate.metrics import METRICS, fit, macro_f1, score
from curate_evaluate.metrics.claims import same_number
from curate_evaluate.metrics.labels import label
from curate_evaluate.metrics.structures import calls
from curate_evaluate.metrics.texts import tokens
from tests.evaluate.test_structures import CALL, both

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("output", "reference", "tolerant", "strict"),
    [
        ("Yes.", "Yes.", 1, 1),
        ("  Yes.\n", "Yes.", 1, 1),
        ("yes", "Yes.", 1, 0),
        ("The Hague", "hague", 1, 0),
        ('"Oslo"', "Oslo", 1, 0),
        ("Yes. Sure.", "Yes.", 0, 0),
        ("Ünï", "Ünï", 1, 1),
        ("東京", "東京。", 1, 0),
        ("", "Yes.", 0, 0),
        ("C++", "C#", 0, 0),
        ("sign-in", "Sign in", 1, 0),
        ("COVID-19", "covid 19", 1, 0),
        ("an apple", "Apple", 1, 0),
        ("the", "The.", 1, 0),
        ("東京です。", "東京", 1, 0),
        ("+5", "5", 1, 0),
        ("(5)", "5", 1, 0),
        ("- 5", "5", 1, 0),
        ("−5", "-5", 1, 0),
        ("-5", "5", 0, 0),
        ("(-5)", "5", 0, 0),
        ("-$5", "$5", 0, 0),
        (".5", "5", 0, 0),
        ("1-5", "1 5", 0, 0),
        ("A-", "A", 0, 0),
        ("A−.", "a-", 1, 0),
        ("A", "A+", 0, 0),
        ("A positive", "O positive", 0, 0),
        ("La Paz", "Paz", 0, 0),
        ("England", "UK", 0, 0),
        ("True", "yes", 0, 0),
        ("nothing", "nobody", 0, 0),
        (unicodedata.normalize("NFD", "José"), "José", 1, 0),
    ],
)
def test_exact_match(output: str, reference: str, tolerant: float, strict: float) -> None:
    assert both("exact_match", output, reference) == (tolerant, strict)


@pytest.mark.parametrize(
    ("output", "reference", "tolerant", "strict"),
    [
        ("3 * 6 = 18\n#### 18", "He has 3 * 6 = 18.\n#### 18", 1, 1),
        ("3 * 6 = 18, so the answer is 18.", "He has 3 * 6 = 18.\n#### 18", 1, 0),
        ("It is \\boxed{18}.", "#### 18", 1, 0),
        ("$18.00", "#### 18", 1, 0),
        ("#### $18", "#### 18", 1, 0),
        ("1,800", "1800", 1, 1),
        ("She pays 18 dollars.", "#### 18", 1, 0),
        ("eighteen", "18", 1, 0),
        ("0.333", "1/3", 0, 0),
        ("3.1416", "3.14", 1, 1),
        ("3.2", "3.14", 0, 0),
        ("First 18, then 20.", "#### 18", 0, 0),
        ("#### 19", "#### 18", 0, 0),
        ("-18", "18", 0, 0),
        ("", "#### 18", 0, 0),
        ("I do not know.", "#### 18", 0, 0),
        ("minus five", "5", 0, 0),
        ("minus five", "-5", 1, 0),
        ("The temperature is minus 5 degrees.", "-5 degrees", 1, 0),
        ("negative 5", "5", 0, 0),
        ("零下 is not 负5", "-5", 1, 0),
        ("Ten minus five is 5.", "5", 1, 0),
        ("She has 20 minus 2 apples, so 18.", "18", 1, 0),
        ("\\boxed{\\frac{3}{4}}", "\\boxed{\\frac{1}{4}}", 0, 0),
        ("The answer is \\boxed{\\frac{3}{4}}.", "3/4", 1, 0),
        ("\\boxed{\\dfrac34}", "\\boxed{0.75}", 1, 0),
        ("\\boxed{-\\frac{3}{4}}", "\\boxed{\\frac{3}{4}}", 0, 0),
        ("\\boxed{2\\frac{1}{2}}", "2.5", 1, 0),
        ("\\frac{1}{2}", "2", 0, 0),
        ("\\boxed{2\\sqrt{3}}", "\\boxed{5\\sqrt{3}}", 0, 0),
        ("So it is $\\boxed{2 \\sqrt3}$.", "\\boxed{2\\sqrt{3}}", 1, 0),
        ("\\boxed{x = 2\\sqrt{3}}", "\\boxed{2\\sqrt{3}}", 1, 0),
        ("\\boxed{10^{6}}", "\\boxed{6}", 0, 0),
        ("\\boxed{3 \\times 10^{8}}", "300,000,000", 1, 0),
        ("\\boxed{2x}", "\\boxed{2y}", 0, 0),
        ("\\boxed{1,2,3}", "\\boxed{3}", 0, 0),
        ("\\boxed{1, 2, 3}", "\\boxed{1,2,3}", 1, 0),
        ("\\boxed{3, 4}", "The answer is 3 and 4.", 1, 0),
        ("x = 3, y = 4", "x = 1, y = 4", 0, 0),
        ("$x=3$ or $x=4$", "4", 0, 0),
        ("\\boxed{18\\text{ cm}^2}", "#### 18", 1, 0),
        ("\\boxed{(3,4)}", "\\boxed{[3,4]}", 0, 0),
        ("As 3 + 4 = 7, it is \\boxed{\\text{Sunday}}.", "As 1 + 6 = 7, it is \\boxed{\\text{Monday}}.", 0, 0),
        ("As 7 = 3 + 4, it is \\boxed{\\pi}.", "\\boxed{\\pi}", 1, 0),
        ("The answer is as follows:\n18", "#### 18", 1, 0),
        ("\\boxed{x \\approx 5}", "5", 1, 0),
        ("\\boxed{\\text{Unanswerable}}", "unanswerable", 1, 0),
        ("#### Answer\n18", "#### 18", 1, 0),
        ("#### Answers:\n1. 18", "#### 18", 1, 0),
        ("\\boxed{90^\\circ}", "90", 1, 0),
        ("\\boxed{x^2 + 18}", "\\boxed{18}", 0, 0),
        ("\\boxed{3^2}", "\\boxed{2^2}", 0, 0),
        ("\\boxed{\\$1{,}800}", "#### 1800", 1, 0),
        ("\\boxed{m = 5}", "#### 5", 1, 0),
        ("The answer is 3 * 6 = 18.", "#### 18", 1, 0),
        ("The answer is eighteen (18).", "#### 18", 1, 0),
        ("unanswerable", "unanswerable", 1, 1),
        ("Unanswerable.", "unanswerable", 1, 0),
        ("12", "unanswerable", 0, 0),
        ("2024-01-05", "2024-02-05", 0, 0),
    ],
)
def test_final_number(output: str, reference: str, tolerant: float, strict: float) -> None:
    assert both("final_number", output, reference) == (tolerant, strict)


def test_final_numbers_are_judged_as_people_judged_them(shared_data: Path) -> None:
    """Answers of four models to 600 problems, each known to be right or wrong."""
    rows = [json.loads(line) for line in (shared_data / "gsm8k_answers_mixed.jsonl").read_bytes().splitlines()]
    labels = (shared_data / "gsm8k_answers_mixed.labels.jsonl").read_bytes().splitlines()
    known = [json.loads(line) for line in labels]
    answers = [row["messages"][-1]["content"] for row in rows]
    truth = {
        of["question_id"]: answer
        for answer, of in zip(answers, known, strict=True)
        if of["answer_from"] == "ground_truth"
    }
    wrong = [
        of["line"]
        for answer, of in zip(answers, known, strict=True)
        if bool(same_number(answer, truth[of["question_id"]])) != of["is_correct"]
    ]
    assert wrong == []


SENTIMENT = ("positive", "negative")


@pytest.mark.parametrize(
    ("output", "labels", "found"),
    [
        ("positive", SENTIMENT, "positive"),
        ("Positive.", SENTIMENT, "positive"),
        ("**Negative**", SENTIMENT, "negative"),
        ("Sentiment: negative", SENTIMENT, "negative"),
        ("The answer is positive.", SENTIMENT, "positive"),
        ("positive\n\nThe writer is happy.", SENTIMENT, "positive"),
        ("I would call this review negative, as it complains.", SENTIMENT, "negative"),
        ("Neither positive nor negative", SENTIMENT, "neither positive nor negative"),
        ("This is not spam.", ("spam", "not spam"), "not spam"),
        ("It is spam", ("spam", "not spam"), "spam"),
        ("", SENTIMENT, ""),
        ("It is not spam.", ("spam", "not_spam"), "not spam"),
        ("This isn't spam.", ("spam", "not_spam"), "not spam"),
        ("It looks like spam, but it is not spam.", ("spam", "not_spam"), "not spam"),
        ("It is spam.", ("spam", "not_spam"), "spam"),
        ("This is not a spam mail.", ("spam", "ham"), "this is not a spam mail"),
        ("Not spam but ham, I think.", ("spam", "ham"), "ham"),
        ("It can't be spam, so ham.", ("spam", "ham"), "ham"),
        ("I do not think so: it is plainly spam to me.", ("spam", "ham"), "spam"),
        ("The hypothesis is not entailment.", ("entailment", "not_entailment"), "not entailment"),
        ("This comment is non-toxic.", ("toxic", "non_toxic"), "non toxic"),
        ("This comment is not toxic.", ("toxic", "non_toxic"), "non toxic"),
        ("This is a refund request.", ("refund", "refund_request"), "refund request"),
        ("It is a refund request, as the refund is due.", ("refund", "refund_request"), "refund request"),
        ("I would give -1 here.", ("-1", "0", "1"), "-1"),
        ("I would give -1 here.", ("0", "1"), "i would give -1 here"),
        ("I would give 1.5 here.", ("0", "1", "5"), "i would give 1.5 here"),
        ("On a scale of 1-5 that is a 4.", ("1", "2", "3", "4", "5"), "4"),
        ("It deserves a B-, no more.", ("B", "B-", "C"), "b-"),
        ("It deserves a B-, no more.", ("B", "C"), "it deserves a b-, no more"),
        ("It is C++ code.", ("C", "Java"), "it is c++ code"),
        ("The positive.", SENTIMENT, "positive"),
        ("A positive", ("positive", "A positive"), "a positive"),
        ("Yes, it is.", ("true", "false"), "true"),
        ("It is not a letter or a spam mail.", ("spam", "ham"), "it is not a letter or a spam mail"),
        ("It is neither short nor spam, but ham.", ("spam", "ham"), "ham"),
        ("It is not clear, but spam fits.", ("spam", "ham"), "spam"),
        ("Any text.", (), "any text"),
    ],
)
def test_the_label_of_an_answer(output: str, labels: tuple[str, ...], found: str) -> None:
    assert label(output, labels) == found


@pytest.mark.parametrize(
    ("output", "reference", "labels", "same"),
    [
        ("positive", "Positive.", SENTIMENT, 1),
        ("positive", "very positive", SENTIMENT, 0),
        ("very positive", "very positive", SENTIMENT, 1),
        ("It is very positive.", "very positive", SENTIMENT, 1),
        ("urgent", "not urgent", ("urgent", "spam"), 0),
        ("not urgent", "not_urgent", ("urgent", "spam"), 1),
        ("It is urgent.", "urgent", ("urgent", "spam"), 1),
        ("Sentiment: positive", "Sentiment: positive", SENTIMENT, 1),
        ("the answer is b", "B", (), 1),
        ("a or b", "b", (), 0),
    ],
)
def test_references_are_labels_as_a_whole(output: str, reference: str, labels: tuple[str, ...], same: float) -> None:
    assert score(output, reference, ["label"], labels=labels) == {"label": same}


@pytest.mark.parametrize(
    ("answers", "labels"),
    [
        (("-1", "0", "1"), ("-1", "0", "1")),
        (("A", "A-", "B+", "B"), ("A", "A-", "B+", "B")),
        (("A positive", "O positive", "A negative"), ("A positive", "O positive", "A negative")),
        (("UK", "England"), ("UK", "England")),
        (("positive", "a positive"), ("positive", "a positive")),
        (("spam", "Spam.", "SPAM", "not spam", "not_spam"), ("spam", "not spam")),
    ],
)
def test_different_training_answers_stay_different_labels(answers: tuple[str, ...], labels: tuple[str, ...]) -> None:
    chosen = fit(answers * 20)
    assert (chosen.kind, chosen.labels) == ("labels", labels)
    for output in labels:
        for reference in labels:
            assert score(output, reference, ["label"], labels=labels) == {"label": output == reference}
    assert macro_f1(answers, answers, labels) == 1.0


def test_a_long_answer_among_labels_is_no_label() -> None:
    long = "This ticket is about several things at once, so I would not like to choose."
    assert fit(["refund", "repair"] * 19 + [long]).labels == ("refund", "repair")


def test_yes_and_no_are_labels_that_open_an_answer() -> None:
    labels = fit(["Yes.", "no"] * 20).labels
    assert both("label", "Yes, you can, by mail.", "yes", labels) == (1, 0)
    assert both("label", "No, that is not possible.", "yes", labels) == (0, 0)


def test_macro_f1_counts_a_rare_label_as_much_as_a_frequent_one() -> None:
    references = ["a"] * 9 + ["b"]
    # Always "a": F1 18/19 for a, 0 for b.
    assert macro_f1(["a"] * 10, references, ("a", "b")) == pytest.approx((18 / 19) / 2)
    assert macro_f1(references, references, ("a", "b")) == 1.0


def test_macro_f1_is_that_of_scikit_learn() -> None:
    import random

    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with lm-eval")
    draw = random.Random(0)
    names = ("red", "green", "blue", "grey")
    references, outputs = ([draw.choice(names) for _ in range(200)] for _ in range(2))
    expected = metrics.f1_score(references, outputs, average="macro")
    assert macro_f1(outputs, references, names) == pytest.approx(expected)


def test_the_overlap_metrics_are_those_of_their_libraries() -> None:
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    output = "The return label is free in each country."
    reference = "The return label is free in every country we ship to."
    found = score(output, reference, ("chrf", "bleu", "rouge_l", "token_f1"))
    assert found["chrf"] == sacrebleu.sentence_chrf(output, [reference]).score
    assert found["bleu"] == sacrebleu.sentence_bleu(output, [reference]).score
    assert found["rouge_l"] == RougeScorer(["rougeL"]).score(reference, output)["rougeL"].fmeasure
    assert found["token_f1"] == pytest.approx(2 * 7 / (8 + 11))


@pytest.mark.parametrize("text", ["A plain sentence of words.", "水が沸騰する温度は百度です。", "Ответ на вопрос"])
def test_a_perfect_answer_has_the_full_score_and_an_empty_one_none(text: str) -> None:
    for name, metric in METRICS.items():
        if name in ("chrf", "bleu", "rouge_l", "token_f1", "exact_match", "exact_match_strict"):
            assert score(text, text, [name])[name] == pytest.approx(metric.full)
            assert score("", text, [name])[name] == 0.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("की", ["की"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("தமிழ்", ["தமிழ்"]),
        ("ខ្មែរ។", list("ខ្មែរ")),
        ("ລາວ", list("ລາວ")),
        ("ไทย", list("ไทย")),
        ("Über-naïve, café!", ["über", "naïve", "café"]),
        ("👍🏽 ❤️ 1\ufe0f\u20e3", ["1"]),
    ],
)
def test_a_word_has_its_marks(text: str, words: list[str]) -> None:
    assert tokens(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "[]",
        "{}",
        "null",
        "true",
        "NaN",
        '"text"',
        "[1,2,2]",
        '{"a":null}',
        '{"a":[]}',
        '{"a":{}}',
        '{"a":NaN}',
        '{"a":1e999}',
        "```json\n[]\n```",
        "Here it is: []",
        'It is {"a": 1}.',
        "unanswerable",
        "No data found.",
        "-5",
        "$5",
        "42",
        "#### 18",
        "The answer is 7.",
        "½",
        "IV",
        "3:30 pm",
        "2024-01-05",
        "1/0",
        "A-",
        "C#",
        "👍",
        "...",
        "日本",
        "की",
        "a\nb",
        '{"name":"f","arguments":{}}',
        '{"name":"f"}',
        "<tool_call>",
        "\\boxed{2\\sqrt{3}}",
        "\\boxed{A}",
        "3 and 4",
        "Sentiment: yes",
        "not yes",
        "Yes or no?",
    ],
)
def test_an_answer_that_is_its_reference_has_the_full_score(text: str) -> None:
    names = [name for name in METRICS if name != "bertscore"]
    full = {name: pytest.approx(METRICS[name].full) for name in names}
    assert score(text, text, names, labels=("yes", "no")) == full


def test_emojis_are_not_all_alike() -> None:
    assert score("👍", "👎", ["token_f1", "rouge_l"]) == {"token_f1": 0.0, "rouge_l": 0.0}


def numbers() -> list[str]:
    return [f"She has {k} * 3 = {3 * k} apples.\n#### {3 * k}" for k in range(1, 40)]


@pytest.mark.parametrize(
    ("references", "kind", "primary"),
    [
        ([CALL] * 19 + ["Done."], "calls", "tool_call"),
        (['{"a": 1}', '{"a": 2, "b": [1]}'] * 10, "json", "json_fields"),
        (["positive", "Negative", "neutral"] * 10, "labels", "label"),
        (["1", "2", "3", "4", "5"] * 10, "labels", "label"),
        (numbers(), "numbers", "final_number"),
        ([str(k) for k in range(100, 160)], "numbers", "final_number"),
        ([str(k) for k in range(100, 195)] + ["unanswerable"] * 5, "numbers", "final_number"),
        ([f"So we get \\boxed{{\\frac{{{k}}}{{7}}}}." for k in range(30)], "numbers", "final_number"),
        (['[{"a": 1}]'] * 17 + ["[]"] * 3, "json", "json_fields"),
        (['{"a": 1}', '{"b": 2}'] * 19 + ["No data found."], "json", "json_fields"),
        ([f"{name} {letter}." for name in ("Oslo", "Rome", "Bern") for letter in "abcdefghij"], "short", "exact_match"),
        ([f"You can return item {k} by mail, if it was not worn outside." for k in range(30)], "free", "chrf"),
        ([CALL] * 10 + ["Which city do you mean, please, and on which day?"] * 10, "free", "chrf"),
    ],
)
def test_metrics_are_chosen_by_what_nearly_all_answers_are(references: list[str], kind: str, primary: str) -> None:
    chosen = fit(references)
    assert (chosen.kind, chosen.primary, chosen.metrics[0]) == (kind, primary, primary)
    assert METRICS[primary].decides == (kind != "free")
    for reference in references:
        found = score(reference, reference, chosen.metrics, labels=chosen.labels)
        assert found == {name: pytest.approx(METRICS[name].full) for name in chosen.metrics}


def test_nothing_to_choose_by_is_an_error() -> None:
    with pytest.raises(ValueError, match="no references"):
        fit([])


def test_each_strict_metric_names_its_tolerant_one_and_is_never_above_it() -> None:
    pairs = [
        ("#### 18", "#### 18"),
        ("yes", "Yes"),
        ("18", "#### 18"),
        ("x", '{"a": 1}'),
        ('{"a": 1}', '{"a": 1}'),
        (CALL, CALL),
    ]
    for name, metric in METRICS.items():
        if metric.tolerant is not None:
            for output, reference in pairs:
                found = score(output, reference, (name, metric.tolerant))
                assert found[name] <= found[metric.tolerant]


@pytest.mark.parametrize(
    "piece", ["{", '{"a":', "[1,", "<function=a>", "1 ", "a ", "the answer is ", "not ", ".", "-", "_ ", '{"name":"f"']
)
def test_an_output_that_never_ends_is_scored_all_the_same(piece: str) -> None:
    """Searches that start over at each bracket would take minutes here."""
    names = ("tool_call", "json_fields", "label", "exact_match", "final_number")
    assert score(piece * 20_000, CALL, names, labels=("a", "b")).keys() == set(names)
    assert calls(piece * 20_000) == []
