"""The settings of a check and where each came from: flags, then one configuration file, then defaults."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curate.errors import CurateError
from curate.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

Model = TypeVar("Model", bound=BaseModel)
OWN_TABLES = ("train",)
"""Tables of the configuration file that belong to one command, which reads them by `section`."""


class Config(BaseModel):
    """Every setting that a flag or a configuration file can give (`curate.toml`, or `[tool.curate]`)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    select: list[str] = ["ALL"]
    ignore: list[str] = []
    fail_on: Literal["error", "warning", "info", "never"] = "error"
    format: str | None = None
    columns: dict[str, str] = {}
    rules: list[str] = []
    thresholds: dict[str, dict[str, Any]] = {}
    severity: dict[str, Severity] = {}
    baseline: str | None = None
    against: list[str] = []
    keep: Literal["first", "longest", "reviewed"] = "first"
    engine: Literal["sketch", "datasketch"] = "sketch"
    semantic: str | None = None
    nli: str | None = None
    model: str | None = None
    max_length: int | None = Field(default=None, ge=1)
    template_args: dict[str, Any] = {}
    chat_template: str | None = None
    offline: bool = False
    jobs: int | None = None

    def refuse_lone_settings(self) -> None:
        """Refuse settings that say how a model is read where none is named.

        Raises:
            CurateError: naming them.
        """
        lone = [key for key in ("max_length", "template_args", "chat_template") if getattr(self, key)]
        if lone and self.model is None:
            flags = ", ".join(f"--{key.replace('_', '-')}" for key in lone)
            raise CurateError(f"{flags}: nothing to apply it to without a model; name one: --model M")

    def that_changes_findings(self) -> dict[str, Any]:
        """The part of the settings that goes into a report: equal parts and equal input give an equal report."""
        return self.model_dump(exclude={"fail_on", "jobs", "baseline", "offline"}, exclude_defaults=True)


@dataclass(frozen=True)
class Settings:
    """The resolved configuration and, for each value, its source ("flag", a file, or "default")."""

    config: Config
    sources: dict[str, str]


def resolve(flags: Mapping[str, Any], config_file: str | None = None, directory: Path | None = None) -> Settings:
    """Merge flags over the configuration file over the defaults.

    The file is `config_file`, else the nearest curate.toml, else the nearest pyproject.toml with [tool.curate],
    searched from `directory` (the working directory) upwards; files are never merged. Paths inside a file are relative
    to it.

    Raises:
        CurateError: an unreadable file, an unknown key (with the nearest match) or a value of the wrong type.
    """
    file = Path(config_file) if config_file else _nearest(directory or Path.cwd())
    values = _load(file) if file else {}
    sources = dict.fromkeys(Config.model_fields, "default") | dict.fromkeys(values, str(file))
    if file:
        for key in ("rules", "baseline", "against", "semantic", "nli"):
            if key in values:
                values[key] = _relative_to(file.parent, values[key])
        for key in ("model", "chat_template"):  # these may be names as well
            if isinstance(values.get(key), str) and (file.parent / values[key]).exists():
                values[key] = _relative_to(file.parent, values[key])
    given = {key: value for key, value in flags.items() if value is not None}
    sources |= dict.fromkeys(given, "flag")
    return Settings(checked(Config, {**values, **given}, sources), sources)


def section(name: str, config_file: str | None = None, directory: Path | None = None) -> tuple[str, dict[str, Any]]:
    """A table of the configuration file that is one command's own, as [train], behind the name of the file.

    Raises:
        CurateError: an unreadable file, or no table of that name but something else.
    """
    file = Path(config_file) if config_file else _nearest(directory or Path.cwd())
    if file is None:
        return "", {}
    values = _document(file).get(name, {})
    if not isinstance(values, dict):
        raise CurateError(f"{file}: {name} = {values!r} is no table; write [{name}] and its settings below it")
    return str(file), values


def _relative_to(folder: Path, value: Any) -> Any:
    if isinstance(value, str):
        return str(folder / value)
    return [str(folder / item) for item in value] if isinstance(value, list) else value


def _nearest(directory: Path) -> Path | None:
    for folder in (directory, *directory.parents):
        if (own := folder / "curate.toml").is_file():
            return own
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file() and "curate" in _toml(pyproject).get("tool", {}):
            return pyproject
    return None


def _load(file: Path) -> dict[str, Any]:
    return {key.replace("-", "_"): value for key, value in _document(file).items() if key not in OWN_TABLES}


def _document(file: Path) -> dict[str, Any]:
    document = _toml(file)
    found: dict[str, Any] = document.get("tool", {}).get("curate", {}) if file.name == "pyproject.toml" else document
    return found


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CurateError(f"{file}: no such configuration file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CurateError(f"{file}: {error}") from error


def checked(kind: type[Model], values: Mapping[str, Any], sources: Mapping[str, str], noun: str = "setting") -> Model:
    """Settings of this kind; `sources` says where a value came from, which names the file in an error.

    Raises:
        CurateError: an unknown key (with the nearest one), a value of the wrong type or out of its range, or values
            that cannot go together.
    """
    try:
        return kind(**values)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        if not first["loc"]:
            raise CurateError(str(first["ctx"]["error"])) from invalid
        key = str(first["loc"][0])
        path = ".".join(str(part) for part in first["loc"])
        where = f"{source}: " if (source := sources.get(key, "flag")) != "flag" else ""
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, kind.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(kind.model_fields)}"
            raise CurateError(f"{where}unknown {noun} {path}; {hint}") from invalid
        said = first["msg"]
        raise CurateError(f"{where}{path} = {first['input']!r}: {said[0].lower()}{said[1:]}") from invalid
