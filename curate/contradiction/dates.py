"""Dates and times of day in running text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from curate.contradiction.wordlists import words

if TYPE_CHECKING:
    from collections.abc import Iterator


class Date(NamedTuple):
    """A date at `start:end` of a text: parts that are not given are None.

    `swapped`: the day and month may also stand for each other (03/04/2024). `weekday` counts from Monday, 0.
    """

    year: int | None
    month: int | None
    day: int | None
    weekday: int | None
    start: int
    end: int
    swapped: bool = False

    def key(self) -> str:
        """ISO form with what is given: "2024-03-05", "2024-03", "--03-05", "day 0", "2024-03-04 or 2024-04-03"."""
        if self.month is None and self.year is None:
            return f"day {self.weekday}" if self.day is None else f"---{self.day:02}"
        if self.swapped and self.month and self.day:
            first, second = sorted((self.month, self.day))
            return f"{self.year:04}-{first:02}-{second:02} or {self.year:04}-{second:02}-{first:02}"
        parts = ["-" if self.year is None else f"{self.year:04}"]
        parts += [f"{part:02}" for part in (self.month, self.day) if part is not None]
        return "-".join(parts)

    def conflicts(self, other: Date) -> bool:
        """Whether no day fits both. A part that only one of them gives is no conflict."""
        readings = [(self.month, self.day), (self.day, self.month)][: 1 + self.swapped]
        others = [(other.month, other.day), (other.day, other.month)][: 1 + other.swapped]
        if _differ(self.year, other.year) or _differ(self.weekday, other.weekday):
            return True
        return all(_differ(m, n) or _differ(d, e) for m, d in readings for n, e in others)


def _differ(left: int | None, right: int | None) -> bool:
    return left is not None and right is not None and left != right


class Time(NamedTuple):
    """A time of day at `start:end` of a text.

    `half_unknown`: 9 o'clock may be in the morning or in the evening; `zone` as written, in capitals.
    """

    hour: int
    minute: int
    start: int
    end: int
    half_unknown: bool = False
    zone: str = ""

    def key(self) -> str:
        """ "09:00": the hour as written where the half of the day is not known."""
        return f"{self.hour:02}:{self.minute:02}"

    def conflicts(self, other: Time) -> bool:
        """Whether they cannot be one time. Two zones, or one that only one of them names, leave it open."""
        if self.zone != other.zone or (self.hour, self.minute) == (other.hour, other.minute):
            return False
        if self.half_unknown != other.half_unknown and self.minute == other.minute:
            return (self.hour - other.hour) % 12 != 0
        return True


def _numbered(lists: str, first: int) -> dict[str, int]:
    return {word: i for line in lists.strip().splitlines() for i, word in enumerate(line.split(), first) if word != "-"}


_MONTHS = _numbered(
    """
january february march april may june july august september october november december
jan feb mar apr - jun jul aug sep oct nov dec
- - - - - - - - sept - - -
januar februar märz april mai juni juli august september oktober november dezember
jänner - maerz - - - - - - okt - dez
janvier février mars avril mai juin juillet août septembre octobre novembre décembre
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
januari februari maart april mei juni juli augustus september oktober november december
января февраля марта апреля мая июня июля августа сентября октября ноября декабря
январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь
январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре
يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر
มกราคม กุมภาพันธ์ มีนาคม เมษายน พฤษภาคม มิถุนายน กรกฎาคม สิงหาคม กันยายน ตุลาคม พฤศจิกายน ธันวาคม
""",
    1,
)
_WEEKDAYS = _numbered(
    """
monday tuesday wednesday thursday friday saturday sunday
mondays tuesdays wednesdays thursdays fridays saturdays sundays
montag dienstag mittwoch donnerstag freitag samstag sonntag
montags dienstags mittwochs donnerstags freitags samstags sonntags
lundi mardi mercredi jeudi vendredi samedi dimanche
lunes martes miércoles jueves viernes sábado domingo
lunedì martedì mercoledì giovedì venerdì sabato domenica
segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo
maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
понедельник вторник среда четверг пятница суббота воскресенье
- - среду - пятницу субботу -
الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت الأحد
""",
    0,
)
# Alone, these are months only with a capital inside a sentence: march, may, mars, mai, set.
_UNSURE = frozenset({"march", "may", "mars", "mai", "mei", "март", "май", "мае", "مارس"})
_ABBREVIATED = words("jan feb mar apr jun jul aug sep sept oct okt nov dec dez")
_NUMERIC = re.compile(
    r"""
    (?=\d)(?<![\d.,/\-])(?:
      (?P<y1>\d{4})\s?[-/.]\s?(?P<m1>\d{1,2})\s?[-/.]\s?(?P<d1>\d{1,2})(?!\d)T?
    | (?P<y2>\d{2,4})\s?[年년]\s?(?:(?P<m2>\d{1,2})\s?[月월]\s?(?:(?P<d2>\d{1,2})\s?[日號号일])?)?
    | (?P<m3>\d{1,2})\s?[月월]\s?(?:(?P<d3>\d{1,2})\s?[日號号일])?(?![份个個])
    | (?P<a4>\d{1,2})(?P<mark>[/.\-])(?P<b4>\d{1,2})(?P=mark)(?P<y4>\d{4}|\d\d)(?!\d)
    )
    """,
    re.VERBOSE,
)
# What stands around the name of a month: "5. ", "5th of ", "5 de " before it, " 5, 2024", " de 2024" after it.
_DAY_BEFORE = re.compile(
    r"(?<![\d.,/\-])(\d{1,2})(?:st|nd|rd|th|er|º|o|ª|-?е|-?го)?\.?(?:\s+|-)(?:of\s+|de\s+|d['’])?\Z"
)
_DAY_AFTER = re.compile(r"\.?\s+(\d{1,2})(?:st|nd|rd|th)?(?![\d:.,]?\d|\s?(?:am|pm|a\.m|p\.m))")
_YEAR_AFTER = re.compile(r"\.?(?:,?\s+|-)(?:(?:of|del?)\s+|d['’])?(\d{4})(?!\d)")
_WORD = re.compile(r"[^\W\d_]+(?:-feira)?")
_DIGIT = re.compile(r"\d")
_CJK_WEEKDAY = re.compile("(?:星期|礼拜|周|週)([一二三四五六日天])|([月火水木金土日])曜日?|([월화수목금토일])요일")
_CJK_DAYS = {
    char: i for days in ("一二三四五六日", "月火水木金土日", "월화수목금토일") for i, char in enumerate(days)
} | {"天": 6}
# A four-digit number is a year only where the words say so: "in 1995", "since 2001", "1995年".
_BARE_YEAR = re.compile(
    r"(?<![\w.,$€£-])(?P<year>1[0-9]\d\d|20\d\d)(?![\w%]|[.,]\d|-\d|\s?(?:[$€£]|[^\W\d_]*(?:hour|meter|mile|dollar"
    r"|euro)))"
)
_YEAR_CUE = re.compile(
    r"(?:\b(?:in|since|until|till|year|from|by|of|seit|bis|jahr|im|jahre|en|depuis|année|desde|año|em|ano|nel|dal"
    r"|anno|sinds|jaar|"
    r"с|в|до|году|год|عام|سنة|ปี)\s+|\()\Z",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"""
    (?=\d)(?<![\d.,:/$€£])(?P<hour>[01]?\d|2[0-4])
    (?:
      :(?P<min1>[0-5]\d)(?::[0-5]\d)?(?!\d)(?P<uhr1>\s?(?:Uhr|h\b|heures))?(?:\s?(?P<half1>[ap])\.?\s?m\b\.?)?
    | [.h](?P<min2>[0-5]\d)(?=\s?(?:Uhr|(?P<half2>[ap])\.?\s?m\b))(?:\s?(?:Uhr|[ap]\.?\s?m\b\.?))
    | (?P<spaced>\s?)h\s?(?P<min3>[0-5]\d)?(?![\w])
    | \s?(?P<half4>[ap])\.?\s?m\b\.?
    | \s?(?P<clock>o['’]?\s?clock|Uhr|heures?(?=\s+(?:du|de|précises))|ч\.)
    | \s?[時点點시](?![间間間])\s?(?:(?P<min5>\d{1,2})\s?[分분]|(?P<half_hour>半|반))?
    )
    (?:\s(?P<zone>(?:GMT|UTC|EST|EDT|CST|CDT|MST|MDT|PST|PDT|CET|CEST|BST|JST|IST|ET|PT|CT|MT)\b))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NAMED_TIME = {"noon": 12, "midday": 12, "midnight": 0, "mittag": 12, "mitternacht": 0, "midi": 12, "minuit": 0}
_NAMED = re.compile(rf"\b(?:{'|'.join(_NAMED_TIME)})\b", re.IGNORECASE)
DAY_WORDS = frozenset(
    _MONTHS.keys() | _WEEKDAYS.keys() | _NAMED_TIME.keys()
)  # words that a date or a time may be of, without a digit
_AT = re.compile(r"\b(?:à|at|um|às|a las|alle)\s\Z", re.IGNORECASE)
_CJK_HALF = re.compile(r"(上午|下午|早上|凌晨|晚上|午前|午後|오전|오후)\s?\Z")
_MORNING, _AFTERNOON = {"上午", "早上", "凌晨", "午前", "오전"}, {"下午", "晚上", "午後", "오후"}


def dates(text: str) -> Iterator[Date]:
    """The dates of a text, not in order. A bare four-digit number is a year only after a word that says so."""
    taken: list[tuple[int, int]] = []
    has_digits = _DIGIT.search(text) is not None
    for match in _NUMERIC.finditer(text) if has_digits else ():
        if (date := _numeric(match)) is not None:
            taken.append(match.span())
            yield date
    for match in _WORD.finditer(text) if not DAY_WORDS.isdisjoint(_WORD.findall(text.lower())) else ():
        word = match[0].lower()
        if word in _WEEKDAYS:
            yield Date(None, None, None, _WEEKDAYS[word], *match.span())
        elif word in _MONTHS and (date := _worded(text, match)) is not None:
            taken.append((date.start, date.end))
            yield date
    if not text.isascii():
        for match in _CJK_WEEKDAY.finditer(text):
            yield Date(None, None, None, _CJK_DAYS[match[match.lastindex or 0]], *match.span())
    for match in _BARE_YEAR.finditer(text) if has_digits else ():
        start, end = match.span()
        if not any(a < end and start < b for a, b in taken) and _YEAR_CUE.search(text, max(0, start - 12), start):
            yield Date(int(match[0]), None, None, None, start, end)


def _starts_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'(«“„*")
    return not before or before[-1] in ".!?:\n"


def _numeric(match: re.Match[str]) -> Date | None:
    groups = {name[0]: int(value) for name, value in match.groupdict().items() if value and value.isdecimal()}
    if "a" in groups:
        return _slashed(match)
    year, month, day = (groups.get(name) for name in "ymd")
    if (month is not None and not 1 <= month <= 12) or (day is not None and not 1 <= day <= 31):
        return None
    if year is not None and year < 1000 and (month is None or year < 100):  # 20年 counts years
        return None
    return Date(year, month, day, None, *match.span())


def _worded(text: str, month: re.Match[str]) -> Date | None:
    start, end = month.span()
    word = month[0].lower()
    day = year = None
    if before := _DAY_BEFORE.search(text, max(0, start - 14), start):
        start, day = before.start(), int(before[1])
    elif after := _DAY_AFTER.match(text, end):
        end, day = after.end(), int(after[1])
    if after := _YEAR_AFTER.match(text, end):
        end, year = after.end(), int(after[1])
    if day is None and year is None:
        is_unsure = word in _UNSURE and (word == month[0] or _starts_sentence(text, start))
        if word in _ABBREVIATED or is_unsure:
            return None
    return None if day is not None and not 1 <= day <= 31 else Date(year, _MONTHS[word], day, None, start, end)


def _slashed(match: re.Match[str]) -> Date | None:
    first, second, year = int(match["a4"]), int(match["b4"]), int(match["y4"])
    year += 2000 if year < 50 else 1900 if year < 100 else 0
    is_day_first = match["mark"] == "." or first > 12
    day, month = (first, second) if is_day_first else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    is_unclear = match["mark"] != "." and max(first, second) <= 12 and first != second
    return Date(year, month, day, None, *match.span(), is_unclear)


def times(text: str) -> Iterator[Time]:
    """The times of day of a text. A number of hours ("9 hours", "9 h" in English prose) is none."""
    for match in _TIME.finditer(text) if _DIGIT.search(text) else ():
        time = _time(text, match)
        if time is not None:
            yield time
    for match in _NAMED.finditer(text):
        yield Time(_NAMED_TIME[match[0].lower()], 0, *match.span())


def _time(text: str, match: re.Match[str]) -> Time | None:
    hour = int(match["hour"])
    minute = int(match["min1"] or match["min2"] or match["min3"] or match["min5"] or (30 if match["half_hour"] else 0))
    half = (match["half1"] or match["half2"] or match["half4"] or "").lower()
    before = _CJK_HALF.search(text, max(0, match.start() - 3), match.start())
    cjk = before[1] if before else ""
    if half and not 1 <= hour <= 12:
        return None
    if match["spaced"] and not _AT.search(text, 0, match.start()):  # "18 h" may be a span of time
        return None
    if half == "p" or cjk in _AFTERNOON:
        hour = hour + 12 if hour < 12 else hour
    elif (half == "a" or cjk in _MORNING) and hour == 12:
        hour = 0
    is_24_hours = bool(half or cjk) or hour > 12 or hour == 0 or match["hour"].startswith("0") or bool(match["uhr1"])
    start = before.start() if before else match.start()
    return Time(hour % 24, minute, start, match.end(), not is_24_hours, (match["zone"] or "").upper())
