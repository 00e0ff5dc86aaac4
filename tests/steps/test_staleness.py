"""Changing one row makes exactly the right steps stale, and the run says which and why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from curate.config import Config
from curate.errors import CurateError
from curate.review.decisions import Decisions
from curate.run import Run, ensure, make, why_stale
from curate.run.data import default_folder, open_run, run_inputs
from curate.steps import CHAIN, before, check, clean, defaults, split, step
from tests.steps.test_clean import CUT, EMPTY, FENCE, GOOD, OTHER, line, sample_id

ROWS = [GOOD, OTHER, EMPTY, FENCE, CUT, *(line(f"What is {n} + 1?", f"It is {n + 1}.") for n in range(40))]
NAMES = ("check", "clean", "split")


class Chain:
    """A run as far as split, and the file that it is of."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data.jsonl"
        self.rows = list(ROWS)
        self.write()
        self.run = open_run([str(self.data)], str(folder / "run"))
        self.configs = {
            "check": check.config(self.run, [str(self.data)], Config()),
            "clean": clean.default_config(),
            "split": split.default_config(),
        }
        self.make()

    def write(self) -> None:
        self.data.write_bytes(b"\n".join(self.rows) + b"\n")

    def make(self) -> list[str]:
        """Make what is stale; the steps that were made."""
        said: list[str] = []
        ensure(self.run, [(step(name), self.configs[name]) for name in NAMES], said.append)
        self.said = said
        return [name for name in NAMES if any(line.startswith(f"$ curate {name} ") for line in said)]

    def stale(self) -> dict[str, list[str]]:
        why = {name: why_stale(self.run, step(name), self.configs[name]) for name in NAMES}
        return {name: reasons for name, reasons in why.items() if reasons}


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def test_nothing_is_stale_after_all_was_made(chain: Chain) -> None:
    assert chain.stale() == {}
    assert chain.make() == []


def test_checking_again_what_did_not_change_makes_nothing_stale(chain: Chain) -> None:
    make(chain.run, check.STEP, chain.configs["check"])
    assert chain.stale() == {}


def test_a_changed_row_that_is_kept_makes_all_steps_stale(chain: Chain) -> None:
    chain.rows[7] = line("What is 2 + 1?", "It is three.")
    chain.write()
    name = str(chain.data)
    # The data says so at once; split only when clean wrote other rows.
    assert chain.stale() == {"check": [f"{name} changed"], "clean": [f"{name} changed"]}
    assert chain.make() == ["check", "clean", "split"]
    assert [said for said in chain.said if said.endswith(" changed")] == [
        f"check: {name} changed",
        # The row has no findings before or after: check.json differs by the hash of the data.
        f"clean: {name} changed; check.json changed",
        "split: clean/kept.jsonl changed",
    ]
    assert chain.stale() == {}


def test_a_changed_row_that_is_left_out_anyway_leaves_split_fresh(chain: Chain) -> None:
    chain.rows[4] = CUT + b" much longer is"
    chain.write()
    assert chain.make() == ["check", "clean"]
    assert not [said for said in chain.said if said.startswith("split: ")]


def test_a_changed_row_that_a_person_dropped_leaves_split_fresh(chain: Chain) -> None:
    changed = line("Who are you?", " ")
    decisions = Decisions(chain.run)
    decisions.record(sample_id(EMPTY), "drop")
    decisions.record(sample_id(changed), "drop")
    assert chain.stale() == {"clean": ["review/decisions.jsonl changed"]}
    assert chain.make() == ["clean", "split"]
    chain.rows[2] = changed
    chain.write()
    assert chain.make() == ["check", "clean"]


def test_a_decision_that_is_undone_leaves_split_fresh(chain: Chain) -> None:
    decisions = Decisions(chain.run)
    decisions.record(sample_id(EMPTY), "drop")
    decisions.record(sample_id(EMPTY), "undo")
    assert chain.make() == ["clean"]
    assert chain.make() == []


def test_settings_make_their_step_stale_and_say_so(chain: Chain) -> None:
    chain.configs["split"]["seed"] = 1
    assert chain.stale() == {"split": ["seed is now 1, was 0"]}
    chain.configs["clean"]["fix"] = "all"
    assert chain.make() == ["clean", "split"]


def test_an_edit_by_hand_stops_the_chain_until_it_is_forced(chain: Chain) -> None:
    kept = chain.run / "clean" / "kept.jsonl"
    kept.write_bytes(GOOD + b"\n")
    assert chain.stale() == {
        "clean": ["clean/kept.jsonl was edited since"],
        "split": ["clean/kept.jsonl changed"],
    }
    with pytest.raises(CurateError, match=r"kept\.jsonl: was edited since"):
        chain.make()
    make(chain.run, clean.STEP, chain.configs["clean"], force=True)
    assert chain.stale() == {}


def test_data_that_is_gone_is_named(chain: Chain) -> None:
    chain.data.unlink()
    with pytest.raises(CurateError, match=r"data.jsonl: no such file"):
        chain.stale()


def test_the_steps_before_one_come_with_the_settings_they_were_made_with(chain: Chain) -> None:
    chain.configs["clean"]["fix"] = "all"
    chain.make()
    assert [(one.name, config) for one, config in before(chain.run, "tokens")] == list(chain.configs.items())
    with pytest.raises(CurateError, match=r"the step check was not made yet; make it first: curate check"):
        before(Run.create(chain.data.parent / "other"), "clean")


def test_every_step_is_called_by_its_name_and_follows_the_one_before() -> None:
    names = list(CHAIN)
    for i, name in enumerate(names[:3]):
        assert step(name).name == name
        assert step(name).after == (names[i - 1] if i else None)
    assert defaults("clean") == {"fix": "safe", "decisions": None}


def test_the_list_of_steps_imports_none_of_them() -> None:
    script = "import sys, curate.steps; print([m for m in sys.modules if m.startswith('curate.steps.')])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"


def test_new_files_of_a_folder_are_read_and_those_of_the_run_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD + b"\n")
    run = open_run([str(tmp_path)], str(tmp_path / "runs" / "x"))
    config = check.config(run, [str(tmp_path)], Config())
    make(run, check.STEP, config)
    make(run, clean.STEP, {"fix": "safe"})
    assert [Path(source.path).name for source in run_inputs(run, config)] == ["a.jsonl"]
    assert why_stale(run, check.STEP, config) == []
    (tmp_path / "b.jsonl").write_bytes(OTHER + b"\n")
    assert why_stale(run, check.STEP, config) == [f"{tmp_path / 'b.jsonl'} is new"]


def test_paths_are_as_seen_from_where_the_run_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "sub").mkdir(parents=True)
    (tmp_path / "home" / "data.jsonl").write_bytes(GOOD + b"\n" + EMPTY + b"\n")
    monkeypatch.chdir(tmp_path / "home")
    run = open_run(["data.jsonl"], None)
    assert run.folder == Path("runs/data")
    config = check.config(run, ["data.jsonl"], Config())
    make(run, check.STEP, config)
    monkeypatch.chdir(tmp_path / "home" / "sub")
    again = open_run(["../data.jsonl"], "../runs/data")
    assert again.config("check")["data"] == ["data.jsonl"]
    assert why_stale(again, check.STEP, config) == []
    make(again, clean.STEP, {"fix": "all"})
    assert b'"path":"data.jsonl","line":2' in (again / "clean" / "rejected.jsonl").read_bytes()


def test_a_run_is_of_one_data_set_that_can_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jsonl", "b.jsonl"):
        Path(name).write_bytes(GOOD + b"\n")
    run = open_run(["a.jsonl"], "run")
    make(run, check.STEP, check.config(run, ["a.jsonl"], Config()))
    with pytest.raises(CurateError, match=r"the run of other data \(a.jsonl\)"):
        open_run(["b.jsonl"], "run")
    with pytest.raises(CurateError, match="is a run folder already"):
        open_run(["run"], "other")
    for words in (["-"], ["hf://a/b"]):
        with pytest.raises(CurateError, match="save it to a file first"):
            open_run(words, "run")
    os.mkfifo("pipe")
    with pytest.raises(CurateError, match="save it to a file first"):
        open_run(["pipe"], "run")


@pytest.mark.parametrize(
    ("data", "folder"),
    [
        ("support.jsonl", "runs/support"),
        ("a/b.json.gz", "runs/b"),
        ("my.data.csv", "runs/my.data"),
        ("shards/", "runs/shards"),
    ],
)
def test_a_run_is_named_after_its_data(data: str, folder: str) -> None:
    assert default_folder(data) == Path(folder)
