"""What several test folders need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository, which is not part of it: tests that need it skip without."""
    root = os.environ.get("CURATE_SHARED") or Path(__file__).resolve().parents[1].parent / "shared"
    folder = Path(root) / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is not here (set CURATE_SHARED)")
    return folder
