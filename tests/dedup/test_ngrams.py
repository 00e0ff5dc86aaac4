"""Benchmark items inside other texts, by n-grams of words."""

from __future__ import annotations

import random
import unicodedata
from typing import TYPE_CHECKING

import pytest

import curate
from curate.dedup import ngrams
from curate.dedup.ngrams import NgramIndex, benchmark_texts

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = (
    "A gardener plants twelve rows of tulips behind the old library, gives half of them to a neighbour, and sells the "
    "remaining flowers at the Saturday market for three dollars each. How much money does she earn in total?"
)
CHINESE = "园丁在旧图书馆后面种了十二排郁金香,把其中一半送给邻居,剩下的花周六拿到市场上卖,每朵三元,她一共能赚多少钱?"
THAI = "ชาวสวนปลูกดอกทิวลิปสิบสองแถวหลังห้องสมุดเก่าแล้วขายดอกไม้ที่เหลือในตลาดวันเสาร์ราคาดอกละสามบาท"
ARABIC = "زرع البستاني اثني عشر صفا من الزنبق خلف المكتبة القديمة ثم باع الزهور المتبقية في سوق السبت بثلاثة دنانير"
HINDI = "माली ने पुराने पुस्तकालय के पीछे ट्यूलिप की बारह कतारें लगाईं और बचे हुए फूल शनिवार के बाज़ार में तीन रुपये में बेचे"


def index_of(*texts: str) -> NgramIndex:
    index = NgramIndex()
    for item, text in enumerate(texts):
        index.add(item, text)
    return index


@pytest.mark.parametrize("text", [QUESTION, CHINESE, THAI, ARABIC, HINDI])
def test_a_copy_inside_a_text_is_found_whole_and_where_it_stands(text: str) -> None:
    before = "Here is an exercise — please solve it: “"
    (overlap,) = index_of("another item " * 20, text).matches(f"{before}{text}” Thanks!")
    assert (overlap.item, overlap.share) == (1, 1.0)
    assert overlap.start == len(before)
    assert f"{before}{text}” Thanks!"[overlap.start : overlap.end] == overlap.text
    assert overlap.text == text.rstrip("?")


@pytest.mark.parametrize(
    "edited",
    [
        QUESTION.upper(),
        QUESTION.replace(",", " -").replace(" ", "\n  "),
        unicodedata.normalize("NFD", QUESTION.replace("old", "\u00f3ld")),
        "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in QUESTION),
        QUESTION.replace("library", "lib\u00adrary"),
    ],
    ids=["case", "punctuation and spaces", "decomposed", "full width", "soft hyphen"],
)
def test_spelling_does_not_hide_a_copy(edited: str) -> None:
    item = unicodedata.normalize("NFC", edited).replace("\u00ad", "") if "\u0301" in edited else QUESTION
    assert index_of(item).matches(edited)[0].share == 1.0


def test_an_edited_word_leaves_the_runs_beside_it() -> None:
    (overlap,) = index_of(QUESTION).matches(QUESTION.replace("neighbour", "friend"))
    assert overlap.text.startswith("and sells the remaining flowers")
    assert 0 < overlap.share < 1


def test_fewer_words_than_an_n_gram_are_no_overlap() -> None:
    words = QUESTION.split()
    index = index_of(QUESTION)
    assert index.matches(" ".join(words[:13]))
    assert not index.matches(" ".join(words[:12]))
    assert not index.matches(" ".join([*words[:12], "instead", *words[13:24]]))
    assert not index_of(CHINESE).matches(CHINESE[:20])


def test_a_short_item_is_found_as_a_whole_only() -> None:
    short = "Which planet of our solar system has the shortest day?"
    index = index_of(short)
    assert index.matches(f"Question: {short} Answer: Jupiter.")[0].text == short.rstrip("?")
    assert not index.matches("Which planet of our solar system has the longest day?")
    assert not index_of("What is the capital of France?").matches("What is the capital of France?")


@pytest.mark.parametrize(
    "text",
    [
        " ".join(map(str, range(100, 200))),
        "a b c d e f g h i j k l m n o p q r s t u v w x y z",
        "for i in range(len(a)): for j in range(i + 1, len(a)): if a[i] > a[j]: a[i], a[j] = a[j], a[i]",
        "ha " * 50,
        "| --- " * 40,
    ],
    ids=["numbers", "alphabet", "loops", "laughter", "table"],
)
def test_a_run_that_says_nothing_does_not_count(text: str) -> None:
    assert not index_of(text).matches(f"Look: {text}")


def test_the_template_of_the_benchmark_does_not_count() -> None:
    template = "Read the following story with care and then answer the question about it in one short sentence please: "
    stories = [" ".join(random.Random(n).sample(QUESTION.split(), 20)) for n in range(30)]
    index = index_of(*(template + story for story in stories))
    assert not index.matches(template + "nothing of the kind happened on that day")
    assert {overlap.item for overlap in index.matches(template + stories[7])} == {7}
    few = index_of(*(template + story for story in stories[: ngrams.TEMPLATE_ITEMS]))
    assert len(few.matches(template)) == ngrams.TEMPLATE_ITEMS


def test_several_items_come_with_the_longest_run_first() -> None:
    words = QUESTION.split()
    index = index_of(" ".join(words[:16]), " ".join(words[10:]), "something else altogether")
    assert [overlap.item for overlap in index.matches(QUESTION)] == [1, 0]


def test_the_share_is_that_of_the_text_which_has_the_run() -> None:
    index = NgramIndex()
    index.add(5, QUESTION)
    index.add(5, " ".join(f"word{n}" for n in range(200)))
    (overlap,) = index.matches(QUESTION)
    assert (overlap.item, overlap.share) == (5, 1.0)


def test_equal_hashes_are_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "_hashes", lambda sums, size: (sums[size:] * 0).astype("uint64"))
    index = index_of(QUESTION)
    assert not index.matches(ARABIC + " " + " ".join(f"other{n}" for n in range(50)))
    assert index.matches(QUESTION)


def test_items_may_be_added_after_a_search_and_an_empty_index_finds_nothing() -> None:
    index = NgramIndex()
    assert index.matches(QUESTION) == []
    index.add(3, QUESTION)
    assert [overlap.item for overlap in index.matches(QUESTION)] == [3]
    assert index.matches("") == []


def test_it_finds_what_a_plain_search_finds() -> None:
    rng = random.Random(4)
    words = [f"w{n}x" for n in range(60)]
    items = [[rng.choice(words) for _ in range(rng.randrange(4, 40))] for _ in range(60)]
    texts = []
    for _ in range(300):
        item = rng.choice(items)
        first = rng.randrange(len(item))
        texts.append([*rng.choices(words, k=9), *item[first : first + rng.randrange(5, 30)], *rng.choices(words, k=9)])
    index = index_of(*map(" ".join, items))
    for text in texts:
        expected = {
            number
            for number, item in enumerate(items)
            if len(item) >= ngrams.LEAST_WORDS and _plainly_in(item, text, min(len(item), ngrams.WORDS))
        }
        assert {overlap.item for overlap in index.matches(" ".join(text))} == expected


def _plainly_in(item: list[str], text: list[str], size: int) -> bool:
    grams = {tuple(item[i : i + size]) for i in range(len(item) - size + 1)}
    telling = {gram for gram in grams if len(set(gram)) >= ngrams.LEAST_WORDS}
    return any(tuple(text[i : i + size]) in telling for i in range(len(text) - size + 1))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": QUESTION, "answer": "#### 54"}, [QUESTION]),
        ({"question": "How much?", "answer": QUESTION}, ["How much?", QUESTION]),
        ({"text": QUESTION}, [QUESTION]),
        ({"text": "A sentence of a few words."}, ["A sentence of a few words."]),
        (
            {
                "task_id": "T/0",
                "prompt": "def f():",
                "canonical_solution": QUESTION,
                "test": CHINESE,
                "entry_point": "f",
            },
            ["def f():", QUESTION, CHINESE],
        ),
        (
            {"question": QUESTION, "subject": "gardens", "choices": ["54", "45", "36", "27"], "answer": 0},
            [f"{QUESTION}\n54\n45\n36\n27"],
        ),
        (
            {
                "messages": [
                    {"role": "system", "content": ARABIC},
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": QUESTION},
                ],
                "notes": {"more": [THAI, 3, None]},
            },
            ["Hi", QUESTION, THAI],
        ),
    ],
    ids=["gsm8k", "long answer", "text", "short text", "humaneval", "mmlu", "chat"],
)
def test_the_texts_of_a_benchmark_row(row: dict[str, object], expected: list[str]) -> None:
    (sample,) = curate.read([row])
    assert benchmark_texts(sample) == expected


def test_nothing_of_unrelated_data_is_in_a_benchmark(shared_data: Path) -> None:
    index = NgramIndex()
    for number, sample in enumerate(curate.read(shared_data / "gsm8k_test.jsonl")):
        for text in benchmark_texts(sample):
            index.add(number, text)
    for name in ("alpaca_en_demo.json", "glaive_toolcall_en_demo.json", "dpo_en_demo.json"):
        for sample in curate.read(shared_data / name):
            assert not any(index.matches(field.text) for field in sample.texts())
