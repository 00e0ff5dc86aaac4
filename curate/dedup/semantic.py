"""Texts that mean the same: embeddings by a local model, and the pairs of them that are near each other."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from curate.pipeline import Progress

    Forward = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
    """From token ids and attention mask, both [batch, length], to the last hidden state [batch, length, width]."""

ONNX_FILES = ("model.onnx", "onnx/model.onnx")
MODULES = ("Transformer", "Pooling", "Normalize")
POOLINGS = {"mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls"}
_FLAG = "pooling_mode_"

_UNKNOWN = ("[UNK]", "<unk>", "<UNK>")
_WORD_CHARACTER = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # a token each in models that know them well
_SPELLED = 0.7  # tokens a letter: 0.2 to 0.5 in a language that a model knows

_TOKENISED_TOGETHER = 1000
_TOKENS_OF_A_BATCH = 8192
_BLOCK = 2048
_MARGIN = 1e-4  # what the rounding of a float32 product can take from a similarity
_PAIRS_TOGETHER = 8192
MOST_PAIRS = 20_000_000


class Embeddings(NamedTuple):
    """One vector of length 1 for each text: float32 [n, width].

    `is_partial`, bool [n], marks the texts whose vector stands for a part of them: they are longer than the model's
    window, or in words that it does not know. Texts that differ elsewhere have the same vector.
    """

    vectors: NDArray[np.float32]
    is_partial: NDArray[np.bool_]


def embed(folder: Path, texts: Sequence[str], progress: Progress = lambda *_: None) -> Embeddings:
    """Embed texts with a sentence-embedding model in a local folder, laid out as sentence-transformers or the hub do.

    Nothing is fetched. A folder with a full-precision ONNX file runs on onnxruntime where that is installed, any other
    on torch and transformers. The hidden states of a text are averaged over its tokens, unless the folder says that the
    first one stands for all. A text gets the same vector however often it occurs.

    Raises:
        CurateError: the folder holds no such model, or what runs it is not installed.
    """
    tokenizer, length = _tokenizer(folder)
    pooling = _pooling(folder)
    forward = _forward(folder)
    number_of = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    ids, is_partial = _tokens(tokenizer, list(number_of), length)
    pad = _pad_id(folder)
    vectors: NDArray[np.float32] | None = None
    done = 0
    for batch in _batches([len(each) for each in ids]):
        tokens: NDArray[np.int64] = np.full((len(batch), max(len(ids[i]) for i in batch)), pad, dtype=np.int64)
        mask: NDArray[np.int64] = np.zeros_like(tokens)
        for row, i in enumerate(batch):
            tokens[row, : len(ids[i])] = ids[i]
            mask[row, : len(ids[i])] = 1
        pooled = _pooled(forward(tokens, mask), mask, pooling)
        if vectors is None:
            vectors = np.empty((len(ids), pooled.shape[1]), dtype=np.float32)
        vectors[batch] = pooled
        done += len(batch)
        progress("embedding texts", done, len(ids))
    if vectors is None:
        return Embeddings(np.empty((0, 0), dtype=np.float32), np.empty(0, dtype=bool))
    numbers = np.fromiter(map(number_of.__getitem__, texts), dtype=np.intp, count=len(texts))
    return Embeddings(vectors[numbers], is_partial[numbers])


class Encoder:
    """A local model that reads texts, laid out as for `embed`, token by token."""

    def __init__(self, folder: Path) -> None:
        """Raises:
        CurateError: the folder holds no such model, or what runs it is not installed.
        """
        self._tokenizer, length = _tokenizer(folder)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(length)
        self._forward = _forward(folder)

    def states(self, text: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The last hidden states of a text, float32 [tokens, width], and which tokens are the marks around it, bool
        [tokens]. What is beyond the model's window is left out."""
        encoding = self._tokenizer.encode(text)
        ids = np.array([encoding.ids], dtype=np.int64)
        hidden = self._forward(ids, np.ones_like(ids))[0]
        return hidden, np.array(encoding.special_tokens_mask, dtype=bool)


def near_pairs(
    vectors: NDArray[np.float32], threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Every pair of vectors of length 1 whose cosine similarity, to six digits, is at least the threshold.

    Returns arrays (a, b, similarity) with a < b, in order of a, then b. All pairs are compared, block by block, so that
    only the pairs found take memory: give equal texts once, for n of them are n * (n - 1) / 2 pairs.

    Raises:
        CurateError: more than MOST_PAIRS pairs.
    """
    found: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]] = []
    count = 0
    for first in range(0, len(vectors), _BLOCK):
        block = vectors[first : first + _BLOCK]
        for second in range(first, len(vectors), _BLOCK):
            near = block @ vectors[second : second + _BLOCK].T >= threshold - _MARGIN
            if first == second:
                near = np.triu(near, 1)
            a, b = np.nonzero(near)
            a, b = a + first, b + second
            similarity = _similarity(vectors, a, b)
            passes = similarity >= threshold
            found.append((a[passes], b[passes], similarity[passes]))
            count += int(passes.sum())
            if count > MOST_PAIRS:
                raise CurateError(
                    f"more than {MOST_PAIRS:,} pairs of rows have a similarity of {threshold} or more; "
                    "drop the duplicates first (curate clean), or raise the threshold"
                )
    if not found:
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float64)
    a, b, similarity = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((b, a))
    return a[order], b[order], similarity[order]


def _similarity(vectors: NDArray[np.float32], a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.float64]:
    """The products of pairs in double precision: the same on every machine, whatever its blocks and threads."""
    similarity: NDArray[np.float64] = np.empty(len(a), dtype=np.float64)
    for start in range(0, len(a), _PAIRS_TOGETHER):
        part = slice(start, start + _PAIRS_TOGETHER)
        similarity[part] = np.einsum("ij,ij->i", vectors[a[part]].astype(np.float64), vectors[b[part]])
    return np.round(similarity, 6)


def _tokens(
    tokenizer: Tokenizer, texts: Sequence[str], length: int
) -> tuple[list[NDArray[np.int32]], NDArray[np.bool_]]:
    """The ids of each text, at most `length` of them, and whether they say less than the text."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    unknown = [number for name in _UNKNOWN if (number := tokenizer.token_to_id(name)) is not None]
    ids: list[NDArray[np.int32]] = []
    is_partial: list[bool] = []
    for start in range(0, len(texts), _TOKENISED_TOGETHER):
        part = texts[start : start + _TOKENISED_TOGETHER]
        for text, encoding in zip(part, tokenizer.encode_batch_fast(part), strict=True):
            numbers = np.array(encoding.ids, dtype=np.int32)
            ids.append(numbers)
            is_foreign = not text.isascii() and (np.isin(numbers, unknown).any() or _is_spelled(text, len(numbers)))
            is_partial.append(bool(encoding.overflowing or is_foreign))
    return ids, np.array(is_partial, dtype=bool)


def _is_spelled(text: str, tokens: int) -> bool:
    """Whether the tokens of a text are mostly single letters: the model has not learned a language of that script."""
    letters = sum(char.isalpha() for char in _WORD_CHARACTER.sub("", text))
    return tokens > _SPELLED * letters > 0


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of texts of about the same length, the longest first: a batch that does not fit fails at once."""
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    while order:
        size = max(1, _TOKENS_OF_A_BATCH // max(1, lengths[order[0]]))
        yield order[:size]
        order = order[size:]


def _pooled(hidden: NDArray[np.float32], mask: NDArray[np.int64], pooling: str) -> NDArray[np.float32]:
    if pooling == "cls":
        pooled = hidden[:, 0]
    else:
        weights = mask[:, :, None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    normalised: NDArray[np.float32] = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    return normalised


def _tokenizer(folder: Path) -> tuple[Tokenizer, int]:
    """The tokenizer of a model folder, and the number of tokens that the model sees."""
    from tokenizers import Tokenizer

    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise CurateError(f"{folder}: {what}; a local folder that holds a sentence-embedding model is needed")
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise CurateError(f"{folder}: has no tokenizer.json; save one there with AutoTokenizer's save_pretrained")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception
        raise CurateError(f"{file}: cannot be read ({error}); fetch the file again") from error
    said = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    if said is None:
        # Models in the way of RoBERTa keep two positions for padding; the tokenizer's limit has them left out.
        positions = _json(folder / "config.json").get("max_position_embeddings", 512) - 2
        said = _json(folder / "tokenizer_config.json").get("model_max_length", positions)
        said = min(said, positions + 2)
    return tokenizer, int(said)


def _pad_id(folder: Path) -> int:
    return int(_json(folder / "config.json").get("pad_token_id") or 0)


def _pooling(folder: Path) -> str:
    """How the folder says that hidden states become one vector; by their mean where it says nothing.

    Raises:
        CurateError: in a way that is not known here, or it is a model for another purpose.
    """
    modules = _json(folder / "modules.json")
    if not modules:
        for name in _json(folder / "config.json").get("architectures") or ():
            if "For" in name and "ForMaskedLM" not in name:
                raise CurateError(
                    f"{folder}: holds a {name}, not a sentence-embedding model; --semantic wants a model such as "
                    "all-MiniLM-L6-v2"
                )
        return "mean"
    for module in modules:
        name = str(module.get("type")).rpartition(".")[2]
        if name not in MODULES:
            raise CurateError(f"{folder}: has a {name} module, which is not supported; known: {', '.join(MODULES)}")
        if name == "Pooling":
            config = _json(folder / str(module.get("path")) / "config.json")
            flags = [key.removeprefix(_FLAG) for key, on in config.items() if key.startswith(_FLAG) and on is True]
            said = "+".join(flags) or str(config.get("pooling_mode", "mean"))
            if said not in POOLINGS:
                raise CurateError(f"{folder}: pools by {said}, which is not supported; known: mean, cls")
            return POOLINGS[said]
    return "mean"


def _forward(folder: Path) -> Forward:
    """What runs the model: onnxruntime for an ONNX file, where it is installed, else torch and transformers."""
    runners: list[tuple[Callable[[], Forward], str]] = []
    if onnx := next((folder / name for name in ONNX_FILES if (folder / name).is_file()), None):
        runners.append((partial(_onnx, onnx), "pip install onnxruntime"))
    if any(folder.glob("*.safetensors")) or any(folder.glob("pytorch_model*.bin")):
        runners.append((partial(_torch, folder), 'pip install "curate[semantic]"'))
    if not runners:
        raise CurateError(
            f"{folder}: holds no weights (model.safetensors or {ONNX_FILES[0]}); fetch the whole folder of the model"
        )
    for run, _ in runners:
        try:
            return run()
        except ImportError:
            continue
    raise CurateError(f"{folder}: what runs the model is not installed; run: {' or: '.join(how for _, how in runners)}")


def _onnx(file: Path) -> Forward:
    from onnxruntime import InferenceSession

    try:
        session = InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common class but this one
        raise CurateError(f"{file}: cannot be loaded ({_first_line(error)}); fetch the file again") from error
    names = {each.name for each in session.get_inputs()}
    output = next((each.name for each in session.get_outputs() if len(each.shape) == 3), None)
    if output is None:
        raise CurateError(f"{file}: gives no hidden states; export the model with optimum's feature-extraction task")

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = session.run([output], {name: value for name, value in inputs.items() if name in names})
        return np.asarray(hidden, dtype=np.float32)

    return forward


def _torch(folder: Path) -> Forward:
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise CurateError(f"{folder}: cannot be loaded ({_first_line(error)})") from error

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            said = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
        hidden: NDArray[np.float32] = said.last_hidden_state.numpy()
        return hidden

    return forward


def _json(file: Path) -> Any:
    """What a JSON file of the folder says; an empty object where it is not there."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CurateError(f"{file}: cannot be read ({error}); fetch the file again") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
