"""What is chosen on validation rows, and which rows these are."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from curate_evaluate.answering.render import model_of
from curate_evaluate.choose import ROWS, Choice, choose, drawn
from curate_evaluate.evaluation import Evaluation
from tests.evaluate import fabricate
from tests.evaluate.test_step import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from curate_evaluate.arms import Arm


def by_form(better: bool) -> Callable[[Arm], float]:
    """The format line helps or does not, and examples do."""
    return lambda arm: arm.shots + (0.5 if arm.form == better else 0.0)


@pytest.mark.parametrize(
    ("shots", "examples", "taken"), [(0, 50, 0), (3, 50, 3), (9, 4, 4), (None, 50, 5), (None, 1, 1), (None, 0, 0)]
)
@pytest.mark.parametrize("better", [True, False])
def test_whether_the_format_line_helps_is_tried_whatever_the_number_of_examples(
    better: bool, shots: int | None, examples: int, taken: int
) -> None:
    found = choose(by_form(better), shots=shots, rows=9, examples=examples)
    assert (found.form, found.shots, found.nearest_shots) == (better, taken, taken)
    assert [(one["arm"], one["form"]) for one in found.tried[:2]] == [("zero-shot", False), ("zero-shot", True)]


def test_without_validation_rows_nothing_is_tried() -> None:
    def refused(arm: Arm) -> float:
        raise AssertionError(arm.name)

    assert choose(refused, shots=None, rows=0, examples=50) == Choice(True, 3, 3)
    assert choose(refused, shots=7, rows=0, examples=5) == Choice(True, 5, 5)


def test_the_rows_that_are_drawn_are_of_the_whole_file_in_its_order_and_the_same_again() -> None:
    places = drawn(1000, 0)
    assert places == sorted(set(places)) and len(places) == ROWS
    assert any(place < 500 for place in places) and any(place >= 500 for place in places)
    assert drawn(1000, 0) == places != drawn(1000, 1)
    assert [drawn(count, 3) for count in (0, 5, ROWS)] == [[], list(range(5)), list(range(ROWS))]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks transformers by an older name
def test_of_a_sorted_file_both_halves_are_asked_for_overfitting_and_for_the_choice(tmp_path: Path, model: Path) -> None:
    pairs = [(f"Is item {k} in stock?", "repair" if k < 100 else "clean") for k in range(200)]
    run = fabricate.trained_run(tmp_path / "run", model, pairs)
    training = {"model": {"name": str(model)}, "settings": {name: {"value": "nf4"} for name in ("quant", "dtype")}}
    with closing(model_of(run)) as opened:
        found = Evaluation(run, CONFIG, opened, model, run / "train/adapter", training)
    for split, every, some in (("train", found.train, found.learned), ("val", found.val, found.chosen_on)):
        assert len(every) > ROWS == len(some), split
        assert {case.reference for case in some} == {"repair", "clean"}
        assert [case.line for case in some] == sorted(case.line for case in some)
        assert all(case.prompt and case.answer_length for case in some)
