"""A LoRA adapter as it lies on disk: what it adds to each weight, read without the model that it was trained on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from curate.errors import CurateError
from curate.run import file_hash
from curate_train.adapter import BASE, adapter_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PAIR = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


@dataclass(frozen=True)
class Update:
    """What an adapter adds to the weight of one module: `scale` * up @ down.

    `down` has the shape (rank, inputs) and `up` (outputs, rank), as lora_A and lora_B, in fp32.
    """

    down: Tensor
    up: Tensor
    scale: float

    @property
    def rank(self) -> int:
        """Rows of `down` and columns of `up`."""
        return int(self.down.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs of the module."""
        return int(self.up.shape[0]), int(self.down.shape[1])


@dataclass
class Adapter:
    """A folder with adapter_config.json and adapter_model.safetensors; `updates` go by the module's name in the base.

    `other` are the names of tensors that belong to no pair of lora_A and lora_B: DoRA's magnitudes, whole modules.
    """

    folder: Path
    config: dict[str, Any]
    updates: dict[str, Update]
    other: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """How many numbers its pairs hold."""
        return sum(update.down.numel() + update.up.numel() for update in self.updates.values())

    @property
    def rank(self) -> int:
        """The largest of any module."""
        return max(update.rank for update in self.updates.values())

    @property
    def base(self) -> str:
        """What it was trained on, by name."""
        return str(self.config.get("base_model_name_or_path") or "")

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the training that made this adapter wrote down of its base, of the tokens and of how it computed."""
        try:
            return dict(json.loads((self.folder / BASE).read_bytes()))
        except (OSError, ValueError):
            return {}

    @property
    def identity(self) -> dict[str, dict[str, str]]:
        """The hashes of the base model's small files and the fingerprints of its weights, where they are known."""
        found = self.facts.get("base", {})
        return {kind: dict(found.get(kind, {})) for kind in ("files", "weights")} if found else {}

    @property
    def method(self) -> str:
        """Its kind, in the field's words."""
        kinds = {"use_dora": "DoRA", "use_rslora": "rsLoRA"}
        named = [name for key, name in kinds.items() if self.config.get(key)]
        return " + ".join(named) or "LoRA"

    @cached_property
    def sha256(self) -> str:
        """Of its weights."""
        return file_hash(self.folder / WEIGHTS)


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter; `folder` may be a run, whose adapter is then read.

    Raises:
        CurateError: no adapter there, or one of another kind than LoRA.
    """
    folder = adapter_in(folder)
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            tensors = dict(zip(names := file.keys(), map(file.get_tensor, names), strict=True))
    except FileNotFoundError as error:
        raise CurateError(
            f"{folder}: no adapter ({CONFIG} and {WEIGHTS}); give a folder that curate train or peft wrote, or a run"
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise CurateError(f"{folder}: the adapter cannot be read ({error})") from error
    if config.get("peft_type") != "LORA":
        raise CurateError(f"{folder}: is {config.get('peft_type')}, and only LoRA adapters and their kin can be read")
    return _paired(folder, config, tensors)


def _paired(folder: Path, config: dict[str, Any], tensors: Mapping[str, Tensor]) -> Adapter:
    sides: dict[str, dict[str, Tensor]] = {}
    other: list[str] = []
    for name, tensor in tensors.items():
        found = _PAIR.fullmatch(name)
        if found and tensor.dim() == 2:
            sides.setdefault(found["module"], {})[found["side"]] = tensor.float()
        else:
            other.append(name)
    if lone := [module for module, pair in sides.items() if len(pair) < 2]:
        raise CurateError(f"{folder / WEIGHTS}: {lone[0]} has one half of its LoRA pair only; the file is damaged")
    if not sides:
        raise CurateError(f"{folder / WEIGHTS}: holds no LoRA weights")
    updates = {
        module: Update(pair["A"], pair["B"], _scale(config, module, int(pair["A"].shape[0])))
        for module, pair in sorted(sides.items())
    }
    return Adapter(folder, config, updates, sorted(other))


def _scale(config: Mapping[str, Any], module: str, rank: int) -> float:
    """alpha / r, or alpha / sqrt(r) for rsLoRA (Kalajdzievski 2023); alpha_pattern goes by the end of a name, as in
    peft."""
    patterns = config.get("alpha_pattern") or {}
    own = next((alpha for key, alpha in patterns.items() if re.match(rf"(.*\.)?({key})$", module)), None)
    alpha = float(config["lora_alpha"] if own is None else own)
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)
