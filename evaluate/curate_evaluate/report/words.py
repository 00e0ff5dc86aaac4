"""The findings in sentences, for the terminal, the page and the markdown alike. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from curate_evaluate.arms.arm import UNQUANTISED
from curate_evaluate.judging.words import ENOUGH, minutes, of_people, sentences
from curate_evaluate.metrics import METRICS
from curate_evaluate.stats.power import MOST_SEEDS, NEVER
from curate_evaluate.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Beyond this no evaluation by hand will come.
MOST_ROWS = 100_000
LARGEST_SHARE = 1.0
LARGEST_P = 0.05
# Of a loss on general text, in nats a token: a smaller rise is a hundredth of the perplexity, and nothing to act on.
FORGOTTEN = 0.01


def shown(metric: str, value: float) -> str:
    """A score as people write it: 0.81, or 45.2 where the full score is 100."""
    return f"{value:.2f}" if METRICS[metric].full == LARGEST_SHARE else f"{value:.1f}"


def points(metric: str, value: float) -> float:
    """A score or difference in percent of the full score."""
    return 100 * value / METRICS[metric].full


def signed(metric: str, value: float) -> str:
    """A difference in points, with two digits where one would hide on which side of zero it is."""
    found = points(metric, value)
    if abs(found) < 1e-9:
        return "0"
    return f"{found:+.1f}" if abs(found) >= 0.1 else f"{found:+.2g}"


def probability(p: float) -> str:
    return f"{p:.2g}" if p >= 0.0001 else "under 0.0001"


def interval(metric: str, difference: Mapping[str, Any]) -> str:
    return f"{signed(metric, difference['low'])} to {signed(metric, difference['high'])}"


def headline(scores: Mapping[str, Any], run: str = "RUN") -> str:
    """The verdict with what it rests on, in a sentence or two.

    Args:
        scores: evaluate/scores.json, or report.json, which knows what people judged.
        run: the folder, for the command to go on with.
    """
    verdict, metric = scores["verdict"], scores["plan"]["metric"]
    subject = verdict["subject"]
    title = scores["arms"][verdict["decisive"]]["title"]
    margin = scores["plan"]["margin"]
    numbers = against(scores, verdict["decisive"])
    if not METRICS[metric].decides:
        pairs = min(ENOUGH, scores["n"])
        asked = f"judge {pairs} pairs, {minutes(pairs)}: curate judge {run}"
        judged = of_people(scores.get("judging", ()), verdict["decisive"])
        return f"Cannot tell from automatic metrics: {judged or asked}. {capital(scores['fit']['why'])}. {numbers}"
    claim = {
        Verdict.WIN: f"{capital(subject)} is worth it",
        Verdict.EQUIVALENT: f"{capital(subject)} is as good as {title}, within {margin:g} points, and no better",
        Verdict.WORSE: f"{capital(subject)} is worse than {title}",
        Verdict.CANNOT_TELL: f"Cannot tell whether {subject} is worth it",
    }[Verdict(verdict["verdict"])]
    return f"{claim}: {numbers}{settled_by(verdict['needed'], scores['n'], verdict.get('needed_seeds'))}"


def against(scores: Mapping[str, Any], baseline: str) -> str:
    """The primary metric of the fine-tuned arm and of one baseline, and the difference."""
    metric = scores["plan"]["metric"]
    differences = scores["differences"][metric]
    difference = differences[baseline]
    tuned, other = (scores["arms"][name] for name in (scores["plan"]["arms"][0], baseline))
    decisive = scores["verdict"]["decisive"]
    best = min(differences, key=lambda name: (differences[name]["value"], name != decisive))
    which = "best baseline" if baseline == best else "baseline"
    values = (
        f"{METRICS[metric].title} {shown(metric, tuned['scores'][metric])}, {which} "
        f"{shown(metric, other['scores'][metric])} ({other['title']})"
    )
    if not difference["won"] + difference["lost"]:
        return f"{values}: no score differs, 95% CI {interval(metric, difference)} points, n = {difference['n']:,}."
    return (
        f"{values}: {signed(metric, difference['value'])} points, 95% CI {interval(metric, difference)}, "
        f"n = {difference['n']:,} ({difference['won']:,} won, {difference['lost']:,} lost; {difference['test']} "
        f"p = {probability(difference['p'])})."
    )


def settled_by(needed: int | None, n: int, seeds: int | None = None) -> str:
    """How many rows, or `seeds`, a clear answer would take; nothing where there is one."""
    if needed is None:
        return ""
    rows = "" if needed > MOST_ROWS else f"{rounded(needed):,} held-out rows"
    if seeds is not None:
        ways = " or ".join(filter(None, (rows, f"{seeds} training seeds (--seeds {seeds})")))
        return f" About {ways} would settle it; there are {n:,} rows."
    if needed >= NEVER:
        return f" The seeds differ too much for any number of rows, or {MOST_SEEDS} seeds, to settle it."
    if not rows:
        return f" The arms are too alike for any number of rows up to {MOST_ROWS:,} to settle it."
    return f" About {rows} would settle it; there are {n:,}."


def rounded(count: int) -> int:
    """To two digits, upwards: it is an estimate."""
    step: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def form_and_task(scores: Mapping[str, Any]) -> list[str]:
    """Where strict and tolerant scores part: what was learned of the form, and what of the task, by baseline."""
    found = []
    for name, metric in METRICS.items():
        if metric.tolerant is None or name not in scores["differences"] or metric.tolerant not in scores["differences"]:
            continue
        for baseline, strict in scores["differences"][name].items():
            task = scores["differences"][metric.tolerant][baseline]
            if strict["low"] > 0 and task["low"] <= 0:
                found.append(
                    f"Against {scores['arms'][baseline]['title']} it learned the form and, as far as can be told, no "
                    f"more: {metric.title} {signed(name, strict['value'])} points, {METRICS[metric.tolerant].title} "
                    f"{signed(metric.tolerant, task['value'])}."
                )
    return found


def costs(scores: Mapping[str, Any]) -> list[str]:
    """What each baseline sends and writes, beside the fine-tuned arm. Nothing is called cheaper without prices."""
    tuned = scores["arms"][scores["plan"]["arms"][0]]
    sent = [
        f"{capital(arm['title'])} sends {arm['prompt_tokens'] / tuned['prompt_tokens']:.1f} times the prompt tokens."
        for arm in scores["arms"].values()
        # The same prompts, said once.
        if arm["answered_by"] != UNQUANTISED and arm["prompt_tokens"] >= 1.5 * tuned["prompt_tokens"]
    ]
    return [*sent, *prices_in_words(scores)]


def prices_in_words(scores: Mapping[str, Any]) -> list[str]:
    """After how many answers the training is paid for, by baseline; nothing where no prices were given."""
    prices = scores.get("prices")
    if prices is None:
        return []
    tuned = scores["plan"]["arms"][0]
    is_known = prices["training"] is not None
    once = (
        f"Training cost {money(prices['training'])} once, and" if is_known else "What its training cost is not known;"
    )
    said = [
        f"{once} 1,000 answers of {tuned} cost "
        f"{money(1000 * prices['per_answer'][tuned])}: {scores['arms'][tuned]['seconds']:.3g} s each, as measured on "
        f"{prices['device']} in batches of {prices['batch_size']:,}, on a machine at {prices['gpu_hour']:g} an hour "
        "that is never idle."
    ]
    for name, price in prices["per_answer"].items():
        if scores["arms"][name]["tuned"]:
            continue
        cost = f"1,000 answers of {scores['arms'][name]['title']} cost {money(1000 * price)}"
        count = prices["break_even"].get(name)
        paid = "never pays" if count is None else f"has paid after about {rounded(count):,} answers"
        said.append(f"{cost}: the training {paid}." if is_known else f"{cost}.")
    return said


def money(amount: float) -> str:
    """Two digits after the point, or as many as show two digits of a small amount."""
    if not amount:
        return "0"
    digits = max(2, 1 - math.floor(math.log10(abs(amount))))
    return f"{amount:,.{digits}f}"


def overfitting(scores: Mapping[str, Any]) -> list[str]:
    """The adapter on training rows beside held-out ones; nothing where there are no training rows."""
    found, metric = scores["training"], scores["plan"]["metric"]
    if found is None:
        return []
    held_out = scores["arms"][scores["plan"]["arms"][0]]["scores"][metric]
    said = (
        f"On {found['rows']:,} training rows its {METRICS[metric].title} is {shown(metric, found['score'])}, on the "
        f"held-out ones {shown(metric, held_out)}"
    )
    if found["p"] > LARGEST_P:
        return [f"{said}: no overfitting seen."]
    return [f"{said} (permutation test p = {probability(found['p'])}): it knows its own rows better than new ones."]


def contamination(scores: Mapping[str, Any]) -> str:
    """How many scored rows resemble training rows, and what is left of the difference without them."""
    found, metric = scores["contamination"], scores["plan"]["metric"]
    if not found["rows"]:
        return "No held-out row resembles a training row (LEAK rules)."
    resemble = f"{found['rows']:,} of {scores['n']:,} held-out rows resemble training rows (LEAK rules)"
    if "without" not in found:
        return f"{resemble}: every score here may be one of memory."
    without = found["without"]["differences"][scores["verdict"]["decisive"]]
    return (
        f"{resemble}; without them the difference is {signed(metric, without['value'])} points "
        f"({interval(metric, without)}) and the verdict {found['without']['verdict']}."
    )


def could_find(scores: Mapping[str, Any]) -> str:
    """What so many rows can show at best, in a sentence."""
    found = [entry for entry in scores["detectable"] if entry["gain"] is not None]
    if not found:
        most = max(entry["changed"] for entry in scores["detectable"])
        return f"{scores['n']:,} rows are too few to show any gain where no more than {most:.0%} of them differ."
    parts = [f"{100 * entry['gain']:.0f} points if {entry['changed']:.0%} of them differ" for entry in found]
    return f"{scores['n']:,} rows can show, with a chance of 80%, a true gain of {', '.join(parts)}."


def topics(scores: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a reader has to know beside the verdict, by subject, in the order in which one asks."""
    others = [name for name in scores["verdict"]["by_baseline"] if name != scores["verdict"]["decisive"]]
    found = {
        "Judged by reading": [said for judged in scores.get("judging", ()) for said in sentences(judged)],
        "Other baselines": [against(scores, name) for name in others],
        "Form and task": [*form_and_task(scores), *held_out_loss(scores)],
        "Costs": costs(scores),
        "Overfitting": overfitting(scores),
        "Forgetting": [forgetting(scores), *map(of_task, scores["tasks"])],
        "Contamination": [contamination(scores)],
        "What this test can show": [could_find(scores)],
        "Not tested": list(scores["not_tested"]),
    }
    return {subject: said for subject, said in found.items() if said}


def notes(scores: Mapping[str, Any]) -> list[str]:
    """The same, one after the other."""
    return [note for said in topics(scores).values() for note in said]


def held_out_loss(scores: Mapping[str, Any]) -> list[str]:
    """The loss on the held-out answers, before and after."""
    found = scores["losses"]["answers"]
    return [f"Loss on the held-out answers: {nats(found)}."] if found else []


def forgetting(scores: Mapping[str, Any]) -> str:
    """Whether the adapter made the model worse at text that has nothing to do with the task."""
    found = scores["losses"]["generic"]
    said = f"loss on {found['rows']:,} passages of general text {nats(found)}"
    return f"It forgot: {said}." if found["difference"]["low"] > FORGOTTEN else f"Forgetting: none seen ({said})."


def nats(found: Mapping[str, Any]) -> str:
    """A loss before and after, with the difference."""
    difference = found["difference"]
    return (
        f"{found['before']:.2f} -> {found['after']:.2f}, {difference['value']:+.2f} nats a token, "
        f"95% CI {difference['low']:+.2f} to {difference['high']:+.2f}"
    )


def of_task(found: Mapping[str, Any]) -> str:
    """A task of lm-eval before and after, with what that says."""
    difference, full = found["difference"], found["full"]
    # A metric without limits has no points.
    scale, unit = (100 / full, " points") if full else (1.0, "")
    value, low, high = (scale * difference[key] for key in ("value", "low", "high"))
    fell, rose = (high < 0, low > 0) if found["higher_is_better"] else (low > 0, high < 0)
    seen = "a loss" if fell else "a gain" if rose else "no loss seen"
    return (
        f"{found['task']}, {found['metric']}: {found['before']:.2f} -> {found['after']:.2f}, {value:+.2g}{unit}, "
        f"95% CI {low:+.2g} to {high:+.2g}, n = {found['n']:,}: {seen}."
    )


def declared(plans: Sequence[Mapping[str, Any]]) -> str:
    """When metric, margin and arms were fixed, and whether they were changed since."""
    first, last = plans[0], plans[-1]
    said = f"Declared before the first test row was answered ({first['at'].replace('T', ' ')}): {over(first)}"
    said += f"{first['metric']}, a margin of {first['margin']:g} points, against {', '.join(first['arms'][1:])}."
    if len(plans) > 1:
        said += (
            f" Changed {len(plans) - 1} times since, last to {over(last)}{last['metric']}, {last['margin']:g} points, "
            f"{', '.join(last['arms'][1:])} ({last['at'].replace('T', ' ')}): read the verdict accordingly."
        )
    return said


def over(plan: Mapping[str, Any]) -> str:
    return f"{plan['seeds']} seeds, " if plan["seeds"] > 1 else ""
