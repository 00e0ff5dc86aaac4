"""The mask is that of templates which mark their answers: trl's training templates, without their marks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.template.oracle import CONVERSATIONS, judge, twins

if TYPE_CHECKING:
    from pathlib import Path


def test_the_mask_is_what_the_template_marks_or_the_row_is_flagged(tmp_path: Path) -> None:
    templates = twins()
    if templates is None:
        pytest.skip("trl, whose templates these are, is not installed")
    judged = [one for family, file in templates.items() for one in judge(tmp_path / family, family, file)]
    assert len(CONVERSATIONS) == 15
    counts = Counter(one.verdict for one in judged)
    rendered = len(judged) - counts["refused"]
    assert rendered >= 350
    assert counts["wrong"] <= 0.02 * rendered
    assert [one for one in judged if one.verdict == "wrong" and one.is_verified] == []
