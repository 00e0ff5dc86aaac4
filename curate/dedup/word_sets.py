"""Words that a comparison treats as a kind: those that carry little meaning, and those that exclude each other."""

from __future__ import annotations

from collections import defaultdict

_FUNCTION_WORDS = """
    a an the this that these those it its is are was were be been being am do does did done has have had having
    i you he she we they me him her us them my your his our their there here of to in on at by for from with as into
    and or but so if then than will would shall should could can may might must please just also very really what's
    hi hello hey dear thanks thank it's that's there's i'm you're we're they're i've you've we've i'd you'd i'll
    you'll let's s t d m ll re ve cannot can't don't kindly tell
    der die das den dem des ein eine einen einem einer eines und oder ist sind war waren zu im am um mit von für auf
    bitte auch noch mal danke beim ins
    le la les un une des du de et ou est sont à au aux en dans pour par sur avec ce cette ces il elle l d j n c qu
    s'il te vous plaît svp merci
    el los las una unos unas y o es son del al con por para en que se su sus favor gracias
    il lo gli uno ed è sono di da nel nella per su che si
    os as um uma e ou são do da dos das no na em com que se favor obrigado obrigada
    het een en of van op te voor met
    и в на с к у о из по за от для что это как пожалуйста
"""
FUNCTION_WORDS = frozenset(["", *_FUNCTION_WORDS.split()])

# One of a set in the place of another makes another question, however small the edit.
_EXCLUSIVE_SETS = """
    positive negative neutral
    true false
    yes no
    correct incorrect wrong
    right wrong
    right left
    increase decrease
    increased decreased
    increases decreases
    increasing decreasing
    rise fall
    rises falls
    more less fewer
    most least fewest
    max min
    maximum minimum
    largest smallest
    biggest smallest
    larger smaller
    bigger smaller
    highest lowest
    higher lower
    high low
    longest shortest
    longer shorter
    oldest youngest
    oldest newest
    older younger
    older newer
    fastest slowest
    faster slower
    best worst
    better worse
    greater less smaller
    greatest least smallest
    first second third fourth fifth last
    before after during
    above below
    over under
    up down
    top bottom
    upper lower
    front back
    inside outside
    north south east west
    northern southern eastern western
    male female
    man woman
    men women
    boy girl
    boys girls
    husband wife
    father mother
    son daughter
    brother sister
    buy sell
    bought sold
    buyer seller
    open closed
    open close
    opens closes
    start end stop finish
    start stop finish
    start end
    begin end
    beginning end
    started ended
    arrive leave depart
    win lose
    won lost
    winner loser
    cause effect
    advantages disadvantages
    advantage disadvantage
    pros cons
    benefits drawbacks risks
    strengths weaknesses
    with without
    include exclude
    included excluded
    including excluding
    allow forbid deny
    allowed forbidden prohibited
    accept reject
    enable disable
    enabled disabled
    on off
    hot cold
    warm cool
    wet dry
    hard soft
    heavy light
    early late
    earlier later
    day night
    morning afternoon evening
    yesterday today tomorrow
    daily weekly monthly yearly
    spring summer autumn winter
    past present future
    same different
    similar different
    similarities differences
    odd even
    even odd
    add subtract
    addition subtraction multiplication division
    sum difference product quotient
    numerator denominator
    mean median mode
    ascending descending
    encode decode
    encrypt decrypt
    import export
    upload download
    input output
    who what where when why how
    who's what's where's when's why's how's
    premise hypothesis
    monday tuesday wednesday thursday friday saturday sunday
    january february march april may june july august september october november december
    second seconds minute hour day week month year
    seconds minutes hours days weeks months years
    red orange yellow green blue purple black white brown pink grey
    + - * /
    < >
    & |
    左 右
    上 下
    男 女
    大 小
    多 少
    高 低
    前 后 後
    早 晚
    vor nach
    mehr weniger
    größer kleiner
    größte kleinste
    höchste niedrigste
    mit ohne
    wer was wo wann warum wie
    avant après
    plus moins
    avec sans
    qui quand où pourquoi comment
    antes después
    más menos
    con sin
    mayor menor
    quién cuándo dónde cómo
"""

_SETS_OF: dict[str, set[int]] = defaultdict(set)
for _number, _line in enumerate(_EXCLUSIVE_SETS.strip().splitlines()):
    for _word in _line.split():
        _SETS_OF[_word].add(_number)


def are_exclusive(left: str, right: str) -> bool:
    """Whether two words, in lower case, are different members of one set of words that exclude each other."""
    return left != right and not _SETS_OF.get(left, set()).isdisjoint(_SETS_OF.get(right, ()))
