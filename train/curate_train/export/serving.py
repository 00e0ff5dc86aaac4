"""An adapter folder as vLLM and SGLang load it beside their base model, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM's --max-lora-rank takes."""
USUAL_RANK = 16  # vLLM's own limit, where none is given


class Problem(NamedTuple):
    """What of an adapter keeps a server from using it, or (not `is_fatal`) asks for care."""

    is_fatal: bool
    message: str


def problems(config: Mapping[str, Any], tensors: Sequence[str]) -> list[Problem]:
    """What vLLM and SGLang refuse, or leave out without a word, of an adapter with this adapter_config.json and these
    tensor names (vllm #6983, #9280, #41384, #55193; sglang #14105)."""
    found: list[Problem] = []
    if config.get("use_dora"):
        found.append(Problem(True, "DoRA: neither server computes its magnitudes; merge it: --to merged"))
    if config.get("modules_to_save"):
        names = ", ".join(config["modules_to_save"])
        found.append(Problem(True, f"whole modules are trained ({names}), which vLLM refuses; merge it: --to merged"))
    if config.get("bias", "none") != "none" or config.get("lora_bias"):
        found.append(Problem(True, "trained biases, which vLLM refuses; merge it: --to merged"))
    if config.get("trainable_token_indices"):
        found.append(Problem(True, "trained tokens, which no server adds; merge it: --to merged"))
    if config.get("target_parameters") or any(".experts." in name for name in tensors):
        found.append(Problem(False, "routed experts are adapted: some versions of vLLM drop these without a word"))
    if any("embed_tokens" in name or "lm_head" in name for name in tensors):
        found.append(Problem(False, "embeddings or the output head are adapted: SGLang refuses these"))
    if (rank := highest_rank(config)) > USUAL_RANK:
        found.append(
            Problem(False, f"rank {rank} is over vLLM's usual limit: start it with --max-lora-rank {limit(rank)}")
        )
    return found


def highest_rank(config: Mapping[str, Any]) -> int:
    return int(max([config["r"], *(config.get("rank_pattern") or {}).values()]))


def limit(rank: int) -> int:
    """The least --max-lora-rank that holds a rank."""
    return next((one for one in VLLM_RANKS if one >= rank), rank)
