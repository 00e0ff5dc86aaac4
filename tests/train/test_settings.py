"""Each setting says where it came from."""

from __future__ import annotations

import json

import pytest

from curate.errors import CurateError
from curate_train.settings import RECIPES, Settings, resolve, settings_of, sources


def test_flags_win_over_the_recipe_and_the_recipe_over_the_defaults() -> None:
    config = resolve({"rank": 8, "accumulate": 2, "epochs": None}, "quick")
    assert settings_of(config) == Settings(rank=8, accumulate=2, max_steps=RECIPES["quick"]["max_steps"])
    found = sources(config)
    assert (found["rank"], found["accumulate"]) == ("flag", "flag")
    assert (found["max_steps"], found["epochs"]) == ("recipe quick", "default")


def test_nothing_set_is_all_defaults() -> None:
    assert set(sources(resolve({})).values()) == {"default"}


def test_a_config_is_the_same_after_a_trip_through_the_manifest() -> None:
    config = resolve({"learning_rate": 1e-4}, "quick")
    assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize(("flags", "recipe", "said"), [({}, "quik", "known: quick"), ({"lora_r": 8}, None, "rank")])
def test_unknown_names_are_refused_with_the_known_ones(flags: dict[str, int], recipe: str | None, said: str) -> None:
    with pytest.raises(CurateError, match=said):
        resolve(flags, recipe)
