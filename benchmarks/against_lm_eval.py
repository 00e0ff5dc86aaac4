"""Whether the answers are those of the plain `lm_eval` command line, and what they cost beside it.

    python benchmarks/against_lm_eval.py RUN [--work DIR] [--write FILE]

RUN was trained without quantisation (curate train --quant none) and evaluated. For each arm the very prompts that were
sent are written as a local task, and `lm_eval` answers them with the same model, adapter, precision and batch size,
once per arm, as one would without this tool. Then every answer is compared, letter by letter (lm_eval leaves control
tokens out of an answer; so they are left out of ours), and the seconds are summed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from curate.run import Run

TASK = """task: pre_rendered
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{reference}}}}"
target_delimiter: ""
num_fewshot: 0
generation_kwargs: {{until: [{stop}], max_gen_toks: {longest}, do_sample: false}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""


def by_lm_eval(
    folder: Path, base: Path, adapter: Path | None, examples: list[dict[str, Any]], stop: str, decoding: dict[str, Any]
) -> tuple[list[str], float]:
    """The answers of the command line in the order of the examples, and its seconds."""
    folder.mkdir(parents=True)
    data = folder / "data.jsonl"
    rows = [{"prompt": example["sent"], "reference": example["reference"]} for example in examples]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    stop_text = json.dumps(stop)
    (folder / "pre_rendered.yaml").write_text(
        TASK.format(data=json.dumps(str(data)), stop=stop_text, longest=decoding["max_new_tokens"])
    )
    model = f"pretrained={base},dtype=bfloat16,add_bos_token=False" + (f",peft={adapter}" if adapter else "")
    started = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", model, "--tasks", "pre_rendered"),
            *("--include_path", str(folder), "--batch_size", str(decoding["batch_size"]), "--device", "cpu"),
            *("--output_path", str(folder / "out"), "--log_samples"),
        ],
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")},
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - started
    (file,) = (folder / "out").rglob("samples_pre_rendered_*.jsonl")
    samples = sorted((json.loads(line) for line in file.open()), key=lambda sample: int(sample["doc_id"]))
    return [sample["filtered_resps"][0] for sample in samples], seconds


def without(text: str, tokens: list[str]) -> str:
    for token in tokens:
        text = text.replace(token, "")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--work", type=Path, help="where the tasks and outputs of lm_eval go")
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    run = Run.open(options.run)
    scores = json.loads((run / "evaluate/scores.json").read_bytes())
    training = json.loads((run / "train/train.json").read_bytes())
    if training["settings"]["quant"]["value"] != "none":
        sys.exit("lm_eval cannot load a 4-bit model by its arguments: train with --quant none")
    stop = json.loads((run / "tokens/tokens.json").read_bytes())["stop_token"]
    lines = [json.loads(line) for line in (run / "evaluate/examples.jsonl").read_bytes().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(run.source(training["model"]["name"]))
    work = options.work or Path(tempfile.mkdtemp())
    table = ["| arm | rows | answers that differ | lm_eval, s |", "|---|---|---|---|"]
    total = 0.0
    for name, arm in scores["arms"].items():
        mine = [{"sent": line["prompt"], **line} for line in lines if line["arm"] == name]
        adapter = run / "train/adapter" if arm["tuned"] else None
        base = run.source(training["model"]["name"])
        answers, seconds = by_lm_eval(work / name, base, adapter, mine, stop, scores["decoding"])
        given = [without(line["output"], tokenizer.all_special_tokens) for line in mine]
        differ = sum(one != other for one, other in zip(given, answers, strict=True))
        total += seconds
        table.append(f"| {arm['title']} | {len(mine)} | {differ} | {seconds:.0f} |")
    took = run.manifest()["steps"]["evaluate"]["seconds"]
    table += ["", f"`curate evaluate` of all arms took {took:.0f} s, {took / total:.2f} of the {total:.0f} s above."]
    text = "\n".join(table)
    print(text)
    if options.write:
        options.write.write_text(f"# Against plain lm_eval\n\n{text}\n")


if __name__ == "__main__":
    main()
