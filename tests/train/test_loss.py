"""The loss in chunks is the full loss, and batches change neither rows nor their losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from curate.errors import CurateError
from tests.train import fabricate

if TYPE_CHECKING:
    from pathlib import Path

    from curate_train.data import Row

pytestmark = pytest.mark.filterwarnings("default")  # torch, peft and bitsandbytes warn about themselves


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return fabricate.rows("train", fabricate.samples(12), fabricate.as_bytes)


def full_loss(model: Any, batch: dict[str, Any]) -> Any:
    """The sum over the trained tokens by the model's own logits, in fp32."""
    import torch

    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
    labels = batch["labels"][:, 1:]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="sum")


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_chunks_give_the_loss_and_the_gradients_of_full_logits(
    tiny: Path, rows: list[Row], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from curate_train import loss
    from curate_train.batches import collate
    from curate_train.model import load
    from curate_train.settings import default_settings
    from curate_train.targets import adapted, choose

    monkeypatch.setattr(loss, "CHUNK_BYTES", 4 * 264 * chunk)
    settings = default_settings(dropout=0.0)
    base = load(tiny, "none", "fp32")
    model = adapted(base, choose(empty(tiny), settings), settings)
    trained = [p for p in model.parameters() if p.requires_grad]
    import torch

    for parameter in trained:
        torch.nn.init.normal_(parameter, std=0.02)
    batch = collate(rows[:5])
    found = []
    for measured in (
        lambda: loss.summed_loss(model, *loss.trained_hidden(model, batch)),
        lambda: full_loss(model, batch),
    ):
        value = measured()
        gradients = torch.autograd.grad(value / 3, trained)
        found.append((value.item(), torch.cat([gradient.flatten() for gradient in gradients])))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


def empty(folder: Path) -> Any:
    from curate_train.shape import empty_model

    return empty_model(folder)


@pytest.mark.parametrize("kind", ["gemma2", "granite", "cohere"])
def test_what_models_do_to_their_logits_is_done_in_chunks_too(
    tmp_path: Path, tiny: Path, rows: list[Row], kind: str
) -> None:
    """Soft caps and scales behind the output layer."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from curate_train.batches import collate
    from curate_train.loss import differs_from_full

    small = {"vocab_size": 264, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "pad_token_id": 0}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    extra = {
        "granite": {"logits_scaling": 8.0},
        "cohere": {"logit_scale": 0.25},
        "gemma2": {"final_logit_softcapping": 2.0},
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**small, **heads, **extra[kind])).eval()
    torch.nn.init.normal_(model.get_output_embeddings().weight, std=1.0)
    assert differs_from_full(model, collate(rows[:3])) < 1e-5


def test_packed_rows_have_the_logits_that_each_has_alone(tiny: Path, rows: list[Row]) -> None:
    from curate_train.model import load
    from curate_train.packed import mixing

    assert mixing(load(tiny, "none", "fp32"), rows[:4]) < 1e-5


def test_a_model_that_mixes_packed_rows_is_refused(
    tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers.masking_utils

    from curate_train.model import load
    from curate_train.packed import refuse_mixing

    # As models without attention do, that take no note of positions.
    monkeypatch.setattr(transformers.masking_utils, "find_packed_sequence_indices", lambda _: None)
    with pytest.raises(CurateError, match=r"--packing: this model .* does not keep rows apart"):
        refuse_mixing(load(tiny, "none", "fp32"), rows)


def test_packing_trains_on_the_same_tokens(tiny: Path, rows: list[Row]) -> None:
    from curate_train.batches import collate, pack
    from curate_train.loss import summed_loss, trained_hidden
    from curate_train.model import load

    model = load(tiny, "none", "fp32")
    padded, packed = (trained_hidden(model, made(rows[:5])) for made in (collate, pack))
    assert padded[1].tolist() == packed[1].tolist()
    assert summed_loss(model, *padded).item() == pytest.approx(summed_loss(model, *packed).item(), rel=1e-5)


@pytest.mark.parametrize("by_length", [False, True])
def test_the_order_is_every_row_once_and_of_seed_and_epoch_alone(by_length: bool) -> None:
    from curate_train.batches import Order

    lengths = np.random.default_rng(0).integers(10, 500, 1_003).tolist()

    def order(seed: int, epoch: int) -> list[int]:
        made = Order(lengths, 4, seed, by_length=by_length)
        made.set_epoch(epoch)
        return list(made)

    first = order(0, 0)
    assert sorted(first) == list(range(1_003))
    assert first == order(0, 0)
    assert first != order(0, 1)
    assert first != order(1, 0)
    padding = [padded(order(0, epoch), lengths) for epoch in (0, 1)]
    assert max(padding) < 1.1 if by_length else min(padding) > 1.3
    if by_length:
        assert max(lengths) in [lengths[i] for i in first[:4]]


def test_the_longest_row_comes_first_and_in_a_full_batch() -> None:
    """401 rows in batches of 8 leave one over, which is sorted with no others."""
    from curate_train.batches import Order

    lengths = np.random.default_rng(0).integers(10, 500, 401).tolist()
    left_over = list(Order(lengths, 8, 0, by_length=False))[-1]
    lengths[left_over] = 20
    assert list(Order(lengths, 8, 0, by_length=True))[-1] == left_over
    lengths[left_over] = 4_000
    order = list(Order(lengths, 8, 0, by_length=True))
    assert left_over in order[:8]
    assert sorted(order) == list(range(401))


def padded(order: list[int], lengths: list[int]) -> float:
    """How many tokens batches of 4 hold, padding and all, for each one of the rows."""
    batches = [order[start : start + 4] for start in range(0, len(order), 4)]
    return sum(len(batch) * max(lengths[i] for i in batch) for batch in batches) / sum(lengths)
