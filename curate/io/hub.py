"""Data sets of the Hugging Face hub: their files, read by our own readers.

Not by the library `datasets`, which turns columns of ISO dates into timestamps.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate.io.records import COMPRESSION_SUFFIXES, DATA_SUFFIXES, data_suffix

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEME = "hf://"
_NAME = re.compile(r"(?:datasets/)?(?P<repo>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?(?::(?P<split>[\w.-]+))?")
_SPLIT_WORDS = frozenset({"train", "training", "test", "validation", "valid", "val", "dev", "eval"})


def hub_files(name: str) -> Iterator[tuple[str, Path]]:
    """Yield (name for reports, local file) of each data file of `hf://owner/name[@revision][:split]`, in order.

    What is in the hub's cache already is not fetched again; with HF_HUB_OFFLINE=1 nothing is fetched at all.

    Raises:
        CurateError: huggingface_hub is not installed, the name has another shape, or it has no such files.
    """
    match = _NAME.fullmatch(name.removeprefix(SCHEME))
    if match is None:
        raise CurateError(
            f"{name}: not a data set; write hf://owner/name, hf://owner/name:split or hf://owner/name@revision"
        )
    repo, revision, split = match["repo"], match["revision"], match["split"]
    folder = _fetched(name, repo, revision)
    files = sorted(
        file.relative_to(folder)
        for file in folder.rglob("*")
        if data_suffix(file.name) in DATA_SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    chosen = files if split is None else of_split(files, split)
    if not chosen:
        have = ", ".join(map(str, files[:5])) or "none"
        raise CurateError(f"{name}: no data files{f' of split {split}' if split else ''}; the data set's files: {have}")
    prefix = SCHEME + repo + (f"@{revision}" if revision else "")
    for file in chosen:
        yield f"{prefix}/{file.as_posix()}", folder / file


def of_split(files: list[Path], split: str) -> list[Path]:
    """The files with the split's name as a word of their path; all of them for "train" where no path names a split."""
    words = {file: set(re.split(r"[^a-z0-9]+", file.as_posix().lower())) for file in files}
    named = [file for file in files if split.lower() in words[file]]
    if not named and split == "train" and not any(words[file] & _SPLIT_WORDS for file in files):
        return files
    return named


def _fetched(name: str, repo: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import snapshot_download  # type: ignore[import-not-found, unused-ignore]
        from huggingface_hub.errors import (  # type: ignore[import-not-found, unused-ignore]
            HfHubHTTPError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise CurateError(
            f'{name}: reading from the hub needs huggingface_hub; run: pip install "curate[hub]"'
        ) from error
    patterns = [f"*{data}{packed}" for data in DATA_SUFFIXES for packed in ("", *COMPRESSION_SUFFIXES)]
    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=patterns))
    except LocalEntryNotFoundError as error:
        raise CurateError(
            f"{name}: not in the local cache, and the hub cannot be reached; fetch it while online"
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        why = str(error).strip().splitlines()[0]
        raise CurateError(
            f"{name}: the hub refused it ({why[:150]}); check the name, or log in with `hf auth login`"
        ) from error
