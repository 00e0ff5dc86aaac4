"""Tasks of lm-eval before and after: by name or from local YAML files, with the adapter off and on.

lm-eval builds the requests and scores the responses; the responses are kept here, under the model that gave them. Its
own cache has no model in its keys.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import chain
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_evaluate.answering.answers import key_of
from curate_evaluate.answering.decode import Progress
from curate_evaluate.answering.kept import Kept
from curate_evaluate.answering.loaded import quiet, without_adapter
from curate_evaluate.stats import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from curate_evaluate.answering.decode import Decoder

FILE = "tasks.jsonl"
# lm-eval's own, so that what a task draws at random is what it draws on its command line: of Python's, and of the rest.
PYTHON_SEED, OTHER_SEED = 0, 1234


@dataclass(frozen=True)
class Response:
    """What lm-eval got for one request: a text, a log likelihood, or that and whether it is the greedy answer."""

    value: Any


@quiet()
def before_and_after(
    decoder: Decoder, loaders: Mapping[str, Callable[[], Any]], folder: Path, *, limit: int | None, seed: int
) -> list[dict[str, Any]]:
    """The scores of each task without the adapter and with it, with the paired difference: a record a metric.

    Args:
        decoder: the model.
        loaders: what makes the tasks, by name of lm-eval's, YAML file, or folder of such.
        folder: of the run, where responses are kept.
        limit: so many examples of each task; None for all.
        seed: of the random flips.

    Raises:
        CurateError: a task that gives its examples no numbers.
    """
    from lm_eval.evaluator import evaluate

    kept = Kept(folder / FILE, Response, asdict)
    found = []
    for spec, load in loaders.items():
        samples = []
        for tuned in (False, True):
            # Made anew: lm-eval keeps the requests of an evaluation in its tasks.
            loaded = load()
            asked = kept_model(decoder, kept, name=_name(spec), tuned=tuned, limit=limit)
            results = evaluate(asked, loaded, limit=limit, bootstrap_iters=0, log_samples=True)
            samples.append(results["samples"])
        better = {metric: up for of in results["higher_is_better"].values() for metric, up in of.items()}
        found += compared(_name(spec), *samples, better=better, seed=seed)
    return found


@quiet()
def loader(spec: str) -> Callable[[], Any]:
    """What makes tasks of a name, a file or a folder, as lm-eval takes them; it was tried once.

    Raises:
        CurateError: no such task, or its data cannot be had.
    """
    import numpy as np
    from lm_eval.tasks import TaskManager

    path = Path(spec)
    # lm-eval looks through thousands of files for its own names, which takes long.
    manager = TaskManager(include_path=spec if path.is_dir() else None, include_defaults=not path.exists())
    names = manager.all_subtasks if path.is_dir() else [spec]

    def load() -> Any:
        random.seed(PYTHON_SEED)
        np.random.seed(OTHER_SEED)
        try:
            loaded = manager.load(names)
        except Exception as error:  # whatever a file of somebody else's, or its data set, may raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise CurateError(f"--tasks {spec}: cannot be loaded ({reason})") from error
        if not loaded["tasks"]:
            raise CurateError(f"--tasks {spec}: holds no task; it takes a name of lm-eval's, a YAML file, or a folder")
        for task in loaded["tasks"].values():
            if getattr(task, "UNSAFE_CODE", False):
                raise CurateError(f"--tasks {spec}: runs programs that the model wrote, which is not done here")
            if task.get_config("num_fewshot") is None:
                task.set_config(key="num_fewshot", value=0)
            task.set_fewshot_seed(seed=OTHER_SEED)
        return loaded

    load()
    return load


def kept_model(decoder: Decoder, kept: Kept[Response], *, name: str, tuned: bool, limit: int | None) -> Any:
    """A model as lm-eval takes it, that asks ours for the responses that are not kept.

    Requests go out by documents, so many at once as the batch has, the longest first as lm-eval has them; which
    documents these are is the same after a kill, as a response may depend on its neighbours.
    """
    from lm_eval.api.model import LM
    from lm_eval.models.huggingface import HFLM

    class Asked(LM):  # type: ignore[misc]  # lm-eval has no types
        def __init__(self) -> None:
            super().__init__()
            self._hf: Any = None

        def loglikelihood(self, requests: Any) -> list[Any]:
            return self._responses("loglikelihood", requests)

        def loglikelihood_rolling(self, requests: Any) -> list[Any]:
            return self._responses("loglikelihood_rolling", requests)

        def generate_until(self, requests: Any) -> list[Any]:
            return self._responses("generate_until", requests)

        def _responses(self, kind: str, requests: Sequence[Any]) -> list[Any]:
            seen: Counter[str] = Counter()
            keys = []
            documents: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
            for i, request in enumerate(requests):
                said = json.dumps([request.task_name, kind, request.args], default=str)
                seen[said] += 1  # one that is asked several times has several responses
                conditions = {"batch_size": decoder.batch_size, "limit": limit, "time": seen[said]}
                keys.append(key_of(decoder.who(tuned=tuned), conditions, said))
                documents[request.task_name, request.doc_id].append(i)
            order = sorted(documents.values(), key=lambda own: -max(len(str(requests[i].args[0])) for i in own))
            size = decoder.batch_size
            pieces = [list(chain(*order[start : start + size])) for start in range(0, len(order), size)]
            missing = kept.missing(pieces, keys)
            progress = Progress(f"{name}, {'with' if tuned else 'without'} the adapter", sum(map(len, missing)))
            for piece in missing:
                values = self._ask(kind, [requests[i] for i in piece], int(keys[piece[0]][:16], 16))
                kept.add({keys[i]: Response(value) for i, value in zip(piece, values, strict=True)})
                progress.add(len(piece))
            return [_as_given(response) for response in kept.all(keys)]

        def _ask(self, kind: str, requests: list[Any], seed: int) -> list[Any]:
            import torch

            model, tokenizer = decoder.load()
            if self._hf is None:
                self._hf = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=decoder.batch_size, backend="causal")
            torch.manual_seed(seed)
            with nullcontext() if tuned else without_adapter(model):
                return list(getattr(self._hf, kind)(requests, disable_tqdm=True))

    return Asked()


def _as_given(response: Response) -> Any:
    return tuple(response.value) if isinstance(response.value, list) else response.value


def compared(
    name: str, before: dict[str, Any], after: dict[str, Any], *, better: dict[str, bool], seed: int
) -> list[dict[str, Any]]:
    """The difference of each metric that gives every example a number, over all tasks of the name together."""
    values: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for task, old in before.items():
        new = {(sample["filter"], sample["doc_id"]): sample for sample in after[task]}
        for sample in old:
            other = new[sample["filter"], sample["doc_id"]]
            for metric in sample["metrics"]:
                if isinstance(sample[metric], Real) and isinstance(other[metric], Real):
                    pair = float(sample[metric]), float(other[metric])
                    values[metric, sample["filter"]].append(pair)
    found = []
    for (metric, kind), pairs in values.items():
        one, two = zip(*pairs, strict=True)
        full = 1.0 if all(0 <= value <= 1 for pair in pairs for value in pair) else None
        difference = compare(one, two, full=full, seed=seed)
        found.append(
            {
                "task": name,
                "metric": metric if kind == "none" else f"{metric}, {kind}",
                "full": full,
                "higher_is_better": better.get(metric, True) is not False,
                "n": len(pairs),
                "before": sum(one) / len(one),
                "after": sum(two) / len(two),
                "difference": asdict(difference),
            }
        )
    if not found:
        raise CurateError(f"--tasks {name}: none of its metrics gives each example a number to compare")
    return found


def _name(spec: str) -> str:
    return Path(spec).stem if Path(spec).exists() else spec
