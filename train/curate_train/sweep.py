"""The settings that a sweep tries, one training each; the validation loss chooses among them, never the test rows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from curate.errors import CurateError
from curate_train.settings import ALIASES, Settings, settings_of, validated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ONLY = "fit"


def parse(words: Sequence[str]) -> dict[str, list[Any]]:
    """`lr=1e-4,2e-4` as {"learning_rate": [0.0001, 0.0002]}, for each word; a value that is given twice counts once.

    Raises:
        CurateError: a word of another form, an unknown setting, or fewer than two different values.
    """
    swept: dict[str, list[Any]] = {}
    for word in words:
        key, equals, values = word.partition("=")
        name = ALIASES.get(key.strip(), key.strip().replace("-", "_"))
        if not equals or name not in Settings.model_fields:
            raise CurateError(f"--sweep {word}: a setting and its values are needed, as lr=1e-4,2e-4,5e-4")
        kind: Any = Settings.model_fields[name].annotation
        try:
            given = [TypeAdapter(kind).validate_python(value.strip()) for value in values.split(",")]
        except ValidationError as error:
            first = error.errors()[0]
            said = first["msg"]
            raise CurateError(f"--sweep {word}: {first['input']!r}: {said[0].lower()}{said[1:]}") from error
        swept[name] = list(dict.fromkeys([*swept.get(name, ()), *given]))
        if len(swept[name]) < 2:
            raise CurateError(f"--sweep {word}: one value is no sweep; set it with --{name.replace('_', '-')}")
    return swept


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
