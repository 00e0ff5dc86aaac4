"""Texts to ids, by the fastest engine that provably gives the ids of `tokenizers`."""

from __future__ import annotations

import os
from importlib.metadata import version
from threading import Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastokens import Tokenizer as FastTokenizer
    from tokenizers import Tokenizer

SAMPLE_TEXTS = 256
SAMPLE_CHARACTERS = 1_000_000
# Loading fastokens takes about as long as `tokenizers` needs for half as many characters as tokenizer.json has bytes.
BYTES_PER_CHARACTER = 2
# A few characters of every kind that patterns tell apart: letters of all cases, marks, numbers, punctuation, symbols,
# spaces, line ends, controls, and what is unassigned or beyond the first 65,536.
ODD = (
    "don't DON'T I'Ll “x’s” éÉ ǅ ʰ ª ß ẞ ﬁ İ ı e\u0301 \u0301 \u0903 \u20dd 1٣१ ² ½ Ⅷ ⅳ ① 〇 ₁ 一 あア 한 กา "
    "_ - — ( ) « » ‹ ! ¡ @ # % & * \\ / ' \" + < = > | ~ € ^ ` ¨ ¦ © ° Ⓐ ☃ → 😀 👩\u200d👩\u200d👧 🇩🇪 \u00a0 \u2003"
    " \u3000 \u200b \u2028 \u2029 \x85 \t \n \r\n \x0b \x0c \x00 \x1b \x7f \u00ad \ufeff \ufffd \ue000 \u0378 \uffff "
    "हिन्दी שלום مرحبا \U0001d400 \U00020000 \U000e0041 \U0010ffff   \n\n   x\t\ty deadbeef 0x1F 12,345.67 1234567890 "
    "▁ ▁▁ a▁b Ġ"
)


class _Gate:
    """No process is forked while a thread is inside fastokens: a lock of its caches would stay taken in the child. Who
    waits to fork is next: threads that encode one text after the other would keep it out."""

    def __init__(self) -> None:
        self._next, self._inside = Lock(), Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._shut, after_in_parent=self._open, after_in_child=self._open)

    def _shut(self) -> None:
        self._next.acquire()
        self._inside.acquire()

    def _open(self) -> None:
        self._inside.release()
        self._next.release()

    def __enter__(self) -> None:
        with self._next:
            self._inside.acquire()

    def __exit__(self, *_: object) -> None:
        self._inside.release()


_gate = _Gate()


class Ids:
    """A tokenizer's ids, by `tokenizers` or by fastokens, which is 6 to 29 times as fast but takes a second to load.

    fastokens is used once there is enough text for it to pay, and after it was compared with `tokenizers` on the user's
    own texts: where it gives other ids for one of them, or cannot read the tokenizer, `tokenizers` stays.
    """

    def __init__(self, tokenizer: Tokenizer, tokenizer_json: bytes) -> None:
        self._tokenizer = tokenizer
        self._json: bytes | None = tokenizer_json
        self._worth = len(tokenizer_json) // BYTES_PER_CHARACTER
        self._characters = 0
        self._fast: FastTokenizer | None = None
        self._reason = "too little text for a faster engine to pay"
        self._loading: Thread | None = None
        self._loaded: FastTokenizer | None = None  # and not compared yet

    @property
    def engine(self) -> str:
        """Which engine is in use, and why."""
        if self._fast is None:
            return f"tokenizers {version('tokenizers')} ({self._reason})"
        return f"fastokens {version('fastokens')} ({self._reason})"

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without special tokens that are not in it."""
        if self._json is not None:
            self._characters += sum(map(len, texts))
            if self._characters >= self._worth:
                self.choose(texts)
        if self._fast is not None:
            encode = self._fast.encode  # one by one is faster than its batches, and starts no threads for short texts
            with _gate:
                return [encode(text).ids for text in texts]
        for text in texts:
            text.encode()  # `tokenizers` would raise a TypeError that says nothing
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def expect(self, characters: int) -> None:
        """Begin to load fastokens beside everything else, if it pays for so many characters in all."""
        if self._json is not None and self._loading is None and characters >= self._worth:
            self._loading = Thread(target=self._load, args=(self._json,))
            self._loading.start()

    def decide(self, texts: Sequence[str], characters: int) -> None:
        """`choose`, if it pays for so many characters in all; else stay with `tokenizers`."""
        if characters >= self._worth:
            self.choose(texts)
        self._json = None

    def choose(self, texts: Sequence[str]) -> None:
        """Load fastokens and take it if it agrees with `tokenizers` on a sample of these texts; once for all.

        Call it before worker processes are forked, so that they share what it loads.
        """
        if self._json is None:
            return
        source, self._json = self._json, None
        if self._loading is None:
            self._load(source)
        else:
            self._loading.join()
            self._loading = None
        fast = self._loaded
        if fast is None:
            return
        compared = other = 0
        for text in (*_sample(texts), *self._probes()):
            compared += 1
            with _gate:
                ids = fast.encode(text).ids
            # One by one: `tokenizers` warns about every process that is forked after it used its threads.
            other += ids != self._tokenizer.encode(text, add_special_tokens=False).ids
        if other:
            self._reason = f"fastokens {version('fastokens')} gives other ids for {other:,} of {compared:,} texts"
            return
        self._fast = fast
        self._reason = f"the same ids as tokenizers {version('tokenizers')} on {compared:,} texts"

    def _load(self, source: bytes) -> None:
        try:
            from fastokens import Tokenizer as FastTokenizer
        except ImportError:
            self._reason = "fastokens, which is faster, is not installed"
            return
        # Its own threads gain nothing here, and take locks at times that nobody knows: a process forked at one of them
        # would wait forever. It reads this once, at the first text.
        os.environ["FASTOKENS_BPE_THREADS"] = "1"
        try:
            fast = FastTokenizer.from_json_str(source.decode())
        except Exception as error:
            self._reason = f"fastokens {version('fastokens')} cannot read this tokenizer: {error}"
            return
        fast.no_truncation()
        fast.no_padding()
        self._loaded = fast

    def _probes(self) -> Iterator[str]:
        """Texts that show how a tokenizer treats odd characters and its own control tokens."""
        yield ODD
        added = [token.content for token in self._tokenizer.get_added_tokens_decoder().values()]
        for start in range(0, len(added), SAMPLE_TEXTS):
            yield " a ".join(added[start : start + SAMPLE_TEXTS])
            yield "\n".join(f"x{token}  " for token in added[start : start + SAMPLE_TEXTS])


def _sample(texts: Sequence[str]) -> Iterator[str]:
    """Texts from all over, up to a limit that keeps the comparison short."""
    characters = 0
    for text in texts[:: max(1, len(texts) // SAMPLE_TEXTS)][:SAMPLE_TEXTS]:
        characters += len(text)
        if characters > SAMPLE_CHARACTERS:
            return
        yield text
