"""What a question asks for: a number (of what), a date, a name, yes or no, a label, or one of many right answers."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from curate.contradiction.units import MONEY, UNITS

_EDGE = 600  # the task stands at the beginning or the end of a long prompt


class Asks(NamedTuple):
    """What a question asks for.

    `kind`: number, date (or time), name, yes-no, choice, label, or "" where it is not known. `bases`: the units that a
    number may be in ("how many days": seconds), empty where any may. `noun`: the thing counted. `choices`: lettered
    choices by letter. `is_open`: several answers are right. `is_definite`: it asks for the one thing of a kind
    ("what is
    the ..."), `is_plural` for several. `text`: the sentence that asks, `whole`: the
    beginning and the end of it all, both in lower case.
    """

    kind: str
    bases: frozenset[str]
    noun: str
    choices: dict[str, str]
    is_open: bool
    is_definite: bool
    is_plural: bool
    text: str
    whole: str


def _any_of(spaced: str, unspaced: str = "") -> re.Pattern[str]:
    """One of some phrases, "_" for the space within one: whole words of the first list, any place for the second."""
    return re.compile("|".join([rf"\b(?:{_joined(spaced)})\b", *([_joined(unspaced)] if unspaced else [])]))


def _joined(phrases: str) -> str:
    return "|".join(phrase.replace("_", r"[\s'’]") for phrase in phrases.split())


_AMOUNT = (
    "(?:number|amount|percentage|percent|price|cost|total|sum|population|distance|height|weight|length|width|depth"
    "|age|"
    "temperature|value|speed|rate|fee|limit|area|volume|average|difference|profit|balance|score|salary|ratio|size"
    "|perimeter)"
)
_NUMBER = _any_of(
    rf"""
    how_(?:many|much|long|far|old|tall|high|deep|wide|heavy|fast|big|large|often|soon) calculate compute evaluate solve
    (?:what|what_s)(?:_(?:is|was|are|were|will_be|would_be))?(?:_(?:the|his|her|their|its|your|my))?(?:_\w+){{0,3}}?_{_AMOUNT}
    (?:find|determine)_the(?:_\w+){{0,2}}?_{_AMOUNT}
    wie_?viele?(?!_uhr) wie_(?:lange|weit|alt|hoch|groß|schwer|oft|teuer) was_kostet
    combien quel(?:le)?_est_(?:le|la|l)_(?:nombre|prix|montant|âge|durée|taille|distance)
    cu[áa]nt[oa]s? quant[oaie] quant[oa]s hoe_?veel hoe_(?:lang|ver|oud|hoog|groot) сколько
    кака_?я_(?:цена|стоимость) كم
    """,
    r"""
    多少 几(?:个|天|次|年|岁|人|小时|分钟) 多[长久远高大] いくつ いくら 何(?:人|個|回|枚|本|歳|年間|時間|分間|キロ|円)
    何日(?=以内|で|ほど|くらい|間|かか) どのくらい どれくらい 몇\s?(?:개|명|번|살|일|시간|분|년) 얼마 กี่(?!โมง)
    เท่า(?:ไร|ไหร่|ใด) कितन
    \d\s*[-+*/×÷x]\s*\d[^?]*[?=]
    """,
)
_DATE = _any_of(
    r"""
    when (?:what|which)_(?:date|day|year|month|time|century|weekday) date_of deadline wann wanneer hoe_laat
    welche[ms]?_(?:datum|tag|jahr|monat) um_wie_?viel_uhr quand quelle_(?:date|année|heure) quel_(?:jour|mois)
    cu[áa]ndo qu[ée]_(?:fecha|año|día|hora|mes) quando (?:che|quale)_(?:ora|data|anno|giorno)
    que_(?:horas?|ano|dia|data)
    когда в_каком_году в_котором_часу во_сколько متى कब
    """,
    r"""
    什么时候 何时 几点 哪一?年 哪天 什么时间 几[月号] いつ 何[時年月日曜](?!間) 언제 몇\s?시(?!간) 몇\s?월 며칠
    เมื่อ(?:ไหร่|ไร|ใด) กี่โมง วันที่เท่า
    """,
)
_NAME = _any_of(
    r"""
    who whom whose where (?:capital|author|inventor|president|director|founder|ceo)_of what_is_the_(?:full_)?name
    (?:what|which)(?:_\w+)?_(?:city|country|state|town|continent|planet|river|language|company|person|team|name|element)
    (?:what|which)(?:_\w+)?_(?:province|ocean|mountain|king|queen|nation)
    wer wen wem wessen wo woher wohin hauptstadt welche[rs]?_(?:stadt|land|fluss|planet)
    qui où capitale quel(?:le)?_(?:ville|pays) qui[ée]n(?:es)? d[óo]nde capital chi dove quem onde hoofdstad waar
    кто где столиц[аы] какой_город أين من_هو عاصمة कौन राजधानी
    """,
    "谁 誰 哪里 哪个(?:城市|国家) 在哪 首都 だれ どこ 누구 어디 수도 ใคร ที่ไหน เมืองหลวง",
)
_YES_NO_START = re.compile(
    r"\W*(?:(?:so|then|and|but|please|answer)\b,?\s*)?(?:"
    r"(?:is|are|was(?! kostet| ist| sind| macht)|were|am|does|do|did|can|could|will|would|should|shall|has|have|had"
    r"|may|might|must)"
    r"(?:n['’]t)?\s"
    r"|(?:ist|sind|war|kann|können|darf|dürfen|muss|müssen|hat|haben|gibt|wird|werden|gilt|bietet|soll)\s"
    r"|est-ce que\b|(?:l[ea]s? \w+ )?(?:est|sont|peut|puis|a|y a|doit|faut|avez)[\s-]"
    r"|(?:es|son|puede|puedo|hay|está|están|tiene|fue|debo|se puede|existe|è|posso|può|sono|si può|é|pode|há|tem"
    r"|zijn|kan|mag)\s"
    r"|можно\b|هل\b|क्या\b)"
)
_YES_NO = _any_of("true_or_false yes_or_no yes/no true/false wahr_oder_falsch ja_oder_nein vrai_ou_faux oui_ou_non")
# Particles, which also end questions that have a question word.
_YES_NO_PARTICLE = _any_of(
    "ли",
    "吗 嗎 是否 能不能 可不可以 是不是 有没有 (?:です|ます|でしょう"
    "|ません)か 나요 습니까 ㅂ니까 할까요 ไหม หรือไม่ หรือเปล่า",
)
_LABEL = _any_of(
    """
    classify sentiment categor(?:y|ise|ize) label intent topic genre language polarity tone emotion stance priority
    severity status spam urgen(?:t|cy) kategorie stimmung klassifiziere catégorie categoría clasifica categoria
    категори[яюи] тональность
    """,
    "情感 分类 类别 感情 分類 감정 분류 تصنيف",
)
_OR = _any_of("or oder ou o of или", "还是 それとも 아니면 หรือ(?!ไม่|เปล่า) \\s/\\s")
# Words of an order for something that has many forms, and the counts that make a list open ("name two ...").
_POLITE = _joined(
    """
    please kindly bitte por_favor s_il_(?:te|vous)_pla[iî]t per_favore пожалуйста (?:can|could|would|will)_you
    help_me(?:_to)?
    i_(?:want|need|would_like)_you_to your_task_is_to let_s k(?:ann|önn)(?:st|en)_(?:du|sie)(?:_mir)? peux-tu
    pouvez-vous
    puedes podrías
    """
)
_SOME = r"(?:an?|one|some|any|another|other|several|a_few|two|three|four|five|\d+)"
_THINGS = r"(?:example|idea|reason|suggestion|joke|synonym|antonym|story|tip|way|name|fact|word|\w+s)"
_OPEN_START = re.compile(
    rf"\W*(?:(?:{_POLITE})\b\s*,?\s*)*(?:(?:"
    + _joined(
        rf"""
        (?:name|mention|list)(?:_me)?_{_SOME}
        (?:give|provide|tell|offer|show)(?:_me|_us)?_{_SOME}_(?:\w+_){{0,2}}?{_THINGS}
        (?:give|show)_(?:me|us)_(?:one|any|some|another)
        tell_me_(?:a|something) (?:pick|make|choose)_an?
        write(?!_(?:down_)?(?:the|your|its)_(?:(?:final|correct|right)_)?(?:answer|number|result|value|name|date|year)\b)
        suggest recommend generate create compose invent imagine brainstorm draft describe design craft propose
        think_of come_up_with
        come_up_with make_up paraphrase rephrase reword rewrite summari[sz]e translate simplify continue complete_the
        finish_the construct produce build explain elaborate what_are_(?:some|a_few|possible)
        (?:nenne|nennen_sie|gib|geben_sie)(?:_mir)?_(?:eine?n?|einige|zwei|drei|\d+)
        schreiben? erfinde erstelle entwirf schlage? übersetze formuliere beschreibe verfasse empfiehl fasse
        (?:nomme|nommez|cite|citez|donne|donnez)(?:-moi)?_(?:une?|des|deux|trois|quelques|\d+)
        écri(?:s|vez) propose[rz]? suggère suggérez rédige[rz]? invente[rz]? tradui(?:s|sez) décri(?:s|vez) résume
        génère crée
        (?:nombra|nombre|menciona|da|dame|dé|cita|di|dime)_(?:una?|algún|alguna|dos|tres|unos|algunos|\d+)
        escrib[ae] sugiere inventa genera crea redacta traduce describe propón recomienda resume
        (?:nomina|cita|dammi|fai|indica|dimmi)_(?:una?|due|tre|alcuni|\d+) scrivi suggerisci traduci descrivi proponi
        (?:cite|dê|diga|nomeie|mencione)_(?:uma?|dois|três|alguns|\d+) escreva sugira invente gere crie traduza
        descreva
        (?:noem|geef)(?:_me)?_(?:een|twee|drie|enkele|\d+) schrijf bedenk vertaal beschrijf
        (?:назови|приведи|дай)(?:те)?_(?:\w+_)?(?:один|одну|одно|люб\w+|пример|несколько|два|три|какой-нибудь)
        (?:напиши|придумай|предложи|сочини|переведи|опиши|посоветуй|создай)(?:те)?
        اذكر اكتب اقترح ترجم أعط(?:ني)?
        """
    )
    + r")\b|(?:请|請|帮我)?(?:举|说出|列举|写|寫|推荐|建议|翻译|翻譯|生成|创作|描述|想|编|给(?:我|出)?[一几]"
    r"|列出[一几两三]|改写|续写|总结))"
)
_OPEN_ANYWHERE = _any_of(
    r"""
    an_example_of examples_of (?:some|any)_ideas what_(?:could|might|would_you|should_i) what_can_(?:i|you|we|one|be)
    which_would_you your_(?:favou?rite|opinion) do_you_(?:like|prefer|think) is_there_any?_(?:way|thing)
    what(?:_is|_are|_s)_(?:an?|one|some|another|other|something|any|two|three|possible) what_kinds_of a_synonym
    an_antonym
    another_(?:word|way|name) rhymes?_with for_example (?:what|how|why|who)\b.*\b(?:may|might|probably|likely)
    a_(?:\w+_)?(?:sentence|example|word|name|title|reply|response)_(?:can|could|would)_be
    zum_beispiel (?:ein|un|um|een)_(?:beispiel|exemple|ejemplo|esempio|exemplo|voorbeeld) par_exemple por_ejemplo
    was_könnte que_pourrait qu[ée]_podr[íi]a (?:ein|un)_s[yi]n[oó]n[yi]me?o? poem story joke haiku limerick essay
    slogan
    tweet caption headline
    """,
    r"""
    例を 挙げて 書いて 提案して 考えて 訳して 作って 例子 举例 比如 예를 하나만 추천해 써\s?줘 작성해 번역해 एक\sउदाहरण
    ยกตัวอย่าง แนะนำ เขียน แต่ง แปล
    """,
)
_DEFINITE = _any_of(
    r"""
    (?:what|which|what_s)(?:_\w+)?_(?:is|was|does|did|has)_(?:the|this|that|his|her|its|their|your)
    what_s_(?:the|your) which(?!_(?:one_)?of\b) what_(?:kind|type|sort)_of
    what_\w+_(?:is|was|does|did) welche[rsnm]? was_ist_(?:der|die|das) quel(?:le)?_est cu[áa]l_es qual_[èé] welke?
    како[йв]
    ما_ه[يو]
    """,
    "是什么 哪个 何です 무엇 อะไร",
)
# What has as many right wordings as it has answers.
_LOOSE = _any_of(
    """
    reasons? causes? purpose ideas? ways? problems? point message moral meaning difference advantages? benefits?
    goals? theme
    best main definition impact effects? role mood feelings? advice opinion grund gründe zweck problem raison but
    razón motivo
    причина смысл
    """,
    "原因 理由 意思 意味 目的",
)
# Orders that have one right result, unlike "write" or "complete".
_ORDER = re.compile(
    rf"\W*(?:(?:{_POLITE})\b\s*,?\s*)*(?:"
    + _joined(
        """
        tag label classify categori[sz]e identify determine detect assign decide assess judge rate predict route flag
        extract
        select_the choose_the find_the state_the give_the name_the bestimme ordne klassifiziere bewerte erkenne
        identifie[rz]?
        détermine[rz]? classe[rz]? attribue[rz]? identifica determina asigna clasifica classifica определи(?:те)?
        классифицируй(?:те)? صنف حدد 判断 识别 识別 分类 抽取 提取 确定 给出
        """
    )
    + ")"
)
_PLURAL = _any_of(
    r"""
    (?:what|which|who)(?:_\w+)?_(?:are|were) which_\w+[^su]s welche_\w+_sind welche_sind wer_sind quels quelles
    qui_sont
    cu[áa]les
    qui[ée]nes quali quais quem_são какие
    """,
    "哪些 有哪些 どんな 어떤\\s것들",
)
_BETWEEN = re.compile(r"(?<=[.!?؟])\s+|(?<=[。！？])\s*|\n+")
_SPACES = re.compile(r"[^\S\n]+")
_CLAUSE = re.compile(r"[:：]\s*")
_CHOICE = re.compile(r"(?:^|[\s,;])\(?([A-H])[).:]\s+([^\n]+?)(?=[\s,;]+\(?[A-H][).:]\s|\n|\Z)")


def asks_for_variety(question: str) -> bool:
    """Whether several answers are right: "name a colour", "write a poem", "suggest ...", "what is an example of ...".

    Only the beginning and the end of a long text are read, where the task stands when a passage comes with it.
    """
    return read_question(question).is_open


@lru_cache(maxsize=4096)
def read_question(question: str) -> Asks:
    """What a question asks for."""
    edges = question if len(question) <= 2 * _EDGE else f"{question[:_EDGE]}\n{question[-_EDGE:]}"
    edges = _SPACES.sub(" ", edges)
    sentences = [sentence.strip() for sentence in _BETWEEN.split(edges) if sentence.strip()]
    asking = [sentence for sentence in sentences if sentence[-1] in "?？؟"]
    focus = (asking or sentences or [""])[-1].lower()
    kind = _kind(focus, sentences[0].lower() if sentences else "")
    clauses = [clause for part in {*sentences[:1], *sentences[-2:]} for clause in _CLAUSE.split(part.lower())]
    is_open = kind != "number" and _OPEN_ANYWHERE.search(focus) is not None
    is_open = is_open or any(_OPEN_START.match(clause) for clause in clauses)
    choices = {letter: text.strip(" .,;") for letter, text in _CHOICE.findall(edges)}
    bases, noun = _counted(focus) if kind == "number" else (frozenset[str](), "")
    return Asks(
        kind,
        bases,
        noun,
        choices if len(choices) > 1 else {},
        is_open,
        _is_definite(focus, clauses),
        bool(_PLURAL.search(focus)),
        focus,
        edges.lower(),
    )


def _is_definite(focus: str, clauses: list[str]) -> bool:
    if _LOOSE.search(focus):
        return False
    return bool(_DEFINITE.search(focus)) or any(_ORDER.match(clause) for clause in clauses)


def _kind(focus: str, first: str) -> str:
    if _YES_NO.search(focus):
        return "yes-no"
    if _YES_NO_START.match(focus):
        return "choice" if _OR.search(focus.replace("or not", "")) else "yes-no"
    for pattern, kind in ((_NUMBER, "number"), (_DATE, "date"), (_NAME, "name"), (_YES_NO_PARTICLE, "yes-no")):
        if pattern.search(focus):
            return kind
    return "label" if _LABEL.search(focus) or _LABEL.search(first) else ""


_COUNTED = _any_of(
    r"(?:how_(?:many|much)|wie_?viele?|combien_(?:de|d)|cu[áa]nt[oa]s?|quant[ieoa]s?|hoeveel|сколько"
    r"|كم)((?:\s+[^\W\d_]+){1,4})"
)
_TIME = frozenset({"s", "month", "workday"})
_BASES = (
    (_any_of("how_(?:far|tall|high|deep|wide) distance height wie_weit", "多[远高]"), frozenset({"m"})),
    (_any_of("how_long_(?:is|was)_the_(?:river|road|bridge|rope|wall|coast|track|table)"), frozenset({"m"})),
    (
        _any_of(
            "how_(?:long|old|often|soon) age wie_(?:lange|alt) combien_de_temps cu[áa]nto_tiempo quanto_tempo",
            "多久 多长时间 几[天年岁] 何(?:日|日間|年間|時間|分間|歳) 얼마나\\s오래",
        ),
        _TIME,
    ),
    (_any_of("how_heavy weighs? weight wie_schwer"), frozenset({"g", "pound"})),
    (_any_of("percent percentage prozent pourcentage porcentaje", "百分之 何パーセント"), frozenset({"%"})),
    (
        _any_of(
            r"""
            how_much_money how_much_(?:does|do|did)_.*_(?:cost|charge|earn|pay|spend|make) price cost fee salary
            \w*gebühr preis kosten betrag was_kostet wie_?viel_kostet wie_teuer prix tarif combien_coûte
            precio cu[áa]nto_cuesta prezzo quanto_costa preço quanto_custa цена стоимость сколько_стоит
            """,
            "多少钱 いくら",
        ),
        MONEY,
    ),
)


def _counted(focus: str) -> tuple[frozenset[str], str]:
    """The units that the number asked for may be in, and the word for what is counted."""
    noun = ""
    if match := _COUNTED.search(focus):
        names = match[1].split()
        for name in names[:2]:
            if len(name) > 1 and (unit := UNITS.get(name)) is not None:
                return frozenset({unit.base, *unit.may_be}), name
        noun = next((name for name in names if name not in ("more", "total", "of", "the", "other", "much")), "")
    return next((bases for pattern, bases in _BASES if pattern.search(focus)), frozenset()), noun
