"""Each setting says where it came from."""

from __future__ import annotations

import json
import math

import pytest

from curate.errors import CurateError
from curate_train.settings import FOLDER, default_settings, recipe_values, recipes, resolve, settings_of, sources
from curate_train.sweep import candidates, parse


def test_flags_win_over_the_file_the_file_over_the_recipe_and_the_recipe_over_the_defaults() -> None:
    file = ("curate.toml", {"rank": 4, "dropout": 0.2, "recipe": "quick"})
    config = resolve({"rank": 8, "epochs": None}, None, file)
    quick = recipe_values("quick")
    assert settings_of(config) == default_settings(**{**quick, "rank": 8, "dropout": 0.2})
    found = sources(config)
    assert (found["rank"], found["dropout"]) == ("flag", "curate.toml")
    assert (found["max_steps"], found["epochs"]) == ("recipe quick", "default")
    assert config["recipe"] == "quick"


def test_nothing_set_is_all_defaults() -> None:
    assert set(sources(resolve({})).values()) == {"default"}


def test_the_defaults_are_those_of_the_field() -> None:
    settings = default_settings()
    assert (settings.rank, settings.alpha, settings.dropout, settings.learning_rate) == (16, 32, 0.05, 2e-4)
    assert (settings.schedule, settings.warmup, settings.epochs) == ("cosine", 0.05, 3)
    assert (settings.max_grad_norm, settings.weight_decay, settings.quant) == (1.0, 0.0, "nf4")
    for rows, effective in ((999, 8), (1_000, 16)):
        assert settings.batch_size * settings.batches_a_step(rows) == effective


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.toml")))
def test_each_recipe_file_gives_settings_and_says_what_it_is_for(name: str) -> None:
    settings = settings_of(resolve({}, name))
    assert recipes()[name].endswith(".")
    for key, value in recipe_values(name).items():
        assert getattr(settings, key) == value
        assert name == "default" or value != recipe_values("default").get(key) or key == "rank" or key == "alpha"


def test_the_recipes_are_what_their_names_say() -> None:
    made = {name: settings_of(resolve({}, name)) for name in recipes()}
    assert made["alpha-r"].alpha == made["alpha-r"].rank == 16
    assert (made["small-data"].rank, made["small-data"].dropout) == (8, 0.1)
    assert (made["high-rank"].rank, made["high-rank"].rslora) == (64, True)
    assert made["quick"].max_steps == 24
    methods = {name: settings.method for name, settings in made.items()}
    assert methods["default"] == methods["quick"] == "QLoRA"
    assert (methods["lora"], methods["dora"], methods["high-rank"]) == ("LoRA", "DoRA", "rsLoRA")
    assert (methods["pissa"], methods["loraplus"], methods["adalora"]) == ("PiSSA", "LoRA+", "AdaLoRA")
    assert (made["pissa"].alpha, made["pissa"].dropout) == (made["pissa"].rank, 0)  # as in its paper


def test_a_config_is_the_same_after_a_trip_through_the_manifest() -> None:
    config = resolve({"learning_rate": 1e-4}, "quick")
    assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize(
    ("flags", "recipe", "said"),
    [
        ({}, "quik", "known: .*quick"),
        ({"lora_rank": 8}, None, "unknown training setting lora_rank; did you mean rank"),
        ({"dropout": 1.5}, None, "dropout = 1.5: input should be less than 1"),
        ({"epochs": math.inf}, None, "epochs = inf: input should be a finite number"),
        ({"learning_rate": math.nan}, None, "learning_rate = nan: input should be a finite number"),
        ({"loraplus_ratio": 0.5}, None, "loraplus_ratio = 0.5: input should be greater than or equal to 1"),
        ({"seed": -1}, None, "seed = -1: input should be greater than or equal to 0"),
        ({"seed": 2**32}, None, "seed = 4294967296: input should be less than 4294967296"),
        ({"init": "olora"}, None, "init = 'olora': input should be 'kaiming' or 'pissa'"),
    ],
)
def test_wrong_settings_are_refused_with_what_is_known(flags: dict[str, int], recipe: str | None, said: str) -> None:
    with pytest.raises(CurateError, match=said):
        resolve(flags, recipe)


def test_a_wrong_value_in_a_file_names_the_file() -> None:
    with pytest.raises(CurateError, match=r"^curate.toml: rank = 0"):
        resolve({}, None, ("curate.toml", {"r": 0}))


def test_a_sweep_is_every_combination_and_its_values_are_checked() -> None:
    swept = parse(["lr=1e-4,2e-4", "rank=8,16"])
    assert swept == {"learning_rate": [1e-4, 2e-4], "rank": [8, 16]}
    found = candidates(resolve({}), swept)
    assert [(s.learning_rate, s.rank) for _, s in found] == [(1e-4, 8), (1e-4, 16), (2e-4, 8), (2e-4, 16)]
    assert found[0][0] == "learning_rate=0.0001,rank=8"
    with pytest.raises(CurateError, match=r"--sweep: learning_rate = -1.0"):
        candidates(resolve({}), parse(["lr=-1,2"]))
    for wrong in ("lr", "lr=1e-4", "speed=1,2", "lr=a,b", "lr=1e-4,0.0001", "dora=true,True", "init=x,pissa"):
        with pytest.raises(CurateError, match=f"--sweep {wrong}"):
            parse([wrong])


def test_a_value_of_a_sweep_is_tried_once_however_it_is_written() -> None:
    assert parse(["lr=1e-4,0.0001,2e-4", "dora=false, true"]) == {
        "learning_rate": [1e-4, 2e-4],
        "dora": [False, True],
    }
    assert parse(["lr=1e-4,2e-4", "learning-rate=2e-4,5e-4"]) == {"learning_rate": [1e-4, 2e-4, 5e-4]}
