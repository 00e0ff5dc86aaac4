"""A mix loses nothing: each row is in it with its bytes and its origin, or counted with the reason why not."""

from __future__ import annotations

import gzip
import json
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import curate
from curate.config import Config
from curate.convert import CannotHold
from curate.errors import CurateError
from curate.mixing.mix import Mix, Options, mixed, named_source
from curate.mixing.origins import origins
from curate.mixing.summary import said

SAMPLES = Path(__file__).parents[2] / "samples"
PLACES = [
    "Malta",
    "Crete",
    "Corfu",
    "Sicily",
    "Rhodes",
    "Cyprus",
    "Madeira",
    "Bornholm",
    "Gotland",
    "Skye",
    "Arran",
    "Jersey",
    "Sark",
    "Capri",
    "Elba",
]
THINGS = [
    "bicycles",
    "kettles",
    "umbrellas",
    "violins",
    "telescopes",
    "carpets",
    "ladders",
    "lanterns",
    "hammocks",
    "compasses",
]


def row(question: str, answer: str, **extra: Any) -> bytes:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns, **extra}).encode()


def distinct(first: int, last: int) -> list[bytes]:
    """Rows that have nothing in common but their form."""
    rows = []
    for n in range(first, last):
        place, thing = PLACES[n % len(PLACES)], THINGS[n // len(PLACES) % len(THINGS)]
        rows.append(row(f"{thing} for {place}, order {n * 7919}?", f"{n * n + 3} {thing} went to {place} by post."))
    return rows


def file(folder: Path, name: str, rows: list[bytes]) -> str:
    path = folder / name
    path.write_bytes(b"".join(line + b"\n" for line in rows))
    return str(path)


def made(folder: Path, *words: str, **options: Any) -> tuple[Mix, list[bytes]]:
    """A mix, whose numbers add up, and its lines, each of which is traced to where it comes from."""
    out = folder / "mixed.jsonl"
    mix = mixed(words, out, Options(**options), force=True)
    lines = out.read_bytes().split(b"\n")
    assert lines.pop() == b""
    proven(mix, out, lines)
    return mix, lines


def proven(mix: Mix, out: Path, lines: list[bytes]) -> None:
    sources = [json.loads(line) for line in out.with_name("mixed.sources.jsonl").read_bytes().splitlines()]
    left_out = rejected(out.parent)
    document = json.loads(out.with_name("mixed.mix.json").read_bytes())
    assert [entry["line"] for entry in sources] == list(range(1, len(lines) + 1))
    samples = list(curate.read(out)) if lines else []
    assert [sample.id for sample in samples] == [entry["sample_id"] for entry in sources]
    by_file = {path["path"]: n for n, source in enumerate(document["sources"]) for path in source["files"]}
    rows, repeats, out_of = Counter[int](), Counter[int](), Counter[int]()
    for entry in sources:
        rows[by_file[entry["source"]["path"]]] += 1
        repeats[by_file[entry["source"]["path"]]] += entry["copy"] > 1
    for entry in left_out:
        out_of[by_file[entry["path"]]] += 1
    for n, source in enumerate(document["sources"]):
        assert source["rows"] == rows[n]
        assert source["repeats"] == repeats[n]
        assert sum(source["left_out"].values()) == out_of[n]
        assert source["read"] == out_of[n] + source["not_drawn"] + source["rows"] - source["repeats"]
    assert document["output"]["rows"] == len(lines)
    assert not list(out.parent.glob(".curate-*"))


def rejected(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "mixed.rejected.jsonl").read_bytes().splitlines()]


def by_line(path: str) -> list[bytes]:
    return Path(path).read_bytes().splitlines()


def test_all_of_one_and_a_share_of_another(tmp_path: Path) -> None:
    mine, general = file(tmp_path, "mine.jsonl", distinct(0, 40)), file(tmp_path, "general.jsonl", distinct(50, 120))
    mix, lines = made(tmp_path, mine, f"{general}=20%")
    assert sorted(line for line in lines if line in by_line(mine)) == sorted(by_line(mine))
    assert len([line for line in lines if line in by_line(general)]) == 10
    assert len(lines) == 50
    assert rejected(tmp_path) == []
    assert "50 rows, of 110 read · messages · seed 0" in list(said(mix))


def test_rows_keep_their_bytes_and_each_is_traced_to_its_line(tmp_path: Path) -> None:
    odd = b'{ "id":7 ,"messages":[{"role":"user","content":"\\u00e9?"},{"content":"\xe2\x98\x95","role":"assistant"}]}'
    mine, general = file(tmp_path, "mine.jsonl", [odd, *distinct(0, 5)]), file(tmp_path, "b.jsonl", distinct(50, 60))
    _, lines = made(tmp_path, mine, f"{general}=0.5")
    assert odd in lines
    for line in (tmp_path / "mixed.sources.jsonl").read_bytes().splitlines():
        entry = json.loads(line)
        assert lines[entry["line"] - 1] == by_line(entry["source"]["path"])[entry["source"]["line"] - 1]
        (place,) = origins(tmp_path / "mixed.jsonl", entry["sample_id"])
        assert place[:3] == tuple(entry["source"].values())
    assert origins(tmp_path / "mine.jsonl", "v1:00") == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(2, 20), min_size=1, max_size=3),
    amounts=st.lists(st.sampled_from(["", "0.5", "2x", "1.5x", "12", "1rows"]), min_size=3, max_size=3),
    overlap=st.integers(0, 8),
    bad=st.booleans(),
    seed=st.integers(0, 3),
)
def test_the_numbers_add_up_and_a_mix_made_again_is_the_same(
    tmp_path: Path, sizes: list[int], amounts: list[str], overlap: int, bad: bool, seed: int
) -> None:
    words, first = [], 0
    for n, size in enumerate(sizes):
        rows = distinct(max(0, first - overlap), first + size) + [b'{"messages": ['] * bad
        name = file(tmp_path, f"{n}.jsonl", rows)
        words.append(f"{name}={amounts[n]}" if amounts[n] else name)
        first += size
    _, lines = made(tmp_path, *words, seed=seed, oversample=True)
    everything = {path.name: path.read_bytes() for path in tmp_path.glob("mixed.*")}
    _, again = made(tmp_path, *words, seed=seed, oversample=True)
    assert again == lines
    assert {path.name: path.read_bytes() for path in tmp_path.glob("mixed.*")} == everything
    known = {line for word in words for line in by_line(named_source(word)[0])}
    assert set(lines) <= known
    places = [(entry["path"], entry["line"]) for entry in rejected(tmp_path)]
    assert len(places) == len(set(places))


def test_another_seed_draws_other_rows(tmp_path: Path) -> None:
    word = f"{file(tmp_path, 'a.jsonl', distinct(0, 100))}=50"
    drawn = [frozenset(made(tmp_path, word, seed=seed)[1]) for seed in range(3)]
    assert len(set(drawn)) == 3


def test_a_source_that_grows_changes_little(tmp_path: Path) -> None:
    mine = file(tmp_path, "mine.jsonl", distinct(0, 40))
    _, before = made(tmp_path, mine, f"{file(tmp_path, 'b.jsonl', distinct(50, 130))}=20%")
    _, after = made(tmp_path, mine, f"{file(tmp_path, 'b.jsonl', distinct(50, 140))}=20%")
    kept = [line for line in after if line in before]
    assert len(kept) >= len(before) - 4
    assert kept == [line for line in before if line in after]  # nor does the order of the others change


def test_copies_and_near_copies_of_an_earlier_file_go_and_name_what_stays(tmp_path: Path) -> None:
    copied = row(
        "How can I reset the password of my account on the website?", "Follow the link in the mail that we send."
    )
    near = row(
        "How can I reset the password of my account on the web site?", "Follow the link in the mail that we send."
    )
    mine = file(tmp_path, "mine.jsonl", [*distinct(0, 3), copied])
    other = file(tmp_path, "other.jsonl", [copied.replace(b'": ', b'":'), *distinct(5, 8), near])
    mix, lines = made(tmp_path, mine, other)
    assert [(entry["line"], entry["code"]) for entry in rejected(tmp_path)] == [(1, "DUP001"), (5, "DUP002")]
    assert all(f"{mine}:4" in entry["reason"] for entry in rejected(tmp_path))
    assert all((entry["kept"]["path"], entry["kept"]["line"]) == (mine, 4) for entry in rejected(tmp_path))
    assert all(entry["by"] == "curate mix" for entry in rejected(tmp_path))
    assert copied in lines
    assert "  left out: 1 copy (DUP001), 1 near copy (DUP002), each of a row of an earlier file" in list(said(mix))
    _, swapped = made(tmp_path, other, mine)  # the file that is named first keeps its row
    assert near in swapped
    assert copied.replace(b'": ', b'":') in swapped
    assert copied not in swapped


QUESTION = "How many days do I have to return a lamp that I bought in the shop?"


def answered(days: int, more: str = "") -> bytes:
    return row(QUESTION, f"You have {days} days to return it{more}.")


def test_of_two_answers_that_contradict_each_other_that_of_the_earlier_file_stays(tmp_path: Path) -> None:
    first = file(tmp_path, "a.jsonl", [answered(30), *distinct(0, 3)])
    second = file(tmp_path, "b.jsonl", [answered(14), *distinct(5, 8)])
    _, lines = made(tmp_path, first, second)
    assert answered(30) in lines
    assert answered(14) not in lines
    (entry,) = rejected(tmp_path)
    assert entry["code"] == "CON001"
    assert "14" in entry["reason"]
    assert f"{first}:1" in entry["reason"]
    _, lines = made(tmp_path, first, second, settings=Config(ignore=["CON001"]))
    assert {answered(30), answered(14)} <= set(lines)
    assert rejected(tmp_path) == []


def test_a_row_goes_only_for_one_that_stays(tmp_path: Path) -> None:
    """The third file agrees with the first: that the second, which is left out, contradicts it is no reason."""
    agreeing = row(QUESTION, "30 days")
    words = [
        file(tmp_path, "a.jsonl", [answered(30), *distinct(0, 3)]),
        file(tmp_path, "b.jsonl", [answered(14), *distinct(5, 8)]),
        file(tmp_path, "c.jsonl", [agreeing, *distinct(10, 13)]),
    ]
    _, lines = made(tmp_path, *words)
    assert {answered(30), agreeing} <= set(lines)
    assert [(entry["path"], entry["code"]) for entry in rejected(tmp_path)] == [(words[1], "CON001")]


def test_what_stands_within_one_file_stays_and_is_said(tmp_path: Path) -> None:
    rows = [*distinct(0, 3), distinct(0, 1)[0], answered(30), answered(14)]
    mix, lines = made(tmp_path, file(tmp_path, "a.jsonl", rows), file(tmp_path, "b.jsonl", distinct(5, 8)))
    assert sorted(lines) == sorted([*rows, *distinct(5, 8)])
    assert any("1 copy (DUP001), 2 contradictions (CON001) within the file" in line for line in said(mix))


def test_files_named_as_splits_are_sources_like_any_others(tmp_path: Path) -> None:
    train, test = file(tmp_path, "train.jsonl", distinct(0, 5)), file(tmp_path, "test.jsonl", distinct(3, 8))
    made(tmp_path, train, test)
    assert [entry["code"] for entry in rejected(tmp_path)] == ["DUP001", "DUP001"]


def test_rows_are_repeated_only_when_asked_and_then_counted(tmp_path: Path) -> None:
    mine = file(tmp_path, "mine.jsonl", distinct(0, 4))
    with pytest.raises(CurateError, match="--oversample"):
        made(tmp_path, f"{mine}=10")
    assert not (tmp_path / "mixed.jsonl").exists()
    mix, lines = made(tmp_path, f"{mine}=10", oversample=True)
    assert sorted(Counter(lines).values()) == [2, 2, 3, 3]
    assert any("6 rows are repeats" in line for line in said(mix))
    _, lines = made(tmp_path, f"{mine}=3x")
    assert set(Counter(lines).values()) == {3}


def test_files_of_several_formats_become_messages_and_say_the_same(tmp_path: Path) -> None:
    mine = file(tmp_path, "mine.jsonl", distinct(0, 5))
    alpaca = file(tmp_path, "b.jsonl", [b'{"instruction": "Name an island.", "input": "", "output": "Malta.", "n": 5}'])
    mix, lines = made(tmp_path, mine, alpaca)
    assert set(by_line(mine)) < set(lines)
    (other,) = (json.loads(line) for line in lines if line not in by_line(mine))
    assert other == {
        "messages": [{"role": "user", "content": "Name an island."}, {"role": "assistant", "content": "Malta."}],
        "n": 5,
    }
    assert any("1 row is written as messages, not alpaca" in line for line in said(mix))
    _, lines = made(tmp_path, mine, alpaca, to="alpaca")
    assert by_line(alpaca)[0] in lines


def test_one_format_under_two_names_of_columns_becomes_one(tmp_path: Path) -> None:
    first = file(tmp_path, "a.jsonl", [b'{"prompt": "Two plus two?", "completion": "Four."}'])
    second = file(tmp_path, "b.jsonl", [b'{"question": "Where is Skye?", "answer": "In Scotland."}'])
    _, lines = made(tmp_path, first, second)
    assert sorted(lines) == sorted([*by_line(first), b'{"prompt":"Where is Skye?","completion":"In Scotland."}'])


def test_what_the_format_cannot_hold_is_refused_or_left_out_when_told(tmp_path: Path) -> None:
    pair = b'{"prompt": "Name an island.", "chosen": "Malta.", "rejected": "Paris."}'
    words = [file(tmp_path, "a.jsonl", distinct(0, 3)), file(tmp_path, "b.jsonl", [pair, *distinct(5, 6)])]
    words[1] = file(tmp_path, "b.jsonl", [pair, pair.replace(b"Malta", b"Crete"), *distinct(5, 6)])
    with pytest.raises(CannotHold) as refused:
        made(tmp_path, *words)
    assert [place.line for place, _ in refused.value.lost] == [1, 2]
    assert not list(tmp_path.glob("mixed.*"))
    _, lines = made(tmp_path, *words, drop_unsupported=True)
    assert sorted(lines) == sorted([*distinct(0, 3), *distinct(5, 6)])
    assert [entry["code"] for entry in rejected(tmp_path)] == [None, None]


def test_rows_that_cannot_be_read_are_listed(tmp_path: Path) -> None:
    mine = file(tmp_path, "mine.jsonl", [b"\xef\xbb\xbf" + distinct(0, 1)[0], b'{"messages": [', *distinct(1, 9)])
    _, lines = made(tmp_path, mine, f"{file(tmp_path, 'b.jsonl', distinct(10, 20))}=50%")
    (entry,) = rejected(tmp_path)
    assert (entry["line"], entry["code"], entry["kept"]) == (2, "FMT002", None)
    assert stat.S_IMODE((tmp_path / "mixed.rejected.jsonl").stat().st_mode) == 0o600
    assert not [line for line in lines if line.startswith(b"\xef")]
    assert len(lines) == 18


def test_a_file_without_any_row_that_can_be_read_is_refused(tmp_path: Path) -> None:
    mine, empty = file(tmp_path, "mine.jsonl", distinct(0, 3)), file(tmp_path, "b.jsonl", [b"{}", b"nothing"])
    with pytest.raises(CurateError, match="no row of it can be read; see why: curate check"):
        made(tmp_path, mine, empty)
    with pytest.raises(CurateError, match=r"nothing of it is left \(3 DUP001\).*--ignore"):
        made(tmp_path, mine, file(tmp_path, "c.jsonl", distinct(0, 3)))


def test_less_than_one_row_and_no_rows_are_refused(tmp_path: Path) -> None:
    mine = file(tmp_path, "mine.jsonl", distinct(0, 10))
    with pytest.raises(CurateError, match=r"=0.01 is less than one row"):
        made(tmp_path, f"{mine}=0.01")
    with pytest.raises(CurateError, match="holds no rows"):
        made(tmp_path, mine, file(tmp_path, "empty.jsonl", []))


def test_the_thresholds_of_a_check_hold(tmp_path: Path) -> None:
    near = [
        row(
            "How can I reset the password of my account on the website?", f"Follow the link in {how} mail that we send."
        )
        for how in ("the", "that")
    ]
    words = [file(tmp_path, "a.jsonl", near[:1]), file(tmp_path, "b.jsonl", [near[1], *distinct(0, 3)])]
    made(tmp_path, *words)
    assert [entry["code"] for entry in rejected(tmp_path)] == ["DUP002"]
    made(tmp_path, *words, settings=Config(thresholds={"DUP002": {"min_similarity": 1.0}}))
    assert rejected(tmp_path) == []


def test_large_numbers_and_names_of_files_that_are_no_unicode(tmp_path: Path) -> None:
    odd = row("Which isle?", "Skye.", n=123456789012345678901)
    name = str(tmp_path / "m\udce9ine.jsonl")
    Path(name).write_bytes(b"\n".join([odd, *distinct(0, 3)]))
    alpaca = b'{"instruction": "Name an isle.", "input": "", "output": "Malta.", "n": 123456789012345678901}'
    mixed([name, file(tmp_path, "b.jsonl", [alpaca, odd])], tmp_path / "mixed.jsonl", Options())
    lines = by_line(str(tmp_path / "mixed.jsonl"))
    assert odd in lines
    assert len(lines) == 5
    assert [json.loads(line)["n"] for line in lines if b"Malta." in line] == [123456789012345678901]
    (entry,) = rejected(tmp_path)
    assert entry["kept"]["path"].endswith("m?ine.jsonl")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    first, second = file(tmp_path, "a.jsonl", distinct(0, 1) * 1500), file(tmp_path, "b.jsonl", distinct(5, 8))

    def change(doing: str, done: int, total: int) -> None:
        if done == 1000:  # of the first file
            with Path(second).open("ab") as data:
                data.write(distinct(20, 21)[0] + b"\n")

    with pytest.raises(CurateError, match=r"b.jsonl: changed while it was read"):
        mixed([first, second], tmp_path / "mixed.jsonl", Options(), progress=change)
    assert not list(tmp_path.glob("mixed*"))


def test_a_source_may_be_a_folder_a_csv_file_an_array_or_compressed(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    file(folder, "a.jsonl", distinct(0, 5))
    (folder / "b.json").write_bytes(b"[" + b",\n".join(distinct(5, 10)) + b"]")
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(b"\n".join(distinct(10, 15))))
    _, lines = made(tmp_path, f"{folder}=0.8")
    assert len(lines) == 12
    assert set(lines) < set(distinct(0, 15))
    _, lines = made(tmp_path, str(SAMPLES / "labels.csv"), str(SAMPLES / "prompt_completion.jsonl"))
    assert len(lines) == 36 + 12 - len(rejected(tmp_path))


def test_trees_become_conversations(tmp_path: Path) -> None:
    _, lines = made(tmp_path, str(SAMPLES / "oasst_tree.jsonl"), file(tmp_path, "a.jsonl", distinct(0, 3)))
    assert all("messages" in json.loads(line) for line in lines)


@pytest.mark.parametrize(
    "name", ["labels.csv", "oasst_tree.jsonl", "alpaca.json", "kto.jsonl", "text.jsonl", "tools.jsonl"]
)
def test_one_file_alone_is_only_shuffled(tmp_path: Path, name: str) -> None:
    _, lines = made(tmp_path, str(SAMPLES / name))
    before = Counter(sample.id for sample in curate.read(SAMPLES / name))
    assert Counter(sample.id for sample in curate.read(tmp_path / "mixed.jsonl")) == before
    assert len(lines) == before.total()


def test_a_compressed_mix(tmp_path: Path) -> None:
    out = tmp_path / "mixed.jsonl.gz"
    mixed([file(tmp_path, "a.jsonl", distinct(0, 5))], out, Options())
    assert sorted(gzip.decompress(out.read_bytes()).splitlines()) == sorted(distinct(0, 5))
    assert (tmp_path / "mixed.sources.jsonl").exists()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "there" / "mixed.jsonl")
    mixed([file(tmp_path, "a.jsonl", distinct(0, 5))], tmp_path / "out.jsonl", Options())
    assert (tmp_path / "out.jsonl").is_symlink()
    assert len(by_line(str(tmp_path / "there" / "mixed.jsonl"))) == 5
    assert origins(tmp_path / "out.jsonl", next(curate.read(tmp_path / "a.jsonl")).id)


@pytest.mark.parametrize("name", ["a=b.jsonl", "x=20%", "=5", "a=2x=.jsonl"])
def test_a_name_may_hold_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"\n".join(distinct(0, 10)))
    assert len(made(tmp_path, name)[1]) == 10
    assert len(made(tmp_path, f"{name}=0.5")[1]) == 5


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    mine = file(tmp_path, "mine.jsonl", distinct(0, 3))
    (tmp_path / "link.jsonl").symlink_to(mine)
    for other in (f"{mine}=0.5", str(tmp_path / "link.jsonl"), str(tmp_path)):
        with pytest.raises(CurateError, match="is named twice"):
            made(tmp_path, mine, other)


def test_real_data_of_two_formats(tmp_path: Path, shared_data: Path) -> None:
    alpaca, maths = shared_data / "alpaca_en_demo.json", shared_data / "gsm8k_train.jsonl"
    _, lines = made(tmp_path, str(maths), f"{alpaca}=10%")
    assert len(lines) == round(7473 / 0.9)
    before = {sample.id for path in (alpaca, maths) for sample in curate.read(path)}
    assert {sample.id for sample in curate.read(tmp_path / "mixed.jsonl")} <= before


def test_real_data_with_tools_keeps_calls_and_definitions(tmp_path: Path, shared_data: Path) -> None:
    tools, chat = shared_data / "glaive_toolcall_en_demo.json", shared_data / "v1_sft_demo.jsonl"
    made(tmp_path, str(tools), f"{chat}=25%")
    mixed_samples = {sample.id: sample for sample in curate.read(tmp_path / "mixed.jsonl")}
    for sample in curate.read(tools):
        assert mixed_samples[sample.id].tools == (sample.tools or None)


def test_real_copies_and_contradictions_are_those_of_a_check(tmp_path: Path, shared_data: Path) -> None:
    """Model answers beside the right ones: what a check of both files finds across them is what a mix leaves out."""
    right = file(tmp_path, "right.jsonl", by_line(str(shared_data / "gsm8k_test.jsonl"))[:150])
    given = file(tmp_path, "given.jsonl", by_line(str(shared_data / "gsm8k_answers_mixed.jsonl"))[:700])
    made(tmp_path, right, given)
    left_out = rejected(tmp_path)
    report = curate.check([right, given], select="DUP001,DUP002,CON001")
    across = {
        (finding.place.line, finding.code)
        for finding in report.findings
        if finding.place.path == given and finding.related[0].path == right
    }
    codes = Counter(entry["code"] for entry in left_out)
    assert codes["CON001"] > 20
    assert codes["DUP002"] > 20
    assert {(entry["line"], entry["code"]) for entry in left_out} <= across
    assert {entry["line"] for entry in left_out} == {line for line, _ in across}
    again = curate.check(tmp_path / "mixed.jsonl", select="CON001", format="messages")
    from_right = {
        e["line"]
        for e in map(json.loads, by_line(str(tmp_path / "mixed.sources.jsonl")))
        if e["source"]["path"] == right
    }
    assert not [finding for finding in again.findings if finding.place.line in from_right]
