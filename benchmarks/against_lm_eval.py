"""Whether the answers are those of the plain `lm_eval` command line, and what they cost beside it.

    python benchmarks/against_lm_eval.py RUN [--work DIR] [--write FILE]

RUN was trained without quantisation (curate train --quant none) and evaluated. For each arm the very prompts that were
sent are written as a local task, and `lm_eval` answers them with the same model, adapter, precision and batch size,
once per arm, as one would without this tool. Then every answer is compared, letter by letter (lm_eval leaves control
tokens out of an answer; so they are left out of ours). For the time, a process of our own answers the same prompts of
all arms once more, from nothing; seconds are of the clock, and of the processor, which other programs disturb less.
On a CPU set OMP_NUM_THREADS as it was for RUN: in bf16, sums over another number of threads round otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from curate.run import Run
from curate_evaluate.answering.answers import Answers
from curate_evaluate.answering.models import Models
from curate_evaluate.answering.render import model_of
from curate_evaluate.step import adapter_of

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


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """The seconds of a command: of the clock, and of the processor."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def by_lm_eval(
    folder: Path, model: str, examples: list[dict[str, Any]], stop: str, decoding: dict[str, Any]
) -> tuple[list[str], tuple[float, float]]:
    """The answers of the command line in the order of the examples, and its seconds."""
    folder.mkdir(parents=True)
    data = folder / "data.jsonl"
    rows = [{"prompt": example["sent"], "reference": example["reference"]} for example in examples]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = TASK.format(data=json.dumps(str(data)), stop=json.dumps(stop), longest=decoding["max_new_tokens"])
    (folder / "pre_rendered.yaml").write_text(task)
    seconds = timed(
        [
            *(sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", model, "--tasks", "pre_rendered"),
            *("--include_path", str(folder), "--batch_size", str(decoding["batch_size"]), "--device", "cpu"),
            *("--output_path", str(folder / "out"), "--log_samples"),
        ],
        # Large pages, as PyTorch leaves them: our own import has switched them on in this process.
        {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache"), "THP_MEM_ALLOC_ENABLE": "0"},
    )
    (file,) = (folder / "out").rglob("samples_pre_rendered_*.jsonl")
    samples = sorted((json.loads(line) for line in file.open()), key=lambda sample: int(sample["doc_id"]))
    return [sample["filtered_resps"][0] for sample in samples], seconds


def answer_again(run: Run, file: Path) -> None:
    """Have every arm answer its prompts, with one load of the model, into a new file of answers."""
    scores, training = (json.loads((run / name).read_bytes()) for name in ("evaluate/scores.json", "train/train.json"))
    config = run.config("evaluate")
    model = model_of(run)
    base, adapter = run.source(training["model"]["name"]), adapter_of(run, config)
    models = Models(run, config, model, base, adapter, training, Answers(file))
    for name, arm in scores["arms"].items():
        lines = prompts_of(run, name)
        answers = models.answerers[arm["answered_by"]].answer(
            name, [line["sent"] for line in lines], max_new_tokens=scores["decoding"]["max_new_tokens"]
        )
        differ = sum(answer.text != line["output"] for answer, line in zip(answers, lines, strict=True))
        if differ:
            sys.exit(f"{name}: {differ} of {len(lines)} answers are not those of evaluate/examples.jsonl")
    model.close()


def prompts_of(run: Run, arm: str) -> list[dict[str, Any]]:
    """The examples of an arm, each with the prompt that was sent."""
    lines = [json.loads(line) for line in (run / "evaluate/examples.jsonl").read_bytes().splitlines()]
    return [{"sent": line["prompt"], **line} for line in lines if line["arm"] == arm]


def without(text: str, tokens: list[str]) -> str:
    for token in tokens:
        text = text.replace(token, "")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--work", type=Path, help="where the tasks and outputs of lm_eval go")
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only answer, into FILE: what is timed")
    options = parser.parse_args()
    run = Run.open(options.run)
    if options.again:
        answer_again(run, options.again)
        return
    scores = json.loads((run / "evaluate/scores.json").read_bytes())
    training = json.loads((run / "train/train.json").read_bytes())
    if training["settings"]["quant"]["value"] != "none":
        sys.exit("lm_eval cannot load a 4-bit model by its arguments: train with --quant none")
    dtype = {"bf16": "bfloat16", "fp32": "float32"}[training["settings"]["dtype"]["value"]]
    stop = json.loads((run / "tokens/tokens.json").read_bytes())["stop_token"]
    base = run.source(training["model"]["name"])
    tokenizer = AutoTokenizer.from_pretrained(base)
    work = options.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    table = ["| arm | rows | answers that differ | lm_eval, s | of the processor |", "|---|---|---|---|---|"]
    theirs = [0.0, 0.0]
    for name, arm in scores["arms"].items():
        mine = prompts_of(run, name)
        model = f"pretrained={base},dtype={dtype},add_bos_token=False"
        model += f",peft={adapter_of(run, run.config('evaluate'))}" if arm["tuned"] else ""
        answers, seconds = by_lm_eval(work / name, model, mine, stop, scores["decoding"])
        given = [without(line["output"], tokenizer.all_special_tokens) for line in mine]
        differ = sum(one != other for one, other in zip(given, answers, strict=True))
        theirs = [total + one for total, one in zip(theirs, seconds, strict=True)]
        table.append(f"| {arm['title']} | {len(mine)} | {differ} | {seconds[0]:.0f} | {seconds[1]:.0f} |")
        print(table[-1], flush=True)
    command = [sys.executable, __file__, str(run.folder), "--again", str(work / "answers.jsonl")]
    (work / "answers.jsonl").unlink(missing_ok=True)
    ours = timed(command, {})
    whole = run.manifest()["steps"]["evaluate"]["seconds"]
    table += [
        "",
        f"All {len(scores['arms'])} arms in one process: {ours[0]:.0f} s, {ours[0] / theirs[0]:.2f} of the "
        f"{theirs[0]:.0f} s of lm_eval once per arm; of the processor {ours[1]:.0f} s, {ours[1] / theirs[1]:.2f} of "
        f"{theirs[1]:.0f} s. `curate evaluate` also chose the prompts on validation rows, looked for overfitting and "
        f"forgetting, and took {whole:.0f} s.",
    ]
    text = "\n".join(table)
    print(text)
    if options.write:
        options.write.write_text(f"# Against plain lm_eval\n\n{text}\n")


if __name__ == "__main__":
    main()
