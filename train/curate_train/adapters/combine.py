"""Several adapters of one base made into one.

The usual ways are peft's. Spherical interpolation, which it lacks, needs no approximation: it weighs the two updates of
each module by the angle between them, and a weighted sum of two LoRA updates is a LoRA update of both ranks together.
"""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import save_file
from torch.nn.functional import pad

from curate.errors import CurateError
from curate_train.adapter import BASE
from curate_train.adapters.adapter import CONFIG, WEIGHTS, Adapter, Update

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Method = Literal["cat", "svd", "linear", "ties", "dare_linear", "dare_ties", "slerp"]
METHODS: tuple[str, ...] = get_args(Method)
SAME_RANK = ("linear", "ties", "dare_linear", "dare_ties")
RENDERING = ("tokenizer_sha256", "template_sha256", "template_args")  # of base.json's tokens
WITH_DENSITY = ("ties", "dare_linear", "dare_ties")


def combined(
    adapters: Sequence[Adapter],
    weights: Sequence[float],
    method: Method,
    *,
    rank: int | None = None,
    density: float | None = None,
    seed: int = 0,
) -> dict[str, Update]:
    """What the combination adds to each module.

    `cat` is the weighted sum itself, of the ranks' sum; `svd` the best approximation to it of one `rank` (default: the
    largest of the adapters'), and so is every method with a `rank`. The others are those of peft's
    add_weighted_adapter (TIES: Yadav et al. 2023; DARE: Yu et al. 2023, with a random choice by `seed`). `slerp`
    interpolates the updates of two along the arc between them (Shoemake 1985); its weights add up to 1.

    Raises:
        CurateError: adapters that do not fit together, or settings that do not fit the method.
    """
    _refuse(adapters, weights, method, density)
    if method == "slerp":
        updates = _slerp(adapters, weights[1])
    elif method in ("cat", "svd"):
        updates = _summed(adapters, weights)
        if method == "svd":
            rank = rank or max(adapter.rank for adapter in adapters)
    else:
        updates = _by_peft(adapters, weights, method, density, seed)
    return {name: truncated(update, rank) for name, update in updates.items()} if rank else updates


def _refuse(adapters: Sequence[Adapter], weights: Sequence[float], method: Method, density: float | None) -> None:
    first = adapters[0]
    if len(adapters) < 2:
        raise CurateError("a combination needs two adapters at least")
    if len(weights) != len(adapters):
        raise CurateError(f"{len(weights)} weights for {len(adapters)} adapters; give one for each, in their order")
    for one in adapters:
        if one.other:
            raise CurateError(
                f"{one.folder}: holds more than pairs of LoRA weights ({one.other[0]}), which no combination keeps"
            )
    for one in adapters[1:]:
        if one.identity and first.identity and one.identity != first.identity:
            names = sorted(
                name
                for kind in one.identity
                for name in one.identity[kind].keys() | first.identity[kind].keys()
                if one.identity[kind].get(name) != first.identity[kind].get(name)
            )
            raise CurateError(
                f"{one.folder}: was trained on another base than {first.folder} ({', '.join(names)} differ)"
            )
        if not (one.identity and first.identity) and one.base != first.base:
            raise CurateError(
                f"{one.folder}: was trained on {one.base or 'a base without a name'}, {first.folder} on {first.base}"
            )
        for name in one.updates.keys() & first.updates.keys():
            if one.updates[name].shape != first.updates[name].shape:
                raise CurateError(f"{one.folder}: {name} has another shape than in {first.folder}; the bases differ")
    if method in SAME_RANK:
        ranks = sorted({update.rank for adapter in adapters for update in adapter.updates.values()})
        if len(ranks) > 1:
            raise CurateError(
                f"--method {method} needs equal ranks, these have {', '.join(map(str, ranks))}; use cat, svd or slerp"
            )
        if len({frozenset(adapter.updates) for adapter in adapters}) > 1:
            raise CurateError(f"--method {method} needs adapters of the same modules; use cat, svd or slerp")
    if (method in WITH_DENSITY) != (density is not None):
        verb = "needs" if density is None else "has no"
        raise CurateError(f"--method {method} {verb} --density, the share of the weights that each adapter keeps")
    if method == "slerp" and (len(adapters) != 2 or not math.isclose(sum(weights), 1) or min(weights) < 0):
        raise CurateError("--method slerp is between two adapters, with weights from 0 to 1 that add up to 1")


def _summed(adapters: Sequence[Adapter], weights: Sequence[float]) -> dict[str, Update]:
    weighted = list(zip(weights, adapters, strict=True))
    modules = sorted({name for adapter in adapters for name in adapter.updates})
    return {
        name: summed([(weight, one.updates[name]) for weight, one in weighted if name in one.updates])
        for name in modules
    }


def summed(parts: Sequence[tuple[float, Update]]) -> Update:
    """The weighted sum of updates of one module: the ranks add up, and nothing is lost."""
    down = torch.cat([update.down for _, update in parts])
    up = torch.cat([weight * update.scale * update.up for weight, update in parts], dim=1)
    return Update(down, up, 1.0)


def _slerp(adapters: Sequence[Adapter], share: float) -> dict[str, Update]:
    """`share`: how far from the first to the second. A module that one of them leaves alone is scaled."""
    left, right = (adapter.updates for adapter in adapters)
    found = _summed(adapters, (1 - share, share))
    for name in left.keys() & right.keys():
        pair = left[name], right[name]
        found[name] = summed(list(zip(arc(*pair, share), pair, strict=True)))
    return found


def arc(left: Update, right: Update, share: float) -> tuple[float, float]:
    """The weights of two updates `share` of the way from the first to the second along the arc between them.

    Where there is no arc (one of them is zero, or they point the same or the opposite way) they are 1 - share and
    share.
    """
    lengths = math.sqrt(inner(left, left) * inner(right, right))
    cosine = inner(left, right) / lengths if lengths else 1.0
    if abs(cosine) > 1 - 1e-9:
        return 1 - share, share
    angle = math.acos(cosine)
    return math.sin((1 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle)


def inner(left: Update, right: Update) -> float:
    """The sum of the products of the entries of two updates, without making either (trace of A'B' B A)."""
    ups = left.up.double().T @ right.up.double()
    downs = left.down.double() @ right.down.double().T
    return left.scale * right.scale * float((ups * downs).sum())


def truncated(update: Update, rank: int) -> Update:
    """The closest update of this rank (Eckart and Young 1936), by the singular values of a small core.

    It has no more ranks than its smaller side, which is all that any matrix of its shape has.
    """
    if rank >= update.rank:
        return update
    basis_up, left = torch.linalg.qr(update.up.double())
    basis_down, right = torch.linalg.qr(update.down.double().T)
    u, values, v = torch.linalg.svd(update.scale * left @ right.T, full_matrices=False)
    root = values[:rank].sqrt()
    return Update((root[:, None] * v[:rank] @ basis_down.T).float(), (basis_up @ u[:, :rank] * root).float(), 1.0)


def _by_peft(
    adapters: Sequence[Adapter], weights: Sequence[float], method: Method, density: float | None, seed: int
) -> dict[str, Update]:
    """By peft's add_weighted_adapter, on a skeleton of the base that has the adapted modules and no weights."""
    torch.manual_seed(seed)
    model = PeftModel(skeleton(adapters[0]), _plain_config(adapters[0]), adapter_name="0")
    for number, adapter in enumerate(adapters):
        if number:
            model.add_adapter(str(number), _plain_config(adapter))
        for name, update in adapter.updates.items():
            layer = model.get_submodule(f"base_model.model.{name}")
            layer.lora_A[str(number)].weight = torch.nn.Parameter(update.down)
            layer.lora_B[str(number)].weight = torch.nn.Parameter(update.up)
            layer.scaling[str(number)] = update.scale
    names = [str(number) for number in range(len(adapters))]
    model.add_weighted_adapter(names, list(weights), "all", method, density=density)
    found: dict[str, Update] = {}
    for name in adapters[0].updates:
        layer = model.get_submodule(f"base_model.model.{name}")
        down, up = (side["all"].weight.detach() for side in (layer.lora_A, layer.lora_B))
        found[name] = Update(down, up, float(layer.scaling["all"]))
    return found


def skeleton(adapter: Adapter) -> torch.nn.Module:
    """A model of the adapted modules alone: linear layers without memory, under the names of the base's."""
    root = torch.nn.Module()
    for name, update in adapter.updates.items():
        *path, last = name.split(".")
        parent = root
        for part in path:
            if part not in dict(parent.named_children()):
                parent.add_module(part, torch.nn.Module())
            parent = parent.get_submodule(part)
        outputs, inputs = update.shape
        linear = torch.nn.Linear(inputs, outputs, bias=False, device="meta")
        # One number seen many times: peft puts an adapter beside the weight, which cannot be nowhere.
        linear.weight = torch.nn.Parameter(torch.zeros(1).expand(outputs, inputs), requires_grad=False)
        parent.add_module(last, linear)
    return root


def shared_facts(adapters: Sequence[Adapter]) -> dict[str, Any]:
    """What base.json says of each of them alike: on which base the combination may be put, and how it is computed.

    Without an identity of the base that all have, nothing: then nobody can say where the combination belongs.
    """
    first = adapters[0]
    if not first.identity or any(one.identity != first.identity for one in adapters):
        return {}
    return {key: value for key, value in first.facts.items() if all(one.facts.get(key) == value for one in adapters)}


def differences(adapters: Sequence[Adapter]) -> list[str]:
    """What adapters of one base were trained with that makes them fit less well together, for people."""
    found = []
    for key, what in (("quant", "the base quantised otherwise"), ("tokens", "another template or tokenizer")):
        known = [one.facts[key] for one in adapters if key in one.facts]
        said = [{name: facts.get(name) for name in RENDERING} if key == "tokens" else facts for facts in known]
        if any(one != said[0] for one in said):
            values = f" ({', '.join(map(str, said))})" if key == "quant" else ""
            found.append(f"they were trained with {what}{values}: measure the combination before you use it")
    return found


def _plain_config(adapter: Adapter) -> Any:
    return LoraConfig(r=adapter.rank, lora_alpha=adapter.rank, target_modules=sorted(adapter.updates))


def write(updates: Mapping[str, Update], adapters: Sequence[Adapter], made: Mapping[str, Any], out: Path) -> int:
    """Write the combination as an adapter that peft loads, with how it was made in combined.json; returns its rank.

    Every module has the same rank there, filled up with zeros, and alpha equals it: servers read that best.

    Raises:
        CurateError: the folder exists, or cannot be written.
    """
    rank = max(update.rank for update in updates.values())
    tensors: dict[str, torch.Tensor] = {}
    for name, update in updates.items():
        missing = rank - update.rank
        module = f"base_model.model.{name}"
        tensors[f"{module}.lora_A.weight"] = pad(update.down, (0, 0, 0, missing)).contiguous()
        tensors[f"{module}.lora_B.weight"] = pad(update.scale * update.up, (0, missing)).contiguous()
    named = [one.config["target_modules"] for one in adapters]
    is_listed = all(isinstance(names, list) for names in named)
    targets = {name for names in named for name in names} if is_listed else set(updates)
    plain = {"r": rank, "lora_alpha": rank, "use_rslora": False, "rank_pattern": {}, "alpha_pattern": {}}
    config = {**adapters[0].config, **plain, "target_modules": sorted(targets)}
    if out.exists():
        raise CurateError(f"{out}: exists; name another folder with -o")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
            folder = Path(scratch, out.name)
            folder.mkdir()
            save_file(tensors, folder / WEIGHTS, {"format": "pt"})
            for name, content in ((CONFIG, config), ("combined.json", made), (BASE, shared_facts(adapters))):
                if not content:
                    continue
                (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            folder.rename(out)
    except OSError as error:
        raise CurateError(f"{out}: cannot be written ({error.strerror or error})") from error
    return rank
