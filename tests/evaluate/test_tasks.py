"""Tasks of lm-eval, with the adapter off and on."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from curate.errors import CurateError
from curate_evaluate import tasks
from curate_evaluate.answering import decode
from curate_evaluate.answering.answers import Answers
from curate_evaluate.answering.decode import Decoder
from curate_evaluate.answering.loaded import OneAtATime, load
from tests.evaluate import fabricate
from tests.evaluate.test_step import Killed, killed_after

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    return fabricate.adapter_folder(tmp_path_factory.mktemp("adapter") / "adapter", model)


@pytest.fixture(scope="module")
def memory() -> OneAtATime:
    return OneAtATime()


@pytest.fixture
def decoder(tmp_path: Path, model: Path, adapter: Path, memory: OneAtATime) -> Decoder:
    return Decoder(
        partial(memory.get, "bf16", partial(load, model, adapter, quant="none")),
        answers=Answers(tmp_path / "answers.jsonl"),
        identity={"model": "tiny", "precision": "bf16"},
        adapter="first",
        stop_token_id=257,
        batch_size=2,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fabricate.task_folder(tmp_path / "tasks")


def measured(decoder: Decoder, folder: Path, *specs: Path, limit: int | None = None) -> list[dict[str, Any]]:
    loaders = {spec: tasks.loader(spec) for spec in map(str, specs or [folder])}
    return tasks.before_and_after(decoder, loaders, folder, limit=limit, seed=0)


def keys(folder: Path) -> list[str]:
    return [json.loads(line)["key"] for line in (folder / tasks.FILE).read_bytes().splitlines()]


def test_the_scores_are_those_of_plain_lm_eval_on_the_same_model(decoder: Decoder, folder: Path) -> None:
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    found = measured(decoder, folder, folder / "chosen.yaml", folder / "written.yaml")
    assert [(one["task"], one["metric"], one["n"]) for one in found] == [
        ("chosen", "acc", 9),
        ("written", "exact_match", 9),
    ]
    loaded, tokenizer = decoder.load()
    plain = HFLM(pretrained=loaded, tokenizer=tokenizer, batch_size=2, backend="causal")
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    ask = partial(simple_evaluate, model=plain, tasks=["chosen", "written"], task_manager=manager, bootstrap_iters=0)
    with loaded.disable_adapter():
        before = ask()
    after = ask()
    for one in found:
        for name, results in (("before", before), ("after", after)):
            assert one[name] == results["results"][one["task"]][f"{one['metric']},none"]
    kept = [json.loads(line)["value"] for line in (folder / tasks.FILE).read_bytes().splitlines()]
    texts = [sample["resps"][0][0] for of in (before, after) for sample in of["samples"]["written"]]
    assert sorted(value for value in kept if isinstance(value, str)) == sorted(texts)
    assert len(kept) == 2 * 9 * (3 + 1)
    assert texts[:9] != texts[9:]


def test_what_was_stopped_goes_on_and_nothing_is_asked_twice(
    decoder: Decoder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measured(decoder, folder)
    expected = keys(folder)
    (folder / tasks.FILE).unlink()
    real = decode.Progress.add
    for batches in (1, 5, 3):
        left = killed_after(batches)
        monkeypatch.setattr(decode.Progress, "add", lambda self, rows, left=left: next(left))
        with pytest.raises((Killed, RuntimeError)):
            measured(decoder, folder)
    monkeypatch.setattr(decode.Progress, "add", real)
    assert measured(decoder, folder) == whole
    assert keys(folder) == expected
    monkeypatch.setattr(Decoder, "load", None, raising=False)
    assert measured(decoder, folder) == whole


def test_another_adapter_precision_or_limit_reads_nothing_of_it(decoder: Decoder, folder: Path) -> None:
    chosen = folder / "chosen.yaml"
    measured(decoder, folder, chosen)
    first = len(keys(folder))
    decoder.adapter = "second"
    measured(decoder, folder, chosen)
    assert len(keys(folder)) == first + first // 2  # the base is the same
    decoder.identity["precision"] = "fp32"
    measured(decoder, folder, chosen)
    assert len(keys(folder)) == 2 * first + first // 2
    (found,) = measured(decoder, folder, chosen, limit=4)
    assert found["n"] == 4
    assert len(set(keys(folder))) == len(keys(folder)) == 2 * first + first // 2 + 2 * 4 * 3


def test_the_tasks_of_a_folder_are_one_result_a_metric(decoder: Decoder, folder: Path) -> None:
    assert [(one["task"], one["metric"]) for one in measured(decoder, folder)] == [
        ("tasks", "acc"),
        ("tasks", "exact_match"),
    ]


@pytest.mark.parametrize("text", ["", "task: x\ndataset_path: json\ndataset_kwargs: {data_files: {test: no.jsonl}}\n"])
def test_a_task_that_cannot_be_loaded_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(CurateError, match=r"--tasks .*mine\.yaml: cannot be loaded"):
        tasks.loader(str(file))
    with pytest.raises(CurateError, match="holds no task"):
        (tmp_path / "empty").mkdir()
        tasks.loader(str(tmp_path / "empty"))


def test_responses_are_kept_as_lm_eval_gave_them(tmp_path: Path) -> None:
    kept = tasks.Kept(tmp_path / tasks.FILE, tasks.Response, asdict)
    kept.add({"1": tasks.Response((-1.5, True)), "2": tasks.Response("text"), "3": tasks.Response(-2.0)})
    again = tasks.Kept(tmp_path / tasks.FILE, tasks.Response, asdict)
    assert [tasks._as_given(again.get(key)) for key in "123"] == [(-1.5, True), "text", -2.0]
