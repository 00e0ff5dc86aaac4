"""How often the verdict is wrong: simulated studies whose truth is known.

    python benchmarks/calibration.py [--studies 2000] [--seed 0] [--peers] [--write docs/calibration.md]

A study draws, for each example, whether the arms differ and which one wins. Clustered studies draw the shares anew for
each cluster of 1 to 8 examples (Dirichlet, intra-cluster correlation 0.3). Scores between 0 and 1 draw how much is won
or lost from Beta(0.8, 1.6), many small and few large. Studies of several training seeds draw how hard each example is,
what each training answers to it, and by how much all of a training's answers are better or worse. --peers gives the
same studies to methods that are often used instead, of which fewer studies are drawn, as they are slow.
"""

from __future__ import annotations

import argparse
import math
from datetime import date
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from curate_evaluate.stats import compare, compare_seeds
from curate_evaluate.verdict import MARGIN, Plan, Verdict, decide, of_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from curate_evaluate.stats import Difference

    Interval = tuple[float, float]

SIZES = (30, 60, 100, 200, 500)
CHANGED = (0.05, 0.1, 0.2, 0.4)
DELTA = MARGIN / 100
# No gain, the margin either way, and what the power is asked for.
GAINS = (0.0, DELTA, -DELTA, 0.08)
CORRELATION = 0.3
PART = stats.beta(0.8, 1.6)
BASELINES = 4
SEEDS = (3, 5)
# The standard deviation of trainings that differ in nothing but the seed, in points.
SEED_POINTS = (0, 2, 5)
SEED_SIZES = (60, 100, 200, 500)
# Of the errors of an answer, where examples differ by 1 in their ease: two trainings then differ in 20% of the answers.
NOISE = 0.5


class Cell(NamedTuple):
    """One kind of study."""

    binary: bool
    clustered: bool
    n: int
    changed: float
    gain: float

    @property
    def truth(self) -> float:
        return self.gain if self.binary else self.gain * float(PART.mean())


class Found(NamedTuple):
    """Shares of a cell's studies."""

    wins: float
    equivalent: float
    covered: float
    width: float


def cells(sizes: Sequence[int]) -> Iterator[Cell]:
    for binary, clustered, n, changed, gain in product((True, False), (False, True), sizes, CHANGED, GAINS):
        if abs(gain) <= changed:
            # The mean of scores between 0 and 1 moves by a part of each win; the truth of a gain is that of the mean.
            scaled = gain if binary else gain / float(PART.mean())
            if abs(scaled) <= changed:
                yield Cell(binary, clustered, n, changed, scaled)


def draw(cell: Cell, random: Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The differences of one study, and the cluster of each."""
    shares = np.array([(cell.changed + cell.gain) / 2, (cell.changed - cell.gain) / 2, 1 - cell.changed])
    if cell.clustered:
        sizes = random.integers(1, 9, cell.n)
        codes = np.repeat(np.arange(cell.n), sizes)[: cell.n]
        drawn = random.gamma(np.maximum(shares * (1 / CORRELATION - 1), 1e-9), size=(codes[-1] + 1, 3))
        of_each = (drawn / drawn.sum(axis=1, keepdims=True))[codes]
    else:
        codes = np.arange(cell.n)
        of_each = np.tile(shares, (cell.n, 1))
    kind = (random.random(cell.n)[:, None] > of_each.cumsum(axis=1)[:, :2]).sum(axis=1)
    differences = np.array([1.0, -1.0, 0.0])[kind]
    if not cell.binary:
        differences = differences * PART.rvs(cell.n, random_state=random)
    return differences, codes


def compared(differences: NDArray[np.float64], codes: NDArray[np.int64]) -> Difference:
    before = np.where(differences < 0, -differences, 0.0)
    after = np.where(differences > 0, differences, 0.0)
    return compare(before.tolist(), after.tolist(), clusters=codes.tolist())


def study(cell: Cell, studies: int, random: Generator) -> Found:
    wins = equivalent = covered = 0
    width = 0.0
    for _ in range(studies):
        difference = compared(*draw(cell, random))
        verdict = of_one(difference, DELTA)
        wins += verdict == Verdict.WIN
        equivalent += verdict == Verdict.EQUIVALENT
        covered += difference.low <= cell.truth <= difference.high
        width += difference.high - difference.low
    return Found(wins / studies, equivalent / studies, covered / studies, width / studies)


class Trained(NamedTuple):
    """One kind of study over several training seeds, with 0/1 scores and every example on its own."""

    seeds: int
    points: float
    n: int
    gain: float

    def draw(self, random: Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The scores of the base model [n] and of each training [seeds, n].

        An answer is right where the example's ease, an error of its own and what the training is worth come to more
        than 0. All three are normal, so that the share of right answers over all trainings is known.
        """
        one = math.hypot(1, NOISE)
        spread = self.points / 100 / stats.norm.pdf(0) * one
        worth = stats.norm.ppf(0.5 + self.gain) * math.hypot(one, spread) + random.normal(0, spread, self.seeds)
        ease = random.normal(0, 1, self.n)
        before = ease + random.normal(0, NOISE, self.n) > 0
        after = ease + random.normal(0, NOISE, (self.seeds, self.n)) + worth[:, None] > 0
        return before.astype(np.float64), after.astype(np.float64)


def by_rows_alone(before: NDArray[np.float64], after: NDArray[np.float64]) -> Interval:
    """The mean over seeds as if these seeds were all there are."""
    found = compare(before.tolist(), after.mean(axis=0).tolist())
    return found.low, found.high


def by_satterthwaite(before: NDArray[np.float64], after: NDArray[np.float64]) -> Interval:
    """The variances of both added, with degrees of freedom that are estimated."""
    seeds, n = after.shape
    differences = after - before
    parts = differences.mean(axis=0).var(ddof=1) / n, differences.mean(axis=1).var(ddof=1) / seeds
    total = sum(parts)
    freedom = total**2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (seeds - 1))
    half = stats.t.ppf(0.975, freedom) * math.sqrt(total)
    return differences.mean() - half, differences.mean() + half


def by_one_seed(before: NDArray[np.float64], after: NDArray[np.float64]) -> Interval:
    """What one training is taken to say of all."""
    found = compare(before.tolist(), after[0].tolist())
    return found.low, found.high


SEED_PEERS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], Interval]] = {
    "rows alone": by_rows_alone,
    "Satterthwaite": by_satterthwaite,
    "one seed": by_one_seed,
}


def over_seeds(studies: int, random: Generator) -> list[str]:
    """Coverage, false wins and power of verdicts on fine-tuning, with the coverage that others have there."""
    lines = [
        "| seeds | seeds differ by, points | n | WIN, no gain | coverage, no gain | coverage, 8 points | "
        f"8 points called | width, points | {' | '.join(f'coverage of {name}, no gain' for name in SEED_PEERS)} |",
        f"|{'---|' * (8 + len(SEED_PEERS))}",
    ]
    for seeds, points, n in product(SEEDS, SEED_POINTS, SEED_SIZES):
        cells = []
        others = dict.fromkeys(SEED_PEERS, 0)
        for gain in (0.0, 0.08):
            wins = covered = 0
            width = 0.0
            for _ in range(studies):
                before, after = Trained(seeds, points, n, gain).draw(random)
                found = compare_seeds(before.tolist(), after.tolist())
                wins += of_one(found, DELTA) == Verdict.WIN
                covered += found.low <= gain <= found.high
                width += found.high - found.low
                if not gain:
                    for name, method in SEED_PEERS.items():
                        low, high = method(before, after)
                        others[name] += low <= 0 <= high
            cells.append((wins / studies, covered / studies, width / studies))
        (false, covered_none, width_none), (called, covered_eight, _) = cells
        peers = " | ".join(f"{count / studies:.1%}" for count in others.values())
        lines.append(
            f"| {seeds} | {points} | {n} | {false:.1%} | {covered_none:.1%} | {covered_eight:.1%} | {called:.1%} | "
            f"{100 * width_none:.1f} | {peers} |"
        )
        print(lines[-1], flush=True)
    return lines


def by_t(differences: NDArray[np.float64], codes: NDArray[np.int64], random: Generator) -> Interval:
    sums, sizes = np.bincount(codes, differences), np.bincount(codes)
    mean, groups = differences.mean(), len(sums)
    residuals = sums - sizes * mean
    error = math.sqrt(groups / (groups - 1) * (residuals @ residuals)) / len(differences)
    half = float(stats.t.ppf(0.975, groups - 1)) * error
    return mean - half, mean + half


def by_percentile(differences: NDArray[np.float64], codes: NDArray[np.int64], random: Generator) -> Interval:
    return by_scipy(differences, codes, random, "percentile")


def by_bca(differences: NDArray[np.float64], codes: NDArray[np.int64], random: Generator) -> Interval:
    return by_scipy(differences, codes, random, "BCa")


def by_scipy(differences: NDArray[np.float64], codes: NDArray[np.int64], random: Generator, method: str) -> Interval:
    """scipy.stats.bootstrap, of whole clusters."""
    if not differences.any():
        return 0.0, 0.0
    sums, sizes = np.bincount(codes, differences), np.bincount(codes)
    found = stats.bootstrap(
        (sums, sizes),
        lambda x, y, axis: x.sum(axis=axis) / y.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=999,
        method=method,
        rng=random,
    ).confidence_interval
    return float(found.low), float(found.high)


def by_studentised(differences: NDArray[np.float64], codes: NDArray[np.int64], random: Generator) -> Interval:
    sums, sizes = np.bincount(codes, differences), np.bincount(codes).astype(float)
    groups, mean = len(sums), differences.mean()
    error = np.sqrt(((sums - sizes * mean) ** 2).sum()) / sizes.sum()
    chosen = random.integers(0, groups, (999, groups))
    drawn, of = sums[chosen], sizes[chosen]
    means = drawn.sum(axis=1) / of.sum(axis=1)
    errors = np.sqrt(((drawn - of * means[:, None]) ** 2).sum(axis=1)) / of.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.sort(np.nan_to_num((means - mean) / errors, nan=0.0))
    return mean - ratios[974] * error, mean - ratios[24] * error


PEERS: dict[str, Callable[[NDArray[np.float64], NDArray[np.int64], Generator], Interval]] = {
    "t interval by cluster": by_t,
    "percentile bootstrap": by_percentile,
    "BCa bootstrap": by_bca,
    "studentised bootstrap": by_studentised,
}


def peers(studies: int, random: Generator) -> list[str]:
    lines = [
        "| scores | clustered | n | differ | true gain, points | method | coverage | lower bound above 0 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell in (
        Cell(True, False, 30, 0.05, 0.03),
        Cell(True, True, 60, 0.05, 0.0),
        Cell(True, True, 200, 0.05, 0.0),
        Cell(False, True, 200, 0.05, 0.0),
        Cell(False, True, 500, 0.2, 0.0),
    ):
        found = {name: [0, 0] for name in ("curate", *PEERS)}
        for _ in range(studies):
            drawn = draw(cell, random)
            ours = compared(*drawn)
            intervals = {"curate": (ours.low, ours.high)}
            intervals |= {name: method(*drawn, random) for name, method in PEERS.items()}
            for name, (low, high) in intervals.items():
                found[name][0] += low <= cell.truth <= high
                found[name][1] += low > 0
        lines += [
            f"| {named(cell)} | {100 * cell.truth:g} | {name} | {covered / studies:.1%} | {above / studies:.1%} |"
            for name, (covered, above) in found.items()
        ]
    return lines


def several(studies: int, random: Generator) -> dict[Verdict, float]:
    """The verdicts over several baselines, all of them as good as the fine-tuned arm."""
    plan = Plan("exact_match", 1.0, ("tuned", *map(str, range(BASELINES))))
    found = dict.fromkeys(Verdict, 0)
    for _ in range(studies):
        ability = random.normal(0, 1, 300)
        scores = [(ability + random.normal(0, 0.7, 300) > 0).astype(float).tolist() for _ in plan.arms]
        against = {name: compare(score, scores[0]) for name, score in zip(plan.arms[1:], scores[1:], strict=True)}
        found[decide(against, plan).verdict] += 1
    return {verdict: count / studies for verdict, count in found.items()}


def named(cell: Cell) -> str:
    scores = "0/1" if cell.binary else "0 to 1"
    return f"{scores} | {'yes' if cell.clustered else 'no'} | {cell.n} | {cell.changed:.0%}"


def said(cell: Cell) -> str:
    scores = "0/1" if cell.binary else "0 to 1"
    return f"{scores}, {'clustered' if cell.clustered else 'each alone'}, n = {cell.n}, {cell.changed:.0%} differ"


def worst(found: dict[Cell, Found]) -> tuple[Cell, Cell]:
    """The kind with the most false WINs, and the one whose intervals hold the truth least often."""
    equal = [cell for cell in found if not cell.gain]
    return max(equal, key=lambda cell: found[cell].wins), min(found, key=lambda cell: found[cell].covered)


def drawn_again(win: Cell, least: Cell, studies: int, random: Generator) -> str:
    """What the worst of all kinds are with new studies: the most extreme of many is so partly by chance."""
    false, held = study(win, studies, random).wins, study(least, studies, random).covered
    return (
        f"Drawn again, {studies:,} times each: WIN without a gain {false:.2%} ({said(win)}); the interval holds the "
        f"truth in {held:.1%} ({said(least)})."
    )


def summary(found: dict[Cell, Found], studies: int) -> list[str]:
    equal = {cell: of for cell, of in found.items() if not cell.gain}
    near = {cell: of for cell, of in found.items() if abs(cell.truth) >= DELTA - 1e-9}
    power = found[Cell(True, False, 200, 0.2, 0.08)].wins
    clustered = found[Cell(True, True, 200, 0.2, 0.08)].wins
    covered = [of.covered for of in found.values()]
    rate = np.mean
    worst_win, least = worst(found)
    worst_near = max(near, key=lambda cell: near[cell].equivalent)
    noise = 1.96 * math.sqrt(0.025 * 0.975 / studies)
    return [
        "| what | asked for | found | worst kind of study |",
        "|---|---|---|---|",
        f"| WIN without a gain | at most 2.5% | {rate([of.wins for of in equal.values()]):.2%} | "
        f"{equal[worst_win].wins:.2%} ({said(worst_win)}) |",
        f"| EQUIVALENT though the arms differ by the margin or more | at most 5% | "
        f"{rate([of.equivalent for of in near.values()]):.2%} | {near[worst_near].equivalent:.2%} "
        f"({said(worst_near)}) |",
        f"| the interval holds the truth | 94 to 97% | {rate(covered):.1%} | {found[least].covered:.1%} "
        f"({said(least)}) |",
        f"| a gain of 8 points is called (0/1, n = 200, 20% differ) | at least 60% | {power:.1%} | "
        f"{clustered:.1%} where clustered |",
        "",
        f"A share of 2.5% is known to ±{noise:.1%} from {studies:,} studies.",
    ]


def tables(found: dict[Cell, Found]) -> list[str]:
    lines = [
        "| scores | clustered | n | differ | WIN, no gain | coverage, no gain | coverage, a gain of 2 points | "
        "coverage, 8 points | 8 points called | width, points |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    by_kind: dict[tuple[bool, bool, int, float], dict[float, Found]] = {}
    for cell, of in found.items():
        by_kind.setdefault(cell[:4], {})[round(cell.truth, 6)] = of
    for kind, of_gain in by_kind.items():
        eight = of_gain.get(0.08)
        two = of_gain.get(DELTA)
        lines.append(
            f"| {named(Cell(*kind, 0.0))} | {of_gain[0.0].wins:.1%} | {of_gain[0.0].covered:.1%} | "
            f"{f'{two.covered:.1%}' if two else ''} | {f'{eight.covered:.1%}' if eight else ''} | "
            f"{f'{eight.wins:.1%}' if eight else ''} | {100 * of_gain[0.0].width:.1f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", action="store_true", help="other methods on the same studies")
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    found: dict[Cell, Found] = {}
    for cell in cells(SIZES):
        found[cell] = study(cell, options.studies, random)
        print(f"{named(cell)} | {cell.truth:+.2f} | {found[cell]}", flush=True)
    # Larger than asked for, because only there can the whole interval be within the margin.
    large = [Cell(True, clustered, 3000, 0.05, DELTA) for clustered in (False, True)]
    beyond = [f"{study(cell, options.studies, random).equivalent:.2%}" for cell in large]
    together = several(options.studies, random)
    trained = over_seeds(options.studies, random)
    lines = [
        *summary(found, options.studies),
        "",
        drawn_again(*worst(found), 10 * options.studies, np.random.default_rng(options.seed + 1)),
        "",
        f"EQUIVALENT at n = 3,000 with 5% that differ and a true gain of exactly the margin: {beyond[0]}, clustered "
        f"{beyond[1]}. Against {BASELINES} baselines, all as good as the fine-tuned arm (n = 300): WIN "
        f"{together[Verdict.WIN]:.2%}, WORSE {together[Verdict.WORSE]:.2%}.",
        "",
        *tables(found),
        "",
        *trained,
    ]
    if options.peers:
        lines += ["", *peers(max(200, options.studies // 4), random)]
    text = "\n".join(lines)
    print(text)
    if options.write:
        kinds = f"{len(found)} kinds of study, {options.studies:,} of each, seed {options.seed}"
        head = options.write.read_text().split("<!-- made", 1)[0] if options.write.exists() else ""
        made = "<!-- made by benchmarks/calibration.py; what stands below is replaced -->"
        options.write.write_text(f"{head}{made}\n\n{kinds}, {date.today():%-d %B %Y}.\n\n{text}\n")


if __name__ == "__main__":
    main()
