"""Where an answer states its result: after ####, in \\boxed{}, after "A:" or "the answer is" in the main languages."""

from __future__ import annotations

import re

_HASHES = re.compile(r"^[ \t]*#{4}[ \t]*(\S[^\n]*)", re.MULTILINE)
_LINE = re.compile(
    r"^[ \t>*_#]*(?:the )?(?:final |correct |short )?(?:A|Ans|Answer|Result|Solution|Antwort|Lösung|Ergebnis"
    r"|Réponse|Resultat|Résultat|"
    r"Respuesta|Resultado|Risposta|Risultato|Resposta|Antwoord|Ответ|Результат|答案|答|回答|最终答案|答え|解答|정답"
    r"|답|답변|الجواب|الإجابة|"
    r"คำตอบ|उत्तर|Cevap|Odpowiedź|Đáp án|Jawaban)(?: finale?| final| correcta?)?[ \t*_]*[:：][ \t*_]*(\S[^\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
_OTHER_SPEAKER = re.compile(r"^[ \t*_]*(?:[B-HQ])[ \t*_]*[:：]", re.MULTILINE)
_PHRASE = re.compile(
    r"\b(?:(?:the|my|our|so the|your) (?:final |correct |right |best )?(?:answer|result|solution) (?:is|would be"
    r"|equals)"
    r"|(?:die|das) (?:richtige |endgültige |korrekte )?(?:antwort|ergebnis|lösung) (?:ist|lautet)"
    r"|la (?:bonne )?réponse (?:finale |correcte )?est|la respuesta (?:correcta |final )?es"
    r"|la risposta (?:corretta |finale )?è"
    r"|a resposta (?:correta |final )?é|het (?:juiste )?antwoord is|(?:правильный )?ответ\s?[—–-])\s*:?\s*([^\n]+)"
    r"|(?:(?:正确)?答案(?:是|为|：)|答えは、?|正解は、?|정답은 |답은 |الجواب هو|الإجابة هي"
    r"|คำตอบคือ)\s*:?\s*([^\n。]+)",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_END = re.compile(r"(?<=[^\d\s.])[.!。！](?=\s|\Z)|(?<=\d)[.。](?=\s+[^\W\d]|\Z)")


def final_span(answer: str) -> tuple[int, int] | None:
    """The place of the stated result in an answer, or None where nothing marks one."""
    if (boxed := _last_boxed(answer)) is not None:
        return boxed
    for pattern in (_HASHES, _LINE):
        matches = list(pattern.finditer(answer))
        if matches and not (pattern is _LINE and _OTHER_SPEAKER.search(answer)):
            return matches[-1].span(1)
    matches = list(_PHRASE.finditer(answer))
    if not matches:
        return None
    last = matches[-1]
    start, end = last.span(last.lastindex or 1)
    stop = _END.search(answer, start, end)
    return start, stop.start() if stop else end


def _last_boxed(answer: str) -> tuple[int, int] | None:
    openings = [match.end() for match in _BOXED.finditer(answer)]
    depth = 1
    for i in range(openings[-1], len(answer)) if openings else ():
        depth += {"{": 1, "}": -1}.get(answer[i], 0)
        if depth == 0:
            return openings[-1], i
    return None
