"""Labels and names: one key for the spellings of each, and whether two of them may mean the same."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

from curate.contradiction.polarity import is_negated_form
from curate.contradiction.wordlists import words
from curate.dedup.word_sets import are_exclusive

# Each line is one thing. Initials ("United Nations", "UN") need no line.
_SAME = """
usa/us/u.s./u.s.a./united states/united states of america/america/the states/美国/アメリカ/estados
unidos/états-unis/сша
uk/u.k./united kingdom/great britain/britain/england/英国/イギリス/reino unido/royaume-uni/großbritannien
uae/united arab emirates
netherlands/holland
czechia/czech republic
turkey/türkiye/turkiye
myanmar/burma
ivory coast/côte d'ivoire
south korea/republic of korea
north korea/dprk
china/people's republic of china/prc/中国
russia/russian federation/россия
germany/deutschland/federal republic of germany/allemagne/alemania/德国/ドイツ
france/frankreich/francia/法国/フランス
spain/spanien/españa/espagne/西班牙
italy/italien/italia/italie
japan/日本
new york/new york city/nyc
los angeles/la/l.a.
washington/washington d.c./washington dc
saint petersburg/st. petersburg
beijing/peking/北京
mumbai/bombay
kyiv/kiev
ho chi minh city/saigon
munich/münchen
vienna/wien
rome/roma/rom
cologne/köln
eu/european union/europäische union/union européenne
tv/television
colour/color
grey/gray
true/yes
false/no
none/nobody/no one/nothing
javascript/js
"""
_ALIASES = {name: i for i, line in enumerate(_SAME.strip().splitlines()) for name in line.split("/")}
_ARTICLES = re.compile(
    r"^(?:the|an?|der|die|das|ein|eine|einen|le|la|les|un|une|el|los|las|una|il|lo|gli|o|os|as|um|uma|het|een)\s+"
    r"|^(?:l['’]|d['’])(?=\w)",
)
_AROUND = " \t\r\n\"'`*_“”‘’«»()[]{}.,;:!?。，；：！？、「」『』…"
_COPULA = re.compile(r"(?:です|でした|だ|である|입니다|이에요|예요|이다)\Z")
_WORD = re.compile(r"[^\s,;/()]+")
_JOINTS = re.compile(r"[\s_\-–—]+")
# Words that different names share: "New York" and "New Jersey" have nothing in common.
_COMMON = words("""
    new old san santa saint st los las el la le de del der the of and in on at to for a an with by his her their
    north south east west northern southern eastern western great lake mount mt river city king queen prince princess
    president mr mrs ms dr sir lord lady university college school street road avenue island islands republic company
    inc ltd street team club party is was were are be it he she they
""")


def label_key(text: str) -> str:
    """What all spellings of a label or name share: case, quotes, punctuation at the ends, articles, hyphens."""
    key = _spelling(text)
    return f"= {alias}" if (alias := _ALIASES.get(key)) is not None else key or text.strip()


def _spelling(text: str) -> str:
    key = _JOINTS.sub(" ", unicodedata.normalize("NFKC", text).strip(_AROUND)).strip().casefold()
    key = _ARTICLES.sub("", key, count=1) or key
    return _COPULA.sub("", key) or key


def looks_like_name(text: str) -> bool:
    """Whether every word of a short text has a capital: "Leo Tolstoy", "University of Rome". Some scripts have none."""
    if text.lower() == text.upper():
        return True
    names = [
        word for word in text.strip(_AROUND).split() if word.lower() not in ("of", "the", "de", "and", "van", "von")
    ]
    return bool(names) and all(word[0].isupper() for word in names) and not text.isupper()


def may_be_same(left: str, right: str, question: str = "") -> bool:
    """Whether two labels or names may stand for one thing: an alias, initials, one within the other, one stem.

    Where it cannot be told, they may. What they share is no sign of it if the question, in lower case, has it too.
    """
    one, two = _spelling(left), _spelling(right)
    if one == two or not one or not two:
        return True
    here, there = _ALIASES.get(one), _ALIASES.get(two)
    if here is not None and there is not None:
        return here == there
    if is_negated_form(one, two) or are_exclusive(one, two):
        return False
    words_one, words_two = (_WORD.findall(spelling) for spelling in (one, two))
    if _numbers(words_one) != _numbers(words_two):
        return not (_numbers(words_one) and _numbers(words_two))
    if _scripts_differ(one, two) or _is_within(one, two) or _is_within(two, one):
        return True
    if _initials(words_one) == two.replace(".", "") or _initials(words_two) == one.replace(".", ""):
        return True
    if len(words_one) == len(words_two) and any(map(are_exclusive, words_one, words_two)):
        return False
    common = _COMMON.union(re.findall(r"\w+", question))
    own_one, own_two = ([word for word in names if word not in common] for names in (words_one, words_two))
    if not own_one or not own_two:
        return bool(set(words_one) & set(words_two))
    if any(_same_stem(a, b) for a in own_one for b in own_two):
        return not _are_namesakes(left, right)
    return len(one) >= 6 and SequenceMatcher(None, one, two, autojunk=False).ratio() >= 0.85


def _numbers(names: list[str]) -> list[str]:
    return [word for word in names if any(char.isdigit() for char in word)]


def _is_within(short: str, long: str) -> bool:
    if short.isascii() or " " in long:
        return set(_WORD.findall(short)) <= set(_WORD.findall(long)) or short.replace(" ", "") == long.replace(" ", "")
    return short in long


def _scripts_differ(one: str, two: str) -> bool:
    return one.isascii() != two.isascii() and not (_is_latin(one) and _is_latin(two))


def _is_latin(text: str) -> bool:
    return all(ord(char) < 0x250 or not char.isalpha() for char in text)


def _initials(names: list[str]) -> str:
    return "".join(word[0] for word in names if word not in ("of", "the", "and", "for", "de", "der", "des"))


def _same_stem(one: str, two: str) -> bool:
    if are_exclusive(one, two) or is_negated_form(one, two):
        return False
    short, long = sorted((one, two), key=len)
    if short == long or long in (short + "s", short + "es", short[:-1] + "ies", short + "'s"):
        return True
    if len(short) >= 3 and long.startswith(short):  # "pos" may stand for "positive"
        return True
    shared = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), len(short))
    return shared >= 4 and shared >= len(short) - 2


def _are_namesakes(left: str, right: str) -> bool:
    """Whether two full names share the first name only: "John Smith" and "John Brown"."""
    one, two = left.split(), right.split()
    return (
        len(one) == len(two) == 2
        and one[0].casefold() == two[0].casefold()
        and all(word[0].isupper() for word in one + two)
        and not _same_stem(one[1].casefold().strip(_AROUND), two[1].casefold().strip(_AROUND))
    )
