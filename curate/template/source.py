"""Where a model's tokenizer and chat template come from: a folder, a GGUF file, or the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
MORE_TEMPLATES = "additional_chat_templates"
SPECIAL_TOKENS = "special_tokens_map.json"  # what older versions of transformers wrote beside the config
# What is fetched of a model on the hub: all that has a say in a conversation's ids, and never its weights.
FETCHED = [TOKENIZER, CONFIG, SPECIAL_TOKENS, TEMPLATE, f"{MORE_TEMPLATES}/*.jinja"]

_NAME = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w./-]+))?")


class Contents(NamedTuple):
    """What a model's files say: `tokenizer_json` as Hugging Face writes it, templates and special tokens by name."""

    tokenizer_json: bytes
    templates: Mapping[str, str]
    special_tokens: Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """A model that was found: `path` is its folder or GGUF file, `revision` the hub's commit."""

    name: str
    path: Path
    revision: str | None = None


def is_hub_name(model: str | Path) -> bool:
    """Whether a model is named as on the hub, `org/name` or `org/name@revision`, and no such file or folder is here."""
    return _NAME.fullmatch(str(model)) is not None and not Path(model).exists()


def find(model: str | Path, *, offline: bool = False) -> Source:
    """Where the files of a model are on this machine; those of a hub name are fetched if the cache lacks them.

    Raises:
        CurateError: nothing is there, or the hub has not got it or cannot be reached.
    """
    if is_hub_name(model):
        return _from_hub(str(model), offline=offline)
    path = Path(model)
    if not path.exists():
        raise CurateError(
            f"{path}: no such folder; --model takes a local folder that holds {TOKENIZER} and a chat template, a GGUF "
            "file, or a name on the hub (org/name)"
        )
    if path.is_file() and path.name == TOKENIZER:
        return Source(str(model), path.parent)
    return Source(str(model), path)


def _from_hub(name: str, *, offline: bool) -> Source:
    """A model's small files in the hub's cache, as huggingface_hub keeps it; its weights are not fetched.

    What is in the cache is taken as it is, and the hub not asked: what was checked once is checked again.
    """
    match = _NAME.fullmatch(name)
    assert match is not None
    repo, revision = match["repo"], match["revision"]
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError as error:
        raise CurateError(
            f'{name}: no such folder here, and a name on the hub needs huggingface_hub; run: pip install "curate[hub]"'
        ) from error
    try:
        cached = Path(snapshot_download(repo, revision=revision, allow_patterns=FETCHED, local_files_only=True))
    except LocalEntryNotFoundError:
        cached = None
    if cached and all((cached / needed).is_file() for needed in (TOKENIZER, CONFIG)):
        return Source(name, cached, cached.name)
    if offline or constants.HF_HUB_OFFLINE:
        raise CurateError(
            f"{name}: no such folder here, its {TOKENIZER} is not in the hub's cache, and nothing is fetched while "
            "offline (--offline, HF_HUB_OFFLINE); run it once online, or give a folder"
        )
    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=FETCHED))
    except GatedRepoError as error:
        raise CurateError(
            f"{name}: the hub gives it only to those who accepted its terms; do so on the model's page, then log in: "
            "hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise CurateError(f"{name}: the hub has {repo}, but not the revision {revision}; check it") from error
    except RepositoryNotFoundError as error:
        raise CurateError(
            f"{name}: no such folder here, and the hub has no such model; check the name, or log in if it is private: "
            "hf auth login"
        ) from error
    except LocalEntryNotFoundError as error:
        raise CurateError(
            f"{name}: no such folder here, and the hub cannot be reached; check the connection, or give a folder"
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:150]
        raise CurateError(f"{name}: cannot be fetched from the hub ({why}); try again, or give a folder") from error
    return Source(name, folder, folder.name)
