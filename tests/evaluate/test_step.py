"""The step on a tiny model whose weights are random: what is scored, not how well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.errors import CurateError
from curate.run import Run, make, why_stale
from curate_evaluate.step import STEP, default_config
from tests.evaluate import fabricate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def lines(run: Run, arm: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "evaluate/examples.jsonl").read_bytes().splitlines()]
    return [line for line in found if line["arm"] == arm]


def rows(run: Run) -> list[dict[str, Any]]:
    from curate_evaluate.examples import read_rows

    return list(read_rows(run / "tokens/test.arrow"))


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
    # In the order of lm-eval's one batch: bf16 sums depend on what a row is padded to.
    tokens = sorted(rows(evaluated), key=lambda row: -row["prompt_length"])
    prompts = [row["input_ids"][: row["prompt_length"]] for row in tokens]
    longest = json.loads((evaluated / "evaluate/scores.json").read_bytes())["decoding"]["max_new_tokens"]
    # Loaded twice: after a first answer bitsandbytes has packed the weights, and peft would wrap the packed ones.
    adapted = PeftModel.from_pretrained(plain_base(model), evaluated / "train/adapter").eval()
    expected = {
        "base": greedy(plain_base(model), tokenizer, prompts, longest),
        "adapter": greedy(adapted, tokenizer, prompts, longest),
    }
    assert expected["base"] != expected["adapter"]
    for arm, texts in expected.items():
        by_row = dict(zip((row["sample_id"] for row in tokens), texts, strict=True))
        assert {line["sample_id"]: line["output"] for line in lines(evaluated, arm)} == by_row


def test_each_row_is_answered_by_both_arms_from_its_own_prompt(evaluated: Run) -> None:
    for arm in ("base", "adapter"):
        answered = lines(evaluated, arm)
        assert [line["sample_id"] for line in answered] == [row["sample_id"] for row in rows(evaluated)]
        for line, (question, answer) in zip(answered, fabricate.ROWS, strict=True):
            assert line["prompt"] == fabricate.render(question, answer)[1]
            assert line["reference"] == answer
    scores = json.loads((evaluated / "evaluate/scores.json").read_bytes())
    assert scores["prompts"] == {"compared": 10, "equal": 10}
    assert scores["n"] == 5


def test_it_is_recorded_which_answers_ended_by_themselves(evaluated: Run) -> None:
    limit = json.loads((evaluated / "evaluate/scores.json").read_bytes())["decoding"]["max_new_tokens"]
    both = [*lines(evaluated, "base"), *lines(evaluated, "adapter")]
    assert {line["stopped"] for line in both} == {"stop", "length"}
    for line in both:
        assert fabricate.STOP not in line["output"]
        assert line["tokens"] == limit if line["stopped"] == "length" else line["tokens"] <= limit


def test_the_same_again_gives_the_same_bytes(evaluated: Run) -> None:
    before = (evaluated / "evaluate/examples.jsonl").read_bytes(), (evaluated / "evaluate/scores.json").read_bytes()
    assert why_stale(evaluated, STEP, default_config()) == []
    make(evaluated, STEP, default_config())
    after = (evaluated / "evaluate/examples.jsonl").read_bytes(), (evaluated / "evaluate/scores.json").read_bytes()
    assert after == before


def test_a_prompt_that_the_text_does_not_give_is_refused_by_name(trained: Run) -> None:
    changed = rows(trained)
    changed[1]["input_ids"][3] += 1
    fabricate.write_tokens(trained / "tokens", changed)
    with pytest.raises(CurateError, match=r"1 of 5 prompts .* line 2 \(v1:0+2\)"):
        make(trained, STEP, default_config())
    assert not (trained / "evaluate").exists()


def test_ids_that_were_sent_otherwise_are_refused_by_name(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.models.huggingface import HFLM

    encode = HFLM.tok_batch_encode
    monkeypatch.setattr(
        HFLM, "tok_batch_encode", lambda self, strings, **options: encode(self, ["?" + s for s in strings], **options)
    )
    with pytest.raises(CurateError, match=r"5 of 5|10 of 5|base got \d+ other ids"):
        make(trained, STEP, default_config())


def test_another_base_model_than_the_trained_one_is_refused(trained: Run, model: Path, tmp_path: Path) -> None:
    import shutil

    other = Path(shutil.copytree(model, tmp_path / "other"))
    config = json.loads((other / "config.json").read_bytes())
    (other / "config.json").write_text(json.dumps(config | {"rope_theta": 1.0}))
    summary = json.loads((trained / "train/train.json").read_bytes())
    summary["model"]["name"] = str(other)
    (trained / "train/train.json").write_text(json.dumps(summary))
    with pytest.raises(CurateError, match=r"config\.json is not what the adapter was trained on"):
        make(trained, STEP, default_config())


def test_an_adapter_that_changed_its_base_is_refused(trained: Run) -> None:
    file = trained / "train/adapter/adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"init_lora_weights": "pissa"}))
    with pytest.raises(CurateError, match="initialised by pissa"):
        make(trained, STEP, default_config())


def test_no_held_out_rows_are_said_with_the_remedy(trained: Run) -> None:
    fabricate.write_tokens(trained / "tokens", [])
    with pytest.raises(CurateError, match=r"nothing to score.*--test"):
        make(trained, STEP, default_config())


def test_an_answer_said_twice_is_found_at_the_right_place(model: Path) -> None:
    from transformers import AutoTokenizer

    from curate_evaluate.examples import find_prompt

    tokenizer = AutoTokenizer.from_pretrained(model)
    first, prompt = fabricate.render("Is it open?", "Yes.")
    second, later = fabricate.render("And tomorrow?", "Yes.")
    for expected in (prompt, first + later):
        ids = tuple(tokenizer.encode(expected, add_special_tokens=False))
        assert find_prompt(first + second, "Yes." + fabricate.STOP, ids, tokenizer) == expected
