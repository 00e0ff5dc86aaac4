"""A cache with room from the start gives attention what the one of transformers gives it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from curate_evaluate.answering.cache import cache_of

SIZES = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
GROUPS = {"num_key_value_heads": 2}
IN_PLACE: dict[str, dict[str, Any]] = {
    "llama": GROUPS,
    "qwen3": GROUPS | {"head_dim": 8},
    "phi3": GROUPS | {"pad_token_id": 0},
    "gpt_neox": {},
    "qwen3_moe": GROUPS | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8},
}
# Windows that are slid over, and states: what is kept of those is not all positions.
OTHERS: dict[str, dict[str, Any]] = {
    "mistral": GROUPS | {"sliding_window": 8},
    "gemma3_text": GROUPS | {"sliding_window": 8, "head_dim": 8, "num_hidden_layers": 6},
    "mamba": {},
    "falcon_h1": GROUPS | {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8},
}


def answers(model: Any, **options: Any) -> list[list[int]]:
    """Greedy answers of 24 tokens to three prompts of unlike lengths, padded on their left."""
    torch.manual_seed(1)
    lengths = torch.tensor([[20], [13], [5]])
    mask = (torch.arange(20) >= 20 - lengths).long()
    ids = torch.randint(3, 97, (3, 20)) * mask
    made = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=24,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=96,
        **options,
    )
    found: list[list[int]] = made.tolist()
    return found


def random_model(kind: str, settings: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**SIZES, **settings})
    return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()


@pytest.mark.parametrize("kind", IN_PLACE)
def test_answers_are_those_without_it(kind: str) -> None:
    model = random_model(kind, IN_PLACE[kind])
    cache = cache_of(model, 20 + 24)
    assert cache is not None
    assert answers(model, past_key_values=cache) == answers(model)
    # Of the last token no keys are needed.
    assert {tuple(layer.keys.shape[-2:-1]) for layer in cache.layers} == {(43,)}
    assert len({layer.keys.untyped_storage().nbytes() for layer in cache.layers}) == 1


@pytest.mark.parametrize("kind", OTHERS)
def test_what_keeps_something_else_is_left_to_transformers(kind: str) -> None:
    model = random_model(kind, OTHERS[kind])
    cache = cache_of(model, 20 + 24)
    assert cache is None
    assert answers(model, past_key_values=cache) == answers(model)
