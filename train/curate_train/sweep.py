"""The settings that a sweep tries, one training each; the validation loss chooses among them, never the test rows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_train.settings import ALIASES, Settings, settings_of, validated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ONLY = "fit"


def parse(words: Sequence[str]) -> dict[str, list[Any]]:
    """`lr=1e-4,2e-4` as {"learning_rate": ["1e-4", "2e-4"]}, for each word.

    Raises:
        CurateError: a word of another form, an unknown setting, or fewer than two values.
    """
    swept = {}
    for word in words:
        key, equals, values = word.partition("=")
        name = ALIASES.get(key.strip(), key.strip().replace("-", "_"))
        if not equals or name not in Settings.model_fields:
            raise CurateError(f"--sweep {word}: a setting and its values are needed, as lr=1e-4,2e-4,5e-4")
        kind = type_of(name)
        try:
            swept[name] = [kind(value) for value in dict.fromkeys(values.split(","))]
        except ValueError as error:
            raise CurateError(f"--sweep {word}: {error}") from error
        if len(swept[name]) < 2:
            raise CurateError(f"--sweep {word}: one value is no sweep; set it with --{name.replace('_', '-')}")
    return swept


def type_of(name: str) -> Any:
    annotation = str(Settings.model_fields[name].annotation)
    return next((kind for kind in (float, int) if kind.__name__ in annotation), str)


def candidates(config: Mapping[str, Any], swept: Mapping[str, Sequence[Any]] | None) -> list[tuple[str, Settings]]:
    """Each training of a sweep by its name, which is that of its folder too; a single one without a sweep.

    Raises:
        CurateError: a value that is out of its range.
    """
    if not swept:
        return [(ONLY, settings_of(config))]
    found = []
    for values in itertools.product(*swept.values()):
        change = dict(zip(swept, values, strict=True))
        name = ",".join(f"{key}={value}" for key, value in change.items())
        settings = validated({**settings_of(config).model_dump(), **change}, dict.fromkeys(change, "--sweep"))
        found.append((name, settings))
    return found
