"""A check with a model: its tokens are counted and its findings are the same however the work is divided."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import curate
from curate.cli.main import cli
from curate.config import Config, resolve
from curate.errors import CurateError
from curate.model import Model
from curate.report import OUTPUTS, Report
from curate.report.report import token_facts
from curate.run import Run, make, why_stale
from curate.run.data import open_run
from curate.steps import check as check_step
from curate.template import load
from tests.rules.models import model_folder
from tests.template.byte_model import write_model
from tests.template.conftest import DEMO, SHARED, real_tokenizer

Row = dict[str, Any]
VALID = Path(__file__).parent / "data" / "valid"


def chat(*texts: str, **keys: Any) -> Row:
    return {
        "messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)],
        **keys,
    }


ROWS = [chat(f"What is {i} + {i}?", f"{2 * i}, that is {i} twice.") for i in range(20)]


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(model_folder("chatml", tmp_path / "model"))


def by_code(report: Report, code: str) -> list[tuple[int, str]]:
    assert not report.internal_errors
    return [(finding.place.line, finding.message) for finding in report.findings if finding.code == code]


def without_time(report: Report) -> str:
    document = report.to_json()
    document["summary"].pop("seconds")
    return json.dumps(document)


def test_the_same_report_whatever_the_number_of_processes(tmp_path: Path, model: str) -> None:
    file = tmp_path / "data.jsonl"
    odd = [chat("Hi <|fin|>", "Hello."), chat("Hi", "Hello.<|im_end|>"), chat("Hi", ""), {"messages": 3}]
    file.write_text("".join(json.dumps(row) + "\n" for row in (ROWS * 60 + odd) * 2))
    reports = [without_time(curate.check(file, model=model, max_length=60, jobs=jobs)) for jobs in (1, 2, 3)]
    assert reports[0] == reports[1] == reports[2]


def test_the_tokens_are_those_of_the_rendered_rows(tmp_path: Path, model: str) -> None:
    report = curate.check([*ROWS, chat("Hi", "")], model=model, max_length=70)
    texts = [
        "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in row["messages"])
        for row in [*ROWS, chat("Hi", "")]
    ]
    lengths = sorted(map(len, load(model).ids_of(texts)))
    trained = sum(len(row["messages"][1]["content"]) + 1 for row in ROWS)
    assert report.tokens == {
        "total": sum(lengths),
        "trained": trained,
        "samples": 21,
        "verified": 20,
        "min": lengths[0],
        "p50": lengths[10],
        "p95": lengths[19],
        "p99": lengths[20],
        "max": lengths[20],
        "over_max_length": sum(length > 70 for length in lengths),
    }
    (info,) = report.inputs
    assert (info.tokens, info.trained) == (sum(lengths), trained)
    assert report.model is not None
    assert (report.model["name"], report.model["stop_token"], report.model["clock"]) == (model, "<|im_end|>", None)
    assert report.model["tokenizer_sha256"] == load(model).tokenizer_sha256


def test_percentiles_are_lengths_that_rows_have() -> None:
    facts = token_facts(list(range(1, 101)), [], 90)
    assert [facts[key] for key in ("min", "p50", "p95", "p99", "max", "over_max_length")] == [1, 50, 95, 99, 100, 10]
    assert set(token_facts([], [], 90).values()) == {0}


def test_without_a_model_there_are_no_tokens_and_each_rule_names_the_flag() -> None:
    report = curate.check(ROWS)
    assert report.summary()["tokens"] is None
    assert "model" not in report.to_json()
    unlock = {entry["code"]: entry["unlock"] for entry in report.skipped}
    assert unlock["TPL001"] == unlock["SET012"] == "--model M"
    assert unlock["LEN004"] == "--model M --max-length N"


def test_what_cannot_be_looked_at_is_skipped_with_the_reason(model: str) -> None:
    report = curate.check(ROWS, model=model)
    skipped = {entry["code"]: entry for entry in report.skipped}
    assert "holds no weights" in skipped["TPL015"]["reason"]
    assert "LEN004" in skipped
    assert "LEN004" not in {entry["code"] for entry in curate.check(ROWS, model=model, max_length=9).skipped}


@pytest.mark.parametrize("kind", ["text", "markdown", "html"])
def test_the_outputs_say_how_many_tokens_there_are(kind: str, model: str) -> None:
    report = curate.check(ROWS, model=model)
    shown = "".join(OUTPUTS[kind](report))
    total, trained = (f"{report.tokens[key]:,}" for key in ("total", "trained")) if report.tokens else ("", "")
    assert total in shown
    assert trained in shown
    if kind != "html":
        assert f"{total} tokens, {trained} of them trained (model)" in shown


def test_the_json_report_reads_back_with_its_tokens(model: str) -> None:
    report = curate.check(ROWS, model=model, template_args={"x": 1})
    document = json.loads("".join(OUTPUTS["json"](report)))
    assert document["summary"]["tokens"] == report.tokens
    assert document["model"]["template_args"] == {"x": 1}
    assert document["config"] == {"model": model, "template_args": {"x": 1}}
    again = Report.from_json(document)
    assert (again.tokens, again.model, again.inputs) == (report.tokens, report.model, report.inputs)


def test_the_next_commands_name_the_model_as_it_was_named(tmp_path: Path) -> None:
    folder = model_folder("without-system", tmp_path / "a model")
    row = {"messages": [{"role": "system", "content": "Be brief."}, *ROWS[0]["messages"]]}
    file = tmp_path / "data.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps(chat("Hi", "Hello <|im_start|> there.")) + "\n")
    report = curate.check(file, model=str(folder), template_args={"enable_thinking": False}, select="TPL")
    shown = "".join(OUTPUTS["text"](report))
    assert f"curate render {file} --model '{folder}' --template-args '{{\"enable_thinking\":false}}' --line 2" in shown


def test_several_notes_of_one_kind_are_one_finding_of_the_row(tmp_path: Path) -> None:
    thinker = str(model_folder("thinking", tmp_path / "model"))
    report = curate.check([chat("Hi", "Hello.", "Well?", "Yes.", "Sure?", "Quite.")], model=thinker)
    ((_, said),) = by_code(report, "TPL002")
    assert said.startswith("the template rewrites turn 2 (assistant)")
    assert said.endswith("(and 1 more)")
    assert by_code(report, "TPL007") == []


def test_of_preference_data_the_answer_that_is_compared_is_trained(model: str) -> None:
    pair = {
        "prompt": [*chat("Hi", "Hello.")["messages"], {"role": "user", "content": "Well?"}],
        "chosen": [{"role": "assistant", "content": "Yes."}],
        "rejected": [{"role": "assistant", "content": "No!"}],
    }
    labelled = {"prompt": "2+2?", "completion": "5", "label": False}
    for rows, trained in (([pair], len("Yes.") + 1), ([labelled], len("5") + 1)):
        report = curate.check(rows, model=model)
        assert report.tokens is not None
        assert (report.tokens["trained"], report.tokens["verified"]) == (trained, 1)
        assert by_code(report, "TPL009") == []


def test_raw_text_is_counted_but_nothing_of_it_is_trained(model: str) -> None:
    report = curate.check([{"text": "The harbour lies behind the mill."}], model=model)
    assert by_code(report, "TPL007") == [(1, "raw text is no conversation: nothing in it is a prompt or an answer")]
    assert report.tokens is not None
    assert (report.tokens["total"], report.tokens["trained"]) == (len("The harbour lies behind the mill."), 0)


def test_prompts_without_answers_are_counted_and_not_blamed(model: str) -> None:
    report = curate.check([{"prompt": "How far is the moon?"}, {"prompt": "And the sun?"}], model=model)
    assert [f.code for f in report.findings if f.code.startswith(("TPL", "LEN"))] == []
    assert report.tokens is not None
    assert report.tokens["samples"] == 2


def test_control_tokens_of_this_model_alone_are_found_in_texts(model: str) -> None:
    rows = [*ROWS, chat("What is <|fin|>?", "A token."), chat("Hi", "Hello.<|fin|>")]
    report = curate.check(rows, model=model)
    assert by_code(report, "TPL003") == [(21, "<|fin|> in the user's text: a control token of this model")]
    ((line, said),) = by_code(report, "TPL004")
    assert line == 22
    assert said.startswith("the answer ends with <|fin|> (this model)")
    assert [f.code for f in curate.check(rows).findings if f.code in ("TPL003", "TPL004")] == []


@pytest.mark.parametrize(
    ("token", "meaning"), [("<|im_end|>", "it is a control token"), ("<|eot_id|>", "it is plain text")]
)
def test_a_typed_stop_token_is_one_line_for_the_file_and_says_what_it_is_to_the_model(
    token: str, meaning: str, model: str
) -> None:
    rows = [chat(f"What is {i} + {i}?", f"{2 * i}{token}") for i in range(30)]
    report = curate.check(rows, model=model)
    (finding,) = [finding for finding in report.findings if finding.code == "TPL004"]
    assert (finding.place.sample_id, finding.fix.as_json()) == (None, {"action": "edit", "safe": False})
    assert "30 of 30 rows" in finding.message
    assert f"for this model {meaning}" in finding.message


def test_a_row_on_which_reading_fails_is_an_internal_error_and_the_others_are_read(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Model.read

    def failing(self: Model, samples: Any) -> Any:
        if any("7 + 7" in sample.messages[0].text for sample in samples):
            raise ZeroDivisionError("seven")
        return read(self, samples)

    monkeypatch.setattr(Model, "read", failing)
    report = curate.check(ROWS, model=model)
    assert [(error.code, error.place.line) for error in report.internal_errors] == [("TPL007", 8)]
    assert report.exit_code("never") == 2
    assert report.tokens is not None
    assert report.tokens["samples"] == 19


def test_a_template_that_never_ends_ends_the_check_in_one_line(tmp_path: Path) -> None:
    folder = write_model(
        tmp_path / "hostile", "{% for i in range(9**5) %}{% for j in range(9**5) %}" + "{% endfor %}" * 2
    )
    with pytest.raises(CurateError, match="takes too long or too much memory"):
        curate.check(ROWS, model=str(folder))


def test_settings_of_a_model_need_one() -> None:
    with pytest.raises(CurateError, match=r"--max-length, --chat-template: nothing to apply it to without a model"):
        curate.check(ROWS, max_length=3, chat_template="chatml")


def test_a_model_that_is_not_there_is_one_line() -> None:
    with pytest.raises(CurateError, match="no such folder"):
        curate.check(ROWS, model="models/none-of-this-name/at/all")
    with pytest.raises(CurateError, match="offline"):
        curate.check(ROWS, model="org/none-of-this-name", offline=True)


def test_a_model_in_a_file_of_settings_is_a_path_from_there_or_a_name(tmp_path: Path) -> None:
    model_folder("chatml", tmp_path / "models" / "small")
    (tmp_path / "curate.toml").write_text('model = "models/small"\nchat_template = "chatml"\nmax_length = 9\n')
    config = resolve({}, directory=tmp_path).config
    assert (config.model, config.chat_template) == (str(tmp_path / "models" / "small"), "chatml")
    (tmp_path / "curate.toml").write_text('model = "Qwen/Qwen3-8B"\n')
    assert resolve({}, directory=tmp_path).config.model == "Qwen/Qwen3-8B"


def test_a_check_with_a_model_loads_no_training_library(model: str) -> None:
    script = (
        f"import curate; curate.check([{{'prompt': 'Hi', 'completion': 'Hello!'}}], model={model!r}); import sys; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "tokenizers" in loaded
    assert loaded & {"torch", "transformers", "datasets", "pandas", "huggingface_hub"} == set()


# In a run.


def run_of(tmp_path: Path, **settings: Any) -> tuple[Run, dict[str, Any]]:
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    run = open_run([str(data)], str(tmp_path / "run"))
    config = check_step.config(run, [str(data)], Config(**settings))
    make(run, check_step.STEP, config)
    return run, config


def test_a_check_in_a_run_is_stale_when_the_model_or_its_template_changes(tmp_path: Path, model: str) -> None:
    run, config = run_of(tmp_path, model=model, max_length=60)
    assert why_stale(run, check_step.STEP, config) == []
    assert why_stale(run, check_step.STEP, {**config, "max_length": 61}) == ["max_length is now 61, was 60"]
    template = Path(model) / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert [reason.rsplit("/", 1)[-1] for reason in why_stale(run, check_step.STEP, config)] == [
        "chat_template.jinja changed"
    ]
    report = Report.from_json(json.loads((run / "check.json").read_bytes()))
    assert report.config["model"] == model
    assert report.tokens is not None


def test_the_command_of_the_manifest_makes_the_same_check(tmp_path: Path, model: str) -> None:
    run, config = run_of(tmp_path, model=model, max_length=60, template_args={"x": True}, chat_template="chatml")
    command = run.manifest()["steps"]["check"]["command"]
    assert "--max-length 60" in command
    ran = CliRunner().invoke(cli, shlex.split(command)[1:])
    assert ran.exit_code == 0, ran.output
    record = run.record("check")
    assert record is not None
    assert record["config"] == config
    again = CliRunner().invoke(cli, ["check", str(run.folder)])
    assert "tokens, " in again.output  # the run keeps its model


# Real tokenizers.


@pytest.fixture(scope="session", params=[*SHARED, DEMO])
def real_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(real_tokenizer(request.param, tmp_path_factory).folder)


# Rows of which a template can be at fault: tools, reasoning, images, several answers, a role that it does not know.
OF_THE_TEMPLATE = ("tools", "reasoning", "parts", "functions", "blocks", "conversations", "sharegpt", "text")
# An answer that begins with a space, which SmolLM2 merges with the line break before it.
MERGED = {("prose.jsonl", 7, "TPL006")}


def test_plain_valid_rows_are_verified_and_stay_clean(real_model: str) -> None:
    files = [file for file in sorted(VALID.glob("*.jsonl")) if not any(word in file.stem for word in OF_THE_TEMPLATE)]
    assert len(files) > 10
    report = curate.check([str(file) for file in files], model=real_model, select=["TPL", "LEN", "SET"])
    assert not report.internal_errors
    wrong = {
        (Path(f.place.path).name, f.place.line, f.code)
        for f in report.findings
        if f.severity != "info" and f.place.sample_id is not None
    }
    assert wrong <= MERGED
    assert [f.message for f in report.findings if f.severity != "info" and f.place.sample_id is None] == []
    assert report.tokens is not None
    assert report.tokens["verified"] == report.tokens["samples"] - len(wrong)


def test_every_row_of_real_data_is_verified_or_says_why_not(real_model: str, shared_data: Path) -> None:
    for name in ("gsm8k_test.jsonl", "glaive_toolcall_en_demo.json", "v1_sft_demo.jsonl"):
        report = curate.check(shared_data / name, model=real_model, select="TPL")
        assert not report.internal_errors
        said = {f.place.line for f in report.findings if f.place.sample_id is not None}
        assert report.tokens is not None
        assert report.tokens["verified"] + len(said) >= report.samples
        if name != "glaive_toolcall_en_demo.json":
            assert said == set()


def test_a_stop_token_in_every_row_of_real_data_is_one_line(tmp_path_factory: Any, shared_data: Path) -> None:
    qwen3 = str(real_tokenizer("qwen3", tmp_path_factory).folder)
    with (shared_data / "t0_prompt_completion.jsonl").open() as file:
        rows = [json.loads(next(file)) for _ in range(2000)]
    report = curate.check(rows, model=qwen3, select=["TPL", "FMT104"])
    assert {code: count for code, count in report.by_code.items() if code != "FMT104"} == {"TPL004": 1, "TPL013": 1}
    ((_, said),) = by_code(report, "TPL004")
    assert said.startswith("2,000 of 2,000 rows")
    assert report.tokens is not None
    assert report.tokens["verified"] == 2000 - report.by_code["FMT104"]
