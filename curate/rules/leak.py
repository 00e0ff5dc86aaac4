"""LEAK001 to LEAK006: rows that are also in the data that the model will be tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Fix, Flag, Where, spoken
from curate.rules.prose import excerpt, value
from curate.rules.rule import corpus_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curate.dedup.corpus import Corpus
    from curate.dedup.overlap import Kind, Match

_RELATED = 20


@corpus_rule("LEAK001", severity="error", fix=Fix("drop"), needs="theirs")
def exact_overlap(corpus: Corpus) -> Iterator[Flag]:
    """A row is also in the data that the model will be tested on.

    Why it matters: the model has seen the question and its answer, so the score says what it remembers and not what it
    can do. Rows are compared with those of the files that you give with `--against`, and, where the names of several
    files say that they are splits (`train.jsonl val.jsonl test.jsonl`), with those of the splits behind their own. Two
    rows are the same when their messages, tools, rejected answer, label and training flags are. Each row gets the
    strongest of LEAK001, 002, 003, 005, 004 and 006 alone.

    Example: line 41 of train.jsonl holds the same question with the same answer as line 7 of test.jsonl.

    How to fix it: drop the row from the training data. The fix does so.
    """
    return _flags(corpus, "exact", lambda match, there: (f"the same as {there}", None))


@corpus_rule("LEAK002", severity="error", fix=Fix("drop"), needs="theirs")
def normalised_overlap(corpus: Corpus) -> Iterator[Flag]:
    """A row is also in the test data, but for its case, punctuation, white space, system prompt or Unicode form.

    Why it matters: as for LEAK001; a comparison of the bytes misses it.

    Example: line 41 of train.jsonl asks "what is the capital of france", line 7 of test.jsonl "What is the capital of
    France?", with the same answer.

    How to fix it: drop the row from the training data. The fix does so.
    """
    return _flags(
        corpus, "normalised", lambda match, there: (f"the same request and answer, word for word, as {there}", None)
    )


@corpus_rule("LEAK003", severity="error", fix=Fix("drop"), needs="theirs")
def near_overlap(corpus: Corpus) -> Iterator[Flag]:
    """A row says nearly what a row of the test data says: the request and the answer differ by a few words at most.

    Why it matters: as for LEAK001. Requests and answers are compared word by word, as for DUP002: 80% of each are the
    same, and no number, date, name, unit or option stands for another one.

    Example: line 41 of train.jsonl asks "How can I reset my password on the web site?", line 7 of test.jsonl "How do I
    reset my password on the website?", with the same answer.

    How to fix it: drop the row from the training data. The fix does so.
    """
    return _flags(
        corpus,
        "near",
        lambda match, there: (f"{_percent(match.similarity)} the same as {there}", {"similarity": match.similarity}),
    )


@corpus_rule("LEAK004", severity="warning", fix=Fix("drop"), needs="theirs")
def prompt_overlap(corpus: Corpus) -> Iterator[Flag]:
    """A row asks what a row of the test data asks, and answers it in other words, or one of them has no answer.

    Why it matters: the model has been taught an answer to the very question that it will be tested on. It is a warning
    only, for requests that everyone makes ("Tell me a joke") may stand in both without harm.

    Example: line 41 of train.jsonl has the question of line 7 of test.jsonl with a longer solution.

    How to fix it: read the two, and drop the row from the training data if its question is one that counts.
    """
    return _flags(corpus, "prompt", _asks_the_same)


@corpus_rule("LEAK005", severity="error", fix=Fix("drop"), needs="theirs")
def conflicting_overlap(corpus: Corpus) -> Iterator[Flag]:
    """A row asks what a row of the test data asks, and gives an answer that contradicts the one there.

    Why it matters: the model has been taught an answer to the very question that it will be tested on, and one of the
    two answers is wrong: either you train on an error, or you will score the right answer as one. Answers are compared
    as for CON001, by what they claim.

    Example: line 41 of train.jsonl ends in "#### 18", line 7 of test.jsonl, the same question, in "#### 20".

    How to fix it: find out which answer is right. Drop the row from the training data; mend the test data if the error
    is there.
    """
    return _flags(corpus, "conflicting", _contradicts)


@corpus_rule("LEAK006", severity="warning", fix=Fix("drop"), needs="against")
def benchmark_ngram_overlap(corpus: Corpus) -> Iterator[Flag]:
    """A text holds most of an item of a benchmark, or a long run of its words.

    Why it matters: a question that is quoted in another prompt, a solution inside a file of code or a test set pasted
    into a document gives the answer away as well as a copy of the row does. Texts are compared by runs of 13 words,
    whatever their case, punctuation and line breaks: half of the runs of an item's text, or 50 words without a gap.
    Runs that many items have (the benchmark's template) do not count. Items of a file given with `--against` that no
    format reads are sought as well, by all their longer texts.

    Example: the prompt on line 41 quotes a problem of GSM8K after "Solve this step by step:".

    How to fix it: read the marked text; drop the row if it gives the item away.
    """
    return _flags(corpus, "ngram", _words_in_a_row)


_Said = tuple[str, "dict[str, object] | None"]


def _flags(corpus: Corpus, kind: Kind, said: Callable[[Match, str], _Said]) -> Iterator[Flag]:
    for mine, matches in corpus.overlaps.items():
        match = matches[0]
        if match.kind != kind:
            continue
        place = corpus.places[mine]
        others = [corpus.places[other.theirs] for other in matches if other.kind == kind]
        message, evidence = said(match, spoken(others[0], seen_from=place))
        yield Flag(
            place,
            f"{message} and {len(others) - 1:,} more" if len(others) > 1 else message,
            _where(corpus, mine, match),
            evidence=evidence,
            related=others[:_RELATED],
        )


def _asks_the_same(match: Match, there: str) -> _Said:
    far = "asks the same as" if match.similarity == 1 else f"asks {_percent(match.similarity)} the same as"
    return f"{far} {there}", {"similarity": match.similarity}


def _contradicts(match: Match, there: str) -> _Said:
    why = match.why
    assert why is not None
    evidence = {"kind": why.kind, "here": why.left, "there": why.right, "similarity": match.similarity}
    return f"{value(why.left)} here, {value(why.right)} on {there}, to the same question", evidence


def _words_in_a_row(match: Match, there: str) -> _Said:
    overlap = match.overlap
    assert overlap is not None
    evidence = {"words": overlap.words, "share": round(overlap.share, 4), "text": overlap.text}
    return f"{overlap.words} words in a row of {there}: {excerpt(overlap.text)}", evidence


def _where(corpus: Corpus, mine: int, match: Match) -> Where | None:
    """The turn, and the span of it where the text that was compared is all of its content."""
    if match.message is None:
        return None
    turn = next(turn for turn in corpus.turns(mine) if turn.message == match.message)
    if turn.beside:
        return Where(match.message, "content")
    if match.overlap:
        return Where(match.message, "content", match.overlap.start, match.overlap.end)
    return Where(match.message, "content", *(match.why.left_span if match.why else ()))


def _percent(similarity: float) -> str:
    return f"{min(round(100 * similarity), 99)}%"
