from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

from curate.run import Run, make
from curate_evaluate.report.step import STEP as REPORT
from curate_evaluate.step import STEP
from tests.evaluate import fabricate
from tests.evaluate.answered import answered_run
from tests.evaluate.test_step import CONFIG


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fabricate.model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an older name
        return fabricate.trained_run(tmp_path_factory.mktemp("trained") / "run", model)


@pytest.fixture
def trained(tmp_path: Path, trained_once: Run) -> Run:
    """A run that was trained and not yet evaluated."""
    return Run(Path(shutil.copytree(trained_once.folder, tmp_path / "run")))


@pytest.fixture(scope="session")
def evaluated_once(tmp_path_factory: pytest.TempPathFactory, trained_once: Run) -> Run:
    run = Run(Path(shutil.copytree(trained_once.folder, tmp_path_factory.mktemp("evaluated") / "run")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of libraries that a user sees neither
        make(run, STEP, CONFIG)
        make(run, REPORT, {})
    return run


@pytest.fixture
def evaluated(tmp_path: Path, evaluated_once: Run) -> Run:
    """A run that was evaluated and reported."""
    return Run(Path(shutil.copytree(evaluated_once.folder, tmp_path / "run")))


@pytest.fixture(scope="session")
def answered_once(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return answered_run(tmp_path_factory.mktemp("answered"))


@pytest.fixture
def answered(tmp_path: Path, answered_once: Run) -> Run:
    """A run whose arms answered as tests.evaluate.answered says: no model was asked."""
    return Run(Path(shutil.copytree(answered_once.folder, tmp_path / "run")))
