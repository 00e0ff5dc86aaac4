"""Models by their names on the hub: from its cache, and over real HTTP from a small hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from curate.errors import CurateError
from curate.template.load import load
from curate.template.source import is_hub_name
from tests.template.byte_model import CHATML, write_model
from tests.template.hub_server import Hub

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "a" * 40, "b" * 40
REPO = "some-org/Some.Model-1B"

# In a process of its own, because huggingface_hub reads its settings when it is imported.
SCRIPT = """
import json, sys
from curate.errors import CurateError
from curate.template.load import load
try:
    chat = load(sys.argv[1], offline=sys.argv[2] == "offline")
    print(json.dumps({"source": chat.source, "revision": chat.revision, "default": chat.templates["default"],
                      "ids": chat.ids("<|im_start|>hi"), "folder": str(chat.folder)}))
except CurateError as error:
    print(json.dumps({"error": str(error)}))
"""


def files(folder: Path, template: str = CHATML) -> dict[str, bytes]:
    model = write_model(folder, template)
    weights = {
        "model.safetensors": b"\0" * 100,
        "pytorch_model.bin": b"\0",
        "onnx/model.onnx": b"\0",
        "README.md": b"#",
    }
    small = {file.name: file.read_bytes() for file in model.iterdir()}
    return {**weights, **small, "additional_chat_templates/tool_use.jinja": b"tools"}


def run(home: Path, name: str, endpoint: str, *, offline: bool = False, **environment: str) -> dict[str, Any]:
    set_here = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_PROGRESS_BARS": "1", **environment}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, "offline" if offline else "online"],
        env={**kept, "no_proxy": "127.0.0.1", **set_here},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=home.parent,
    )
    assert ran.returncode == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def test_a_model_is_fetched_without_its_weights_pinned_and_then_never_again(tmp_path: Path) -> None:
    commits = {OLD: files(tmp_path / "old", CHATML + "old"), NEW: files(tmp_path / "new")}
    home = tmp_path / "home"
    with Hub(REPO, commits, {"main": NEW, "v1": OLD}) as hub:
        found = run(home, REPO, hub.endpoint)
        assert (found["source"], found["revision"], found["default"]) == (REPO, NEW, CHATML)
        assert found["ids"] == load(tmp_path / "new").ids("<|im_start|>hi")
        assert hub.fetched == {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "tool_use.jinja"}
        hub.asked.clear()
        hub.refs["main"] = OLD  # the hub moves on; what was fetched stays what is used
        assert run(home, REPO, hub.endpoint) == found
        assert hub.asked == []
        older = run(home, f"{REPO}@v1", hub.endpoint)
        assert (older["revision"], older["default"]) == (OLD, CHATML + "old")
        assert run(home, f"{REPO}@{NEW}", hub.endpoint)["revision"] == NEW
    assert run(home, REPO, hub.endpoint, offline=True) == found  # the server is gone


def test_what_the_hub_does_not_give_is_said_with_what_to_do(tmp_path: Path) -> None:
    commits = {NEW: files(tmp_path / "new")}
    home = tmp_path / "home"
    with Hub(REPO, commits, {"main": NEW}) as hub:
        other = run(home, "some-org/other", hub.endpoint)["error"]
        assert other.startswith("some-org/other: no such folder here, and the hub has no such model; check the name")
        assert "not the revision v9" in run(home, f"{REPO}@v9", hub.endpoint)["error"]
    with Hub(REPO, commits, {"main": NEW}, gated=True) as hub:
        assert "only to those who accepted its terms" in run(home, REPO, hub.endpoint)["error"]
    assert "the hub cannot be reached" in run(home, "some-org/third", hub.endpoint)["error"]


@pytest.mark.parametrize("how", [{"offline": True}, {"HF_HUB_OFFLINE": "1"}])
def test_nothing_is_fetched_while_offline(how: dict[str, Any], tmp_path: Path) -> None:
    with Hub(REPO, {NEW: files(tmp_path / "new")}, {"main": NEW}) as hub:
        error = run(tmp_path / "home", REPO, hub.endpoint, **how)["error"]
        assert hub.asked == []
    assert "not in the hub's cache, and nothing is fetched while offline (--offline, HF_HUB_OFFLINE)" in error


def test_a_cache_that_another_program_filled_is_used_or_completed(tmp_path: Path) -> None:
    """transformers fetches file by file: a snapshot may hold weights only."""
    new = files(tmp_path / "new")
    snapshot = tmp_path / "home" / "hub" / f"models--{REPO.replace('/', '--')}" / "snapshots" / NEW
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(NEW)
    (snapshot / "config.json").write_text("{}")
    nowhere = "http://127.0.0.1:9"
    error = run(tmp_path / "home", REPO, nowhere, offline=True)["error"]
    assert "tokenizer.json is not in the hub's cache" in error
    with Hub(REPO, {NEW: new}, {"main": NEW}) as hub:
        assert run(tmp_path / "home", REPO, hub.endpoint)["revision"] == NEW
    assert run(tmp_path / "home", REPO, nowhere, offline=True)["folder"] == str(snapshot)


def test_a_local_path_goes_before_a_name_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_hub_name("org/name")
    write_model(tmp_path / "org" / "name")
    assert not is_hub_name("org/name")
    assert load("org/name").revision is None


@pytest.mark.parametrize(
    "name", ["models", "./a/b", "../a/b", "/a/b", "a/b/c", "a/", "/b", "a/b@", "a b/c", "a/b.json/"]
)
def test_other_names_are_paths(name: str) -> None:
    assert not is_hub_name(name)
    with pytest.raises(CurateError, match=r"no such folder; --model takes a local folder .* \(org/name\)"):
        load(name)
