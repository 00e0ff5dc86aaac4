"""Answers in another assistant's voice: refusals, foreign identities, flattery and set phrases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.finding import Fault, Where
from curate.rules.answers import answer_texts
from curate.rules.prose import excerpt, is_quoted, request_matches
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
                |(?:\w+ly\ )?do(?:n['’]t|\ not)\ (?:\w+ly\ )?have\ (?:the|access))
      | (?:i\ )?(?:sorry|apologies|apologi[sz]e),?\ (?:but\ )?(?:i|we)\ (?:can(?:no|['’])?t|can\ not|am\ unable
          |['’]m\ unable|won['’]?t)\ (?:\w+\ )?{_ACT}
      | i\ (?:can(?:no|['’])t|can\ not)\ (?:\w+\ )?(?:assist|help|comply|fulfil+|engage|provide
          |participate)\b(?!\ (?:but|feeling|wondering|notic|think))
      | i['’]?(?:\ a)?m\ (?:\w+ly\ )?(?:not\ able|unable)\ to\ (?:\w+\ )?{_ACT}
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
_SENTENCE = re.compile(r"[^.!?\n]*[.!?]?")
_REFUSAL_HINTS = (
    "sorry", "cannot", "can't", "can’t", "can not", "unable", "not able", "decline", "refuse", "won't", "won’t",
    "will not", "apolog",
    " my ", "leid", "leider", "désol", "ne peux", "siento", "no puedo", "não posso", "dispiace", "не могу",
    "抱歉", "对不起", "我不能",
    "我无法", "申し訳", "できません", "죄송", "없",
)  # fmt: skip

_ASKS_FOR_REFUSAL = re.compile(
    r"\b(?:refus(?:e|al|ing)|declin(?:e|ing)|reject(?:ion|ing)?|turn(?:ing)? (?:\w+ ){1,3}down|say(?:ing)? no|"
    r"apolog(?:y|i[sz]e|i[sz]ing)|absage|ablehn\w+|refus(?:er|o)|rechaz\w+)\b",
    re.IGNORECASE,
)
_ASKS_FOR_MORE = re.compile(
    r"\bwithout (?:\w+ ){0,2}(?:information|context|details|data|knowing|seeing)\b|"
    r"\b(?:please|could you|can you|would you)(?: please)? (?:provide|share|give me|specify|tell me|clarify)\b",
    re.IGNORECASE,
)


@rule("TXT006", severity="info")
def refusal(sample: Sample) -> Iterator[Fault]:
    """An answer refuses the request.

    Why it matters: some refusals are wanted. Many, or refusals of harmless requests, teach the model to refuse; they
    are often left over from the model that made the data.

    Example: "I'm sorry, but I can't assist with that request."

    How to fix it: keep those that you would want from your model; answer or drop the others. A refusal that was asked
    for (a letter that declines) and an answer that asks for what is missing are left alone.
    """
    for i, answer in sample.answers():
        head = answer.text[:_HEAD]
        lowered = head.lower()
        if (
            any(hint in lowered for hint in _REFUSAL_HINTS)
            and (match := _REFUSAL.search(head))
            and not is_quoted(head, match.start())
            and not _ASKS_FOR_MORE.search(head)
            and not request_matches(_ASKS_FOR_REFUSAL, sample, i)
        ):
            sentence = _SENTENCE.match(answer.text, match.start())
            end = max(sentence.end(), match.end()) if sentence else match.end()
            yield Fault(f"refuses: {excerpt(answer.text, match.start(), end)}", Where(i, "content", *match.span()))


_VENDOR = (
    r"chat\s?gpt|gpt-?[345]\w*|open\s?ai|claude|anthropic|gemini|\bbard\b|google(?:\ deepmind|\ ai)?|deepmind|"
    r"llama|meta(?:\ ai)?|"
    r"mistral(?:\ ai)?|qwen|tongyi|alibaba(?:\ cloud)?|deepseek|grok|xai|copilot|ernie|baidu|kimi|"
    r"moonshot(?:\ ai)?|zhipu(?:\ ai)?|"
    r"chatglm|cohere|nemotron|nvidia|microsoft|vicuna|lmsys|open\s?assistant|laion|通义千问|千问|阿里云|文心一言|百度|深度求索|智谱"
)
_IDENTITY = re.compile(
    rf"""\b(?:i\ am|i['’]m|my\ name\ is|this\ is)\ (?:called\ |named\ )?(?:an?\ ai
        \ (?:model|assistant)\ (?:called|named)\ )?(?:{_VENDOR})\b
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
_MAKER = re.compile(
    r",?\s(?:that was )?(?:developed|trained|created|made|built|designed) by ([^.,\n]{1,30})", re.IGNORECASE
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
    """An answer speaks as another vendor's model, or of itself as an AI.

    Why it matters: the model will introduce itself as ChatGPT, talk about its knowledge cutoff, or begin with "As an
    AI". Mostly another model wrote these rows, whose terms of use may not allow training on them.

    Example: "As an AI language model developed by OpenAI, I do not have feelings."

    How to fix it: rewrite the sentence or drop the row. Where the conversation is about that vendor, or about AI, and
    where the answer names a maker of its own, the row is left alone.
    """
    for i, answer in sample.answers():
        text = answer.text
        lowered = text.lower()
        match, about, what = None, _ABOUT_VENDORS, "speaks as another model"
        if any(hint in lowered for hint in _VENDOR_HINTS):
            match = _IDENTITY.search(text)
        if match is None and any(hint in lowered for hint in _AI_VOICE_HINTS) and (match := _AI_VOICE.search(text)):
            maker = _MAKER.search(match[0]) or _MAKER.match(text, match.end())
            if maker and not _ABOUT_VENDORS.search(maker[1]):
                continue
            if not maker:
                about, what = _ABOUT_AI, "speaks of itself as an AI"
        if match and not request_matches(about, sample, i):
            yield Fault(f"{what}: {excerpt(text, *match.span())}", Where(i, "content", *match.span()))


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
    r"contact me)|(?:please )?let me know if (?:you (?:have|need)|there['’]?s|there is) [^.!?\n]{0,110})[.!]*\s*\Z",
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
            yield Fault(f"opens with praise: {excerpt(text, *match.span())}", Where(i, "content", *match.span()))
        match = _SET_PHRASE.search(text, max(len(text) - 200, 0)) if len(text) > 100 else None
        if match and not is_quoted(text, match.start()):
            said = excerpt(text, *match.span())
            yield Fault(f"closes with a set phrase: {said}", Where(i, "content", *match.span()))
