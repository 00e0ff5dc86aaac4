"""Peak memory of the loss with Qwen3's vocabulary: in chunks over the trained positions, and by full logits.

    python benchmarks/train_loss_memory.py --tokens 4096 --trained 0.5

Counts the bytes of all tensors that live at once, forward and backward, on the meta device: exact, and without a GPU.
With --real the same is done with values on the CPU (peak resident memory of a process each) for both losses.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from curate_train.loss import NOT_TRAINED, summed_loss
from curate_train.shape import META, LiveBytes

VOCABULARY, HIDDEN = 151_936, 4_096


class Head(torch.nn.Module):
    """The end of a language model: all that the loss needs of it."""

    def __init__(self, hidden: int, vocabulary: int) -> None:
        super().__init__()
        self.lm_head = torch.nn.Linear(hidden, vocabulary, bias=False, dtype=torch.bfloat16).requires_grad_(False)
        self.config: Any = type("Config", (), {})()

    def get_output_embeddings(self) -> torch.nn.Linear:
        return self.lm_head


def full(head: Head, hidden: Any, labels: Any) -> Any:
    """As transformers has it: the logits of every position, in fp32."""
    return cross_entropy(head.lm_head(hidden).float(), labels, ignore_index=NOT_TRAINED, reduction="sum")


def in_chunks(head: Head, hidden: Any, labels: Any, trained: int) -> Any:
    return summed_loss(head, hidden[-trained:], labels[-trained:])  # as the mask selects them, the answer at the end


def run(kind: str, tokens: int, trained: int, hidden_size: int) -> None:
    head = Head(hidden_size, VOCABULARY)
    hidden = torch.randn((tokens, hidden_size), dtype=torch.bfloat16, requires_grad=True)
    labels = torch.zeros(tokens, dtype=torch.long)
    (full(head, hidden, labels) if kind == "full" else in_chunks(head, hidden, labels, trained)).backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--trained", type=float, default=0.5, help="share of the tokens")
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--kind", choices=["full", "chunks", "none"])
    options = parser.parse_args()
    trained = round(options.tokens * options.trained)
    if options.kind:
        torch.set_num_threads(1)
        if options.kind == "none":
            Head(options.hidden, VOCABULARY)
        else:
            run(options.kind, options.tokens, trained, options.hidden)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    print(f"{options.tokens:,} tokens, {trained:,} trained, hidden {options.hidden:,}, vocabulary {VOCABULARY:,}")
    for kind in ("full", "chunks"):
        with META, LiveBytes() as live:
            head = Head(options.hidden, VOCABULARY)
            weights = live.now
            hidden = torch.empty((options.tokens, options.hidden), dtype=torch.bfloat16, requires_grad=True)
            labels = torch.zeros(options.tokens, dtype=torch.long)
            (full(head, hidden, labels) if kind == "full" else in_chunks(head, hidden, labels, trained)).backward()
        print(f"  {kind:8} {(live.peak - weights) / 1e9:8.3f} GB beside the output layer")
        del head, hidden, labels
    if options.real:
        words = [sys.executable, __file__, "--tokens", str(options.tokens), "--hidden", str(options.hidden)]
        measured = {
            kind: int(subprocess.check_output([*words, "--trained", str(options.trained), "--kind", kind]))
            for kind in ("none", "full", "chunks")
        }
        for kind in ("full", "chunks"):
            print(f"  {kind:8} {(measured[kind] - measured['none']) / 1e9:8.3f} GB resident, measured on the CPU")


if __name__ == "__main__":
    main()
