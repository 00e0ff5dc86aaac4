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
from tests.rules.models import model_folder
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
        ("TPL005", "the template leaves out the tool definitions")
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
    with pytest.raises(CurateError, match=r"curate convert \S+data\.jsonl -o sft\.jsonl --to messages --use chosen"):
        made(run, model)


def test_the_command_that_is_named_for_labelled_data_gives_what_can_be_trained(tmp_path: Path, model: Path) -> None:
    rows = [{"prompt": f"Hi {i}", "completion": "Hello, how can I help?", "label": i % 2 == 0} for i in range(8)]
    run = split_run(tmp_path, rows)
    with pytest.raises(CurateError, match="preference data") as refused:
        made(run, model)
    words = shlex.split(str(refused.value).partition("first: curate ")[2])
    out = tmp_path / "sft.jsonl"
    assert CliRunner().invoke(cli, [str(out) if word == "sft.jsonl" else word for word in words]).exit_code == 0
    assert [len(json.loads(line)["messages"]) for line in out.read_text().splitlines()] == [2] * 4


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
    assert re.search(
        r"TPL005  1 row, as split/\w+\.jsonl:\d+: the template leaves out the tool definitions", ran.stderr
    )
    again = run_command(str(run.folder), "--model", str(model))
    assert "(up to date)" in again.stdout


def test_the_command_of_the_manifest_makes_the_same_tokens(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    args = '{"enable_thinking": false}'
    flags = ["--model", str(model), "--max-length", "400", "--too-long", "error", "--template-args", args]
    flags += ["--turns", "last", "--chat-template", "chatml"]
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


# Several answers in a row, and rows that are too long.

DIALOGUE = chat("Hi", "Hello there.", "How far is it?", "Two miles.", "And back?", "Two more.")
DIALOGUES = [chat(f"Hi {i}", "Hello there.", "How far is it?", f"{i + 2} miles.") for i in range(12)]


@pytest.fixture
def thinker(tmp_path: Path) -> Path:
    """A model whose template writes the last answer otherwise than the ones before it."""
    return model_folder("thinking", tmp_path / "thinker")


def test_answers_that_the_template_rewrites_are_trained_one_by_one(tmp_path: Path, thinker: Path) -> None:
    run = split_run(tmp_path, DIALOGUES)
    assert made(run, thinker)["rejected_by_code"] == {"TPL002": 12}
    facts = made(run, thinker, turns="each")
    assert (sum(facts["rows"].values()), sum(facts["samples"].values()), facts["rejected"]) == (24, 12, 0)
    ids = load(thinker).ids
    for split in tokens.SPLITS:
        lines = (run / "split" / f"{split}.jsonl").read_text().splitlines()
        for row in table(run, split):
            turns = [turn["content"] for turn in json.loads(lines[row["line"] - 1])["messages"]][: row["turn"] + 1]
            prompt = f"<|im_start|>user\n{turns[0]}<|im_end|>\n<|im_start|>assistant\n"
            if row["turn"] == 3:
                prompt += f"{turns[1]}<|im_end|>\n<|im_start|>user\n{turns[2]}<|im_end|>\n<|im_start|>assistant\n"
            assert row["input_ids"][: row["prompt_length"]] == ids(prompt)
            assert row["text"] == f"{prompt}<think>\n\n</think>\n\n{turns[-1]}<|im_end|>\n"
            trained = [i for i in row["labels"] if i != -100]
            assert trained == ids(f"<think>\n\n</think>\n\n{turns[-1]}<|im_end|>")


def test_the_last_answer_alone_can_be_trained(tmp_path: Path, thinker: Path) -> None:
    run = split_run(tmp_path, DIALOGUES)
    facts = made(run, thinker, turns="last")
    assert (sum(facts["rows"].values()), facts["rejected"]) == (12, 0)
    assert {row["turn"] for split in tokens.SPLITS for row in table(run, split)} == {3}


def test_the_trainer_reads_several_rows_of_one_sample(tmp_path: Path, thinker: Path) -> None:
    data = pytest.importorskip("curate_train.data")
    run = split_run(tmp_path, DIALOGUES)
    facts = made(run, thinker, turns="each")
    rows = data.read_tokens(run / "tokens", "train", vocabulary=facts["vocabulary"])
    assert len(rows) == 2 * len({row.sample_id for row in rows})


def test_a_row_is_cut_behind_the_last_answer_that_fits_and_never_inside_one(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path, [*ROWS, DIALOGUE])
    ids = load(model).ids
    first = len(ids("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello there.<|im_end|>"))
    facts = made(run, model, max_length=first + 40, too_long="cut")
    (cut,) = [row for row in cut_rows(run) if row["trained_lost"]]
    assert (cut["kept"], cut["trained_lost"]) == (first, len("Two miles.") + 1 + len("Two more.") + 1)
    assert sum(facts["rows"].values()) == 21
    (row,) = [row for split in tokens.SPLITS for row in table(run, split) if row["sample_id"] == cut["sample_id"]]
    assert row["text"].endswith("Hello there.<|im_end|>")
    assert row["input_ids"] == ids(row["text"])
    assert [i for i in row["labels"] if i != -100] == ids("Hello there.<|im_end|>")
    assert (row["answer"], row["turn"]) == ("Hello there.", 1)


def cut_rows(run: Run) -> list[Row]:
    return [json.loads(line) for line in (run / "tokens" / "cut.jsonl").read_bytes().splitlines()]


def test_a_row_none_of_whose_answers_fits_is_not_cut_but_left_out(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path, [*ROWS, chat("Count", "1 " * 200), chat("2 " * 200, "Three.")])
    facts = made(run, model, max_length=200, too_long="cut")
    assert {row["code"]: row["reason"] for row in rejected(run)} == {
        "LEN004": "too long: 426 of 200 tokens, and no answer ends within them",
        "LEN005": "too long: 427 of 200 tokens, and its first answer starts behind them",
    }
    assert facts["rejected_by_code"] == {"LEN004": 1, "LEN005": 1}
    assert cut_rows(run) == []


def test_a_line_break_behind_the_stop_token_is_cut_without_a_loss(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path, [*ROWS, DIALOGUE])
    made(run, model)
    longest = max(len(row["input_ids"]) for split in tokens.SPLITS for row in table(run, split))
    made(run, model, max_length=longest - 1, too_long="cut")
    (cut,) = cut_rows(run)
    assert (cut["kept"], cut["trained_lost"]) == (longest - 1, 0)


def test_strict_fails_where_a_row_is_rejected_and_only_there(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path)
    flags = [str(run.folder), "--model", str(model)]
    assert exit_code(*flags, "--strict") == 1
    assert exit_code(*flags) == 0
    assert exit_code(*flags, "--strict") == 1  # though nothing has to be made again
    clean = tmp_path / "clean"
    clean.mkdir()
    assert exit_code(str(split_run(clean, ROWS).folder), "--model", str(model), "--strict") == 0


def exit_code(*words: str) -> Any:
    """What `curate` ends with: commands give it back, and the entry point exits with it."""
    return CliRunner().invoke(cli, ["tokens", *words], standalone_mode=False).return_value


def test_another_template_than_the_models_is_recorded(tmp_path: Path, model: Path) -> None:
    run = split_run(tmp_path, ROWS)
    assert made(run, model, chat_template="chatml")["template_from"] == "--chat-template chatml"
    file = tmp_path / "mine.jinja"
    file.write_text("{{ 'Ours. ' }}" + CHATML)
    assert exit_code(str(run.folder), "--model", str(model), "--chat-template", str(file)) == 0
    assert table(run, "train")[0]["text"].startswith("Ours. <|im_start|>")
    file.write_text("{{ 'Mine. ' }}" + CHATML)
    record = run.record("tokens")
    assert record is not None
    stale = why_stale(run, tokens.STEP, record["config"])
    assert [reason.rsplit("/", 1)[-1] for reason in stale] == ["mine.jinja changed"]
