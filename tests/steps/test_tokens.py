"""The step tokens: ids and masks of each split in files that the trainer takes, and every other row with its reason."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from arro3.io import read_ipc
from click.testing import CliRunner, Result

from curate.cli.main import cli
from curate.errors import CurateError
from curate.run import Run, make, why_stale
from curate.steps import tokens
from curate.template import load
from tests.template.byte_model import CHATML, write_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Row = dict[str, Any]


def chat(*texts: str, **keys: Any) -> Row:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)], **keys}


ROWS = [chat(f"What is {i} + {i}?", f"{2 * i}, that is {i} twice") for i in range(20)]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
UNVERIFIED = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", eos_token="<|im_end|>")


def split_run(tmp_path: Path, rows: Sequence[Row] = (*ROWS, UNVERIFIED)) -> Run:
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ran = CliRunner().invoke(cli, ["split", str(data), "-o", str(tmp_path / "run"), "--val", "0.2", "--test", "0.2"])
    assert ran.exit_code == 0, ran.output
    return Run.open(tmp_path / "run")


def config(run: Run, model: Path, **more: Any) -> dict[str, Any]:
    return {**tokens.default_config(), "model": tokens.model_of(run, model), **more}


def made(run: Run, model: Path, **more: Any) -> dict[str, Any]:
    make(run, tokens.STEP, config(run, model, **more))
    facts: dict[str, Any] = json.loads((run / "tokens" / "tokens.json").read_bytes())
    return facts


def table(run: Run, split: str) -> list[Row]:
    rows: list[Row] = []
    for batch in read_ipc(str(run / "tokens" / f"{split}.arrow")):
        names = batch.schema.names
        rows += (dict(zip(names, row, strict=True)) for row in zip(*(batch[n].to_pylist() for n in names), strict=True))
    return rows


def rejected(run: Run) -> list[Row]:
    return [json.loads(line) for line in (run / "tokens" / "rejected.jsonl").read_bytes().splitlines()]


def test_every_row_of_the_splits_is_in_a_file_or_rejected_with_its_reason(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    facts = made(run, model)
    split_rows = json.loads((run / "split" / "split.json").read_bytes())["rows"]
    verified = [(row["sample_id"], split, row["line"]) for split in tokens.SPLITS for row in table(run, split)]
    left_out = [(row["sample_id"], row["split"], row["line"]) for row in rejected(run)]
    assert sorted(verified + left_out) == sorted((row["sample_id"], row["split"], row["line"]) for row in split_rows)
    assert len(verified) == sum(facts["rows"].values()) == 20
    assert facts["rejected"] == 1
    assert [(row["code"], row["reason"]) for row in rejected(run)] == [
        ("TPL007", "tool calls cannot be verified yet: turn 2 (assistant)")
    ]


def test_a_row_holds_its_text_ids_labels_prompt_and_answer(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    made(run, model)
    ids = load(model).ids
    for split in tokens.SPLITS:
        lines = (run / "split" / f"{split}.jsonl").read_text().splitlines()
        for row in table(run, split):
            question, reply = (turn["content"] for turn in json.loads(lines[row["line"] - 1])["messages"])
            prompt = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
            assert row["text"] == f"{prompt}{reply}<|im_end|>\n"
            assert row["answer"] == reply
            assert row["input_ids"] == ids(row["text"])
            assert row["input_ids"][: row["prompt_length"]] == ids(prompt)
            trained = ids(f"{reply}<|im_end|>")
            assert row["labels"] == [-100] * row["prompt_length"] + trained + [-100]


def test_the_facts_say_by_what_the_ids_were_made(tmp_path: Path, model: Path) -> None:
    facts = made(split_run(tmp_path), model, max_length=500, template_args={"x": 1})
    chat_tokenizer = load(model)
    assert facts["tokenizer_sha256"] == chat_tokenizer.tokenizer_sha256
    assert facts["template_sha256"] == chat_tokenizer.template_sha256
    assert (facts["stop_token"], facts["stop_token_id"], facts["vocabulary"]) == ("<|im_end|>", 257, 258)
    assert (facts["max_length"], facts["template_args"], facts["clock"]) == (500, {"x": 1}, None)


def test_the_trainer_reads_what_was_written(tmp_path: Path, model: Path) -> None:
    pytest.importorskip("numpy")
    data = pytest.importorskip("curate_train.data")
    run = split_run(tmp_path)
    facts = made(run, model)
    for split in tokens.SPLITS:
        rows = data.read_tokens(run / "tokens", split, vocabulary=facts["vocabulary"])
        assert [row.ids.tolist() for row in rows] == [row["input_ids"] for row in table(run, split)]
        assert sum(row.trained for row in rows) == facts["trained"][split]


def test_a_split_without_rows_gives_an_empty_file(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path, ROWS[:1])
    facts = made(run, model)
    empty = [split for split, rows in facts["rows"].items() if not rows]
    assert len(empty) == 2
    assert [table(run, split) for split in empty] == [[], []]


def test_rows_of_many_batches_stay_in_order(tmp_path: Path, model: Path) -> None:
    rows = [chat(f"Question {i}", f"Answer {i}") for i in range(3 * tokens.BATCH_ROWS)]
    run = split_run(tmp_path, rows)
    made(run, model)
    lines = [row["line"] for row in table(run, "train")]
    assert len(lines) > tokens.BATCH_ROWS
    assert lines == list(range(1, len(lines) + 1))


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    first = made(run, model), (run / "tokens" / "train.arrow").read_bytes()
    assert (made(run, model), (run / "tokens" / "train.arrow").read_bytes()) == first


def test_a_run_keeps_the_day_that_its_template_writes(tmp_path: Path) -> None:
    dated = write_model(tmp_path / "dated", "{{ strftime_now('%Y-%m-%d') }}" + CHATML)
    run = split_run(tmp_path)
    today = made(run, dated)["clock"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", today)
    assert table(run, "train")[0]["text"].startswith(today)
    file = run / "tokens" / "tokens.json"
    file.write_text(file.read_text().replace(today, "2001-02-03"))
    make(run, tokens.STEP, config(run, dated), force=True)
    assert table(run, "train")[0]["text"].startswith("2001-02-03")


def test_rows_that_are_too_long_are_left_out_and_listed_or_refused(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path, [*ROWS, chat("Count", "1 " * 200)])
    assert made(run, model, max_length=200)["rejected"] == 1
    (row,) = rejected(run)
    assert (row["code"], row["reason"]) == ("LEN004", "too long: 426 of 200 tokens")
    before = (run / "tokens" / "tokens.json").read_bytes()
    place = rf"split/{row['split']}\.jsonl:{row['line']} \(too long: 426 of 200 tokens\)"
    with pytest.raises(CurateError, match=rf"longer than --max-length 200: 1: {place}; raise it, or"):
        made(run, model, max_length=200, too_long="error")
    assert (run / "tokens" / "tokens.json").read_bytes() == before


def test_what_makes_the_tokens_stale(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    made(run, model)
    current = config(run, model)
    assert why_stale(run, tokens.STEP, current) == []
    assert why_stale(run, tokens.STEP, {**current, "max_length": 9}) == ["max_length is now 9, was None"]
    (model / "chat_template.jinja").write_text(CHATML + " ")
    assert [reason.rsplit("/", 1)[-1] for reason in why_stale(run, tokens.STEP, current)] == [
        "chat_template.jinja changed"
    ]


def test_preference_data_is_refused_with_the_command_that_converts_it(tmp_path: Path, model: Path) -> None:
    pair = {"prompt": "Hi", "chosen": "Hello, how can I help?", "rejected": "What?"}
    run = split_run(tmp_path, [{**pair, "prompt": f"Hi {i}"} for i in range(4)])
    with pytest.raises(CurateError, match=r"curate convert DATA -o sft\.jsonl --to messages --use chosen"):
        made(run, model)


def test_rows_that_read_as_others_than_those_that_were_split_are_refused(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    file = run / "split" / "train.jsonl"
    first, *rest = file.read_text().splitlines(keepends=True)
    file.write_text(json.dumps(chat("another", "row")) + "\n" + "".join(rest))
    with pytest.raises(CurateError, match=r"train\.jsonl:1: reads as another row than split\.json says"):
        made(run, model)
    file.write_text(first)
    with pytest.raises(CurateError, match=r"train\.jsonl:2: split\.json has a row there"):
        made(run, model)


def run_command(*words: str) -> Result:
    return CliRunner().invoke(cli, ["tokens", *words])


def test_the_command_says_what_it_made_and_why_rows_are_missing(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    ran = run_command(str(run.folder), "--model", str(model))
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.startswith("tokens: 20 of 21 rows verified (train ")
    assert f"curate train {run.folder} --model {model}" in ran.stdout
    assert re.search(r"TPL007  1 row, as split/\w+\.jsonl:\d+: tool calls cannot be verified yet", ran.stderr)
    again = run_command(str(run.folder), "--model", str(model))
    assert "(up to date)" in again.stdout


def test_the_command_of_the_manifest_makes_the_same_tokens(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    args = '{"enable_thinking": false}'
    flags = ["--model", str(model), "--max-length", "400", "--too-long", "error", "--template-args", args]
    assert run_command(str(run.folder), *flags).exit_code == 0
    record = run.record("tokens")
    assert record is not None
    assert record["config"]["template_args"] == {"enable_thinking": False}
    program, name, *words = shlex.split(record["command"])
    assert (program, name) == ("curate", "tokens")
    assert "(up to date)" in run_command(*words).stdout


def test_wrong_words_are_explained(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    assert "not JSON" in run_command(str(run.folder), "--model", str(model), "--template-args", "{").output
    assert "not a JSON object" in run_command(str(run.folder), "--model", str(model), "--template-args", "1").output
    missing = run_command(str(run.folder), "--model", str(tmp_path / "none"))
    assert isinstance(missing.exception, CurateError)
    assert "no such folder" in str(missing.exception)
    all_gone = run_command(str(run.folder), "--model", str(model), "--max-length", "1")
    assert isinstance(all_gone.exception, CurateError)
    assert "no row is left to train on" in str(all_gone.exception)
