"""FMT201, 202, 210, 211, 213: the tools that a row declares. The calls of them are in fmt_tool_calls.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Fault
from curate.rules.rule import rule
from curate.rules.tool_schema import functions, kind_of, name_of, parameters_of, tool_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample


@rule("FMT201", severity="error")
def malformed_tools(sample: Sample) -> Iterator[Fault]:
    """An entry of the list of tools is no function with a name.

    Why it matters: chat templates raise on such an entry or write `None` into the prompt, and no call can refer to it.

    Example: `{"type": "function", "function": {"description": "Get the weather"}}`.

    How to fix it: write `{"type": "function", "function": {"name": ..., "description": ..., "parameters": {...}}}`. The
    function without its wrapper is read as well.
    """
    for i, function in functions(sample.tools):
        if name_of(function) is None:
            named = f"has the name {function['name']!r:.40}" if function.get("name") is not None else "has no name"
            yield Fault(f"tool {i + 1} {named}", None, {"tool": i})


@rule("FMT202", severity="warning")
def duplicate_tool(sample: Sample) -> Iterator[Fault]:
    """Two tools of one row have the same name.

    Why it matters: a call does not say which of them is meant; hosted services reject the row, and the model learns
    from two descriptions where it will meet one.

    Example: `get_weather` twice, once with `city` and once with `location`.

    How to fix it: keep one of them, or rename the other together with its calls.
    """
    if not sample.tools or len(sample.tools) < 2:
        return
    first: dict[str, int] = {}
    for i, function in functions(sample.tools):
        name = name_of(function)
        if name is not None and (earlier := first.setdefault(name, i)) != i:
            same = "the same" if sample.tools[i] == sample.tools[earlier] else "another"
            yield Fault(
                f"tools {earlier + 1} and {i + 1} are both named {name}, with {same} definition", None, {"tool": i}
            )


@rule("FMT210", severity="warning")
def invalid_tool_schema(sample: Sample) -> Iterator[Fault]:
    """The parameters of a tool are no valid JSON Schema.

    Why it matters: servers that constrain decoding by the schema reject the tool, and calls cannot be checked against
    it (FMT209 is silent about this tool). Python's type names, `nullable` and older spellings are read as they are
    meant.

    Example: `{"type": "object", "properties": {"city": {"type": "text"}}}`: there is no type `text`.

    How to fix it: correct the schema; `$ref` must point into the same schema.
    """
    for i, function in functions(sample.tools):
        if problem := tool_schema(parameters_of(function)).problem:
            yield Fault(f"tool {name_of(function) or i + 1}: {problem}", None, {"tool": i})


@rule("FMT211", severity="info")
def undescribed_tool(sample: Sample) -> Iterator[Fault]:
    """A tool has no description, or no parameters though it is called with arguments.

    Why it matters: the model can only guess when to call it and with what, and learns to guess.

    Example: `{"type": "function", "function": {"name": "lookup"}}`.

    How to fix it: say in a sentence what the tool does, and give its arguments as a JSON Schema.
    """
    if not sample.tools:
        return
    called = {
        call.name
        for message in sample.messages
        for call in message.tool_calls
        if call.arguments not in (None, "", "{}", {})
    }
    bare = []
    for _, function in functions(sample.tools):
        name = name_of(function)
        if name is None or name == function.get("type"):
            continue
        if not function.get("description"):
            bare.append(f"{name} has no description")
        elif name in called and parameters_of(function) is None:
            bare.append(f"{name} is called with arguments and declares none")
    if bare:
        more = f" (and {len(bare) - 1} more tools)" if len(bare) > 1 else ""
        yield Fault(f"{bare[0]}{more}", None, {"tools": len(bare)})


@rule("FMT213", severity="error")
def invalid_parallel_tool_calls(sample: Sample) -> Iterator[Fault]:
    """The column `parallel_tool_calls` is neither true nor false.

    Why it matters: the services that read the column reject the file, and a string such as "false" counts as true.

    Example: `{"messages": [...], "tools": [...], "parallel_tool_calls": "false"}`.

    How to fix it: write true or false without quotes, or leave the key out.
    """
    if (
        sample.metadata
        and (value := sample.metadata.get("parallel_tool_calls")) is not None
        and not isinstance(value, bool)
    ):
        shown = f"the string {value!r:.30}" if isinstance(value, str) else kind_of(value)
        yield Fault(f"parallel_tool_calls is {shown}, not true or false")
