"""Yes and no: words of affirmation and negation, and texts of which one denies the other."""

from __future__ import annotations

import re
from collections import Counter

from curate.contradiction.wordlists import words

# Words that are common in another main language with another meaning (mai, personne, ne) are left out.
_NEGATIONS = words("""
    not no never without cannot none nobody nothing neither nor
    nicht kein keine keinen keinem keiner keines nie niemals ohne niemand nichts weder
    pas jamais sans aucun aucune rien
    nunca jamás sin ningún ninguna ninguno nadie nada tampoco
    non senza nessun nessuno nessuna niente nulla
    não sem nenhum nenhuma ninguém
    niet geen nooit zonder niemand niets
    не нет ни никогда без нельзя никто ничего
    لا لم ليس ليست لن بدون غير
    bez nigdy inte ingen aldrig utan ikke aldri uten değil yok hayır không chưa tidak bukan tanpa jangan नहीं
    """)
_UNSPACED = re.compile(
    "不(?![过過同久断斷仅僅但错錯])|没|沒|别(?![人的墅])|別に?ない|無(?![論料])|无(?![论線线])|勿|非(?![常洲])"
    "|ない|なく(?!なる前)|なかっ|ません|ずに|안\\s|않|없|못|아니|ไม่(?!ใช่ไหม)|มิได้"
)
_IS_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0900-\u0d7f])*(?:['’][^\W_]+)?")
_NOT_DENIED = re.compile(r"\b(?:not only|no\. ?\d|nicht nur|no s[óo]lo|non solo|не только)\b", re.IGNORECASE)


def negations(text: str) -> int:
    """How many words or marks of negation a text has, in any of the main languages ("does not" is one)."""
    count = sum(1 for word in _WORD.findall(text.lower()) if word in _NEGATIONS or word.endswith(("n't", "n’t")))
    if count:
        count -= len(_NOT_DENIED.findall(text))
    if not text.isascii() and _IS_UNSPACED.search(text):
        count += len(_UNSPACED.findall(text))
    return max(count, 0)


_OPPOSITES = frozenset(
    frozenset(pair.split("/"))
    for pair in words("""
        true/false yes/no with/without always/never all/none allowed/forbidden allowed/prohibited permitted/forbidden
        permitted/prohibited allow/forbid allow/prohibit enabled/disabled included/excluded accepted/rejected
        erlaubt/verboten mit/ohne immer/nie wahr/falsch ja/nein avec/sans toujours/jamais vrai/faux autorisé/interdit
        siempre/nunca verdadero/falso permitido/prohibido con/sin con/senza sempre/mai vero/falso com/sem sempre/nunca
        с/без всегда/никогда 有/没有 是/不是
    """)
)
_SHORT_FORMS = {"can't": "can", "cannot": "can", "won't": "will", "shan't": "shall", "ain't": "is"}
_IN = re.compile(r"(?:in|im|il|ir)(?=(\w{4,}))")
_ADJECTIVE = re.compile(
    r"(?:[ai]ble|al|e?nt|ant|ive|[aei]te|ct|lid|ous|ar|ly|ure|eur|el|bel|ivo|iva|cto|cta|ido|ida|ale|ile)s?$"
)
_UN = re.compile(r"(?:un|non-?|dis|des|ent(?=schuld))(?=(\w{4,}))")
_NOT_DENYING = words("""
    unless under until uncle union unit united unity universe universal unite discover display disclose discount
    discuss
    dispatch disease distance dispose discourse distress discard dissolve discharge intent intense instant immediate
    important increase inflammable invaluable import impart interest
""")


def is_negated_form(left: str, right: str) -> bool:
    """Whether one of two words or short texts denies the other.

    So do possible and impossible, happy and unhappy, careful and careless, does and doesn't, "is" and "is not",
    allowed and forbidden.
    """
    a, b = left.lower().replace("’", "'").split(), right.lower().replace("’", "'").split()
    left_only, right_only = Counter(a) - Counter(b), Counter(b) - Counter(a)
    denials = 0
    for mine, others in ((left_only, right_only), (right_only, left_only)):
        for word in list(mine):
            bare = word.strip(".,;:!?\"'")
            if bare in _SHORT_FORMS or bare.endswith("n't"):
                denials += mine.pop(word)
                others.pop(_SHORT_FORMS.get(bare, bare[:-3]), None)
            elif bare in _NEGATIONS:
                denials += mine.pop(word)
    if len(left_only) == len(right_only) == 1:
        one, two = (next(iter(only)).strip(".,;:!?\"'") for only in (left_only, right_only))
        return (denials % 2 == 0) and _are_opposite(one, two)
    if left_only or right_only:
        return False
    if denials:
        return denials % 2 == 1
    return not left.isascii() and _is_unspaced_denial(left, right)


def _is_unspaced_denial(left: str, right: str) -> bool:
    return left != right and (_UNSPACED.sub("", left) == _UNSPACED.sub("", right))


def _are_opposite(one: str, two: str) -> bool:
    if frozenset((one, two)) in _OPPOSITES:
        return True
    if _IS_UNSPACED.search(one) and negations(one) != negations(two):
        return _is_unspaced_denial(one, two)
    short, long = sorted((one, two), key=len)
    if long in _NOT_DENYING or short in _NOT_DENYING:
        return False
    for prefix in (_UN, _IN):
        match = prefix.match(long)
        if match and match[1] == short and (prefix is _UN or _ADJECTIVE.search(short)):
            return True
    return short[:-3] == long[:-4] and short.endswith("ful") and long.endswith("less")


_YES = words("""
    yes yeah yep yup correct true sure certainly absolutely definitely ja jawohl richtig wahr stimmt oui vrai exact
    sí si
    verdadero cierto correcto sì vero sim verdadeiro correto waar klopt да верно правда так
    是 是的 对 對 对的 對的 正确 正確 可以 能 会 會 有 はい ええ そうです 正しい 예 네 맞습니다 참 نعم أجل صحيح صح
    ใช่ ใช่ค่ะ ใช่ครับ จริง ถูกต้อง ได้ हाँ हां सही evet doğru tak prawda sant đúng có ya benar ano kyllä ναι
""")
_NO = words("""
    no nope nah incorrect false wrong nein falsch unwahr non faux falso incorrecto incorreto errado sbagliato não nee
    onwaar нет неверно ложь неправда ні 不 不是 不是的 否 不对 不對 错 錯 错误 錯誤 不正确 不正確 不可以 不能 不会
    不會 没有
    沒有 不行 いいえ いや 違います 間違い 아니요 아니오 아뇨 거짓 틀립니다 لا كلا خطأ خاطئ ไม่ ไม่ใช่ ไม่ได้ เท็จ ผิด
    नहीं गलत hayır yanlış nie nieprawda nej nei usant sai không tidak salah nem ei όχι
""")
# Only these open an answer: the others begin sentences of another sense too ("Sure, here is", "True love").
_LEADING = words("""
    yes yeah yep no nope ja nein oui non sí no sì sim não nee да нет 是的 不是 对 不对 否 はい いいえ 예 네 아니요
    아니오
    نعم لا ใช่ ไม่ใช่ हाँ हां नहीं evet hayır tak nie nej nei ναι όχι không tidak
""")
_FIRST = re.compile(r"[\s\"'“‘*_«(\[]*([^\s.,;:!?。，、！？؟،…—\"”'»)\]*]+)")
_ENDS = '.,;:!?。，、！؟،…—\n*"”»)]'
_SUBJECTS = words("it he she they you we i this that these those there its it's he's they're es er sie das il elle on")
_LONGEST_PREFIX = 3


def yes_or_no(answer: str, *, asked: bool = False) -> bool | None:
    """What a text says by its first word: yes or true is True, no or false is False, anything else None.

    `asked`: the question asks for yes or no, so that "No it is not" and "True because ..." count too.
    """
    whole = answer.strip(" \t\r\n.!。！\"'“”*`()[]").lower()
    if whole in _YES or whole in _NO:
        return whole in _YES
    match = _FIRST.match(answer)
    if match is None:
        return None
    word, following = match[1].lower(), answer[match.end() : match.end() + 1]
    if asked and _IS_UNSPACED.match(word):
        prefixes = (word[:length] for length in range(_LONGEST_PREFIX, 0, -1))
        word = next((prefix for prefix in prefixes if prefix in _YES or prefix in _NO), word)
        return word in _YES if word in _YES or word in _NO else None
    if word not in (_YES | _NO if asked else _LEADING):
        return None
    rest = answer[match.end() :].lstrip()
    if following in _ENDS or rest[:1] in ("–", "—", "-", "("):
        return word in _YES
    next_word = _WORD.match(rest)
    return word in _YES if asked and next_word and next_word[0].lower() in _SUBJECTS else None
