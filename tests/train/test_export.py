"""Exported forms: merged as it was trained, adapters as servers take them, rows as the API takes them."""

from __future__ import annotations

import json
import shutil
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
from tests.train.conftest import need

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


def with_tokenizer(folder: Path, model: Path) -> Path:
    """The tiny model with a tokenizer of bytes whose ids are bytes too, and a template."""
    from tests.train.test_train_command import save_tokenizer

    shutil.copytree(model, folder)
    save_tokenizer(folder)
    return folder


def test_merging_costs_nothing_in_fp32_little_in_fp16_and_more_in_bf16(tmp_path: Path, tiny: Path) -> None:
    from curate_train.export import agreement, merged
    from curate_train.export.trained import read_trained

    what = read_trained(trained(tmp_path / "run", tiny))
    rows = agreement.held_out(what)
    exact = agreement.log_probabilities(merged.in_fp32(what), rows)
    lost = agreement.drift(rows, exact, agreement.log_probabilities(merged.load(what.base, "nf4"), rows))
    whole = weights_of(merged.merge(what, "nf4", "fp32"))
    added = distance(whole, weights_of(merged.written_out(what, "nf4", merged.DTYPES["fp32"])))
    costs, lost_weights = {}, {}
    for dtype in merged.DTYPES:
        model = merged.merge(what, "nf4", dtype)
        assert not [name for name, _ in model.named_modules() if "lora" in name]
        merged.save(model, tmp_path / dtype, what.stops)
        again = merged.saved(tmp_path / dtype)
        assert again.dtype == merged.DTYPES[dtype]
        assert "quantization_config" not in json.loads((tmp_path / dtype / "config.json").read_bytes())
        assert again.generation_config.eos_token_id == [fabricate.END]
        costs[dtype] = agreement.drift(rows, exact, agreement.log_probabilities(again.float(), rows))
        lost_weights[dtype] = distance(whole, weights_of(again)) / added
    assert abs(costs["fp32"].kl) < 1e-8 and costs["fp32"].flips == 0
    assert abs(costs["fp16"].kl) < 1e-3 and costs["fp16"].flips <= 0.01 < lost.flips
    assert costs["fp16"].nll == pytest.approx(costs["fp16"].nll_before, abs=0.01)
    assert lost_weights["fp32"] == 0 < lost_weights["fp16"]
    assert lost_weights["bf16"] == pytest.approx(8 * lost_weights["fp16"], rel=0.2)  # three bits fewer
    assert distance(whole, weights_of(merged.merge(what, "bf16", "fp32"))) / added > lost_weights["bf16"]


def weights_of(model: Any) -> Any:
    """All that an adapter changes, as one vector in fp32."""
    import torch

    return torch.cat([weight.float().flatten() for name, weight in model.named_parameters() if "_proj" in name])


def distance(one: Any, other: Any) -> float:
    return float((one - other).norm())


def test_the_merge_and_the_noise_of_the_arithmetic_are_told_apart(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path / "run", with_tokenizer(tmp_path / "model", tiny))
    cli.main(["export", str(run.folder), "--to", "merged"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "merged into the 4-bit base, written out, in fp16" in said and "arithmetic alone" in said
    facts = json.loads((run / "export-merged" / "export.json").read_bytes())
    assert facts["merge"]["kl"] < 1e-3 and facts["noise"]["kl"] > 0
    assert facts["merge"]["flips"] <= 0.01
    assert facts["bytes"] == (run / "export-merged" / "model.safetensors").stat().st_size
    assert facts["warnings"] == []
    assert facts["agreement"]["prompts"] == 6
    assert 0 <= facts["agreement"]["shared"] <= facts["agreement"]["tokens"]
    command = ["export", str(run.folder), "--to", "merged", "--base", "bf16", "--dtype", "bf16", "--force"]
    cli.main(command, standalone_mode=False)
    assert "merge into these: --base nf4" in capsys.readouterr().out
    cli.main(["export", str(run.folder), "--to", "merged", "--dtype", "bf16", "--force"], standalone_mode=False)
    assert "warning: bf16 rounds part of the adapter away (KL " in capsys.readouterr().out


def test_what_fp16_cannot_hold_is_refused(tmp_path: Path, tiny: Path) -> None:
    from safetensors.torch import load_file, save_file

    from curate_train.export import merged
    from curate_train.export.trained import read_trained

    what = read_trained(trained(tmp_path / "run", tiny, max_steps=1))
    file = what.adapter / "adapter_model.safetensors"
    weights = load_file(file)
    save_file({name: weight * 0 + 1e4 for name, weight in weights.items()}, file, {"format": "pt"})
    with pytest.raises(CurateError, match="--dtype fp32 or bf16"):
        merged.merge(what, "nf4", "fp16")
    merged.merge(what, "nf4", "bf16")


def test_greedy_answers_end_before_the_stop_token(tmp_path: Path, tiny: Path) -> None:
    from curate_train.export import agreement, merged
    from curate_train.export.trained import read_trained

    what = read_trained(trained(tmp_path / "run", tiny, max_steps=2))
    rows = agreement.held_out(what, 3)
    asked = agreement.prompts(rows)
    for ids, row in zip(asked, rows, strict=True):
        assert bytes(ids).decode() == fabricate.samples(3)[rows.index(row)].messages[-2].text
    answers = agreement.greedy(merged.as_trained(what), asked, what.stops)
    assert all(len(answer) <= agreement.MOST_NEW and fabricate.END not in answer for answer in answers)


def test_agreement_counts_tokens_before_the_first_difference() -> None:
    from curate_train.export import agreement

    before, after = [[1, 2], [3, 4, 5], [6]], [[1, 2], [3, 9, 5], [6, 7]]
    found = agreement.agreement([[8], [9], [10]], before, after, lambda ids: "".join(map(str, ids)))
    assert (found.prompts, found.equal, found.tokens, found.shared) == (3, 1, 6, 4)
    assert found.differing[0] == {"prompt": "9", "as_trained": "345", "exported": "395"}
    assert agreement.flips(before, [[1, 2], [3, 9, 5], [6]]) == pytest.approx(1 / 6)
    assert agreement.until([4, 5, 6], [5]) == [4]


def test_an_adapter_for_servers(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path / "run", tiny, max_steps=1, rank=24)
    command = ["export", str(run.folder), "--to", "vllm"]
    cli.main(command, standalone_mode=False)
    said = capsys.readouterr().out
    assert "--max-lora-rank 32" in said and "warning: rank 24 is over vLLM's usual limit" in said
    files = {file.name for file in (run / "export-vllm").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "base.json", "export.json"}
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
            (tmp_path / form).mkdir()
            with pytest.raises(CurateError, match="nothing was trained yet"):
                step.make(run, dict.fromkeys(("adapter", "base", "type", "converter", "dtype")), tmp_path / form)


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


def as_split(folder: Path, count: int) -> Run:
    """A run whose check named the columns of its data, split by the real step."""
    lines = (json.dumps({"kunde": f"Where is parcel {k}?", "wir": f"It is on lorry {k}."}) for k in range(count))
    data = folder / "data.jsonl"
    data.write_text("".join(f"{line}\n" for line in lines))
    (folder / "curate.toml").write_text('[columns]\nprompt = "kunde"\nanswer = "wir"\n')
    for words in (
        ["check", str(data), "--run", str(folder / "run"), "--config", str(folder / "curate.toml")],
        ["split", str(folder / "run")],
    ):
        cli.main(words, standalone_mode=False)
    return Run.open(folder / "run")


def test_rows_are_read_by_the_columns_of_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = as_split(tmp_path, 40)
    command = ["export", str(run.folder), "--to", "openai"]
    cli.main(command, standalone_mode=False)
    assert "rows left out" not in capsys.readouterr().out
    rows = (run / "split" / "train.jsonl").read_bytes().splitlines()
    written = (run / "export-openai" / "train.jsonl").read_bytes().splitlines()
    for row, line in zip(map(json.loads, rows), map(json.loads, written), strict=True):
        assert [turn["content"] for turn in line["messages"]] == [row["kunde"], row["wir"]]
    file = run / "split" / "train.jsonl"
    file.write_bytes(file.read_bytes() + b'{"kunde": \n')
    cli.main(command, standalone_mode=False)
    said = capsys.readouterr().out
    assert f"1 row left out, as export.json lists; the first: split/train.jsonl:{len(rows) + 1} cannot be read" in said
    (left_out,) = json.loads((run / "export-openai" / "export.json").read_bytes())["left_out"]
    assert left_out["line"] == len(rows) + 1 and left_out["why"][0].startswith("cannot be read (")


def test_a_run_without_a_split_is_told_what_to_run(tmp_path: Path) -> None:
    run = as_split(tmp_path, 20)
    shutil.rmtree(run / "split")
    with pytest.raises(CurateError, match=rf"train\.jsonl: is missing; make it: curate split {run.folder}$"):
        cli.main(["export", str(run.folder), "--to", "openai"], standalone_mode=False)
    assert not (run / "export-openai").exists()


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


def test_the_converter_is_given_the_template_of_the_training(tmp_path: Path) -> None:
    from curate_train.export.trained import chat_template, for_converter

    (tmp_path / "chat_template.jinja").write_text("{{ ours }}")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ old }}", "eos_token": "</s>"}))
    assert chat_template(tmp_path) == "{{ ours }}"
    for_converter("<end>", tmp_path)
    found = json.loads((tmp_path / "tokenizer_config.json").read_bytes())
    assert found == {"chat_template": "{{ ours }}", "eos_token": "<end>"}


def test_a_gguf_file_carries_template_and_stop_token(tmp_path: Path) -> None:
    need("gguf")
    from gguf import GGUFWriter

    file = tmp_path / "model.gguf"
    writer = GGUFWriter(file, "llama")
    writer.add_chat_template("{{ messages }}")
    writer.add_eos_token_id(7)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert gguf.carried_over(file, "{{ messages }}", 7) == []
    assert gguf.carried_over(file, "{{ other }}", 8) == [
        "its chat template is not that of the training",
        "it does not end at the stop token of the training",
    ]


def test_a_gguf_file_that_ends_elsewhere_is_refused(tmp_path: Path, tiny: Path) -> None:
    """A converter that loses the template: here one that writes the metadata only."""
    need("gguf")
    run = trained(tmp_path / "run", with_tokenizer(tmp_path / "model", tiny), max_steps=1)
    script = tmp_path / "convert.py"
    script.write_text(
        "import sys\nfrom gguf import GGUFWriter\n"
        "writer = GGUFWriter(sys.argv[sys.argv.index('--outfile') + 1], 'llama')\nwriter.add_eos_token_id(3)\n"
        "writer.write_header_to_file()\nwriter.write_kv_data_to_file()\nwriter.close()\n"
    )
    command = ["export", str(run.folder), "--to", "gguf", "--converter", str(script)]
    with pytest.raises(CurateError, match="wrote a file that answers otherwise than trained: its chat template"):
        cli.main(command, standalone_mode=False)
    assert not (run / "export-gguf").exists()


def test_another_adapter_of_the_base_is_exported(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path / "run", tiny, max_steps=1)
    own = str(run / "train" / "adapter")
    both = str(tmp_path / "both")
    cli.main(["adapters", "combine", own, own, "-o", both], standalone_mode=False)
    cli.main(["export", str(run.folder), "--to", "vllm", "--adapter", both], standalone_mode=False)
    assert "--max-lora-rank 32" in capsys.readouterr().out
    weights = "adapter_model.safetensors"
    assert (run / "export-vllm" / weights).read_bytes() == (tmp_path / "both" / weights).read_bytes()
    cli.main(
        ["export", str(run.folder), "--to", "vllm", "--adapter", str(run.folder), "--force"], standalone_mode=False
    )
    assert (run / "export-vllm" / weights).read_bytes() == (run / "train/adapter" / weights).read_bytes()
    nowhere = ["export", str(run.folder), "--to", "vllm", "--adapter", str(tmp_path / "no"), "--force"]
    with pytest.raises(CurateError, match=r"no: no adapter .* name its folder, or a run"):
        cli.main(nowhere, standalone_mode=False)
    (tmp_path / "both" / "base.json").unlink()
    command = ["export", str(run.folder), "--to", "vllm", "--adapter", both, "--force"]
    with pytest.raises(CurateError, match="does not say on which base"):
        cli.main(command, standalone_mode=False)
