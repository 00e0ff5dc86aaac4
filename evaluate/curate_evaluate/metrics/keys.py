"""The key that the spellings of a short answer share. Names are no aliases here: an answer of "UK" is not "England"."""

from __future__ import annotations

import re
import unicodedata

_AROUND = " \"'`*_“”‘’«»()[]{}.,;:!?。，；：！？、「」『』…—"
# A minus is written in many ways; a long dash is punctuation.
_MINUS = str.maketrans(dict.fromkeys("−–‐‑", "-"))
_NUMBER = re.compile(r"[-+]?[$€£¥₹]?(?:(?<!\.)\.)?\d")
# A hyphen is as good as a space beside a letter, but is a sign or a range beside digits alone.
_JOINT = re.compile(r"_| ?-+(?= ?[^\W\d_])|(?<=[^\W\d_])-(?=\d)")
_ARTICLE = re.compile(r"\A(?:the|an?) ")
_COPULA = re.compile(r"(?<=.)(?:です|でした|である|입니다|이에요|예요)\Z")
_PLUS = re.compile(r"\A\+(?=[$€£¥₹]?\.?\d)")


def plain_key(text: str) -> str:
    """What spellings share that differ in case, white space, hyphens, and quotes and punctuation at the ends alone.

    The sign or point of a number is no punctuation, nor is that of a grade: "-1" is not "1", and "A-" is not "A".
    """
    return _joined(_trimmed(text)) or text.strip()


def answer_key(text: str) -> str:
    """The same without an English article, a closing "です" and the plus before a number."""
    trimmed = _ARTICLE.sub("", _COPULA.sub("", _trimmed(text)))
    return _joined(_PLUS.sub("", trimmed)) or text.strip()


def _trimmed(text: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_MINUS).split())
    start, end = 0, len(text)
    while end and (text[end - 1] in _AROUND or (text[end - 1] == "-" and not text[end - 2 : end - 1].isalnum())):
        end -= 1
    while start < end and (text[start] in _AROUND or text[start] == "-") and not _NUMBER.match(text, start):
        start += 1
    return text[start:end]


def _joined(text: str) -> str:
    return " ".join(_JOINT.sub(" ", text).split())
