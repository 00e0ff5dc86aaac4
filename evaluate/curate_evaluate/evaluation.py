"""One evaluation from cases to the verdict, in the order in which things are fixed: metric, prompts, plan, answers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.run.data import found_name
from curate_evaluate import losses, scoring, tasks
from curate_evaluate.answering.answers import Answers
from curate_evaluate.answering.endpoint import bigger_arms, endpoints
from curate_evaluate.answering.models import Models
from curate_evaluate.answering.render import Refused
from curate_evaluate.arms import Arm, Prompts, arms_for, format_line, read_cases, read_documents
from curate_evaluate.arms.arm import ENDPOINT, TUNED, UNQUANTISED
from curate_evaluate.arms.cases import refuse
from curate_evaluate.choose import Choice, choose, drawn
from curate_evaluate.contamination import leaked
from curate_evaluate.history import histories
from curate_evaluate.metrics import METRICS, Fit, fit, score
from curate_evaluate.prices import costs_of, prices_of
from curate_evaluate.slices import slices
from curate_evaluate.thoughts import without_thoughts
from curate_evaluate.verdict import Plan, declare
from curate_train.adapter import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.model import Model
    from curate.run import Run
    from curate.run.step import Config
    from curate_evaluate.answering.answers import Answer
    from curate_evaluate.arms import Case
    from curate_evaluate.prices import Prices
    from curate_evaluate.scoring import Scored

# An answer may be a little longer than every reference before it is cut: a quarter more, and 16 tokens for the short.
MARGIN_SHARE, MARGIN_TOKENS = 4, 16
# Thoughts are longer than any reference that has none; so many tokens, or half of what the model reads.
THINKING_TOKENS = 2048
ANSWERS = "answers.jsonl"
# Of an adapter that was trained on other rows than those of the run.
UNKNOWN_ROWS = (
    "Whether the adapter saw held-out rows: not known, as it was not trained on the training rows of this run.",
    "Overfitting: not tested, as the adapter was not trained on the training rows of this run.",
)
# Computed whatever the data: what the page sorts by, and what a person asks first.
ALWAYS = ("exact_match", "chrf")


@dataclass(frozen=True)
class Evaluated:
    """What came of it: `prompts` are the texts that were sent, by arm."""

    cases: Sequence[Case]
    prompts: Mapping[str, Sequence[str]]
    scored: Sequence[Scored]
    facts: dict[str, Any]


class Evaluation:
    """The held-out rows of a run, to be answered by all arms."""

    def __init__(
        self, run: Run, config: Config, model: Model, base: Path, adapter: Path, training: Mapping[str, Any]
    ) -> None:
        """Read the rows and fix what can be fixed without a model.

        Args:
            run: a run with an adapter.
            config: of the step.
            model: its tokenizer and template.
            base: the folder of the base model.
            adapter: the folder of the adapter.
            training: train/train.json.

        Raises:
            CurateError: no held-out or training rows, an unknown metric, no documents, another base than the adapter's,
                no general text, a task that cannot be loaded.
        """
        self.of, self.config, self.model = run, config, model
        self.prices, self.training = prices_of(config), training
        tokens = json.loads((run / "tokens" / "tokens.json").read_bytes())
        read = partial(read_cases, run, stop_token=tokens["stop_token"], encode=model.chat.ids)
        self.test, self.val, self.train = read("test"), read("val"), read_cases(run, "train")
        if not self.test:
            raise CurateError(
                f"{run / 'tokens/test.arrow'}: holds no rows, so there is nothing to score; hold out more: "
                f"curate split {run.folder} --test 0.2"
            )
        self.fit = self._fit()
        self.passages = read_documents(run.source(config["docs"])) if config["docs"] else []
        system = _system_prompt(run.source(config["prompt"])) if config["prompt"] else None
        references = [without_thoughts(case.reference) for case in self.train]
        self.prompts = Prompts(
            self.train,
            format_line(self.fit, references),
            passages=self.passages,
            system=system,
            seed=config["seed"],
        )
        answers = Answers(run / ANSWERS)
        self.models = Models(run, config, model, base, adapter, training, answers)
        self.bigger = endpoints(config["bigger"], answers, lambda text: len(model.chat.ids(text)))
        self.answerers = self.models.answerers
        self.answerers |= {ENDPOINT + name: endpoint for name, endpoint in self.bigger.items()}
        thinks = self.models.think(self.train)
        self.max_new_tokens = config["max_new_tokens"] or self._room_for_answers(thinks)
        # Before anything is answered: who mistypes a name is told at once.
        generic = run.source(config["generic"]) if config["generic"] else None
        self.loss_rows = {"answers": losses.held_out_rows(run, base), "generic": losses.generic_rows(base, generic)}
        self.tasks = {spec: tasks.loader(spec) for spec in (found_name(run, spec) for spec in config["tasks"])}
        self.is_own = adapter.resolve() == (run / "train" / "adapter").resolve()
        knows_rows = self.is_own or _learned_rows_of(run, adapter)
        self.not_tested = [*_without_tokens(run, len(self.test)), *(() if knows_rows else UNKNOWN_ROWS)]
        seed = config["seed"]
        self.learned = read("train", places=drawn(len(self.train), seed)) if knows_rows else []
        self.chosen_on = [self.val[place] for place in drawn(len(self.val), seed)]

    def run(self) -> Evaluated:
        """Choose the prompts on validation rows, declare the plan, answer, score and decide.

        Raises:
            CurateError: prompts that are too long for the model, or that reached it otherwise than they were made.
        """
        choice = choose(
            self._on_validation, shots=self.config["shots"], rows=len(self.val), examples=len(self.prompts.examples)
        )
        arms, prompts = self._possible(
            arms_for(
                shots=choice.shots,
                nearest_shots=choice.nearest_shots,
                form=choice.form,
                passages=self.config["passages"] if self.passages else 0,
                unquantised=self._unquantised(),
            )
            + bigger_arms(self.bigger, shots=choice.shots)
        )
        baselines = [arm for arm in arms if not arm.tuned]
        plan = Plan(
            metric=self.fit.primary,
            full=METRICS[self.fit.primary].full,
            arms=(TUNED, *(arm.name for arm in baselines)),
            margin=self.config["margin"],
        )
        declare(self.of, plan)
        # Everything that is asked of one model, before the other is loaded in its place.
        own = [arm for arm in arms if arm.answered_by != UNQUANTISED]
        by_name = {arm.name: self._scored(arm, prompts[arm.name]) for arm in own}
        beside = {"training": self._on_training_rows(by_name[TUNED]), **self._before_and_after()}
        by_name |= {arm.name: self._scored(arm, prompts[arm.name]) for arm in arms if arm.name not in by_name}
        scored = [by_name[arm.name] for arm in arms]
        return Evaluated(self.test, prompts, scored, self._facts(plan, choice, scored, prompts) | beside)

    def _room_for_answers(self, thinks: bool) -> int:
        longest = max(case.answer_length for case in [*self.test, *self.val])
        room = longest + longest // MARGIN_SHARE + MARGIN_TOKENS
        return max(room, min(THINKING_TOKENS, self.models.room // 2)) if thinks else room

    def _unquantised(self) -> bool:
        """Whether the base answers in bf16 too, beside the quantised one; why not is noted."""
        if not self.models.is_quantised or not self.config["unquantised"]:
            return False
        if reason := self.models.add_unquantised():
            self.not_tested.append(f"Prompting the base model in bf16, as one would deploy it: not tested, {reason}.")
        return not reason

    def _before_and_after(self) -> dict[str, Any]:
        """The losses and the tasks, without the adapter and with it."""
        decoder, folder, seed = self.models.trained, self.of.folder, self.config["seed"]
        measured = {
            name: losses.before_and_after(decoder, rows, folder, name=name, seed=seed)
            for name, rows in self.loss_rows.items()
        }
        scores = tasks.before_and_after(decoder, self.tasks, folder, limit=self.config["task_limit"], seed=seed)
        return {"losses": measured, "tasks": scores}

    def _scored(self, arm: Arm, prompts: Sequence[str]) -> Scored:
        answers = self._answers(arm, self.test, prompts)
        return scoring.score_arm(arm, answers, [case.reference for case in self.test], self.fit)

    def _fit(self) -> Fit:
        chosen = fit([without_thoughts(case.reference) for case in self.train or self.test])
        metric = self.config["metric"] or chosen.primary
        encoder = self.config.get("bertscore")
        if metric not in METRICS:
            raise CurateError(f"--metric {metric}: no such metric; there are {', '.join(METRICS)}")
        why = chosen.why if metric == chosen.primary else f"{metric} was asked for; {chosen.why}"
        if metric == "bertscore" and not encoder:
            raise CurateError("--metric bertscore: needs an encoder; give its folder: --bertscore DIR")
        names = dict.fromkeys((metric, *chosen.metrics, *ALWAYS, *(["bertscore"] if encoder else [])))
        folder = str(self.of.source(encoder)) if encoder else None
        if folder:  # one that holds no encoder is refused before anything is answered
            score("", "", ["bertscore"], encoder=folder)
        return Fit(chosen.kind, metric, tuple(names), chosen.labels, why, folder)

    def _on_validation(self, arm: Arm) -> float | None:
        """The mean primary score of an arm on some validation rows; None where it cannot be asked."""
        try:
            prompts = self._texts(arm, self.chosen_on)
        except Refused:
            return None
        answers = self._answers(arm, self.chosen_on, prompts, "validation rows")
        references = [case.reference for case in self.chosen_on]
        return scoring.score_arm(arm, answers, references, self.fit).mean(self.fit.primary)

    def _on_training_rows(self, tuned: Scored) -> dict[str, Any] | None:
        """What the adapter scores on some rows that it was trained on, beside the held-out ones; None where it was
        trained on others."""
        if not self.learned:
            return None
        answers = self._answers(tuned.arm, self.learned, [case.prompt for case in self.learned], "training rows")
        references = [case.reference for case in self.learned]
        found = scoring.score_arm(tuned.arm, answers, references, self.fit)
        return scoring.training_facts(found, tuned, self.fit.primary, seed=self.config["seed"])

    def _possible(self, arms: Sequence[Arm]) -> tuple[list[Arm], dict[str, list[str]]]:
        """The arms whose prompts can be made and are short enough, with these; why the others are not tested is
        noted."""
        prompts: dict[str, list[str]] = {}
        for arm in arms:
            try:
                prompts[arm.name] = self._texts(arm, self.test)
            except Refused as refused:
                if arm.name == TUNED or (not arm.shots and not arm.passages):
                    raise CurateError(f"{arm.name}: {refused}") from refused
                self.not_tested.append(f"{arm.title}: not tested, {refused}.")
        if not any(arm.shots for arm in arms):
            why = "--shots 0" if self.config["shots"] == 0 else "there is no training row to show"
            self.not_tested.append(f"Few-shot prompts: not tested ({why}).")
        if not self.passages:
            self.not_tested.append("Retrieval over documents: not tested (--docs DIR).")
        return [arm for arm in arms if arm.name in prompts], prompts

    def _texts(self, arm: Arm, cases: Sequence[Case]) -> list[str]:
        """The prompts of an arm.

        Raises:
            Refused: the template does not write them, or the model has no room for them.
        """
        answerer = self.answerers[arm.answered_by]
        if arm.tuned and not arm.passages:
            texts = [case.prompt for case in cases]
        else:
            texts = answerer.texts([(self.prompts.conversation(case, arm), case.tools) for case in cases])
        answerer.refuse_too_long(texts, self.max_new_tokens)
        return texts

    def _answers(self, arm: Arm, cases: Sequence[Case], prompts: Sequence[str], on: str = "test rows") -> list[Answer]:
        answerer = self.answerers[arm.answered_by]
        answers = answerer.answer(f"{arm.title}, {on}", prompts, max_new_tokens=self.max_new_tokens)
        faults = [
            f"line {case.line} ({case.sample_id}): {arm.name} got {answer.prompt_tokens} other ids"
            for case, answer, sent in zip(cases, answers, answerer.sent_sha256(prompts), strict=True)
            if answer.sent_sha256 != sent
        ]
        refuse(self.of, "test", faults, len(cases))
        return answers

    def _facts(
        self, plan: Plan, choice: Choice, scored: Sequence[Scored], prompts: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        tuned, *others = scored
        against = [other for other in others if not other.arm.tuned]
        clusters = [case.sample_id for case in self.test]
        seed, metric = self.config["seed"], plan.metric
        found = scoring.differences(tuned, against, clusters, seed=seed)
        verdict = scoring.verdict_facts(found[metric], plan)
        decisive = next(other for other in against if other.arm.name == verdict["decisive"])
        references = [case.reference for case in self.test]
        own = [of.arm.name for of in scored if not of.arm.answered_by.startswith(ENDPOINT)]
        compared = sum(len(prompts[name]) for name in own)
        arms = {of.arm.name: scoring.arm_facts(of, references, self.fit) for of in scored}
        return {
            "n": len(self.test),
            "clusters": len(set(clusters)),
            "fit": {
                **asdict(self.fit),
                "encoder": self.config.get("bertscore"),
                "title": METRICS[plan.metric].title,
                "decides": METRICS[plan.metric].decides,
            },
            "plan": asdict(plan),
            "verdict": verdict,
            "arms": arms,
            "prices": self.prices and self._costs(self.prices, arms, scored),
            "differences": {
                metric: {name: asdict(difference) for name, difference in by_name.items()}
                for metric, by_name in found.items()
            },
            "contamination": self._contamination(plan, tuned, against),
            "slices": slices(
                self.test,
                decisive.scores[metric],
                tuned.scores[metric],
                self.fit,
                full=METRICS[metric].full,
                seed=seed,
                known=histories(self.of, set(clusters)),
            ),
            "detectable": scoring.can_be_found(len(self.test)),
            "prompt": {"line": self.prompts.line, **asdict(choice)},
            "decoding": {**self.models.trained.decoding, "max_new_tokens": self.max_new_tokens},
            "prompts": {
                "compared": compared,
                "equal": compared,
                "as_messages": sum(map(len, prompts.values())) - compared,
            },
            "not_tested": self.not_tested,
            "passages": len(self.passages),
        }

    def _costs(self, prices: Prices, arms: Mapping[str, Any], scored: Sequence[Scored]) -> dict[str, Any]:
        devices = {answer.device for of in scored for answer in of.answers if answer.device}
        return costs_of(
            prices,
            arms,
            self.training if self.is_own else None,
            device=" and ".join(sorted(devices)),
            batch_size=self.config["batch_size"],
        )

    def _contamination(self, plan: Plan, tuned: Scored, against: Sequence[Scored]) -> dict[str, Any]:
        """The rows that resemble training rows, and the verdict without them."""
        found = leaked(self.of)
        rows = [i for i, case in enumerate(self.test) if case.line not in found]
        facts: dict[str, Any] = {
            "rows": len(self.test) - len(rows),
            "found": [{"line": line, "codes": codes} for line, codes in found.items()],
        }
        if not rows or len(rows) == len(self.test):
            return facts
        clusters = [self.test[i].sample_id for i in rows]
        of_primary = scoring.differences(
            scoring.part(tuned, rows, plan.metric),
            [scoring.part(other, rows, plan.metric) for other in against],
            clusters,
            seed=self.config["seed"],
        )[plan.metric]
        differences = {name: asdict(difference) for name, difference in of_primary.items()}
        return facts | {"without": {"differences": differences, **scoring.verdict_facts(of_primary, plan)}}


def _learned_rows_of(run: Run, adapter: Path) -> bool:
    """Whether the adapter says that it was trained on the training rows of the run."""
    own, its = (json.loads(file.read_bytes()) for file in (run / "tokens" / "tokens.json", adapter / BASE))
    trained = its.get("tokens", {}).get("ids_sha256", {}).get("train")
    return bool(trained == own["ids_sha256"]["train"])


def _system_prompt(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CurateError(f"{file}: cannot be read as text ({error}); name another file with --prompt") from error


def _without_tokens(run: Run, scored: int) -> list[str]:
    """A sentence about the held-out rows that have no tokens, so that no arm answers them."""
    lines = (run / "tokens" / "rejected.jsonl").read_bytes().splitlines()
    count = sum(json.loads(line)["split"] == "test" for line in lines)
    if not count:
        return []
    return [f"{count:,} of {scored + count:,} held-out rows: not scored, see tokens/rejected.jsonl."]
