"""The commands of a run, as a person types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "support.jsonl"


def curate(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "curate", *args], cwd=cwd, capture_output=True, text=True, env=env)


def ok(*args: str, cwd: Path) -> str:
    done = curate(*args, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "support.jsonl").write_bytes(SAMPLE.read_bytes())
    return tmp_path


def test_from_data_to_splits_in_three_commands(home: Path) -> None:
    done = curate("check", "support.jsonl", "--run", "runs/support", cwd=home)
    assert done.returncode == 1, "findings still fail a check that is kept"
    assert "83 of 603 rows flagged" in done.stdout
    assert ok("clean", "runs/support", cwd=home).startswith(
        "clean: 557 of 603 rows kept, 46 rejected (37 DUP002, 6 DUP001, 3 cannot be read)"
    )
    assert ok("split", "runs/support", cwd=home).startswith("split: 442 train, 54 val, 61 test rows\n")
    assert ok("split", "runs/support", cwd=home).startswith("split: 442 train, 54 val, 61 test rows (up to date)\n")
    counts = [
        len((home / "runs/support/split" / f"{name}.jsonl").read_bytes().splitlines())
        for name in ("train", "val", "test")
    ]
    assert counts == [442, 54, 61]


def test_data_is_checked_first_and_the_command_for_it_is_said(home: Path) -> None:
    done = curate("clean", "support.jsonl", cwd=home)
    assert done.returncode == 0
    assert done.stderr == (
        "check: it was not made yet\n$ curate check support.jsonl --run runs/support\n"
        "check: 603 rows read, 83 flagged, 3 of them cannot be read\n"
    )
    with (home / "support.jsonl").open("ab") as file:
        file.write(b"{\n")
    done = curate("split", "runs/support", cwd=home)
    assert done.stderr.splitlines() == [
        "check: support.jsonl changed",
        "$ curate check runs/support",
        "check: 604 rows read, 84 flagged, 4 of them cannot be read",
        "clean: check.json changed; support.jsonl changed",
        "$ curate clean runs/support",
        "clean: 557 of 604 rows kept, 47 rejected (37 DUP002, 6 DUP001, 4 cannot be read)",
    ]


def test_split_takes_data_as_it_is(home: Path) -> None:
    done = curate("split", "support.jsonl", "-o", "trial", cwd=home)
    assert "$ curate clean trial --fix none" in done.stderr
    assert done.stdout.startswith("split: ")
    rows = json.loads((home / "trial" / "split" / "split.json").read_bytes())["rows"]
    assert len(rows) == 600, "all but the three that cannot be read"


def test_check_run_checks_the_data_again_with_the_settings_it_had(home: Path) -> None:
    ok("check", "support.jsonl", "--run", "r", "--select", "DUP001", "--fail-on", "never", cwd=home)
    first = json.loads((home / "r" / "check.json").read_bytes())
    again = json.loads(ok("check", "r", "--output-format", "json", "--fail-on", "never", cwd=home))
    assert set(again["summary"].pop("by_code")) == {"DUP001"} == set(first["summary"].pop("by_code"))
    assert again["summary"]["seconds"] > 0
    assert {finding["path"] for finding in again["findings"]} == {"support.jsonl"}
    ok("check", "r", "--select", "FMT104", "--fail-on", "never", cwd=home)
    assert json.loads((home / "r" / "check.json").read_bytes())["summary"]["by_code"] == {"FMT104": 3}
    assert "curate check support.jsonl --select FMT104 --run r" in (home / "r" / "run.json").read_text()


def test_what_a_person_kept_no_longer_fails_the_check(home: Path) -> None:
    good = {"role": "user", "content": "Who?"}
    (home / "d.jsonl").write_text(json.dumps({"messages": [good, {"role": "assistant", "content": ""}]}) + "\n")
    done = curate("check", "d.jsonl", "--run", "r", "--output-format", "json", cwd=home)
    assert done.returncode == 1
    finding = next(f for f in json.loads(done.stdout)["findings"] if f["code"] == "FMT104")
    decision = {"sample_id": finding["sample_id"], "action": "keep", "codes": ["FMT104"], "by": "ana"}
    (home / "decisions.jsonl").write_text(json.dumps(decision))
    assert "1 of 1 decisions added" in ok("decisions", "import", "r", "decisions.jsonl", cwd=home)
    assert "0 of 1 decisions added, 1 were there already" in ok("decisions", "import", "r", "decisions.jsonl", cwd=home)
    report = json.loads(ok("check", "r", "--output-format", "json", cwd=home))
    assert [f["code"] for f in report["findings"] if f.get("accepted")] == ["FMT104"]
    exported = json.loads(ok("decisions", "export", "r", cwd=home))
    assert exported | decision == exported
    ok("decisions", "export", "r", "-o", "out.jsonl", cwd=home)
    assert "--force" in curate("decisions", "export", "r", "-o", "out.jsonl", cwd=home).stderr
    traced = ok("trace", "r", finding["sample_id"][:9], cwd=home)
    assert re.search(r"decision +keep by ana at .* in sight of FMT104", traced)


def test_edited_files_are_refused_with_the_command_that_replaces_them(home: Path) -> None:
    ok("clean", "support.jsonl", cwd=home)
    kept = home / "runs/support/clean/kept.jsonl"
    whole = kept.read_bytes()
    kept.write_bytes(b"{}\n")
    for command in ("clean", "split"):
        done = curate(command, "runs/support", cwd=home)
        assert done.returncode == 2
        assert "kept.jsonl: was edited since" in done.stderr and "curate clean runs/support --force" in done.stderr
    assert kept.read_bytes() == b"{}\n"
    ok("clean", "runs/support", "--force", cwd=home)
    assert kept.read_bytes() == whole


def test_a_row_is_followed_back_to_its_line(home: Path) -> None:
    ok("split", "support.jsonl", cwd=home)
    rows = json.loads((home / "runs/support/split/split.json").read_bytes())["rows"]
    row = next(row for row in rows if row["split"] == "test")
    said = ok("trace", "runs/support", row["sample_id"][:12], cwd=home)
    assert f"split/test.jsonl:{row['line']}" in said
    line = int(re.findall(r"support.jsonl:(\d+)$", said, re.MULTILINE)[-1])
    text = (home / "support.jsonl").read_text(encoding="utf-8").splitlines()[line - 1]
    assert text == (home / "runs/support/split/test.jsonl").read_text(encoding="utf-8").splitlines()[row["line"] - 1]
    assert text[:200] in said
    assert re.search(r"^evaluate +not made yet$", said, re.MULTILINE)


def test_copies_and_rejected_rows_are_followed_too(home: Path) -> None:
    ok("clean", "support.jsonl", cwd=home)
    findings = json.loads((home / "runs/support/check.json").read_bytes())["findings"]
    copy = next(f for f in findings if f["code"] == "DUP001")
    said = ok("trace", "runs/support", copy["sample_id"], cwd=home)
    assert f"support.jsonl:{copy['line']} rejected by curate clean --fix safe (DUP001): the same as line" in said
    assert f"support.jsonl:{copy['related'][0]['line']} kept" in said
    cut = next(f for f in findings if f["code"] == "FMT002")
    assert "rejected by curate clean (FMT002): the row ends inside" in ok(
        "trace", "runs/support", cut["sample_id"], cwd=home
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["trace", "runs/support", "v1:zz"], "no row of support.jsonl has an id that starts with 'v1:zz'"),
        (["trace", "runs/support", "v1:"], "give more of it"),
        (["trace", "nowhere", "v1:"], "no run folder"),
        (["clean", "nothing.jsonl"], "no such file"),
        (["clean", "runs/support", "--fix", "some"], "--fix"),
        (["clean", "runs/support", "-o", "x"], "is a run folder already"),
        (["split", "runs/support", "--val", "0.6", "--test", "0.5"], "must be less than 1"),
        (["split", "runs/support", "--val", "1"], "--val"),
        (["check", "-", "--run", "x"], "save it to a file first"),
        (["check", "other.jsonl", "--run", "runs/support"], "the run of other data (support.jsonl)"),
        (["decisions", "export", "nowhere"], "no run folder"),
        (["decisions", "import", "runs/support", "none.jsonl"], "none.jsonl: no such file"),
    ],
)
def test_errors_are_one_line_and_exit_with_2(home: Path, args: list[str], words: str) -> None:
    (home / "other.jsonl").write_bytes((home / "support.jsonl").read_bytes())
    ok("check", "support.jsonl", "--run", "runs/support", "--select", "DUP001", "--fail-on", "never", cwd=home)
    done = curate(*args, cwd=home)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["check", "clean", "split", "review", "decisions", "trace"])
def test_every_command_has_examples(tmp_path: Path, command: str) -> None:
    assert f"curate {command}" in ok(command, "--help", cwd=tmp_path).split("Examples:")[1]


def test_the_review_is_served_to_this_machine_with_its_token_only(home: Path) -> None:
    pytest.importorskip("streamlit")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "curate", "review", "support.jsonl", "--no-browser"]
    with subprocess.Popen(
        words, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as server:
        try:
            assert server.stdout is not None
            url = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", server.stdout.readline() + server.stdout.readline())
            assert url
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            page = answer(opener, url[0])
            assert page.status == 200 and "default-src 'self'" in page.headers["content-security-policy"]
            for refused in (url[0].split("?")[0], url[0] + "x"):
                with pytest.raises(urllib.error.HTTPError, match="403"):
                    urllib.request.urlopen(refused)
            request = urllib.request.Request(url[0], headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(request)
        finally:
            server.terminate()


def answer(opener: urllib.request.OpenerDirector, url: str) -> urllib.request.addinfourl:
    import time

    for _ in range(100):
        try:
            found: urllib.request.addinfourl = opener.open(url)
            return found
        except urllib.error.URLError as error:
            if isinstance(error, urllib.error.HTTPError):
                raise
            time.sleep(0.1)
    raise AssertionError("the page never answered")
