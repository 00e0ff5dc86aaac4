"""The commands of a run, as a person types them."""

from __future__ import annotations

import ctypes
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
        "clean: 603 rows read: 554 kept, 3 changed (2 TXT011, 1 TXT012), "
        "46 rejected (37 DUP002, 6 DUP001, 3 cannot be read)\n"
    )
    said = ok("split", "runs/support", cwd=home)
    assert said.startswith("split: 392 train, 65 val, 100 test rows\n")
    assert "100 test rows can show a difference of 13 points or more" in said
    assert ok("split", "runs/support", cwd=home).startswith("split: 392 train, 65 val, 100 test rows (up to date)\n")
    counts = [
        len((home / "runs/support/split" / f"{name}.jsonl").read_bytes().splitlines())
        for name in ("train", "val", "test")
    ]
    assert counts == [392, 65, 100]


def test_a_dry_run_shows_what_would_be_done_and_writes_nothing(home: Path) -> None:
    said = ok("clean", "support.jsonl", "--dry-run", cwd=home)
    assert sorted(path.name for path in home.iterdir()) == ["support.jsonl"]
    assert (
        "@@ support.jsonl:184 changed by curate clean --fix safe: TXT012 2 invisible zero width spaces (U+200B)\n"
        in said
    )
    assert re.search(r"^-….*cata\\u200blogue is on\\u200bline only\.", said, re.MULTILINE), (
        "what cannot be seen is escaped"
    )
    assert re.search(r"^\+….*catalogue is online only\.", said, re.MULTILINE)
    assert "rejected by curate clean --fix safe: DUP001 the same as line" in said
    summary = "clean: 603 rows read: 554 kept, 3 changed (2 TXT011, 1 TXT012), 46 rejected"
    assert said.splitlines()[-1].startswith(summary) and said.endswith("(nothing was written)\n")

    ok("clean", "support.jsonl", cwd=home)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    assert ok("clean", "support.jsonl", "--dry-run", cwd=home) == said
    assert ok("clean", "runs/support", "--dry-run", "--fix", "none", cwd=home).count("@@") == 3
    with (home / "support.jsonl").open("ab") as file:
        file.write(b"{\n")
    assert "604 rows read" in ok("clean", "runs/support", "--dry-run", cwd=home)
    after = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    assert {path for path in after if after[path] != before.get(path)} == {home / "support.jsonl"}


def test_reviewers_who_disagree_are_shown_and_the_newest_holds(home: Path) -> None:
    ok("check", "support.jsonl", "--run", "r", "--fail-on", "never", cwd=home)
    finding = next(f for f in json.loads((home / "r" / "check.json").read_bytes())["findings"] if f["code"] == "FMT104")
    for by, action in (("ana", "keep"), ("ben", "drop")):
        decision = {"sample_id": finding["sample_id"], "action": action, "codes": ["FMT104"], "by": by, "at": "now"}
        (home / f"{by}.jsonl").write_text(json.dumps(decision))
    ok("decisions", "import", "r", "ana.jsonl", cwd=home)
    done = curate("decisions", "import", "r", "ben.jsonl", cwd=home)
    assert "reviewers disagree about 1 row; the newest word holds: curate decisions conflicts r" in done.stderr
    shown = ok("decisions", "conflicts", "r", cwd=home)
    place = f"support.jsonl:{finding['line']}  {finding['sample_id']}"
    assert shown == f"{place}\n  keep by ana at now\n  drop by ben at now\n"
    done = curate("clean", "r", cwd=home)
    assert "1 dropped in review" in done.stdout
    assert "reviewers disagree about 1 row; the newest word holds: curate decisions conflicts r" in done.stderr
    done = curate("clean", "r", "--decisions", "ana.jsonl", cwd=home)
    assert "dropped in review" not in done.stdout and "disagree" not in done.stderr


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
        "clean: 604 rows read: 554 kept, 3 changed (2 TXT011, 1 TXT012), "
        "47 rejected (37 DUP002, 6 DUP001, 4 cannot be read)",
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
    with (home / "support.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(f"{other}\n" for other in SAMPLE.read_text(encoding="utf-8").splitlines() if other != text)
    refused = curate("trace", "runs/support", row["sample_id"][:12], cwd=home)
    place = f"{row['sample_id']}: in split/test.jsonl:{row['line']}, and in support.jsonl no more, which changed since"
    assert place in refused.stderr


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
        (["split", "runs/support", "--group-by", "dokument"], "no row has a column 'dokument'; there are: messages"),
        (["split", "runs/support", "--folds", "1"], "--folds"),
        (["clean", "runs/support", "--decisions", "none.jsonl"], "none.jsonl: no such file"),
        (["clean", "nothing.jsonl", "--dry-run"], "no such file"),
        (["decisions", "conflicts", "nowhere"], "no run folder"),
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


def as_anyone() -> None:
    """Give up what lets an administrator write everywhere: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    prctl = ctypes.CDLL(None).prctl
    for capability in (1, 2):
        prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform != "linux", reason="gives up capabilities of Linux")
def test_a_run_that_may_not_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"prompt": "Is it open?", "completion": "Yes, it is."}\n' * 3)
    curate("check", "data.jsonl", "--run", "run", cwd=tmp_path)
    run = tmp_path / "run"
    run.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-m", "curate", "clean", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        preexec_fn=as_anyone,
    )
    run.chmod(0o755)
    assert done.returncode == 2
    assert re.fullmatch(r"curate: .*run/\S+: cannot be opened or written \(permission denied\); .*\n", done.stderr)
