"""Answers compared as texts: the same words, characters or n-grams. None of them knows whether an answer is right."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from curate_evaluate.metrics.keys import answer_key

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

# Vowel signs and other marks, which belong to the letter before them; not those that choose a form (an emoji's).
_MARKS = "".join(
    char
    for char in map(chr, range(0x300, 0x20000))
    if unicodedata.category(char) in ("Mn", "Mc") and not "\ufe00" <= char <= "\ufe0f"
)
# Scripts without spaces (Thai, Lao, Burmese, Khmer, kana, Han) are compared character by character.
_UNSPACED = "\u0e00-\u0eff\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u17dc-\u17ff\u3040-\u30ff\u3400-\u9fff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_MARKS}])*")


def exact_match_strict(output: str, reference: str) -> float:
    """1.0 where both are the same but for white space around them."""
    return float(output.strip() == reference.strip())


def exact_match(output: str, reference: str) -> float:
    """1.0 where both are the same but for case, punctuation and quotes at the ends, English articles, hyphens and white
    space; never for the sign of a number."""
    return float(answer_key(output) == answer_key(reference))


def tokens(text: str) -> list[str]:
    """The words of a text without case and punctuation, in any script."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def token_f1(output: str, reference: str) -> float:
    """The F1 of the words that both have, each as often as it comes (as in SQuAD, for any script). Without
    any words, as of an emoji, an exact match."""
    ours, theirs = Counter(tokens(output)), Counter(tokens(reference))
    if not ours and not theirs:
        return exact_match(output, reference)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


def rouge_l(output: str, reference: str) -> float:
    """ROUGE-L, the F1 of the longest common subsequence of words, by Google's rouge-score, on words of any script.
    Without any words an exact match."""
    if not tokens(output) and not tokens(reference):
        return exact_match(output, reference)
    return float(_rouge().score(reference, output)["rougeL"].fmeasure)


def chrf(output: str, reference: str) -> float:
    """The character n-gram F-score of one output, 0 to 100, by sacrebleu (Popović 2015; n = 6, beta = 2)."""
    return float(_chrf().sentence_score(output, [reference]).score)


def bleu(output: str, reference: str) -> float:
    """BLEU of one output, 0 to 100, by sacrebleu: n-grams up to the length of the output, exponential smoothing."""
    return float(_bleu().sentence_score(output, [reference]).score)


class _Words:
    def tokenize(self, text: str) -> list[str]:
        return tokens(text)


@cache
def _rouge() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())


@cache
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


@cache
def _bleu() -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True)
