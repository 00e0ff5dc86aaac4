"""The whole path of a check, in one function: reader → stages → report."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import groupby
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.examine import CRASHES, Examined, described, examine, found, read_samples
from curate.finding import Fault, Finding, Flag, InternalError, Place
from curate.formats import Layout, gather, survey
from curate.io import Input, RawRow, find_inputs, parse_row
from curate.plan import Plan, make_plan
from curate.report.baseline import mark_known
from curate.report.report import InputInfo, Report, token_facts
from curate.sample import Sample

if TYPE_CHECKING:
    from curate.config import Config
    from curate.dedup.corpus import Corpus, Pack
    from curate.model import Model
    from curate.rules import Rule

BATCH_ROWS = 500
BATCH_BYTES = 1 << 20

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the rows done and the rows in all (0 while unknown)."""


def quiet(doing: str, done: int, total: int) -> None:
    """The progress that nobody watches."""


def run_check(
    inputs: Sequence[Input],
    config: Config,
    progress: Progress = quiet,
    *,
    theirs: Sequence[Input] | None = None,
    reviewed: frozenset[str] | None = None,
    layouts: Mapping[str, Layout] | None = None,
) -> Report:
    """Check every row of the inputs: the same findings in the same order, whatever the number of processes.

    `theirs` is what `config.against` names, where the caller has opened it. `reviewed` are the ids of the samples that
    a person decided to keep: `keep = "reviewed"` prefers them. `layouts` says by path how rows are read, where that is
    known.

    Raises:
        CurateError: input that cannot be read, or settings that name no rule, or that ask for decisions without any.
    """
    started = time.perf_counter()
    if config.keep == "reviewed" and reviewed is None:
        raise CurateError("--keep reviewed prefers what a person kept in a run; give the run, or add --run DIR")
    config.refuse_lone_settings()
    paths = [data.path for data in inputs]
    plan = make_plan(config, paths)
    model = open_model(config, sum(data.size for data in inputs)) if config.model else None
    theirs = without(inputs, find_inputs(config.against) if theirs is None and config.against else theirs or ())
    known = layouts or {}
    surveyed = [(known[p], 0) if (p := data.path) in known else survey_input(data, config, progress) for data in inputs]
    total = sum(rows for _, rows in surveyed)
    if model:
        choose_engine(model, inputs, [layout for layout, _ in surveyed])

    infos: list[InputInfo] = []
    findings: list[Finding] = []
    measured: dict[str, list[tuple[Place, Any]]] = {}
    corpus = new_corpus(config, reviewed or frozenset()) if plan.corpus_rules else None
    overlap: list[dict[str, Any]] = []
    internal_errors: list[InternalError] = []
    tokens, trained = array("q"), array("q")
    done = 0
    with Workers(config.jobs or 1, config, plan, paths, model) as workers:
        for data, (layout, _) in zip(inputs, surveyed, strict=True):
            seen = Examined()
            for part in workers.examine(batches(gather(data.rows(), layout)), data.path, layout):
                seen.rows += part.rows
                seen.samples += part.samples
                seen.rejected += part.rejected
                seen.formats += part.formats
                findings += part.findings
                internal_errors += part.internal_errors
                seen.tokens += part.tokens
                seen.trained += part.trained
                for code, values in part.measured.items():
                    measured.setdefault(code, []).extend(values)
                if corpus and part.pack:
                    corpus.add(part.pack)
                progress("checking", done + seen.rows, total)
            done += seen.rows
            tokens += seen.tokens
            trained += seen.trained
            findings += file_findings(data, plan)
            infos.append(input_info(data, layout, seen, model))
    for rule in plan.dataset_rules:
        progress(f"comparing rows ({rule.name})", done, total)
        findings += judge(rule, measured.pop(rule.code, []), inputs, internal_errors)
    if corpus:
        is_compared = any(rule.needs in ("theirs", "against") for rule in plan.corpus_rules)
        unread = add_theirs(corpus, theirs, config, progress) if is_compared else {}
        with Beside(plan, corpus, inputs, config.jobs or 1) as beside:
            for rule in plan.corpus_rules:
                progress(f"comparing rows ({rule.name})", done, total)
                findings += beside.judge(rule, internal_errors)
        if is_compared:
            overlap = overlap_table(corpus, unread)

    skipped = list(plan.skipped)
    if model:
        for rule in plan.model_rules:
            findings += judge_model(rule, model, inputs, internal_errors, skipped)
        model.close()
    if config.baseline:
        mark_known(findings, config.baseline)
    return Report(
        inputs=infos,
        config=config.that_changes_findings(),
        model=model.as_json() if model else None,
        tokens=token_facts(tokens, trained, config.max_length) if model else None,
        skipped=skipped,
        findings=in_input_order(findings, inputs),
        overlap=overlap,
        internal_errors=internal_errors,
        info_is_flagged=not plan.is_default,
        seconds=time.perf_counter() - started,
    )


def survey_input(data: Input, config: Config, progress: Progress) -> tuple[Layout, int]:
    """Decide the layout of a file from all of its rows, and count them."""
    rows = 0

    def all_values() -> Iterator[Any]:
        nonlocal rows
        for row in data.rows():
            rows += 1
            if rows % 20_000 == 0:
                progress(f"reading {data.path}", rows, 0)
            yield from values(row)

    layout = survey(all_values(), forced=config.format, columns=config.columns)
    return layout, rows


def batches(rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
    """Rows in lists of at most BATCH_ROWS rows and (but for the last row) BATCH_BYTES bytes."""
    batch: list[RawRow] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.data)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Workers:
    """Examines batches in this process (`jobs` 1) or in worker processes, and gives the results in input order."""

    def __init__(self, jobs: int, config: Config, plan: Plan, paths: Sequence[str], model: Model | None = None) -> None:
        self.jobs = jobs
        self.plan = plan
        self.model = model
        self.pool: ProcessPoolExecutor | None = None
        if jobs > 1:
            can_fork = "fork" in multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context("fork" if can_fork else "spawn")
            # A forked process shares what this one has loaded; what cannot be sent to others is opened there again.
            inherited = model if can_fork else None
            self.pool = ProcessPoolExecutor(
                jobs, context, initializer=_prepare_worker, initargs=(config, paths, inherited)
            )

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)

    def examine(self, work: Iterable[list[RawRow]], path: str, layout: Layout) -> Iterator[Examined]:
        if self.pool is None:
            yield from (examine(batch, path, layout, self.plan, self.model) for batch in work)
            return
        waiting: deque[Future[Examined]] = deque()
        for batch in work:
            waiting.append(self.pool.submit(_examine_in_worker, batch, path, layout))
            if len(waiting) > 3 * self.jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_worker_plan: Plan
_worker_model: Model | None


def _prepare_worker(config: Config, paths: Sequence[str], model: Model | None) -> None:
    global _worker_plan, _worker_model
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent answers it
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _worker_plan = make_plan(config, paths)
    _worker_model = model or (open_model(config) if config.model else None)
    if _worker_model:
        Finalize(None, _worker_model.close, exitpriority=1)


def _end_with(parent: int) -> None:
    """End this worker when its parent was killed: nothing else tells it that no more work will come."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _examine_in_worker(batch: list[RawRow], path: str, layout: Layout) -> Examined:
    return examine(batch, path, layout, _worker_plan, _worker_model)


def open_model(config: Config, characters: int = 0) -> Model:
    from curate.model import Model

    return Model.of(config, characters=characters)


def choose_engine(model: Model, inputs: Sequence[Input], layouts: Sequence[Layout]) -> None:
    """Let the model decide what makes its ids, by the first rows of each file."""
    texts: list[str] = []
    for data, layout in zip(inputs, layouts, strict=True):
        first = next(batches(gather(data.rows(), layout)), [])
        samples = (sample for row in first for sample in read_samples(row, data.path, layout, []))
        texts += (text.text for sample in samples for text in sample.texts())
    model.choose_engine(texts, sum(data.size for data in inputs))


def judge_model(
    rule: Rule,
    model: Model,
    inputs: Sequence[Input],
    internal_errors: list[InternalError],
    skipped: list[dict[str, str]],
) -> Iterator[Finding]:
    """The findings of a rule about the model; one that cannot look at what it is about is skipped."""
    assert rule.check is not None
    whole = Place(inputs[0].path if inputs else "", 1)
    try:
        for flag in rule.check(model):
            yield flagged(rule, flag, whole)
    except CurateError as error:
        skipped.append({"code": rule.code, "reason": str(error), "unlock": "--model FOLDER, with its weights"})
    except CRASHES as error:
        internal_errors.append(InternalError(rule.code, whole, described(error)))


def judge(
    rule: Rule, measured: list[tuple[Place, Any]], inputs: Sequence[Input], internal_errors: list[InternalError]
) -> Iterator[Finding]:
    """The findings of a data-set rule, over all the input or file by file as its scope says."""
    assert rule.check is not None
    whole = Place(inputs[0].path if inputs else "", 1)
    groups = (
        [(whole, measured)]
        if rule.scope == "all"
        else [(Place(path, 1), list(group)) for path, group in groupby(measured, key=lambda pair: pair[0].path)]
    )
    for place, values in groups:
        if not values:
            continue
        try:
            for flag in rule.check(values):
                yield flagged(rule, flag, flag.place or place)
        except CRASHES as error:
            internal_errors.append(InternalError(rule.code, place, described(error)))


class Beside:
    """Judges the rules that compare samples: one that takes about as long as the others together, and shares nothing
    with them, in a forked process beside this one, where there are processes."""

    CODE = "DUP002"

    def __init__(self, plan: Plan, corpus: Corpus, inputs: Sequence[Input], jobs: int) -> None:
        self.corpus = corpus
        self.inputs = inputs
        self.pool: ProcessPoolExecutor | None = None
        codes = [rule.code for rule in plan.corpus_rules]
        if jobs > 1 and self.CODE in codes and len(codes) > 1 and "fork" in multiprocessing.get_all_start_methods():
            context = multiprocessing.get_context("fork")
            work = (plan.rules[self.CODE], corpus, inputs)
            self.pool = ProcessPoolExecutor(1, context, initializer=_prepare_beside, initargs=work)
            self.judged = self.pool.submit(_judge_beside)

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)

    def judge(self, rule: Rule, internal_errors: list[InternalError]) -> Iterable[Finding]:
        """The findings of a rule.

        Raises:
            CurateError: what the rule was told to use, a model or an engine, cannot be used.
        """
        if self.pool is None or rule.code != self.CODE:
            return judge_corpus(rule, self.corpus, self.inputs, internal_errors)
        findings, errors = self.judged.result()
        internal_errors += errors
        return findings


_beside: tuple[Rule, Corpus, Sequence[Input]]


def _prepare_beside(rule: Rule, corpus: Corpus, inputs: Sequence[Input]) -> None:
    global _beside
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _beside = rule, corpus, inputs


def _judge_beside() -> tuple[list[Finding], list[InternalError]]:
    errors: list[InternalError] = []
    return list(judge_corpus(*_beside, errors)), errors


def new_corpus(config: Config, reviewed: frozenset[str]) -> Corpus:
    from curate.dedup.corpus import Corpus

    return Corpus(config, reviewed)


def add_theirs(corpus: Corpus, theirs: Sequence[Input], config: Config, progress: Progress) -> dict[str, int]:
    """Add the samples of the files given with `--against`, which are compared but not checked.

    Returns the number of rows of each file that no format reads: their words alone are compared.
    """
    from curate.dedup.corpus import pack
    from curate.dedup.ngrams import benchmark_texts

    corpus.begin_theirs()
    unread: dict[str, int] = {}
    for data in theirs:
        layout, rows = survey_input(data, config.model_copy(update={"format": None, "columns": {}}), progress)
        unread[data.path] = 0
        for batch in batches(gather(data.rows(), layout)):
            samples: list[Sample] = []
            for row in batch:
                read = read_samples(row, data.path, layout, [])
                if not read:
                    unread[data.path] += row.rows
                    read = [Sample([], metadata={"row": value}, path=data.path, line=row.line) for value in values(row)]
                samples += read
            for number, sample in enumerate(samples, len(corpus.places)):
                for text in benchmark_texts(sample):
                    corpus.ngrams.add(number, text)
            corpus.add(pack(samples))
            progress(f"reading {data.path}", len(corpus.places) - corpus.mine, rows)
    return unread


def packed(
    inputs: Sequence[Input], config: Config, layouts: Mapping[str, Layout] | None = None, progress: Progress = quiet
) -> Iterator[Pack]:
    """All samples of some inputs as they are compared, in order, without any check of them.

    Raises:
        CurateError: input that cannot be read.
    """
    bare: dict[str, Any] = {"ignore": [], "against": [], "rules": [], "thresholds": {}, "severity": {}, "model": None}
    comparing = config.model_copy(update={"select": ["DUP002"], **bare})
    paths = [data.path for data in inputs]
    plan = make_plan(comparing, paths)
    done = 0
    with Workers(config.jobs or 1, comparing, plan, paths) as workers:
        for data in inputs:
            layout = (layouts or {}).get(data.path) or survey_input(data, config, progress)[0]
            for part in workers.examine(batches(gather(data.rows(), layout)), data.path, layout):
                if part.pack:
                    done += len(part.pack.places)
                    progress(f"reading {data.path}", done, 0)
                    yield part.pack


def without(inputs: Sequence[Input], theirs: Sequence[Input]) -> list[Input]:
    """What to compare with: all of theirs but the data itself, which a folder of theirs may hold too.

    Raises:
        CurateError: nothing is left of them.
    """
    mine = {os.path.realpath(data.path) for data in inputs}
    others = [data for data in theirs if os.path.realpath(data.path) not in mine]
    if theirs and not others:
        raise CurateError(f"--against {theirs[0].path}: this is the data itself; name the data to compare it with")
    return others


def values(row: RawRow) -> list[Any]:
    return parse_row(row.data).values if row.data else []


def overlap_table(corpus: Corpus, unread: Mapping[str, int]) -> list[dict[str, Any]]:
    from curate.dedup.overlap import table

    return table(corpus, unread)


def judge_corpus(
    rule: Rule, corpus: Corpus, inputs: Sequence[Input], internal_errors: list[InternalError]
) -> Iterator[Finding]:
    """The findings of a rule that compares samples.

    Raises:
        CurateError: what the rule was told to use, a model or an engine, cannot be used.
    """
    assert rule.check is not None
    whole = Place(inputs[0].path if inputs else "", 1)
    try:
        for flag in rule.check(corpus):
            yield flagged(rule, flag, flag.place or whole)
    except CurateError:
        raise
    except CRASHES as error:
        internal_errors.append(InternalError(rule.code, whole, described(error)))


def flagged(rule: Rule, flag: Flag, place: Place) -> Finding:
    finding = found(rule, Fault(flag.message, flag.where, flag.evidence), place)
    finding.related = flag.related
    finding.group = flag.group
    return finding


def file_findings(data: Input, plan: Plan) -> Iterator[Finding]:
    """What the reader noticed about the file as a whole."""
    by_name = plan.by_name()
    for fault in data.faults:
        if fault.rule in by_name:
            yield found(by_name[fault.rule], fault, Place(data.path, 1))


def input_info(data: Input, layout: Layout, seen: Examined, model: Model | None) -> InputInfo:
    return InputInfo(
        path=data.path,
        sha256=data.sha256,
        bytes=data.size,
        rows=seen.rows,
        samples=seen.samples,
        rejected=seen.rejected,
        format=layout.format,
        evidence=layout.evidence,
        formats=dict(seen.formats.most_common()),
        tokens=sum(seen.tokens) if model else None,
        trained=sum(seen.trained) if model else None,
    )


def in_input_order(findings: list[Finding], inputs: Sequence[Input]) -> list[Finding]:
    """Sorted by file (as given), line, part and code; findings of one rule on one row stay as the rule gave them."""
    order = {data.path: i for i, data in enumerate(inputs)}
    return sorted(findings, key=lambda f: (order[f.place.path], f.place.line, f.place.part, f.code))


__all__ = ["Progress", "run_check"]
