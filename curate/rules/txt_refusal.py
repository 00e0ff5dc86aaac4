"""Answers in another assistant's voice: refusals, foreign identities, flattery and set phrases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.finding import Fault, Where
from curate.rules.answers import answer_texts
from curate.rules.prose import request_matches
from curate.rules.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_HEAD = 400  # a refusal comes first; later "I cannot" belongs to a story or an explanation

_ACT = (
    r"(?:assist|help|provide|compl(?:y|ete)|fulfil+|answer|generate|create|write|share|discuss|engage|support|"
    r"offer|give|do (?:that|this)|"
    r"perform|access|browse|book|order|make|send|set|process|respond|execute|continue with|directly|physically|"
    r"browse|take|"
    r"recommend|predict|have (?:personal|the (?:ability|capabilit)|access))"
)
_REFUSAL = re.compile(
    rf"""\b(?:
        (?:i['’]?m|i\ am|we\ are|we['’]re)\ (?:(?:very|really|so|truly)\ )?sorry,?
            \ (?:but\ )?(?:as\ an?\ [^.]{{0,40}}?,\ )?
            (?:i|we)\ (?:can(?:no|['’])?t|can\ not|am\ (?:not\ able|unable)|['’]m\ (?:not\ able|unable)|won['’]?t
                |do(?:n['’]t|\ not)\ have\ (?:the|access))
      | (?:sorry|apologies|apologi[sz]e),?\ (?:but\ )?(?:i|we)\ (?:can(?:no|['’])?t|can\ not|am\ unable
          |['’]m\ unable|won['’]?t)\ (?:\w+\ )?{_ACT}
      | i\ (?:can(?:no|['’])t|can\ not)\ (?:\w+\ )?(?:assist|help|comply|fulfil+|engage|provide
          |participate)\b(?!\ (?:but|feeling|wondering|notic|think))
      | i['’]?(?:\ a)?m\ (?:not\ able|unable)\ to\ (?:\w+\ )?{_ACT}
      | i\ (?:must|have\ to)\ (?:respectfully\ )?(?:decline|refuse)
      | i\ (?:won['’]t|will\ not)\ (?:be\ able\ to\ )?(?:assist|help|provide|comply|participate)
      | (?:that|this|it)\ (?:would\ be|is|goes)\ (?:against|not\ (?:appropriate|within))\ (?:my
          |our)\ (?:programming|guidelines|polic|capabilit|ethic|abilit)
      | (?:es\ )?tut\ mir\ leid,?\ (?:aber\ )?(?:ich|das)\ kann\ | leider\ kann\ ich\ (?:dabei|dir|ihnen|diese)
      | désolée?,?\ (?:mais\ )?je\ ne\ peux\b | je\ ne\ peux\ pas\ (?:vous\ )?(?:aider|répondre|fournir)
      | lo\ siento,?\ (?:pero\ )?no\ puedo | no\ puedo\ (?:ayudar|proporcionar|cumplir|responder)
      | (?:desculpe|sinto\ muito|lamento),?\ (?:mas\ )?(?:eu\ )?não\ posso | mi\ dispiace,?\ (?:ma\ )?non\ posso
      | (?:извините|прошу\ прощения|к\ сожалению),?\ (?:но\ )?я\ не\ могу
    )|(?:抱歉|对不起|很抱歉|对此我)[，,]?\s?(?:但)?(?:我)?(?:不能|无法)|我(?:不能|无法)(?:提供|协助|帮助|回答)|申し訳(?:ありません|ございません)が|お手伝いできません
        |お答えできません|죄송하지만|도와드릴 수 없""",
    re.IGNORECASE | re.VERBOSE,
)
_REFUSAL_HINTS = (
    "sorry", "cannot", "can't", "can’t", "can not", "unable", "not able", "decline", "refuse", "won't", "won’t",
    "will not", "apolog",
    " my ", "leid", "leider", "désol", "ne peux", "siento", "no puedo", "não posso", "dispiace", "не могу",
    "抱歉", "对不起", "我不能",
    "我无法", "申し訳", "できません", "죄송", "없",
)  # fmt: skip


@rule("TXT006", severity="info")
def refusal(sample: Sample) -> Iterator[Fault]:
    """An answer refuses the request.

    Why it matters: some refusals are wanted. Many, or refusals of harmless requests, teach the model to refuse; they
    are often left over from the model that made the data.

    Example: "I'm sorry, but I can't assist with that request."

    How to fix it: keep those that you would want from your model; answer or drop the others.
    """
    for i, answer in sample.answers():
        head = answer.text[:_HEAD]
        lowered = head.lower()
        if (
            any(hint in lowered for hint in _REFUSAL_HINTS)
            and (match := _REFUSAL.search(head))
            and not _is_quoted(head, match.start())
        ):
            end = min(len(head), match.end() + 30)
            yield Fault(
                f'refuses: "{head[match.start() : end]}"'.replace("\n", " "), Where(i, "content", *match.span())
            )


def _is_quoted(text: str, position: int) -> bool:
    """Whether a position lies within a quotation, as in a story or a suggested wording."""
    before = text[:position]
    return before.count('"') % 2 == 1 or before.count("“") > before.count("”")


_VENDOR = (
    r"chat\s?gpt|gpt-?[345]\w*|open\s?ai|claude|anthropic|gemini|\bbard\b|google(?:\ deepmind|\ ai)?|deepmind|"
    r"llama|meta(?:\ ai)?|"
    r"mistral(?:\ ai)?|qwen|tongyi|alibaba(?:\ cloud)?|deepseek|grok|xai|copilot|ernie|baidu|kimi|"
    r"moonshot(?:\ ai)?|zhipu(?:\ ai)?|"
    r"chatglm|cohere|nemotron|nvidia|microsoft|vicuna|lmsys|open\s?assistant|laion|通义千问|千问|阿里云|文心一言|百度|深度求索|智谱"
)
_IDENTITY = re.compile(
    rf"""\b(?:i\ am|i['’]m|my\ name\ is|this\ is)\ (?:called\ |named\ )?(?:an?\ ai\ (?:model|"
    rf"assistant)\ (?:called|named)\ )?(?:{_VENDOR})\b
      | \bi(?:\ am|['’]m|\ was)\b[^.!?\n]{{0,80}}?\b(?:trained|developed|created|made|built
          |designed)\ by\ (?:{_VENDOR})\b
      | \bas\ (?:chat\s?gpt|claude|gemini|bard|qwen|deepseek|grok|kimi)\b,?\ i\b
      | 我是(?:由)?(?:{_VENDOR})
      | 由(?:{_VENDOR})(?:公司)?(?:开发|训练|研发|创建)""",
    re.IGNORECASE | re.VERBOSE,
)
_AI_VOICE = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large language|machine learning)(?: language)?(?: model| assistant|"
    r" chatbot)?\b(?: (?:developed|trained|created|made|built) by [^.,\n]{1,30})?,?(?=[ ,]+(?:i|my|it)\b)"
    r"|\bi(?:'m|’m| am)(?: just| only| simply)? an? (?:ai|artificial intelligence|large)(?: language)? model\b"
    r"|\bmy (?:knowledge|training)(?: data)? (?:cut-?off|only goes|ends in|was last updated)|"
    r"\bmy last (?:knowledge )?update"
    r"|作为(?:一个|一名|一款)?(?:AI|人工智能|大型语言|语言)(?:助手|模型|语言模型)|AI言語モデルとして|"
    r"als (?:eine? )?KI-?(?:sprach)?modell|"
    r"en tant qu['’](?:ia|intelligence artificielle|assistant ia)"
    r"|como (?:modelo de lenguaje|una? (?:ia|inteligencia artificial))|как (?:языковая модель|"
    r"искусственный интеллект)",
    re.IGNORECASE,
)
_VENDOR_HINTS = (
    "gpt", "openai", "open ai", "claude", "anthropic", "gemini", "bard", "google", "deepmind", "llama", "meta",
    "mistral", "qwen", "tongyi", "alibaba",
    "deepseek", "grok", "xai", "copilot", "ernie", "baidu", "kimi", "moonshot", "zhipu", "chatglm", "cohere",
    "nemotron", "nvidia", "microsoft",
    "vicuna", "lmsys", "assistant", "laion", "千问", "阿里", "文心", "百度", "深度求索", "智谱",
)  # fmt: skip
_AI_VOICE_HINTS = (
    "as an ai", "as a large", "as a machine", "as an artificial", "an ai", "language model", "my knowledge",
    "my training", "my last", "作为", "言語モデル",
    " ki-", "en tant qu", "como ", "как ",
)  # fmt: skip
_ABOUT_VENDORS = re.compile(_VENDOR, re.IGNORECASE)
_ABOUT_AI = re.compile(
    r"\bA\.?I\b|\bartificial intelligence|language model|chatbot|\bbot\b|人工智能|\bKI\b|\bIA\b|人工知能|who are you|"
    r"are you (?:a |an |human|real)",
    re.IGNORECASE,
)


@rule("TXT007", severity="info")
def other_vendor_identity(sample: Sample) -> Iterator[Fault]:
    """An answer speaks as another vendor's model, or as "an AI language model".

    Why it matters: the model will introduce itself as ChatGPT or talk about its knowledge cutoff; the rows were made by
    that model, whose terms of use may not allow training on them.

    Example: "As an AI language model developed by OpenAI, I do not have feelings."

    How to fix it: rewrite the sentence or drop the row. Where the conversation is about that vendor, or about AI, the
    row is left alone.
    """
    for i, answer in sample.answers():
        text = answer.text
        lowered = text.lower()
        match, about = None, _ABOUT_VENDORS
        if any(hint in lowered for hint in _VENDOR_HINTS):
            match = _IDENTITY.search(text)
        if match is None and any(hint in lowered for hint in _AI_VOICE_HINTS):
            match, about = _AI_VOICE.search(text), _ABOUT_AI
        if match and not request_matches(about, sample, i):
            said = match[0][:60].replace("\n", " ")
            yield Fault(f'speaks as another model: "{said}"', Where(i, "content", *match.span()))


_PRAISE = re.compile(
    r"\s*(?:wow[,!]? |oh[,!]? |ah[,!]? )?(?:(?:that['’]?s|that is|what|this is) (?:an? )?(?:really |very |"
    r"truly |such an? )?)?"
    r"(?:great|excellent|fantastic|wonderful|amazing|brilliant|awesome|fascinating|insightful|thoughtful|good|"
    r"superb) "
    r"(?:question|point|idea|choice|observation|thinking)\b\s?(?:[!.,]|indeed)"
    r"|\s*you(?:['’]re| are) (?:absolutely|totally|completely) right\b"
    r"|\s*(?:thank you|thanks) for (?:asking|your (?:great|excellent|thoughtful|wonderful) question)",
    re.IGNORECASE,
)
_SET_PHRASE = re.compile(
    r"\b(?:i hope (?:this|that|it) helps|(?:please )?(?:feel free to|don['’]t hesitate to) (?:ask|reach out|"
    r"contact me)|let me know if (?:you (?:have|need)|there['’]?s|there is) [^.!?\n]{0,60})[.!]*\s*\Z",
    re.IGNORECASE,
)


@rule("TXT015", severity="info")
def flattery_or_filler(sample: Sample) -> Iterator[Fault]:
    """An answer opens with praise for the question or closes with a set phrase.

    Why it matters: the model picks the habit up at once, from a small share of the rows.

    Example: "Great question! ..." or "... I hope this helps! Let me know if you have any other questions."

    How to fix it: cut the phrase, if your model should not talk like that.
    """
    for i, text in answer_texts(sample):
        if match := _PRAISE.match(text):
            yield Fault(f'opens with praise: "{match[0].strip()[:40]}"', Where(i, "content", *match.span()))
        if len(text) > 100 and (match := _SET_PHRASE.search(text, len(text) - 120)):
            yield Fault(f'closes with a set phrase: "{match[0].strip()[:60]}"', Where(i, "content", *match.span()))
