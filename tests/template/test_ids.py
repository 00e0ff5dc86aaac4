"""The fast engine gives the ids of `tokenizers`, or is not used, and says so."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from curate.template.ids import Ids
from curate.template.load import ChatTokenizer, load
from tests.template.byte_model import byte_tokenizer, write_model
from tests.template.texts import adversarial

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

pytest.importorskip("fastokens", reason="the fast engine has no wheel for this platform")

TEXTS = [
    "the cafe faded",
    "don't  42 apples\n\n",
    "naïve café 日本語",
    "",
    "x" * 5000,
    "a\x00b <|im_end|> c",
    "3.14 + 2 = 5.14",
]


def ids_of(tokenizer: Tokenizer) -> Ids:
    return Ids(tokenizer, tokenizer.to_str().encode())


def expected(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def trained(pattern: str) -> Tokenizer:
    """A small byte-level tokenizer that splits text by a pattern, with merges that go over its borders: two engines
    that split differently give other ids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["the cafe faded, the decade added 42 beads", " ① 〇 ②①"] * 10, trainer)
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, tokenizer.pre_tokenizer])
    tokenizer.add_special_tokens([AddedToken("<|im_end|>", normalized=False)])
    return tokenizer


def test_the_ids_of_real_tokenizers_are_the_same_on_texts_that_break_tokenizers(real: ChatTokenizer) -> None:
    added = [token.content for token in real.tokenizer.get_added_tokens_decoder().values()]
    texts = adversarial(added, 4000, seed=7)
    real.encoder.choose(texts)
    assert real.engine.startswith("fastokens ")
    for text, ids, theirs in zip(texts, real.ids_of(texts), expected(real.tokenizer, texts), strict=True):
        assert ids == theirs, ascii(text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("aA1 '\n.,<|_>")), max_size=80))
def test_the_ids_of_a_small_tokenizer_are_the_same_on_any_text(text: str) -> None:
    for tokenizer, fast in small():
        assert fast.of([text]) == expected(tokenizer, [text])


_small: list[tuple[Tokenizer, Ids]] = []


def small() -> list[tuple[Tokenizer, Ids]]:
    if not _small:
        patterns = [r"\p{N}{1,3}", r" ?\p{L}+|\s+(?!\S)|\s+", "(?i:'s|'t)| ?[^\\s\\p{L}\\p{N}]+"]
        tokenizers = [byte_tokenizer(["<|im_end|>"], words=["cat", "A A"]), *map(trained, patterns)]
        _small.extend((tokenizer, ids_of(tokenizer)) for tokenizer in tokenizers)
        for _, fast in _small:
            fast.choose(TEXTS)
            assert fast.engine.startswith("fastokens ")
    return _small


def test_every_row_counts_all_of_real_data(qwen3: ChatTokenizer, shared_data: Path) -> None:
    rows = [str(row) for row in json.loads((shared_data / "glaive_toolcall_en_demo.json").read_bytes())]
    rows += (shared_data / "gsm8k_train.jsonl").read_text(encoding="utf-8").splitlines()[:2000]
    assert qwen3.ids_of(rows) == expected(qwen3.tokenizer, rows)


def test_an_engine_that_gives_other_ids_is_not_used() -> None:
    # A hexadecimal digit to the one regex library, horizontal space to the other.
    tokenizer = trained(r"\h+")
    ids = ids_of(tokenizer)
    ids.choose(TEXTS)
    assert ids.engine.startswith("tokenizers ")
    assert "gives other ids for" in ids.engine
    assert ids.of(TEXTS) == expected(tokenizer, TEXTS)


def test_odd_characters_are_tried_that_the_users_sample_lacks() -> None:
    tokenizer = trained(r"\w+")  # whether ① is of a word is a matter of opinion
    ids = ids_of(tokenizer)
    ids.choose(["plain words", "and 42 more"])
    assert "gives other ids for 1 of" in ids.engine
    assert ids.of(["② a①b"]) == expected(tokenizer, ["② a①b"])


def test_a_tokenizer_that_the_engine_cannot_read_stays_with_tokenizers() -> None:
    tokenizer = byte_tokenizer([])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ids = ids_of(tokenizer)
    ids.choose(TEXTS)
    assert "cannot read this tokenizer: " in ids.engine
    assert "Metaspace" in ids.engine
    assert ids.of(TEXTS) == expected(tokenizer, TEXTS)


def test_without_the_engine_the_ids_are_those_of_tokenizers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastokens", None)
    tokenizer = byte_tokenizer([])
    ids = ids_of(tokenizer)
    ids.choose(TEXTS)
    assert ids.engine.endswith("(fastokens, which is faster, is not installed)")
    assert ids.of(TEXTS) == expected(tokenizer, TEXTS)


def test_the_engine_is_loaded_once_there_is_enough_text() -> None:
    tokenizer = trained(r"\p{N}")
    ids = ids_of(tokenizer)
    few = ["2 beads"] * 10
    assert ids.of(few) == expected(tokenizer, few)
    assert ids.engine.endswith("(too little text for a faster engine to pay)")
    many = [f"{i} beads" for i in range(len(tokenizer.to_str()))]
    assert ids.of(many) == expected(tokenizer, many)
    assert ids.engine.startswith("fastokens ")
    assert "the same ids as tokenizers" in ids.engine
    said = ids.engine
    ids.choose(["other texts"])
    assert ids.engine == said


def test_what_is_decided_from_the_amount_of_text_holds() -> None:
    tokenizer = trained(r"\p{N}")
    many = [f"{i} beads" for i in range(len(tokenizer.to_str()))]
    little, much = ids_of(tokenizer), ids_of(tokenizer)
    little.decide(many[:3], 100)
    much.decide(many[:3], 10**9)
    assert much.engine.startswith("fastokens ")
    assert little.of(many) == much.of(many)
    assert little.engine.endswith("(too little text for a faster engine to pay)")


def test_lengths_that_a_tokenizer_was_saved_with_do_not_cut_texts(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(write_model(tmp_path) / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    chat = load(tmp_path)
    chat.encoder.choose(TEXTS)
    assert chat.engine.startswith("fastokens ")
    assert [len(ids) for ids in chat.ids_of(["0123456789", "01"])] == [10, 2]


@pytest.mark.parametrize("fast", [False, True])
def test_half_of_a_surrogate_pair_is_refused_by_either_engine(fast: bool) -> None:
    ids = ids_of(byte_tokenizer([]))
    if fast:
        ids.choose(TEXTS)
    assert ids.engine.startswith("fastokens " if fast else "tokenizers ")
    with pytest.raises(UnicodeEncodeError):
        ids.of(["fine", "a\ud83db"])


def _worker(ids: Ids, texts: list[str], out: SimpleQueue[list[list[int]]]) -> None:
    faulthandler.dump_traceback_later(50, file=sys.__stderr__)  # should it hang: where
    out.put(ids.of(texts))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this platform does not fork")
def test_forked_workers_go_on_with_what_the_parent_loaded(qwen3: ChatTokenizer) -> None:
    """The parent has used the engine, and is using it while it forks: no child may wait for what the engine holds."""
    texts = [*adversarial(["<|im_start|>", "<|im_end|>"], 200), "word " * 300_000]
    qwen3.encoder.choose(texts)
    assert qwen3.engine.startswith("fastokens ")
    theirs = qwen3.ids_of(texts)
    threads = [name.read_text() for name in Path("/proc/self/task").glob("*/comm")]  # none where there is no /proc
    assert not any(name.startswith("fastokens") for name in threads)
    stop = threading.Event()

    def encode() -> None:
        while not stop.is_set():
            qwen3.ids_of(texts[-1:])

    thread = threading.Thread(target=encode)
    thread.start()
    try:
        context = multiprocessing.get_context("fork")
        for _ in range(5):
            out: SimpleQueue[list[list[int]]] = context.SimpleQueue()
            workers = [context.Process(target=_worker, args=(qwen3.encoder, texts, out), daemon=True) for _ in range(3)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(0.01)
            results = []
            for _ in workers:
                assert out._reader.poll(60), [worker.exitcode for worker in workers]  # type: ignore[attr-defined]
                results.append(out.get())
            assert results == [theirs] * len(workers)
            for worker in workers:
                worker.join(60)
                assert worker.exitcode == 0
    finally:
        stop.set()
        thread.join()
