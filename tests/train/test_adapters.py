"""Adapters read, measured and combined: with ranks that are known, and beside what plain peft says of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from curate.cli.main import cli
from curate.errors import CurateError

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
pytest.importorskip("transformers")

from curate_train.adapters.adapter import Update, read_adapter  # noqa: E402
from curate_train.adapters.combine import METHODS, SAME_RANK, WITH_DENSITY, arc, combined, truncated, write  # noqa: E402
from curate_train.adapters.ranks import rank_use, singular_values  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("default")  # torch and peft warn about themselves


def base(model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()


def made(folder: Path, model: Path, seed: int = 0, *, rank: int = 4, **settings: Any) -> Path:
    """An adapter that plain peft saved, with random weights in both halves."""
    torch.manual_seed(seed)
    settings = {"target_modules": ["q_proj", "down_proj"], "r": rank, "lora_alpha": 2 * rank} | settings
    adapted = peft.get_peft_model(base(model), peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.1)
    adapted.save_pretrained(folder, save_embedding_layers=False)
    return folder


def as_made(update: Update) -> Any:
    return update.scale * update.up @ update.down


def logits(model: Path, *adapters: tuple[Path, float]) -> Any:
    """What plain peft says with the weighted sum of some adapters."""
    adapted = base(model)
    if adapters:
        adapted = peft.PeftModel.from_pretrained(adapted, adapters[0][0], adapter_name="0")
        for number, (folder, _) in enumerate(adapters[1:], 1):
            adapted.load_adapter(folder, adapter_name=str(number))
        for module in adapted.modules():
            if isinstance(getattr(module, "scaling", None), dict):
                for number, (_, weight) in enumerate(adapters):
                    if str(number) in module.scaling:
                        module.scaling[str(number)] *= weight
        adapted.base_model.set_adapter([str(number) for number in range(len(adapters))])
    with torch.no_grad():
        return adapted(torch.arange(3, 40)[None]).logits


def known(shape: tuple[int, int], values: list[float], rank: int, scale: float) -> Update:
    """An update with these singular values (before its scale), of a larger rank."""
    left, _ = torch.linalg.qr(torch.randn(shape[0], rank, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(shape[1], rank, dtype=torch.float64))
    mixing = torch.linalg.qr(torch.randn(rank, rank, dtype=torch.float64))[0]
    filled = torch.tensor(values + [0.0] * (rank - len(values)), dtype=torch.float64)
    return Update((mixing.T @ right.T).float(), (left * filled @ mixing).float(), scale)


def test_singular_values_are_those_of_the_whole_product() -> None:
    torch.manual_seed(0)
    update = known((48, 40), [3.0, 2.0, 0.5], rank=8, scale=2.0)
    values = singular_values(update)
    assert values[:3].tolist() == pytest.approx([6.0, 4.0, 1.0], rel=1e-5)
    assert values[3:].abs().max() < 1e-5
    assert torch.allclose(values, torch.linalg.svdvals(as_made(update).double())[:8], atol=1e-5)


def test_rank_use_of_an_adapter_with_a_known_rank(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    folder = made(tmp_path / "a", tiny, rank=32)
    adapter = read_adapter(folder)
    nine = {name: known(one.shape, [1.0] * 9, 32, one.scale) for name, one in adapter.updates.items()}
    write(nine, [adapter], {}, tmp_path / "nine")
    whole, *kinds = rank_use(read_adapter(tmp_path / "nine"))
    assert (whole.rank, whole.used, whole.most, whole.enough) == (32, 9, 9, 16)
    assert [kind.name for kind in kinds] == ["down_proj", "q_proj"]
    assert rank_use(read_adapter(tmp_path / "nine"), energy=0.5)[0].used == 5
    cli.main(["adapters", "inspect", str(tmp_path / "nine")], standalone_mode=False)
    assert "rank 32: 9 directions carry 95% of what it adds, so rank 16 would do." in capsys.readouterr().out
    full = {name: known(one.shape, [1.0] * 32, 32, 1.0) for name, one in adapter.updates.items()}
    write(full, [adapter], {}, tmp_path / "full")
    cli.main(["adapters", "inspect", str(tmp_path / "full"), "--output-format", "json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["use"][0]["enough"] == 32


def test_one_needy_module_is_not_hidden_by_the_others(tmp_path: Path, tiny: Path) -> None:
    torch.manual_seed(0)
    adapter = read_adapter(made(tmp_path / "a", tiny, rank=16))
    updates = {name: known(one.shape, [10.0], 16, 1.0) for name, one in adapter.updates.items()}
    needy = next(iter(updates))
    updates[needy] = known(updates[needy].shape, [0.1] * 12, 16, 1.0)
    write(updates, [adapter], {}, tmp_path / "b")
    whole = rank_use(read_adapter(tmp_path / "b"))[0]
    assert (whole.used, whole.most) == (1, 12)


def test_an_untrained_adapter_adds_nothing(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = peft.get_peft_model(base(tiny), peft.LoraConfig(r=4, target_modules=["q_proj"]))
    fresh.save_pretrained(tmp_path / "a", save_embedding_layers=False)
    cli.main(["adapters", "inspect", str(tmp_path / "a")], standalone_mode=False)
    assert "It adds nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    "settings", [{}, {"use_rslora": True}, {"alpha_pattern": {"q_proj": 3}, "rank_pattern": {"down_proj": 2}}]
)
def test_updates_are_what_peft_adds(tmp_path: Path, tiny: Path, settings: dict[str, Any]) -> None:
    folder = made(tmp_path / "a", tiny, **settings)
    merged = peft.PeftModel.from_pretrained(base(tiny), folder).merge_and_unload().state_dict()
    before = base(tiny).state_dict()
    updates = read_adapter(folder).updates
    assert len(updates) == 4
    for name, update in updates.items():
        assert torch.allclose(as_made(update), merged[f"{name}.weight"] - before[f"{name}.weight"], atol=1e-5)


def test_cat_is_the_weighted_sum(tmp_path: Path, tiny: Path) -> None:
    one, two = (
        made(tmp_path / "1", tiny, 1),
        made(tmp_path / "2", tiny, 2, rank=6, target_modules=["q_proj", "up_proj"]),
    )
    pair = [read_adapter(one), read_adapter(two)]
    rank = write(combined(pair, [0.7, -0.4], "cat"), pair, {}, tmp_path / "both")
    assert rank == 10
    both = logits(tiny, (tmp_path / "both", 1.0))
    assert torch.allclose(both, logits(tiny, (one, 0.7), (two, -0.4)), atol=1e-4)
    assert not torch.allclose(both, logits(tiny), atol=1e-2)


@pytest.mark.parametrize("method", [method for method in METHODS if method in SAME_RANK])
def test_methods_of_peft_give_what_peft_gives_on_the_real_model(tmp_path: Path, tiny: Path, method: Any) -> None:
    one, two = made(tmp_path / "1", tiny, 1), made(tmp_path / "2", tiny, 2)
    density = 0.6 if method in WITH_DENSITY else None
    pair = [read_adapter(one), read_adapter(two)]
    found = combined(pair, [0.8, 0.5], method, density=density, seed=3)
    real = peft.PeftModel.from_pretrained(base(tiny), one, adapter_name="0")
    real.load_adapter(two, adapter_name="1")
    torch.manual_seed(3)
    real.add_weighted_adapter(["0", "1"], [0.8, 0.5], "all", method, density=density)
    for name, update in found.items():
        layer = real.get_submodule(f"base_model.model.{name}")
        theirs = layer.scaling["all"] * layer.lora_B["all"].weight @ layer.lora_A["all"].weight
        if method.startswith("dare"):  # the order of the modules decides what is left out
            assert update.shape == tuple(theirs.shape)
        else:
            assert torch.allclose(as_made(update), theirs, atol=1e-6)
    again = combined(pair, [0.8, 0.5], method, density=density, seed=3)
    assert all(torch.equal(as_made(again[name]), as_made(found[name])) for name in found)


def test_svd_is_the_closest_update_of_its_rank(tmp_path: Path, tiny: Path) -> None:
    pair = [read_adapter(made(tmp_path / str(seed), tiny, seed)) for seed in (1, 2)]
    whole, cut = combined(pair, [1, 1], "cat"), combined(pair, [1, 1], "svd")
    for name, update in cut.items():
        assert update.rank == 4
        u, values, v = torch.linalg.svd(as_made(whole[name]))
        assert torch.allclose(as_made(update), u[:, :4] * values[:4] @ v[:4], atol=1e-4)
    assert truncated(cut[name], 9) is cut[name]


def test_slerp_goes_along_the_arc(tmp_path: Path, tiny: Path) -> None:
    pair = [read_adapter(made(tmp_path / str(seed), tiny, seed, rank=4 + seed)) for seed in (1, 2)]
    left, right = (one.updates for one in pair)
    for share in (0.0, 0.3, 1.0):
        for name, update in combined(pair, [1 - share, share], "slerp").items():
            a, b = as_made(left[name]).double().flatten(), as_made(right[name]).double().flatten()
            angle = torch.acos(a @ b / (a.norm() * b.norm()))
            arc_point = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
            assert torch.allclose(as_made(update).double().flatten(), arc_point, atol=1e-5)
    same = left[name]
    assert arc(same, same, 0.3) == pytest.approx((0.7, 0.3))


def test_what_does_not_fit_together_is_refused(tmp_path: Path, tiny: Path) -> None:
    one, other = (read_adapter(made(tmp_path / str(seed), tiny, seed)) for seed in (1, 2))
    larger = read_adapter(made(tmp_path / "larger", tiny, rank=8))
    dora = read_adapter(made(tmp_path / "dora", tiny, use_dora=True))
    for pair, weights, method, settings, said in [
        ([one], [1], "cat", {}, "two adapters at least"),
        ([one, other], [1], "cat", {}, "1 weights for 2 adapters"),
        ([one, larger], [1, 1], "linear", {}, "needs equal ranks, these have 4, 8"),
        ([one, other], [1, 1], "ties", {}, "needs --density"),
        ([one, other], [1, 1], "cat", {"density": 0.5}, "has no --density"),
        ([one, other], [1, 1], "slerp", {}, "add up to 1"),
        ([one, dora], [1, 1], "cat", {}, "holds more than pairs"),
    ]:
        with pytest.raises(CurateError, match=said):
            combined(pair, weights, method, **settings)  # type: ignore[arg-type]
    elsewhere = read_adapter(made(tmp_path / "elsewhere", tiny))
    elsewhere.config["base_model_name_or_path"] = "another"
    with pytest.raises(CurateError, match="was trained on another"):
        combined([one, elsewhere], [1, 1], "cat")


def test_what_is_no_adapter_is_said(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CurateError, match="no adapter"):
        read_adapter(tmp_path)
    folder = made(tmp_path / "a", tiny)
    (folder / "adapter_model.safetensors").write_bytes(b"torn")
    with pytest.raises(CurateError, match="cannot be read"):
        read_adapter(folder)
    cli.main(["adapters", "list", str(tmp_path)], standalone_mode=False)
    printed = capsys.readouterr()
    assert "No adapter under" in printed.out and "left out:" in printed.err


def test_a_rank_above_the_smaller_side_of_a_layer_loses_nothing(tmp_path: Path) -> None:
    """Plain peft loads what is written, of a layer with one output too, and adds the exact sum."""

    def layers() -> Any:
        torch.manual_seed(0)
        return torch.nn.ModuleDict({"gate": torch.nn.Linear(64, 1), "k_proj": torch.nn.Linear(64, 32)})

    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made = peft.get_peft_model(layers(), peft.LoraConfig(r=40, target_modules=["gate", "k_proj"]))
        for name, weight in made.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.1)
        made.save_pretrained(tmp_path / str(seed))
        folders.append(tmp_path / str(seed))
    adapters = [read_adapter(folder) for folder in folders]
    for method, rank in (("svd", None), ("cat", 50), ("slerp", 50)):
        updates = combined(adapters, [0.5, 0.5], method, rank=rank)
        assert {name: update.rank for name, update in updates.items()} == {"gate": 1, "k_proj": 32}
        out = tmp_path / method
        assert write(updates, adapters, {}, out) == 32
        plain = layers()
        merged = peft.PeftModel.from_pretrained(layers(), out).merge_and_unload()
        wanted = combined(adapters, [0.5, 0.5], "slerp" if method == "slerp" else "cat")
        for name, update in wanted.items():
            added = merged.get_submodule(name).weight - plain[name].weight
            assert torch.allclose(added, as_made(update), atol=1e-5), (method, name)


def test_combine_writes_an_adapter_once(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, out = made(tmp_path / "1", tiny, 1), made(tmp_path / "2", tiny, 2), tmp_path / "both"
    command = ["adapters", "combine", str(one), str(two), "--method", "svd", "--weights", "1,0.5", "-o", str(out)]
    for words in (
        [*command, "--weights", "nan,1"],
        [*command, "--weights", "inf,1"],
        ["adapters", "inspect", str(one), "--energy", "nan"],
    ):
        refused = CliRunner().invoke(cli, words)
        assert refused.exit_code and not out.exists()
        assert "finite number" in refused.output + str(refused.exception)
    cli.main(command, standalone_mode=False)
    assert "svd of 2 adapters, rank 4, 4 modules" in capsys.readouterr().out
    record = json.loads((out / "combined.json").read_bytes())
    assert [part["weight"] for part in record["of"]] == [1.0, 0.5]
    assert logits(tiny, (out, 1.0)).isfinite().all()
    with pytest.raises(CurateError, match="exists; name another folder"):
        cli.main(command, standalone_mode=False)
    cli.main(["adapters", "list", str(tmp_path)], standalone_mode=False)
    assert capsys.readouterr().out.count("LoRA") == 3


def of_base(folder: Path, model: Path, **facts: Any) -> Path:
    """An adapter that says on which base it was trained, as curate train has it."""
    from curate_train.adapter import identity, write_base

    write_base(folder, {"base": identity(model), "quant": "nf4", "dtype": "bf16", "tokens": {}} | facts)
    return folder


def test_a_combination_says_its_base_where_all_say_the_same(tmp_path: Path, tiny: Path) -> None:
    from curate_train.adapter import refuse_another_base

    one, two, bare = (made(tmp_path / str(seed), tiny, seed) for seed in range(3))
    of_base(one, tiny, tokens={"ids_sha256": "1"})
    of_base(two, tiny, tokens={"ids_sha256": "2"})
    cli.main(["adapters", "combine", str(one), str(two), "-o", str(tmp_path / "both")], standalone_mode=False)
    facts = json.loads((tmp_path / "both" / "base.json").read_bytes())
    assert facts == {"base": json.loads((one / "base.json").read_bytes())["base"], "quant": "nf4", "dtype": "bf16"}
    refuse_another_base(tmp_path / "both", tiny)
    cli.main(["adapters", "combine", str(one), str(bare), "-o", str(tmp_path / "unknown")], standalone_mode=False)
    assert not (tmp_path / "unknown" / "base.json").exists()
    with pytest.raises(CurateError, match="does not say on which base"):
        refuse_another_base(tmp_path / "unknown", tiny)


def test_bases_of_one_shape_with_other_weights_are_told_apart(tmp_path: Path, tiny: Path) -> None:
    from tests.train.fabricate import tiny_llama

    other = tiny_llama(tmp_path / "other")
    file = other / "model.safetensors"
    weights = bytearray(file.read_bytes())
    weights[-1] ^= 1
    file.write_bytes(bytes(weights))
    pair = [read_adapter(of_base(made(tmp_path / model.name, tiny), model)) for model in (tiny, other)]
    with pytest.raises(CurateError, match=r"another base than .*model\.safetensors differ"):
        combined(pair, [1, 1], "cat")


def test_adapters_trained_otherwise_are_combined_with_a_warning(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (made(tmp_path / str(seed), tiny, seed) for seed in range(2))
    of_base(one, tiny)
    of_base(two, tiny, quant="none", tokens={"template_sha256": "2"})
    cli.main(["adapters", "combine", str(one), str(two), "-o", str(tmp_path / "both")], standalone_mode=False)
    said = capsys.readouterr().err
    assert "the base quantised otherwise (nf4, none)" in said and "another template" in said
    assert "quant" not in json.loads((tmp_path / "both" / "base.json").read_bytes())
