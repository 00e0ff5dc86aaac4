"""Which layers an adapter trains, which it leaves out and why: settled and shown before the first step."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from peft import AdaLoraConfig, LoraConfig, get_peft_model
from peft.tuners.adalora import AdaLoraLayer
from transformers.pytorch_utils import Conv1D

from curate.errors import CurateError
from curate_train.loss import base_of, summed_loss
from curate_train.shape import without_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curate_train.settings import Settings

LINEAR = (torch.nn.Linear, Conv1D)  # bitsandbytes' 4-bit layers are subclasses of Linear
ROUTERS = {"gate", "router", "shared_expert_gate"}
REHEARSED_TOKENS = 32

HEAD = "output layer"
ROUTER = "router"
EXPERT = "routed expert"
REFUSED = "peft cannot adapt it in this architecture"
NO_GRADIENT = "no gradient reaches it"


@dataclass(frozen=True)
class Targets:
    """The modules of a model that get an adapter, by their full names, and those that do not, by the reason.

    `routers` are all routers, adapted or not; `experts` the parameters of routed experts, which 4-bit quantisation
    leaves as they are where they are no linear layers. `checked` is whether it was tried that a gradient arrives.
    """

    adapted: list[str]
    missed: dict[str, list[str]] = field(default_factory=dict)
    routers: list[str] = field(default_factory=list)
    experts: dict[str, int] = field(default_factory=dict)
    parameters: list[str] = field(default_factory=list)
    checked: bool = False

    def config(self, settings: Settings, model: Any) -> LoraConfig:
        """What peft is told. Names are as short as servers like them where that means exactly these modules."""
        names = {name for name, module in model.named_modules() if isinstance(module, LINEAR)}
        short = sorted({last(name) for name in self.adapted})
        meant = {name for name in names if last(name) in short}
        common = {
            "task_type": "CAUSAL_LM",
            "lora_alpha": settings.alpha,
            "lora_dropout": settings.dropout,
            "target_modules": short if meant == set(self.adapted) else sorted(self.adapted),
            "target_parameters": self.parameters or None,
        }
        if settings.adalora:
            # How many steps there will be is said when training begins, see `variants`.
            return AdaLoraConfig(**common, init_r=settings.first_rank, target_r=settings.rank, total_step=1)
        return LoraConfig(**common, r=settings.rank, use_rslora=settings.rslora, use_dora=settings.dora)

    def as_json(self) -> dict[str, Any]:
        return {
            "adapted": grouped(self.adapted),
            "adapted_parameters": self.parameters,
            "missed": {reason: grouped(names) for reason, names in self.missed.items()},
            "routers": len(self.routers),
            "unquantised_expert_parameters": sum(self.experts.values()),
            "gradients_checked": self.checked,
        }


def choose(model: Any, settings: Settings) -> Targets:
    """The targets in a model without values (see `shape`), which is left as it is.

    All linear layers but: the output layer; routers, unless asked for (a router that is trained on a few hundred rows
    sends tokens to other experts than those that know them); routed experts (an adapter for each is a second model);
    what peft refuses, as `out_proj` of Mamba, whose fused kernel takes the weight and not the layer; and what no
    gradient reaches, as Jamba's `dt_proj`.

    Raises:
        CurateError: no layer is left; the router is to be trained where there is none, or by what peft cannot; or PiSSA
            is to start from more singular values than a layer has.
    """
    found = _by_kind(model, settings)
    found = _without_refused(model, found, settings)
    found = _without_dead(model, found, settings)
    if not found.adapted:
        raise CurateError(
            f"the model ({model.config.model_type}) has no linear layer that could be adapted; "
            f"left out: {', '.join(found.missed) or 'nothing'}"
        )
    if settings.init == "pissa":
        _refuse_more_than_there_is(model, found, settings)
    return found


def _refuse_more_than_there_is(model: Any, targets: Targets, settings: Settings) -> None:
    sides = {name: min(model.get_submodule(name).weight.shape) for name in targets.adapted}
    narrowest = min(sides, key=lambda name: sides[name])
    if settings.rank > sides[narrowest]:
        raise CurateError(
            f"--init pissa and --rank {settings.rank}: {narrowest} has {sides[narrowest]} singular values only; "
            f"take --rank {sides[narrowest]} or less"
        )


def adapted(model: Any, targets: Targets, settings: Settings, *, empty: bool = False) -> Any:
    """The model with the adapter on it: a peft model. It changes `model`."""
    made = get_peft_model(model, targets.config(settings, model), low_cpu_mem_usage=empty)
    for layer in made.modules() if settings.adalora else ():
        if isinstance(layer, AdaLoraLayer):  # its divisor; peft would train it where the base is bf16, and not save it
            rank = layer.ranknum["default"].data
            layer.ranknum["default"] = torch.nn.Parameter(rank.to("meta") if empty else rank, requires_grad=False)
    return made


def parameters(model: Any) -> tuple[int, int]:
    """How many parameters are trained, and how many there are in all."""
    trainable, total = model.get_nb_trainable_parameters()
    counters = sum(p.numel() for name, p in model.named_parameters() if ".ranknum." in name)  # AdaLoRA's, no weights
    return int(trainable), int(total) - counters


def last(name: str) -> str:
    return name.rpartition(".")[2]


def grouped(names: Iterable[str]) -> dict[str, int]:
    """Module names without the numbers in them, each with how many there are: layers differ in nothing else."""
    counts: dict[str, int] = {}
    for name in names:
        key = ".".join(part for part in name.split(".") if not part.isdigit())
        counts[key] = counts.get(key, 0) + 1
    return counts


def _by_kind(model: Any, settings: Settings) -> Targets:
    head = model.get_output_embeddings()
    experts = {
        name: parameter.numel()
        for name, parameter in model.named_parameters()
        if "experts" in name.split(".") and parameter.ndim == 3
    }
    has_experts = bool(experts) or any("experts" in name.split(".") for name, _ in model.named_modules())
    targets = Targets([], experts=experts)
    for name, module in model.named_modules():
        is_router = has_experts and last(name) in ROUTERS
        if is_router:
            targets.routers.append(name)
            if settings.train_router and not isinstance(module, LINEAR):
                targets.parameters.append(f"{name}.weight")
                continue
        if not isinstance(module, LINEAR):
            if is_router:
                targets.missed.setdefault(ROUTER, []).append(name)
        elif module is head:
            targets.missed.setdefault(HEAD, []).append(name)
        elif "experts" in name.split("."):
            targets.missed.setdefault(EXPERT, []).append(name)
        elif is_router and not settings.train_router:
            targets.missed.setdefault(ROUTER, []).append(name)
        else:
            targets.adapted.append(name)
    targets.missed.setdefault(EXPERT, []).extend(experts)
    if not targets.missed[EXPERT]:
        del targets.missed[EXPERT]
    if settings.train_router and not targets.routers:
        raise CurateError(f"--train-router: the model ({model.config.model_type}) has no router")
    if targets.parameters and (settings.dora or settings.adalora or settings.init == "pissa"):
        raise CurateError(
            f"--train-router: peft adapts the routers of this model by plain LoRA only, not by {settings.method}; "
            "leave one of the two out"
        )
    if targets.parameters and settings.dropout:
        raise CurateError("--train-router: peft adapts the routers of this model without dropout only: --dropout 0")
    return targets


def _without_refused(model: Any, targets: Targets, settings: Settings) -> Targets:
    """What peft adapts of the targets when it is asked to: it refuses some names for some models, and takes others for
    those of the routed experts, which would then all be trained."""
    if not (found := _tried(model, targets, settings)):
        left = list(targets.adapted)
        for name in sorted({last(name) for name in targets.adapted}):
            alone = [full for full in targets.adapted if last(full) == name]
            if not _tried(model, _with(targets, alone), settings):
                left = [full for full in left if full not in alone]
        found = set(left)
    return _without(targets, [name for name in targets.adapted if name not in found], REFUSED)


def _tried(model: Any, targets: Targets, settings: Settings) -> set[str]:
    """The modules that peft adapts when asked for these, or nothing if it refuses or adapts parameters besides."""
    config = targets.config(settings, model)
    try:
        made = get_peft_model(copy.deepcopy(model), config, low_cpu_mem_usage=True)
    except ValueError:
        return set()
    if set(config.target_parameters or ()) != set(targets.parameters):
        return set()
    return {
        name.removeprefix("base_model.model.") for name, module in made.named_modules() if hasattr(module, "lora_A")
    }


def _without_dead(model: Any, targets: Targets, settings: Settings) -> Targets:
    """Without the modules that no gradient reaches, which a backward on the meta device shows."""
    made = adapted(copy.deepcopy(model), targets, settings, empty=True)
    try:
        with without_values(base_of(made)):
            ids = torch.zeros((1, REHEARSED_TOKENS), dtype=torch.long)
            hidden = base_of(made).base_model(input_ids=ids, use_cache=False)[0]
            summed_loss(made, hidden[0], ids[0]).backward()
    except (RuntimeError, NotImplementedError):  # an operator that has no shape without values: the first step checks
        return targets
    dead = {
        name.removeprefix("base_model.model.").partition(".lora_")[0]
        for name, parameter in made.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    }
    left = _without(targets, [name for name in targets.adapted if name in dead], NO_GRADIENT)
    return Targets(**{**vars(left), "checked": True})


def _with(targets: Targets, names: list[str]) -> Targets:
    return Targets(**{**vars(targets), "adapted": names})


def _without(targets: Targets, names: list[str], reason: str) -> Targets:
    if not names:
        return targets
    gone = set(names)
    left = [name for name in targets.adapted if name not in gone]
    return Targets(**{**vars(targets), "adapted": left, "missed": {**targets.missed, reason: names}})
