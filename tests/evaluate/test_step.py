"""The step on a tiny model whose weights are random: what is scored, not how well."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from curate.errors import CurateError
from curate.run import Run, make, why_stale
from curate.steps import tokens
from curate_evaluate.answering import decode
from curate_evaluate.answering.render import model_of
from curate_evaluate.arms.cases import ALL, find_prompt, read_rows
from curate_evaluate.evaluation import Evaluation
from curate_evaluate.report.words import overfitting
from curate_evaluate.step import STEP, default_config
from curate_train.adapter import adapter_of, identity, write_base
from tests.evaluate import fabricate

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

PROMPTED = ("zero-shot", "few-shot", "few-shot-nearest")
UNQUANTISED = tuple(f"{name}, unquantised" for name in PROMPTED)
ARMS = ("fine-tuned", *PROMPTED, *UNQUANTISED)
CONFIG = default_config() | {"shots": 2, "batch_size": 16}


def lines(run: Run, arm: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "evaluate/examples.jsonl").read_bytes().splitlines()]
    return [line for line in found if line["arm"] == arm]


def rows(run: Run) -> list[dict[str, Any]]:
    return list(read_rows(run / "tokens/test.arrow", ALL))


def scores(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "evaluate/scores.json").read_bytes())
    return found


def unquantised(model: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).eval()


def plain_base(model: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )
    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16, quantization_config=quantization).eval()


def greedy(model: Any, tokenizer: Any, prompts: list[list[int]], longest: int) -> list[str]:
    """What plain transformers answers to one batch, padded on the left."""
    import torch

    width = max(map(len, prompts))
    ids = torch.tensor([[257] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    made = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=longest, do_sample=False, pad_token_id=257, eos_token_id=257
    )
    answers = [row[width:].tolist() for row in made]
    return [tokenizer.decode(answer[: answer.index(257)] if 257 in answer else answer) for answer in answers]


def test_the_outputs_are_those_of_plain_peft_with_the_adapter_and_of_the_plain_base_model(
    evaluated: Run, model: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    longest = scores(evaluated)["decoding"]["max_new_tokens"]
    # Loaded twice: after a first answer bitsandbytes has packed the weights, and peft would wrap the packed ones.
    adapted = PeftModel.from_pretrained(plain_base(model), evaluated / "train/adapter").eval()
    of_arm = {"fine-tuned": adapted, **dict.fromkeys(PROMPTED, plain_base(model))}
    of_arm |= dict.fromkeys(UNQUANTISED, unquantised(model))
    for arm in ARMS:
        answered = lines(evaluated, arm)
        sent = [line.get("sent", line["prompt"]) for line in answered]
        ids = [tokenizer.encode(prompt, add_special_tokens=False) for prompt in sent]
        # In the order of the one batch: bf16 sums depend on what a row is padded to.
        order = sorted(range(len(ids)), key=lambda i: (-len(ids[i]), sent[i]))
        expected = greedy(of_arm[arm], tokenizer, [ids[i] for i in order], longest)
        assert [answered[i]["output"] for i in order] == expected
    outputs = {arm: [line["output"] for line in lines(evaluated, arm)] for arm in ARMS}
    assert outputs["fine-tuned"] != outputs["zero-shot"] != outputs["zero-shot, unquantised"]


def test_each_row_is_answered_by_every_arm_from_its_own_prompt(evaluated: Run) -> None:
    by_id = {row["sample_id"]: row for row in rows(evaluated)}
    for arm in ARMS:
        answered = lines(evaluated, arm)
        assert [line["sample_id"] for line in answered] == list(by_id)
        for line in answered:
            question = line["prompt"].split("user\n")[-1].split(fabricate.STOP)[0]
            assert (question, line["reference"]) in fabricate.ROWS
            assert line["prompt"] == fabricate.render(question, line["reference"])[1]
            assert line.get("sent", line["prompt"]).endswith(line["prompt"].split("system\n", 1)[1].split("\n", 1)[1])
    assert scores(evaluated)["prompts"] == {"compared": 7 * len(by_id), "equal": 7 * len(by_id), "as_messages": 0}


def test_no_held_out_row_is_an_example_in_a_prompt(evaluated: Run) -> None:
    held_out = {line["reference"] for line in lines(evaluated, "zero-shot")} - {"Yes."}
    for arm in ("few-shot", "few-shot-nearest"):
        for line in lines(evaluated, arm):
            assert line["sent"].count(f"{fabricate.START}assistant") == 3
            assert not [answer for answer in held_out if f"assistant\n{answer}{fabricate.STOP}" in line["sent"]]


def test_it_is_recorded_which_answers_ended_by_themselves(evaluated: Run) -> None:
    limit = scores(evaluated)["decoding"]["max_new_tokens"]
    every = [line for arm in ARMS for line in lines(evaluated, arm)]
    assert "length" in {line["stopped"] for line in every}
    for line in every:
        assert fabricate.STOP not in line["output"]
        assert line["tokens"] == limit if line["stopped"] == "length" else line["tokens"] <= limit


def test_the_plan_is_in_the_manifest_before_a_test_row_is_answered(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = decode.Decoder.answer

    def answer(self: decode.Decoder, name: str, *args: Any, **options: Any) -> Any:
        assert ("plans" in trained.manifest()) == ("validation rows" not in name)
        return real(self, name, *args, **options)

    monkeypatch.setattr(decode.Decoder, "answer", answer)
    make(trained, STEP, CONFIG)
    (plan,) = trained.manifest()["plans"]
    assert plan["arms"] == list(ARMS)
    assert (plan["metric"], plan["margin"], plan["seeds"]) == ("exact_match", 2.0, 1)


def test_the_same_again_gives_the_same_bytes_and_asks_nothing(evaluated: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def outputs() -> list[bytes]:
        return [(evaluated / f"evaluate/{name}").read_bytes() for name in ("examples.jsonl", "scores.json")]

    before = outputs()
    assert why_stale(evaluated, STEP, CONFIG) == []
    monkeypatch.setattr(decode, "recording_model", None)
    make(evaluated, STEP, CONFIG)
    assert outputs() == before


class Killed(Exception):
    pass


def killed_after(batches: int) -> Iterator[None]:
    for _ in range(batches):
        yield
    raise Killed


def kept(run: Run) -> dict[str, list[str]]:
    """The keys of everything that was measured, by file."""
    files = {name: run / name for name in ("answers.jsonl", "losses.jsonl", "tasks.jsonl")}
    return {
        name: [json.loads(line)["key"] for line in file.read_bytes().splitlines()] if file.exists() else []
        for name, file in files.items()
    }


def test_a_run_that_was_killed_goes_on_where_it_was_to_the_same_outputs(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed among the answers on validation and test rows, the losses, and the responses to a task."""
    config = CONFIG | {"batch_size": 4, "tasks": [str(fabricate.task_folder(tmp_path / "tasks"))]}
    whole = Run(Path(shutil.copytree(trained.folder, tmp_path / "whole")))
    make(whole, STEP, config)
    real = decode.Progress.add
    measured = 0
    for batches in (1, 6, 14, 20, 4):
        left = killed_after(batches)
        monkeypatch.setattr(decode.Progress, "add", lambda self, rows, left=left: next(left))
        with pytest.raises((Killed, RuntimeError)):
            make(trained, STEP, config)
        assert not (trained / "evaluate").exists()
        assert sum(map(len, kept(trained).values())) > measured
        measured = sum(map(len, kept(trained).values()))
    assert kept(trained)["tasks.jsonl"]
    monkeypatch.setattr(decode.Progress, "add", real)
    make(trained, STEP, config)
    for name, keys in kept(trained).items():
        assert len(keys) == len(set(keys))
        assert set(keys) == set(kept(whole)[name])
    assert (trained / "evaluate/examples.jsonl").read_bytes() == (whole / "evaluate/examples.jsonl").read_bytes()
    assert {key: value for key, value in scores(trained).items() if key != "arms"} == {
        key: value for key, value in scores(whole).items() if key != "arms"
    }  # the arms hold times


def test_another_adapter_reads_none_of_the_answers_of_the_first(evaluated: Run, model: Path) -> None:
    before = {arm: [line["output"] for line in lines(evaluated, arm)] for arm in ARMS}
    known = len((evaluated / "answers.jsonl").read_bytes().splitlines())
    shutil.rmtree(evaluated / "train/adapter")
    other = fabricate.adapter_folder(evaluated / "train/adapter", model, seed=2)
    write_base(other, {"base": identity(model)})
    make(evaluated, STEP, CONFIG)
    after = {arm: [line["output"] for line in lines(evaluated, arm)] for arm in ARMS}
    assert after["fine-tuned"] != before["fine-tuned"]
    assert {arm: after[arm] for arm in ARMS[1:]} == {arm: before[arm] for arm in ARMS[1:]}
    trained_on = len(list(read_rows(evaluated / "tokens/train.arrow", ALL)))
    of_the_new = len(rows(evaluated)) + trained_on  # which are fewer than are taken of many
    assert len((evaluated / "answers.jsonl").read_bytes().splitlines()) == known + of_the_new


def test_retrieval_needs_documents_and_the_tuned_arm_gets_them_too(trained: Run, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("Item 7 is sold out.\n")
    make(trained, STEP, CONFIG | {"docs": str(docs), "passages": 1})
    retrieving = ("retrieval", "fine-tuned + retrieval", "retrieval, unquantised")
    assert set(scores(trained)["arms"]) == {*ARMS, *retrieving}
    assert all("Item 7 is sold out." in line["sent"] for arm in retrieving for line in lines(trained, arm))
    assert set(scores(trained)["verdict"]["by_baseline"]) == {*ARMS[1:], "retrieval", "retrieval, unquantised"}
    (docs / "a.md").write_text("Item 7 is back.\n")
    assert why_stale(trained, STEP, CONFIG | {"docs": str(docs), "passages": 1}) == [f"{docs} changed"]


def test_scores_are_stale_when_a_row_changed_that_a_prompt_may_hold(evaluated: Run) -> None:
    with (evaluated / "split/train.jsonl").open("a") as file:
        file.write("\n")
    assert why_stale(evaluated, STEP, CONFIG) == ["split/train.jsonl changed"]


def test_prompts_that_leave_no_room_for_an_answer_are_said_and_not_cut(trained: Run, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("word " * 180 + "\n")
    make(trained, STEP, CONFIG | {"docs": str(docs), "passages": 1})
    said = [line for line in scores(trained)["not_tested"] if ": not tested, its longest prompt has" in line]
    assert [line.partition(":")[0] for line in said] == [
        "retrieval",
        "fine-tuned + retrieval",
        "retrieval, unquantised",
    ]
    assert "retrieval" not in scores(trained)["arms"]


def test_rows_and_arms_that_are_left_out_are_said(evaluated: Run) -> None:
    n = scores(evaluated)["n"]
    with (evaluated / "tokens/rejected.jsonl").open("a") as file:
        file.writelines(json.dumps({"split": split}) + "\n" for split in ("test", "train", "test"))
    make(evaluated, STEP, CONFIG | {"shots": 0}, force=True)
    said = scores(evaluated)["not_tested"]
    assert f"2 of {n + 2:,} held-out rows: not scored, see tokens/rejected.jsonl." in said
    assert "Few-shot prompts: not tested (--shots 0)." in said


def test_a_system_prompt_that_cannot_be_read_is_one_line(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("Sei höflich.".encode("latin-1"))
    for name in ("latin.txt", "missing.txt"):
        with pytest.raises(CurateError, match=rf"{name}: cannot be read as text .*--prompt"):
            make(trained, STEP, CONFIG | {"prompt": str(tmp_path / name)})


def test_the_number_of_examples_is_chosen_on_validation_rows_alone(trained: Run) -> None:
    make(trained, STEP, default_config())
    prompt = scores(trained)["prompt"]
    tried = [(entry["arm"], entry["shots"], entry["form"]) for entry in prompt["tried"]]
    assert tried[:2] == [("zero-shot", 0, False), ("zero-shot", 0, True)]
    assert [entry[:2] for entry in tried[2:]] == [
        ("few-shot", 2), ("few-shot", 5), ("few-shot-nearest", 2), ("few-shot-nearest", 5)
    ]  # fmt: skip
    assert {prompt["shots"], prompt["nearest_shots"]} <= {2, 5}


def test_a_prompt_that_the_text_does_not_give_is_refused_by_name(trained: Run) -> None:
    import pyarrow as pa
    from pyarrow import ipc

    file = trained / "tokens/test.arrow"
    with ipc.open_file(file) as opened:
        table = opened.read_all()
    changed = table.to_pylist()
    changed[1]["input_ids"][3] += 1
    with ipc.new_file(file, table.schema) as out:
        out.write_table(pa.Table.from_pylist(changed, schema=table.schema))
    with pytest.raises(CurateError, match=rf"1 of \d+ prompts .* line 2 \({changed[1]['sample_id']}\)"):
        make(trained, STEP, CONFIG)
    assert not (trained / "evaluate").exists()


def test_ids_that_were_sent_otherwise_are_refused_by_name(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.models.huggingface import HFLM

    encode = HFLM.tok_batch_encode
    monkeypatch.setattr(
        HFLM, "tok_batch_encode", lambda self, strings, **options: encode(self, ["?" + s for s in strings], **options)
    )
    with pytest.raises(CurateError, match=r"got \d+ other ids"):
        make(trained, STEP, CONFIG)


def test_another_base_model_than_the_trained_one_is_refused(trained: Run, model: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(model, tmp_path / "other"))
    config = json.loads((other / "config.json").read_bytes())
    (other / "config.json").write_text(json.dumps(config | {"rope_theta": 1.0}))
    summary = json.loads((trained / "train/train.json").read_bytes())
    summary["model"]["name"] = str(other)
    (trained / "train/train.json").write_text(json.dumps(summary))
    with pytest.raises(CurateError, match=r"was trained on another base than .*: config\.json differ"):
        make(trained, STEP, CONFIG)


def test_an_adapter_that_changed_its_base_is_refused(trained: Run) -> None:
    file = trained / "train/adapter/adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"init_lora_weights": "pissa"}))
    with pytest.raises(CurateError, match="initialised by pissa"):
        make(trained, STEP, CONFIG)


def test_an_unknown_metric_is_refused_with_those_there_are(trained: Run) -> None:
    with pytest.raises(CurateError, match=r"--metric accuracy: no such metric; there are exact_match"):
        make(trained, STEP, CONFIG | {"metric": "accuracy"})


def test_an_answer_said_twice_is_found_at_the_right_place(model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
        return ids

    first, prompt = fabricate.render("Is it open?", "Yes.")
    second, later = fabricate.render("And tomorrow?", "Yes.")
    for expected in (prompt, first + later):
        assert find_prompt(first + second, "Yes." + fabricate.STOP, tuple(encode(expected)), encode) == expected


def test_another_adapter_folder_is_evaluated_on_the_same_base_and_refused_on_another(
    evaluated: Run, model: Path, tmp_path: Path
) -> None:
    other = fabricate.adapter_folder(tmp_path / "other", model, seed=3)
    with pytest.raises(CurateError, match="does not say on which base it was trained"):
        make(evaluated, STEP, CONFIG | {"adapter": str(other)})
    with pytest.raises(CurateError, match="no adapter"):
        make(evaluated, STEP, CONFIG | {"adapter": str(tmp_path / "nowhere")})
    assert adapter_of(evaluated, str(evaluated.folder)) == evaluated / "train/adapter"
    write_base(other, {"base": identity(model)})
    before = [line["output"] for line in lines(evaluated, "fine-tuned")]
    assert scores(evaluated)["training"]["rows"] == len(list(read_rows(evaluated / "tokens/train.arrow", ALL)))
    make(evaluated, STEP, CONFIG | {"adapter": str(other), "gpu_hour": 2.0})
    found = scores(evaluated)
    assert [line["output"] for line in lines(evaluated, "fine-tuned")] != before
    assert [line for line in found["not_tested"] if line.startswith("Whether the adapter saw held-out rows")]
    # Those are not its training rows, nor is that its training.
    assert found["training"] is None and overfitting(found) == []
    assert [line for line in found["not_tested"] if line.startswith("Overfitting: not tested")]
    assert found["prices"]["training"] is None and found["prices"]["per_answer"]["fine-tuned"] > 0
    ours = json.loads((evaluated / "tokens/tokens.json").read_bytes())
    write_base(other, {"base": identity(model), "tokens": {"ids_sha256": ours["ids_sha256"]}})
    make(evaluated, STEP, CONFIG | {"adapter": str(other), "gpu_hour": 2.0}, force=True)
    assert scores(evaluated)["training"] and not scores(evaluated)["not_tested"][1:]
    assert scores(evaluated)["prices"]["training"] is None, "another training on the same rows is not this one"
    record = evaluated.record("evaluate")
    assert record and f"--adapter {other}" in record["command"]
    (other / "adapter_config.json").write_text((other / "adapter_config.json").read_text() + "\n")
    same = CONFIG | {"adapter": str(other), "gpu_hour": 2.0}
    assert why_stale(evaluated, STEP, same) == [f"{other}/adapter_config.json changed"]


def test_a_pissa_adapter_that_was_saved_as_a_plain_one_leaves_the_base_as_it_is(model: Path, tmp_path: Path) -> None:
    """peft converts it on request; as it is, it belongs to other weights than those of the base."""
    import torch
    from peft import LoraConfig, get_peft_model

    from curate_evaluate.answering.loaded import load

    ids = torch.arange(1, 40)[None]
    plain = unquantised(model).float()
    base = plain(ids).logits
    adapted = get_peft_model(
        plain, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights="pissa")
    )
    adapted.peft_config["default"].init_lora_weights = True
    adapted.save_pretrained(tmp_path / "start")
    adapted.peft_config["default"].init_lora_weights = "pissa"
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.add_(0.1)
        tuned = adapted.eval()(ids).logits
    adapted.save_pretrained(tmp_path / "own")
    with pytest.raises(CurateError, match="initialised by pissa"):
        load(model, tmp_path / "own", quant="none", dtype="fp32")
    adapted.save_pretrained(tmp_path / "plain", path_initial_model_for_weight_conversion=str(tmp_path / "start"))
    loaded, _ = load(model, tmp_path / "plain", quant="none", dtype="fp32")
    with torch.no_grad():
        assert torch.allclose(loaded(ids).logits, tuned, atol=1e-3)
        with loaded.disable_adapter():
            assert torch.allclose(loaded(ids).logits, base, atol=1e-5)
    assert not torch.allclose(tuned, base, atol=1e-1)


def test_the_base_in_bf16_is_left_out_where_it_does_not_fit_or_was_not_asked_for_or_is_the_trained_one(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import curate_train.memory

    monkeypatch.setattr(curate_train.memory, "available", lambda: 1_000_000)
    make(trained, STEP, CONFIG)
    assert list(scores(trained)["arms"]) == list(ARMS[:4])
    (said,) = [line for line in scores(trained)["not_tested"] if "bf16" in line]
    assert said == (
        "Prompting the base model in bf16, as one would deploy it: not tested, it needs about 0.5 GB, and 0.0 GB are "
        "free."
    )
    make(trained, STEP, CONFIG | {"unquantised": False})
    assert not [line for line in scores(trained)["not_tested"] if "bf16" in line]
    record = trained.record("evaluate")
    assert record and "--no-unquantised" in record["command"]


def test_an_adapter_that_was_trained_in_fp32_is_scored_in_fp32(
    trained: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its answers are no others' that were given in bf16."""
    import torch

    facts = {"base": identity(model), "quant": "none", "dtype": "fp32"}
    write_base(trained / "train/adapter", facts)
    loaded: list[Any] = []
    real = decode.recording_model

    def recording(model: Any, *others: Any) -> Any:
        loaded.append(model.dtype)
        return real(model, *others)

    monkeypatch.setattr(decode, "recording_model", recording)
    make(trained, STEP, CONFIG)
    assert set(loaded) == {torch.float32}
    assert list(scores(trained)["arms"]) == list(ARMS[:4])
    known = set(kept(trained)["answers.jsonl"])
    write_base(trained / "train/adapter", facts | {"dtype": "bf16"})
    make(trained, STEP, CONFIG)
    assert loaded[-1] == torch.bfloat16
    assert len(kept(trained)["answers.jsonl"]) == 2 * len(known)


def test_each_arm_says_how_much_memory_it_took(evaluated: Run) -> None:
    for arm in scores(evaluated)["arms"].values():
        assert 50_000_000 < arm["memory_bytes"] < 100_000_000_000


def test_a_model_that_thinks_samples_as_it_says_itself_and_the_same_after_a_kill(
    trained: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Path(shutil.copytree(model, tmp_path / "base"))
    said = json.loads((base / "generation_config.json").read_bytes())
    own = {"do_sample": True, "temperature": 0.8, "top_p": 0.9, "top_k": 20}
    (base / "generation_config.json").write_text(json.dumps(said | own))
    summary = json.loads((trained / "train/train.json").read_bytes())
    (trained / "train/train.json").write_text(json.dumps(summary | {"model": {**summary["model"], "name": str(base)}}))
    config = CONFIG | {"batch_size": 4, "max_new_tokens": 24, "unquantised": False}
    make(trained, STEP, config)
    assert scores(trained)["decoding"]["method"] == "greedy"
    greedily = [line["output"] for line in lines(trained, "fine-tuned")]
    make(trained, tokens.STEP, trained.config("tokens") | {"template_args": {"enable_thinking": True}})
    whole = Run(Path(shutil.copytree(trained.folder, tmp_path / "whole")))
    make(whole, STEP, config)
    decoding = scores(whole)["decoding"]
    assert decoding == {
        "method": "sampled", "stop_token_id": 257, "batch_size": 4, "temperature": 0.8, "top_p": 0.9, "top_k": 20,
        "seed": 0, "max_new_tokens": 24,
    }  # fmt: skip
    assert [line["output"] for line in lines(whole, "fine-tuned")] != greedily
    left = killed_after(5)
    with monkeypatch.context() as patched:
        patched.setattr(decode.Progress, "add", lambda self, rows: next(left))
        with pytest.raises((Killed, RuntimeError)):
            make(trained, STEP, config)
    make(trained, STEP, config)
    assert (trained / "evaluate/examples.jsonl").read_bytes() == (whole / "evaluate/examples.jsonl").read_bytes()
    training = json.loads((trained / "train/train.json").read_bytes())
    with closing(model_of(trained)) as tokenizer:
        longer = Evaluation(
            trained, config | {"max_new_tokens": None}, tokenizer, base, trained / "train/adapter", training
        )
    assert longer.max_new_tokens == 512  # half of what the model reads, as thoughts are long
