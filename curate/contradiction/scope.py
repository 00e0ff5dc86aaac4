"""What a value holds for: "per day", "for children", "on weekends". Values of two scopes do not exclude each other."""

from __future__ import annotations

import re

from curate.contradiction.wordlists import words

_PERIODS = {
    "hour": "hour hourly hours stunde stündlich heure hora ora uur час 小时 時間 시간",
    "day": "day daily tag täglich jour día dia giorno dag день 天 日 毎日 하루",
    "week": "week weekly woche wöchentlich semaine semana settimana неделю 周 週 毎週 주",
    "month": "month monthly monat monatlich mois mes mês mese maand месяц 月 毎月 월 달",
    "year": "year yearly annual annually annum jahr jährlich an année año ano anno jaar год 年 毎年 연",
    "person": "person people head capita personne persona pessoa человека 人",
    "one": "one piece item unit each stück pièce pieza unità штуку 个 個 개",
    "night": "night nacht nuit noche notte",
    "visit": "visit session ride trip class lesson",
}
_PERIOD = {word: name for name, spellings in _PERIODS.items() for word in spellings.split()}
_RATE = re.compile(
    r"(?:\bper |\beach |\bevery |\bpro |\bje(?:de[nrs]?)? |\bpar |\bchaque |\bpor |\bcada |\bal |\bogni |\ba |\ban "
    r"|\bв |每|毎|/)\s?"
    r"([^\W\d_]+|[一-鿿])",
    re.IGNORECASE,
)
_SELF = words("hourly daily weekly monthly yearly annual annually täglich wöchentlich monatlich jährlich")
_AMOUNT_BEFORE = re.compile(r"[\d$€£]\S*(?: [^\W\d_]+)? \Z")
_QUALIFIERS = words("""
    domestic international adult adults child children kids student students senior seniors weekday weekdays weekend
    weekends
    summer winter standard express premium basic free pro business enterprise gross net member members guest guests
    online
    in-store used sale outdoor indoor minimum maximum average median total subtotal deposit monthly annual
    excluding including public private male female men women boys girls morning evening europe abroad overseas
    inland ausland erwachsene kinder studenten wochenende wochentags brutto netto express standard
    adultes enfants étudiants week-end national adultos niños niñas estudiantes nacional internacional internacionales
    adulti bambini взрослых детей 税抜 税込 含税 不含税 成人 儿童 大人 子供 国内 海外 国际 平日 周末 週末 休日 工作日
    学生 会员
""")
_UNSPACED_QUALIFIERS = tuple(word for word in _QUALIFIERS if not word[0].isascii() and ord(word[0]) > 0x3000)
_TAX = re.compile(
    r"\b(before|after|plus|with|without|incl|excl|vor|nach|zzgl|inkl|ohne|mit|hors|avant|après|sin|con"
    r"|più)\w*\.? (?:\w+ )?"
    r"(?:tax(?:es)?|vat|mwst|steuern?|tva|impuestos?|iva|ндс)\b"
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")
_FOR = re.compile(
    r"\b(?:for|für|pour|para|per|для|voor)\s+((?:[^\W\d_]+\s?){1,3})|[对對]于?([^，。\s]{1,4})", re.IGNORECASE
)
_CASE = re.compile(
    r"\b(?:with|without|mit|ohne|avec|sans|con|sin|senza|com|sem|с|без)\b"
    r"|\b(?:(?:in|since|until|seit|en|im jahr|в) (?:19|20)\d\d|first|second|third|last|erste[nrs]?|zweite[nrs]?"
    r"|premi[eè]re?|"
    r"deuxième|primer[oa]?|segund[oa])\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"
    r"|\b(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag)s?\b|[第]\S"
)
_NO_SCOPE = words("""
    a an the you your it this that them us me all any example instance free sure everyone everybody each every
    der die das den dem ein eine jeden alle le la les un une el los las todos tous per
    purchase return returns refund refunds delivery use
""")


def scopes_differ(left: str, right: str, question: str) -> bool:
    """Whether two answers speak of different periods, persons or cases, as far as their words tell.

    What the question already says is no scope of an answer.
    """
    asked = set(_WORD.findall(question)) | _rates(question)
    one, two = _rates(left), _rates(right)
    inherited = _rates(question)
    if (one or inherited) != (two or inherited):
        return True
    here, there = (_qualifiers(text, question) - asked for text in (left, right))
    if here != there:
        return True
    for_one, for_two = (_cases(text, asked) for text in (left, right))
    return bool(for_one and for_two and for_one.isdisjoint(for_two))


def _rates(text: str) -> set[str]:
    lowered = text.lower()
    found = {_PERIOD[word] for word in _WORD.findall(lowered) if word in _SELF}
    for match in _RATE.finditer(lowered):
        period = _PERIOD.get(match[1])
        # "$5 a day" is a rate, "a day" alone is not.
        if period and (not match[0].startswith(("a ", "an ")) or _AMOUNT_BEFORE.search(lowered[: match.start()])):
            found.add(period)
    return found


def _qualifiers(text: str, question: str) -> set[str]:
    found = {word for word in _WORD.findall(text.lower()) if word in _QUALIFIERS}
    found |= {f"{match[1]} tax" for match in _TAX.finditer(text.lower())}
    return found | {word for word in _UNSPACED_QUALIFIERS if word in text and word not in question}


def _cases(text: str, asked: set[str]) -> set[str]:
    """For whom, when and with what: "for children", "in 2023", "without breakfast", "on Monday"."""
    found = set()
    for match in _FOR.finditer(text.lower()):
        content = [word for word in _WORD.findall(match[1] or "") if word not in _NO_SCOPE and word not in asked]
        found |= {word for word in content[:1] if word not in _PERIOD} | ({match[2]} if match[2] else set())
    return found | {match[0] for match in _CASE.finditer(text.lower()) if match[0] not in asked}
