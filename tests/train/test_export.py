"""Exported forms: merged as it was trained, adapters as servers take them, rows as the API takes them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

import curate
from curate.cli.main import cli
from curate.errors import CurateError
from curate.run import Run, make
from curate_train.export import gguf, ollama, openai, serving
from curate_train.export.step import steps
from tests.train import fabricate

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("default")  # torch, peft and bitsandbytes warn about themselves

CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"id": 4}}}


def trained(folder: Path, model: Path, **settings: Any) -> Run:
    """A run of a few large steps, whose test rows are some of those that it was trained on."""
    from curate_train.step import STEP, config

    rows = fabricate.rows("train", fabricate.samples(16), fabricate.as_bytes)
    run = fabricate.make_run(folder, model, rows, [row._replace(split="val") for row in rows[:2]])
    fabricate.write_split(run / "tokens", "test", [row._replace(split="test") for row in rows[:6]])
    file = run / "tokens" / "tokens.json"
    stop = {"stop_token": "<end>", "stop_token_id": fabricate.END}
    file.write_text(json.dumps(json.loads(file.read_bytes()) | stop))
    make(run, STEP, config(run, str(model), {"max_steps": 12, "accumulate": 1, "learning_rate": 1e-2} | settings))
    return run


def test_merged_into_the_written_out_4_bit_base_it_says_what_it_said_as_trained(tmp_path: Path, tiny: Path) -> None:
    from curate_train.export import agreement, merged
    from curate_train.export.trained import read_trained

    what = read_trained(trained(tmp_path / "run", tiny))
    rows = agreement.held_out(what)
    model = merged.as_trained(what)
    with merged.measuring(model):
        before = agreement.log_probabilities(model, rows)
    base = agreement.log_probabilities(merged.load(what.base, "nf4").eval(), rows)
    drifts = {}
    for kind in merged.BASES:
        model = merged.merge(what, kind)
        assert not [name for name, _ in model.named_modules() if "lora" in name]
        merged.stops_at(model, what.stop_token_id)
        merged.save(model, tmp_path / kind)
        again = merged.saved(tmp_path / kind)
        assert "quantization_config" not in json.loads((tmp_path / kind / "config.json").read_bytes())
        assert again.generation_config.eos_token_id[0] == fabricate.END
        drifts[kind] = agreement.drift(rows, before, agreement.log_probabilities(again, rows))
    lost = agreement.drift(rows, before, base)
    assert drifts["nf4"].kl < 0.01 * lost.kl and drifts["nf4"].flips <= 0.02 < lost.flips
    assert drifts["nf4"].kl < drifts["bf16"].kl < lost.kl
    assert drifts["nf4"].nll == pytest.approx(drifts["nf4"].nll_trained, abs=0.02)


def test_greedy_answers_end_before_the_stop_token(tmp_path: Path, tiny: Path) -> None:
    from curate_train.export import agreement, merged
    from curate_train.export.trained import read_trained

    what = read_trained(trained(tmp_path / "run", tiny, max_steps=2))
    rows = agreement.held_out(what, 3)
    asked = agreement.prompts(rows)
    for ids, row in zip(asked, rows, strict=True):
        assert bytes(ids).decode() == fabricate.samples(3)[rows.index(row)].messages[-2].text
    answers = agreement.greedy(merged.as_trained(what), asked, what.stop_token_id)
    assert all(len(answer) <= agreement.MOST_NEW and fabricate.END not in answer for answer in answers)
    found = agreement.agreement(["a", "b"], ["x", "y"], ["x", "z"])
    assert (found.equal, found.differing) == (1, [{"prompt": "b", "as_trained": "y", "exported": "z"}])


def test_an_adapter_for_servers(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path / "run", tiny, max_steps=1, rank=24)
    command = ["export", str(run.folder), "--to", "vllm"]
    cli.main(command, standalone_mode=False)
    said = capsys.readouterr().out
    assert "--max-lora-rank 32" in said and "warning: rank 24 is over vLLM's usual limit" in said
    files = {file.name for file in (run / "export-vllm").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "export.json"}
    cli.main(command, standalone_mode=False)
    assert "(up to date)" in capsys.readouterr().out
    config = run / "train" / "adapter" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_bytes()) | {"use_dora": True}))
    with pytest.raises(CurateError, match="cannot serve it: DoRA"):
        cli.main(command, standalone_mode=False)


@pytest.mark.parametrize(
    ("config", "names", "fatal", "said"),
    [
        ({}, [], False, ""),
        ({"use_dora": True}, [], True, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, [], True, "whole modules"),
        ({"bias": "all"}, [], True, "biases"),
        ({"trainable_token_indices": [5]}, [], True, "tokens"),
        ({"target_parameters": ["mlp.experts.gate_up_proj"]}, [], False, "routed experts"),
        ({}, ["base_model.model.lm_head.lora_A.weight"], False, "SGLang"),
        ({"rank_pattern": {"q_proj": 40}}, [], False, "--max-lora-rank 64"),
    ],
)
def test_what_servers_refuse(config: dict[str, Any], names: list[str], fatal: bool, said: str) -> None:
    found = serving.problems({"r": 16, "bias": "none", **config}, names)
    assert [one.is_fatal for one in found] == ([fatal] if said else [])
    assert not said or said in found[0].message


def test_nothing_trained_is_said(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    for form, step in steps().items():
        if form != "openai":
            with pytest.raises(CurateError, match="nothing was trained yet"):
                step.make(run, {"base": None, "type": None, "converter": None}, tmp_path)


def sample(*messages: dict[str, Any], **row: Any) -> curate.Sample:
    (found,) = curate.read([{"messages": list(messages), **row}])
    return found


def turn(role: str, content: str | None = "Text", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_rows_for_openai() -> None:
    plain = sample(
        turn("system"), turn("user"), turn("assistant", "No", weight=0), turn("user"), turn("assistant", "Yes")
    )
    assert not list(openai.faults(plain))
    assert openai.as_row(plain)["messages"][2] == {"role": "assistant", "content": "No", "weight": 0}
    asked = sample(turn("user"), turn("assistant", None, tool_calls=[CALL]), turn("tool", "7"), turn("assistant"))
    assert list(openai.faults(asked)) == [
        "turn 2: calls a tool without an id",
        "turn 3: answers no tool call by its id",
    ]
    numbered = openai.with_call_ids(asked)
    assert not list(openai.faults(numbered))
    messages = openai.as_row(numbered)["messages"]
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == '{"id": 4}'
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == "call_1"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([turn("assistant")], "has no user turn"),
        ([turn("user"), turn("assistant"), turn("user")], "does not end with an answer"),
        ([turn("user"), turn("assistant", reasoning_content="Hm")], "turn 2: has reasoning"),
        ([turn("user"), turn("assistant", "")], "turn 2: is an answer without content"),
        ([turn("user", [{"type": "image_url", "image_url": {"url": "x"}}]), turn("assistant")], "turn 1: holds media"),
    ],
)
def test_what_openai_refuses(messages: list[dict[str, Any]], said: str) -> None:
    assert any(found.startswith(said) for found in openai.faults(sample(*messages)))


def test_a_modelfile() -> None:
    text = ollama.modelfile("model.gguf", ["<|im_end|>", 'odd"stop'], 2048)
    assert text.splitlines() == [
        "FROM ./model.gguf",
        'PARAMETER stop "<|im_end|>"',
        'PARAMETER stop "odd\\"stop"',
        "PARAMETER num_ctx 2048",
        "PARAMETER temperature 0",
    ]


def test_a_converter_that_is_missing_or_fails_is_said(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="pipx install"):
        gguf.converter("no-such-converter")
    script = tmp_path / "convert.py"
    script.write_text("import sys\nsys.exit('the model has no layers')\n")
    assert gguf.converter(str(script)) == [sys.executable, str(script)]
    with pytest.raises(CurateError, match="the model has no layers"):
        gguf.to_gguf(tmp_path, tmp_path / "model.gguf", "q8_0", gguf.converter(str(script)))
