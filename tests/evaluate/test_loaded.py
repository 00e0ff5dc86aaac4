"""Models in memory: one at a time."""

from __future__ import annotations

import weakref
from typing import Any

from curate_evaluate.answering.loaded import OneAtATime


class Heavy:
    pass


def test_a_model_is_let_go_of_before_another_is_loaded_and_loaded_once_while_it_is_held() -> None:
    memory = OneAtATime()
    alive: list[weakref.ref[Heavy]] = []

    def load() -> Any:
        assert not [one for one in alive if one() is not None]
        model = Heavy()
        alive.append(weakref.ref(model))
        return model, None

    first = id(memory.get("nf4", load)[0])
    assert id(memory.get("nf4", load)[0]) == first
    memory.get("bf16", load)
    memory.get("nf4", load)
    assert [one() is not None for one in alive] == [False, False, True]


def test_the_peak_of_memory_can_begin_anew() -> None:
    from curate_train.memory import available, in_use, peak, restart_peak

    block = bytearray(200_000_000)
    with_block = peak()
    assert with_block >= in_use() >= len(block)
    del block
    restart_peak()
    assert peak() < with_block - 100_000_000
    assert available() > 0
