"""Tool definitions in the shapes that data sets use, and their argument schemas made checkable.

Schemas are JSON Schema 2020-12, read as their authors mean them: Python's type names (ToolACE, BFCL), `nullable`
(OpenAPI), tuples as `items` (older drafts) and keys padded with null (Arrow) are understood, not reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jsonschema.protocols import Validator

JSON_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
PYTHON_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "dict": "object",
    "list": "array",
    "tuple": "array",
    "set": "array",
}
ANY_TYPE = frozenset({"any", "union", "optional"})
NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
ONE_SCHEMA = frozenset({"items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames"})
MANY_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
# Beside `properties`, each of these says more about which other arguments a tool takes.
OPEN_ENDED = frozenset({"additionalProperties", "patternProperties", "$ref", "anyOf", "oneOf", "allOf", "if"})
NOTES = frozenset(
    {"title", "description", "default", "example", "examples", "format", "nullable", "optional", "strict"}
)


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """The arguments of one tool: a validator, or None and the `problem` with the schema.

    `names` are the arguments that the tool takes, or None where it may take any; a tool that says nothing of its
    arguments has neither validator nor problem nor names.
    """

    validator: Validator | None = None
    problem: str | None = None
    names: frozenset[str] | None = None


def functions(tools: list[dict[str, Any]] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each function that a list of tools declares, with the place of its tool.

    `{"type": "function", "function": {...}}` (OpenAI), the function itself, and Gemini's `function_declarations`.
    """
    for i, tool in enumerate(tools or ()):
        declared = tool.get("function_declarations") or tool.get("functionDeclarations")
        if isinstance(declared, list):
            for function in declared:
                yield i, function if isinstance(function, dict) else {}
            continue
        function = tool.get("function")
        yield i, function if isinstance(function, dict) else tool


def name_of(function: dict[str, Any]) -> str | None:
    """The name under which a function is called; a service's own tool (`{"type": "web_search"}`) goes by its type."""
    name = function.get("name")
    if isinstance(name, str) and name.strip():
        return name
    kind = function.get("type")
    own_tool = name is None and isinstance(kind, str) and kind not in ("", "function", "object")
    return kind if own_tool and "function" not in function and "parameters" not in function else None


def parameters_of(function: dict[str, Any]) -> Any:
    """The schema of the arguments as the tool gives it, or None; a schema written as a JSON string is parsed."""
    for key in ("parameters", "input_schema", "inputSchema"):
        if (schema := function.get(key)) is not None:
            break
    else:
        return None
    if isinstance(schema, str):
        try:
            return orjson.loads(schema)
        except ValueError:
            return schema
    return schema


def tool_schema(parameters: Any) -> ToolSchema:
    """The checkable form of a tool's `parameters`, compiled once for equal schemas."""
    if parameters is None or parameters == {}:
        return ToolSchema()
    try:
        return _compiled(orjson.dumps(parameters))
    except TypeError:  # integers beyond 64 bits, or nested deeper than orjson writes
        return ToolSchema(problem="its numbers are too large or it is nested too deeply")


@lru_cache(maxsize=4096)
def _compiled(key: bytes) -> ToolSchema:
    parameters = orjson.loads(key)
    if not isinstance(parameters, dict):
        return ToolSchema(problem=f"the parameters are {kind_of(parameters)}, not an object")
    if not isinstance(parameters.get("properties"), dict) and not isinstance(parameters.get("type"), str):
        if all(isinstance(value, dict) for value in parameters.values()):
            # xLAM lists the arguments themselves, with types in prose ("str, optional").
            return ToolSchema(names=frozenset(parameters))
        if not parameters.keys() & {"$ref", "anyOf", "oneOf", "allOf", "properties", "type"}:
            return ToolSchema()
    try:
        schema = _as_meant(parameters)
        problem = None if _is_plain(schema) else _problem(schema, key)
    except RecursionError:
        return ToolSchema(problem="the schema is nested too deeply")
    if problem:
        return ToolSchema(problem=problem)
    open_ended = OPEN_ENDED & parameters.keys()
    names = frozenset(schema["properties"]) if "properties" in schema and not open_ended else None
    return ToolSchema(_validator(schema), None, names)


def _as_meant(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if value is None and key not in ("const", "default"):
            continue
        if key in NAMED_SCHEMAS and isinstance(value, dict):
            out[key] = {name: _as_meant(inner) for name, inner in value.items() if inner is not None}
        elif key == "items" and isinstance(value, list):
            out["prefixItems"] = [_as_meant(inner) for inner in value]
        elif key in ONE_SCHEMA:
            out[key] = _as_meant(value)
        elif key in MANY_SCHEMAS and isinstance(value, list):
            out[key] = [_as_meant(inner) for inner in value]
        elif key == "type":
            if (meant := _json_type(value)) is not None:
                out[key] = meant
        else:
            out[key] = value
    if out.pop("patternProperties", None) is not None:  # patterns are never run, see _validator_class
        out.pop("additionalProperties", None)
    if out.get("nullable") is True and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out


def _json_type(value: Any) -> Any:
    """A type as JSON Schema names it; None where it allows anything."""
    if isinstance(value, list):
        meant = [_json_type(item) for item in value]
        return None if None in meant else meant
    if not isinstance(value, str):
        return value
    # Gemini writes STRING, xLAM "str, optional" and "List[float]".
    plain = value.lower().partition(",")[0].partition("[")[0].strip()
    if plain in ANY_TYPE:
        return None
    return plain if plain in JSON_TYPES else PYTHON_TYPES.get(plain, value)


def _is_plain(schema: Any) -> bool:
    """Whether a schema is valid on sight: most are, and the library needs a millisecond to say so."""
    if not isinstance(schema, dict):
        return isinstance(schema, bool)
    for key, value in schema.items():
        if key == "type":
            plain = isinstance(value, str) and value in JSON_TYPES
        elif key == "properties":
            plain = isinstance(value, dict) and all(map(_is_plain, value.values()))
        elif key == "required":
            plain = isinstance(value, list) and all(isinstance(name, str) for name in value)
            plain = plain and len(set(value)) == len(value)
        elif key == "enum":
            plain = isinstance(value, list) and bool(value)
        elif key in ("items", "additionalProperties"):
            plain = _is_plain(value)
        elif key in ("minimum", "maximum"):
            plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif key in ("title", "description", "format"):
            plain = isinstance(value, str)
        else:
            plain = key in NOTES
        if not plain:
            return False
    return True


def _problem(schema: dict[str, Any], key: bytes) -> str | None:
    from jsonschema import Draft202012Validator

    error = next(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema), None)
    if error is not None:
        at = ".".join(map(str, error.absolute_path))
        if at.endswith("type") and isinstance(error.instance, str):
            return f"{shorten(error.instance, 30)!r} is no JSON Schema type, at {at}"
        return f"{shorten(error.message, 70)}{f' at {at}' if at else ''}"
    if b'"$ref"' in key and b'"$id"' not in key and b'"$anchor"' not in key:
        for reference in _references(schema):
            if not _resolves(reference, schema):
                return f"$ref {shorten(reference, 40)!r} leads nowhere"
    return None


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _resolves(reference: str, schema: Any) -> bool:
    if not reference.startswith("#"):
        return False  # another document, which no trainer or server fetches
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list) and name.isdigit() and int(name) < len(schema):
            schema = schema[int(name)]
        elif isinstance(schema, dict) and name in schema:
            schema = schema[name]
        else:
            return False
    return True


def _validator(schema: dict[str, Any]) -> Validator:
    from referencing import Registry

    # An empty registry: a reference to another document must not go to the network.
    return _validator_class()(schema, registry=Registry())


@lru_cache(maxsize=1)
def _validator_class() -> Callable[..., Validator]:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import create

    # A pattern comes from the data, and a hostile one never ends.
    keywords = {key: check for key, check in Draft202012Validator.VALIDATORS.items() if key != "pattern"}
    return create(Draft202012Validator.META_SCHEMA, validators=keywords, type_checker=Draft202012Validator.TYPE_CHECKER)


def kind_of(value: Any) -> str:
    """What a JSON value is, with its article: "a string", "null"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    kinds = {str: "a string", int: "an integer", float: "a number", list: "a list", dict: "an object"}
    return kinds[type(value)]


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
