"""Numbers and quantities in running text, in digits of any script and in words of the main languages."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from curate.contradiction.units import CURRENCY_SIGNS, UNITS, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

Amount = int | Fraction


class Quantity(NamedTuple):
    """A number at `start:end` of a text, with the unit beside it.

    `amount` counts in the unit as written; `step` is the place value of the last digit written (0.01 for 3.14), and
    `other` what the digits also mean where a separator is ambiguous (1,500 may be one and a half).
    """

    amount: Amount
    unit: Unit | None
    start: int
    end: int
    step: Amount = 1
    other: Amount | None = None

    def in_base(self) -> Amount:
        """The amount in the base unit of its dimension."""
        return self.amount if self.unit is None else self.amount * self.unit.factor + self.unit.offset

    def key(self) -> str:
        """The same for all spellings of one quantity: "18", "18 USD", "1/3", "1000 g"."""
        amount = self.in_base()
        number = str(amount) if isinstance(amount, int) else _decimal(amount)
        return number if self.unit is None else f"{number} {self.unit.base}"


def _decimal(amount: Fraction) -> str:
    return str(amount.numerator) if amount.denominator == 1 else str(amount)


_DIGITS = r"(?:\d{1,3}(?:[ \u00a0\u202f\u2009]\d{3})+(?!\d)|\d+(?:[.,٬٫'’．，]\d+)*|(?<![\w.])\.\d+)"
_HAN = "〇零一二三四五六七八九十百千万萬億亿兆两兩"
_HAN_COUNTERS = (
    "个個人名位次元块塊岁歲分时時小点點天日年月周週本枚回円台只隻件条條张張層"
    "层楼樓倍公米斤种種章页頁歳つ匹杯足軒才票组組秒"
)
_QUANTITY = re.compile(
    rf"""
    (?=[-−–\d.¼-¾⅐-⅞{CURRENCY_SIGNS}UCARGEIJR{_HAN}])  # what may begin one: a quick look spares the long one
    (?P<sign>(?<![\w)\]%.])[-−–](?=[\d.{CURRENCY_SIGNS}]))?
    (?P<before>(?:(?<!\w)(?:US|CA|AU|A|C|R)(?=\$))?[{CURRENCY_SIGNS}]\s?|\b(?:USD|EUR|GBP|INR|JPY|CNY|RMB|CHF|Rs\.?)\s?(?=\d))?
    (?:(?P<digits>{_DIGITS})(?P<power>[eE][+-]?\d+\b|\s?[×x*·]\s?10\s?\^\s?\{{?-?\d+\}}?)?
        (?:\s?(?P<vulgar>[¼-¾⅐-⅞])|(?P<over>(?:[ ]\d+)?\s?[/⁄]\s?\d+(?![\d/⁄]|[.,]\d)))?
      |(?P<lone>[¼-¾⅐-⅞])
      |(?P<han>[{_HAN}]{{2,}}|[{_HAN}](?=[{_HAN_COUNTERS}])))
    """,
    re.VERBOSE,
)
_WORDS_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_TENS_EN = "thirty forty fifty sixty seventy eighty ninety"
# Words that mean something else in another main language (once, elf, due, sei, cent) and articles are left out.
_WORDS = {
    **{word: i for i, word in enumerate(_WORDS_EN.split())},
    **{word: 10 * i for i, word in enumerate(_TENS_EN.split(), 3)},
    **{
        word: number
        for number, words in {
            0: "null zéro cero nul ноль",
            1: "eins uno один одна одну",
            2: "zwei zweimal twice deux dos dois duas twee два две двух дважды",
            3: "drei dreimal thrice trois tres tre três drie три трёх трех",
            4: "vier quatre cuatro quattro quatro четыре четырёх",
            5: "fünf cinq cinco cinque vijf пять пяти",
            6: "sechs seis zes шесть шести",
            7: "sieben sept siete sette sete zeven семь семи",
            8: "acht huit ocho otto oito восемь восьми",
            9: "neun neuf nueve nove negen девять девяти",
            10: "zehn dix diez dieci dez tien десять десяти",
            11: "onze undici одиннадцать",
            12: "zwölf douze doce dodici doze twaalf двенадцать",
            13: "dreizehn treize trece tredici treze dertien тринадцать",
            14: "vierzehn quatorze catorce quattordici veertien четырнадцать",
            15: "fünfzehn quinze quince quindici vijftien пятнадцать",
            16: "sechzehn seize zestien шестнадцать",
            20: "zwanzig vingt veinte venti vinte twintig двадцать",
            30: "dreißig trente treinta trenta trinta dertig тридцать",
            40: "vierzig quarante cuarenta quaranta quarenta veertig сорок",
            50: "fünfzig cinquante cincuenta cinquanta cinquenta vijftig пятьдесят",
            60: "sechzig soixante sesenta sessanta sessenta zestig шестьдесят",
            100: "hundert cien cento сто honderd",
        }.items()
        for word in words.split()
    },
}
_SCALES = {
    word: number
    for number, words in {
        100: "hundred",
        1_000: "thousand tausend mille mil duizend тысяча тысячи тысяч 千 천 พัน ألف",
        10_000: "万 萬 만 หมื่น",
        1_000_000: "million millions millionen millón millones milhão milhões milione milioni miljoen миллион миллиона "
        "миллионов млн mio mn 百万 ล้าน مليون",
        100_000_000: "亿 億 억",
        1_000_000_000: "billion billions milliarde milliarden milliard milliards miliardo miliardi miljard миллиард "
        "миллиарда миллиардов млрд mrd bn مليار",
        1_000_000_000_000: "trillion trillions 兆",
    }.items()
    for word in words.split()
}
_LETTERS = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}  # only close to the digits: 5 m is a length
NUMBER_WORDS = frozenset(_WORDS)
_ENGLISH = frozenset([*_WORDS_EN.split(), *_TENS_EN.split()])
_TENS = frozenset(["twenty", *_TENS_EN.split()])
_SPELLED_WORD = re.compile(r"[^\W\d_]+")
_WORD = r"(?:[^\W\d_]+[²³]?(?:/[^\W\d_]+)?)"
_AFTER = re.compile(
    rf"[ \u00a0\u202f-]?(?:(?P<sign>[%％٪°℃℉¢{CURRENCY_SIGNS}][CcFf]?\b|[%％٪°℃℉¢{CURRENCY_SIGNS}])"
    rf"|(?P<first>{_WORD})\.?(?:[ ](?P<second>{_WORD}))?)"
)
_DECADES = range(1000, 2100, 10)  # "the 1990s" are no seconds
_AND_A_HALF = re.compile(r" and a half\b| y medi[ao]\b| et demie?\b| e mezz[oa]\b| e meia\b|einhalb\b|個?半(?![分年])")
_LONGEST_CJK_UNIT = 6
_IS_CJK = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def quantities(text: str) -> Iterator[Quantity]:
    """The quantities of a text in order; a compound such as "1 hour 30 minutes" is one.

    Ordinals, dates and times are not told apart here.
    """
    found = [quantity for match in _QUANTITY.finditer(text) for quantity in _read_digits(text, match)]
    if not NUMBER_WORDS.isdisjoint(_SPELLED_WORD.findall(text.lower())):
        found += _spelled(text)
        found.sort(key=lambda quantity: quantity.start)
    held: Quantity | None = None
    for quantity in found:
        if held is not None:
            if (joined := _compound(text, held, quantity)) is not None:
                held = joined
                continue
            yield held
        held = quantity
    if held is not None:
        yield held


_JOINT = re.compile(r"(?:,? (?:and|und|et|y|e|и) | ?,? ?)\Z")


def _compound(text: str, left: Quantity, right: Quantity) -> Quantity | None:
    big, small = left.unit, right.unit
    if big is None or small is None or big.base != small.base or big.offset or not small.factor < big.factor:
        return None
    if right.amount * small.factor >= big.factor or not _JOINT.match(text[left.end : right.start]):
        return None
    amount = left.amount + right.amount * Fraction(small.factor) / big.factor
    return Quantity(amount, big, left.start, right.end, right.step * Fraction(small.factor) / big.factor)


def _read_digits(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    start, end = match.span()
    digits, han = match["digits"], match["han"]
    other: Amount | None = None
    step: Amount = 1
    if digits is not None:
        if digits.isdecimal():
            amount: Amount = int(digits)
        else:
            read = _separated(digits)
            if read is None:  # a list or a version: each part is a number
                yield from (
                    Quantity(int(part[0]), None, start + part.start(), start + part.end())
                    for part in re.finditer(r"\d+", match[0])
                )
                return
            amount, step, other = read
        if match["power"]:
            exponent = int(re.findall(r"-?\d+", match["power"])[-1])
            scale = Fraction(10) ** exponent
            amount, step = amount * scale, step * scale
        if match["vulgar"]:
            amount, step = amount + _vulgar(match["vulgar"]), 0
        elif match["over"]:
            amount, end = _over(amount, match)
            step = 0 if end == match.end() else step
    elif match["lone"]:
        amount, step = _vulgar(match["lone"]), 0
    else:
        read_han = _read_han(han)
        if read_han is None:
            return
        amount = read_han
    if match["sign"]:
        amount, other = -amount, None if other is None else -other
    before = match["before"]
    unit = UNITS.get(before.strip().rstrip(".").lower()) if before else None
    yield _with_unit(text, Quantity(amount, unit, start, end, step, other))


def _vulgar(char: str) -> Fraction:
    return Fraction(unicodedata.numeric(char)).limit_denominator(10)


def _over(whole: Amount, match: re.Match[str]) -> tuple[Amount, int]:
    parts = [int(part) for part in re.findall(r"\d+", match["over"])]
    if parts[-1] == 0:
        return whole, match.start("over")
    if len(parts) == 1:
        return Fraction(whole) / parts[0], match.end()
    return whole + Fraction(parts[0], parts[1]), match.end()


def _separated(digits: str) -> tuple[Amount, Amount, Amount | None] | None:
    """Amount, place value of the last digit, and the other reading of a number written with separators."""
    marks = re.sub(r"\d", "", digits)
    parts = re.split(r"\D", digits)
    last = marks[-1]
    if digits[0] == ".":
        return (*_fraction("0", parts[-1]), None)
    if len(set(marks)) == 1:
        in_threes = all(len(part) == 3 for part in parts[1:]) and 1 <= len(parts[0]) <= 3
        if last in "  \u00a0\u202f\u2009'’٬":
            return (int("".join(parts)), 1, None) if in_threes else None
        if len(marks) > 1:
            indian = len(parts[-1]) == 3 and all(len(part) == 2 for part in parts[1:-1]) and len(parts[0]) <= 2
            return (int("".join(parts)), 1, None) if in_threes or (indian and last == ",") else None
        as_decimal = _fraction(parts[0], parts[1])
        if last in ",，" and in_threes:
            if parts[0].lstrip("0") == "":
                return (*as_decimal, None)
            return int("".join(parts)), 1, as_decimal[0]
        if last in ".．" and in_threes and parts[0].lstrip("0"):
            return (*as_decimal, int("".join(parts)))
        return (*as_decimal, None)
    if marks.count(last) == 1 and len(set(marks)) == 2 and all(len(part) == 3 for part in parts[1:-1]):
        return (*_fraction("".join(parts[:-1]), parts[-1]), None)
    return None


def _fraction(whole: str, decimals: str) -> tuple[Amount, Amount]:
    scale = 10 ** len(decimals)
    number = int(whole + decimals)
    return (number // scale if number % scale == 0 else Fraction(number, scale)), Fraction(1, scale)


_HAN_DIGITS = {char: i for i, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000}
_HAN_MYRIADS = {"万": 10**4, "萬": 10**4, "億": 10**8, "亿": 10**8, "兆": 10**12}
_NOT_NUMBERS = {"千万", "万一", "十分", "万万", "千百", "万千", "一一", "百万" * 2}


def _read_han(run: str) -> int | None:
    if run in _NOT_NUMBERS:
        return None
    if all(char in _HAN_DIGITS for char in run):
        return int("".join(str(_HAN_DIGITS[char]) for char in run))
    total = section = 0
    digit: int | None = None
    for char in run:
        if char in _HAN_DIGITS:
            digit = _HAN_DIGITS[char]
        elif char in _HAN_SCALES:
            section += (1 if digit is None else digit) * _HAN_SCALES[char]
            digit = None
        else:
            total += ((section + (digit or 0)) or 1) * _HAN_MYRIADS[char]
            section, digit = 0, None
    return total + section + (digit or 0)


def _spelled(text: str) -> Iterator[Quantity]:
    """Numbers in words; in English "twenty-five" and "two hundred and fifty" too."""
    words = [(match[0].lower(), *match.span()) for match in _SPELLED_WORD.finditer(text)]
    i = 0
    while i < len(words):
        word, start, end = words[i]
        i += 1
        if word not in _WORDS:
            continue
        total, part = 0, _WORDS[word]
        while word in _ENGLISH and i < len(words):
            following, at, stop = words[i]
            after = words[i + 1][0] if i + 1 < len(words) else ""
            previous = words[i - 1][0]
            if text[end:at] not in (" ", "-"):
                break
            if following == "hundred":
                part *= 100
            elif following == "thousand":
                total, part = total + part * 1000, 0
            elif following in _ENGLISH and (
                previous in ("hundred", "thousand") or (previous in _TENS and _WORDS[following] < 10)
            ):
                part += _WORDS[following]
            elif following == "and" and previous in ("hundred", "thousand") and after in _ENGLISH:
                part += _WORDS[after]
                i, stop = i + 1, words[i + 1][2]
            else:
                break
            i, end = i + 1, stop
        yield _with_unit(text, Quantity(total + part, None, start, end))


def _with_unit(text: str, quantity: Quantity) -> Quantity:
    """The quantity with the scale ("million") and the unit that follow its number."""
    amount, unit, start, end, step, other = quantity
    if half := _AND_A_HALF.match(text, end):
        amount, step, end = amount + Fraction(1, 2), 0, half.end()
    while True:
        after = _AFTER.match(text, end)
        if after is None:
            break
        if after["sign"]:
            found, stop = UNITS.get(after["sign"].lower()), after.end("sign")
        else:
            first = after["first"]
            scale = _LETTERS.get(first) if after.start("first") == end else None
            if scale := scale or _SCALES.get(first.lower()):
                amount, step, other, end = amount * scale, step * scale, None, after.end("first")
                continue
            if _IS_CJK.match(first):
                scaled = _SCALES.get(first[0])
                if scaled:
                    amount, step, other, end = amount * scaled, step * scaled, None, after.start("first") + 1
                    continue
                found, stop = _cjk_unit(text, after.start("first"))
            else:
                found, stop = _unit_word(after)
        if found is not None and unit is None and not (stop == end + 1 and text[end] == "s" and amount in _DECADES):
            unit, end = found, stop
        break
    return Quantity(amount, unit, start, end, step, other)


def _cjk_unit(text: str, start: int) -> tuple[Unit | None, int]:
    for length in range(_LONGEST_CJK_UNIT, 0, -1):
        name = text[start : start + length]
        if (unit := UNITS.get(name)) is not None:
            return unit, start + len(name)
    return None, start


def _unit_word(after: re.Match[str]) -> tuple[Unit | None, int]:
    first = after["first"].lower()
    if after["second"] and (unit := UNITS.get(f"{first} {after['second'].lower()}")) is not None:
        return unit, after.end("second")
    if first in ("de", "of") and after["second"]:  # "5 millones de euros"
        return UNITS.get(after["second"].lower()), after.end("second")
    return UNITS.get(first), after.end("first")
