"""What some variants of LoRA do beside the steps of a training, and what they save in the place of what they train.

PiSSA (Meng et al. 2024, arXiv 2404.02948) starts from the largest singular values of each weight, which it takes out of
the base. AdaLoRA (Zhang et al. 2023, arXiv 2303.10512) trains singular values, and takes the least important ones away.
The others are only another config of the adapter (DoRA, rsLoRA) or of the optimiser (LoRA+).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from curate.errors import CurateError
from curate_train.adapter import save
from curate_train.checkpoint import explaining_a_full_disk
from curate_train.model import give_memory_back, off_the_file

if TYPE_CHECKING:
    from pathlib import Path

    from curate_train.settings import Settings

TRAINED = "trained.safetensors"
# peft's name for the paper's fast SVD, which finds no more of the singular values than are needed.
PISSA = "pissa_niter_16"
# Of all steps: those before the first rank is taken away, and those with the ranks as they are in the end; about as in
# the paper's own trainings.
RISING, FINAL = 0.1, 0.5
LEAST_STEPS = 2  # one to learn what is important, and one to take the rest away
_IMPORTANCE = ("ipt", "exp_avg_ipt", "exp_avg_unc")


def refuse_few_steps(settings: Settings, rows: int) -> None:
    """Raises:
    CurateError: too few for AdaLoRA.
    """
    if settings.adalora and (steps := settings.steps(rows)) < LEAST_STEPS:
        raise CurateError(
            f"--adalora: {steps} optimiser step from {rows:,} rows is too few to learn which ranks matter; take more "
            "--epochs or --accumulate 1, or leave it out"
        )


def variant_of(model: Any, settings: Settings, folder: Path) -> Variant:
    """What goes with the adapter on this model, which it may change; `folder` is that of the fit."""
    if settings.init == "pissa":
        return Pissa(model, folder / "initial")
    return AdaLora(model) if settings.adalora else Variant(model)


class Variant(TrainerCallback):  # type: ignore[misc]
    """LoRA, DoRA, rsLoRA and LoRA+: what is trained is what is saved."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def penalty(self) -> torch.Tensor | None:
        """What is added to the loss of a step."""
        return None

    def is_settled(self, step: int) -> bool:
        """Whether the adapter after this step is of the shape that was asked for."""
        return True

    def save(self, folder: Path) -> None:
        """Write the adapter as plain peft loads it onto the plain base, and what `load` needs."""
        save(self.model, folder)

    def load(self, folder: Path) -> bool:
        """Go on from a checkpoint; False where the adapter in it is all there is to load."""
        return False

    def _save_trained(self, folder: Path, **more: dict[str, torch.Tensor]) -> None:
        groups = {"trained": {name: parameter.data for name, parameter in self.trainable.items()}, **more}
        tensors = {f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / TRAINED)

    def _load_trained(self, folder: Path) -> dict[str, dict[str, torch.Tensor]]:
        groups: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in load_file(folder / TRAINED, device=str(self.model.device)).items():
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = tensor
        for name, tensor in groups.pop("trained").items():
            self.trainable[name].data.copy_(tensor)
        return groups


class Pissa(Variant):
    """Saved as the adapter less the one that it started from, `initial`: a plain LoRA of twice the rank that goes onto
    the base as it was. The base is rounded anew where it is bf16, by which the two differ a little."""

    def __init__(self, model: Any, initial: Path) -> None:
        super().__init__(model)
        self.initial = initial
        # Not by init_lora_weights, for which peft rounds the adapter to bf16 after it was taken out of a bf16 base.
        for layer in model.modules():
            if isinstance(layer, LoraLayer):
                layer.pissa_init("default", PISSA)
        if model.device.type == "cpu":
            off_the_file(model)  # nearly all weights are new ones
            give_memory_back()
        with explaining_a_full_disk(initial.parent):
            save(model, initial)

    def save(self, folder: Path) -> None:
        save(self.model, folder, less=self.initial)
        self._save_trained(folder)

    def load(self, folder: Path) -> bool:
        self._load_trained(folder)
        return True


class AdaLora(Variant):
    """Saved with the ranks that are left, while all of them are trained on: one that was taken away may come back."""

    @property
    def config(self) -> Any:
        return self.model.peft_config["default"]

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        steps = state.max_steps
        final = min(int(FINAL * steps), steps - LEAST_STEPS)
        self.config.total_step, self.config.tinit, self.config.tfinal = steps, int(RISING * steps), final

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.model.base_model.update_and_allocate(state.global_step + 1)

    def penalty(self) -> torch.Tensor:
        """How far from orthogonal both sides are on average, in the norm of Frobenius: without it their singular values
        would say nothing about their importance. peft adds it only to a loss that the model computes itself."""
        sides = [
            p @ p.T if "lora_A" in name else p.T @ p for name, p in self.trainable.items() if ".lora_E." not in name
        ]
        apart = [torch.linalg.norm(side - torch.eye(len(side), device=side.device)) for side in sides]
        weight: float = self.config.orth_reg_weight
        return weight * torch.stack(apart).mean()

    def is_settled(self, step: int) -> bool:
        return bool(step >= self.config.total_step - self.config.tfinal)

    def save(self, folder: Path) -> None:
        save(self.model, folder)
        allocator = self.model.base_model.rankallocator
        self._save_trained(folder, **{name: getattr(allocator, name) for name in _IMPORTANCE})

    def load(self, folder: Path) -> bool:
        groups = self._load_trained(folder)
        for name in _IMPORTANCE:
            setattr(self.model.base_model.rankallocator, name, groups.get(name, {}))
        self.config.rank_pattern = json.loads((folder / "adapter_config.json").read_bytes())["rank_pattern"]
        return True
