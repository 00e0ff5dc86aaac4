"""Left-overs in a text: unfilled templates, omitted content, markup of the page that it was taken from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.finding import Fault, Where
from curate.rules.prose import excerpt, is_quoted, looks_like_code, request_matches, requests, without_code
from curate.rules.rule import rule
from curate.sample import SYSTEM_ROLES, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import TextField

_SLOT_NAMES = (
    "name|first_?name|last_?name|full_?name|user_?name|customer_?name|company(?:_?name)?|author|input|question|"
    "query|context|"
    "answer|instruction|prompt|document|passage|article|text|topic|city|date|order_?(?:id|number)|"
    "product(?:_?name)?|email"
)
_SLOT = re.compile(
    rf"""(?<![\\$\w^_}}{{%])\{{\{{\s?[A-Za-z_][\w.]*(?:[ -][\w.]+){{0,3}}\s?\}}\}}(?!\}})
      | (?<![\\\w^_}}{{\["'=(:])\$?\{{(?:{_SLOT_NAMES})\}}(?![\w{{}}])
      | <(?:your|insert|enter|add|put)\ [^<>\n]{{2,40}}>
      | \[\s?(?:INSERT|ENTER)\b[^\]\n]{{2,40}}\]
      | \[object\ Object\]
      | \bLorem\ ipsum\ dolor\ sit\ amet""",
    re.VERBOSE,
)
_SLOT_HINTS = (
    "{",
    "<your ",
    "<insert ",
    "<enter ",
    "<add ",
    "<put ",
    "[INSERT",
    "[ENTER",
    "[ INSERT",
    "[object",
    "Lorem ipsum",
)
_ABOUT_TEMPLATES = re.compile(
    r"templat|placeholder|jinja|handlebars|mustache|liquid|\bvue\b|angular|svelte|helm|ansible|latex|"
    r"github action|workflow|variable|"
    r"lorem ipsum|dummy text|filler text|f-string|format string|\bblanks?\b|\{\{|\$\{|javascript|\bhtml\b|wiki|"
    r"\[insert|<your|"
    r"模板|占位|vorlage|platzhalter|modèle|plantilla|modelo",
    re.IGNORECASE,
)


_CARD_SLOT = re.compile(r"\{\{\s?(?:char|user)\s?\}\}", re.IGNORECASE)


# No fix: a placeholder of the system prompt stands in every row of its file, and dropping them would leave nothing.
@rule("TXT008", severity="warning")
def placeholder(sample: Sample) -> Iterator[Fault]:
    """A template was not filled in: a variable or an instruction to the writer still stands in the text.

    Why it matters: the model learns to print the name of the variable.

    Example: "Hello! I am {{name}}, an AI assistant developed by {{author}}." or "<your answer here>"

    How to fix it: fill the value in, or leave the row out. Code, conversations about templates, and `{{char}}` and
    `{{user}}` in the system prompt of role-play data, which the programs that play fill in, are left alone.
    """
    for text in sample.texts():
        raw = text.text
        if ("{" not in raw and "<" not in raw and "[" not in raw and "Lorem" not in raw) or not any(
            hint in raw for hint in _SLOT_HINTS
        ):
            continue
        prose = without_code(raw)
        found = [match for match in _SLOT.finditer(prose) if text.role == "assistant" or match[0][0] in "{$"]
        if text.role in SYSTEM_ROLES:
            found = [match for match in found if not _CARD_SLOT.fullmatch(match[0])]
        if (
            not found
            or looks_like_code(_SLOT.sub("", prose))
            or request_matches(_ABOUT_TEMPLATES, sample, _turns_before(sample, text))
        ):
            continue
        if text.role != "assistant" and (_ABOUT_TEMPLATES.search(_SLOT.sub("", raw)) or "`" in raw):
            continue
        names = list(dict.fromkeys(match[0] for match in found))
        yield Fault(
            f"{' and '.join(names[:2]) if len(names) < 3 else f'{names[0]} and {len(names) - 1} others'} "
            f"{'was' if len(names) == 1 else 'were'} not filled in",
            Where(text.message, text.field, *found[0].span()),
            {"slots": names},
        )


def _turns_before(sample: Sample, text: TextField) -> int:
    """How many turns of the conversation stand before a text (all of them before a rejected answer)."""
    return len(sample.messages) if text.field == "rejected" else text.message


_OMITTED = re.compile(
    r"""(?:\#|//|/\*|--|<!--|\.\.\.|\()\s*\.{0,3}\s*(?:the\ )?(?:rest\ of|remaining|remainder\ of|your
         |add\ your|insert\ your|existing|other|more)\ (?:the\ |your\ |existing\ |previous\ |own\ )?
         (?:\w+\ ){0,2}?(?:code|implementation|logic|function|methods?|content|story|text|answer)\b(?:\ (?:here
             |goes\ here|remains|unchanged|as\ before|stays))?
      | \b(?:TODO|FIXME)\b(?::|\s+(?:implement|add|write|fill|fix|complete))
      | \[(?:your|insert|enter|add|recipient|sender|company|customer|client|name|date|address|phone
          |email)(?:['’]s)?(?:\ [^\],\n]{0,40})?\](?!\()
      | \b(?:Your|\[)\ ?(?:answer|text|response)\ (?:goes\ )?here\b""",
    re.VERBOSE | re.IGNORECASE,
)
_ASKS_FOR_LETTER = re.compile(
    r"e-?mail|letter|templat|script|invit|resume|résumé|\bcv\b|contract|agreement|\bform\b|speech|message|"
    r"\bpitch|proposal|announcement|memo|note|press release|"
    r"certificate|profile|greeting|reply|brief|bio\b|post\b|report|policy|plan\b|placeholder|brackets?",
    re.IGNORECASE,
)
_ASKS_FOR_GAP = re.compile(
    rf"{_OMITTED.pattern}|\b(?:TODOs?|FIXMEs?|skeleton|stubs?|boilerplate|placeholders?|pseudo-?code)\b",
    _OMITTED.flags,
)
_OMITTED_HINTS = ("[", "rest of", "remain", "todo", "fixme", "existing", "your ", " here", "more ", "other ")


_TASK = 150  # characters at either end of a request within which it says what to write


@rule("TXT010", severity="info")
def omitted_content(sample: Sample) -> Iterator[Fault]:
    """An answer leaves work to the reader: "rest of the code here", TODO, [Your Name].

    Why it matters: a model trained on lazy answers gives lazy answers. In letters that were asked for, [Your Name] is
    right and is left alone.

    Example: "def parse(text):\\n    # ... rest of the code here"

    How to fix it: write what is missing, or drop the row.
    """
    for i, answer in sample.answers():
        lowered = answer.text.lower()
        if any(hint in lowered for hint in _OMITTED_HINTS) and (match := _OMITTED.search(answer.text)):
            is_slot = match[0].startswith("[")
            if request_matches(_ASKS_FOR_LETTER if is_slot else _ASKS_FOR_GAP, sample, i, edges=_TASK):
                continue
            if is_slot and is_quoted(answer.text, match.start()):
                continue
            said = excerpt(answer.text, *_line_around(answer.text, *match.span()))
            yield Fault(f"left to the reader: {said}", Where(i, "content", *match.span()))


def _line_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The line of a match; from the match on, where that stands late in a long line."""
    line = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return (line if end - line <= 60 else start), (last if last >= 0 else len(text))


_MARKUP = re.compile(
    r"</?(?:br|p|div|span|font|b|i|u|em|strong|a|li|ul|ol|td|tr|th|table|tbody|h[1-6]|img|hr|center|blockquote|"
    r"sup|sub|small|nobr|ref|section)"
    r"(?:\s+[a-z-]+\s?=[^<>\n]*|\s*/?)>"
    r"|&(?:amp;)*(?:nbsp|amp|lt|gt|quot|apos|mdash|ndash|rsquo|lsquo|rdquo|ldquo|hellip|bull|copy|eacute|"
    r"#\d{2,5}|#x[0-9a-f]{2,5});",
    re.IGNORECASE,
)
_TAG_HINTS = ("<br", "</", "<a ", "<p>", "<p ", "<BR", "<P>", "<hr", "<img", "<li>", "<div", "<span")
_ABOUT_MARKUP = re.compile(
    r"\bhtml|\bxml|\bcss\b|\bsvg\b|markup|\btags?\b|web ?(?:page|site)|javascript|(?-i:\bReact\b(?! to\b))|"
    r"\breact(?:\.?js| native| components?| hooks?| app)\b|\b(?:in|with|using) react\b|\bweb ?scrap|"
    r"\bscrap(?:e|ing|er) (?:\w+ ){0,3}(?:pages?|sites?|web\w*|data|urls?|prices|content)\b|"
    r"\bjsx\b|\bphp\b|entit(?:y|ies)|\bssml\b|\bsql\b|\bjava\b|网页",
    re.IGNORECASE,
)
_MARKUP_HINTS = (
    "ml",
    "css",
    "svg",
    "mark",
    "tag",
    "web",
    "scrap",
    "script",
    "react",
    "jsx",
    "php",
    "entit",
    "sql",
    "java",
    "网页",
)
_DOCUMENT = re.compile(
    r"<!doctype|<html|<head>|<body|<script|<style|</?(?:form|input|button|svg|xml)\b|<\?(?:php|xml)", re.IGNORECASE
)


@rule("TXT009", severity="info")
def html_debris(sample: Sample) -> Iterator[Fault]:
    """HTML tags or entities stand in prose.

    Why it matters: left over from a web page, they cost tokens, and the model learns to write them.

    Example: "A great film.<br /><br />See it!" or "AT&amp;amp;T"

    How to fix it: decode the entities and turn `<br />` into line breaks. Code, whole documents and conversations about
    markup are left alone.
    """
    about_markup: bool | None = None
    for text in sample.texts():
        raw = text.text
        if not (("<" in raw and any(hint in raw for hint in _TAG_HINTS)) or ("&" in raw and ";" in raw)):
            continue
        found = list(_MARKUP.finditer(without_code(raw)))
        if not found or _DOCUMENT.search(raw):
            continue
        if about_markup is None:
            about_markup = any(
                hint in request.lower() for request in requests(sample, len(sample.messages)) for hint in _MARKUP_HINTS
            ) and any(
                _ABOUT_MARKUP.search(_MARKUP.sub(" ", turn.text))
                for turn in sample.messages
                if turn.role != "assistant"
            )
        if about_markup:
            return
        first = found[0][0]
        if len(first) > 30 and first.startswith("<"):
            first = f"{first.split(None, 1)[0]} ...>"
        kind = "entity" if first.startswith("&") else "tag"
        yield Fault(
            f"the HTML {kind} {first} in prose"
            if len(found) == 1
            else f"{len(found)} HTML tags or entities in prose, the first {first}",
            Where(text.message, text.field, *found[0].span()),
            {"count": len(found)},
        )
