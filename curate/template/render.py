"""Chat templates rendered as transformers renders them: the same environment, filters, globals and variables."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jinja2 import Template
    from jinja2.parser import Parser

    from curate.sample import Message, Sample, ToolCall
    from curate.template.load import ChatTokenizer

RESERVED = frozenset({"messages", "tools", "documents", "add_generation_prompt"})
CLOCK = "strftime_now"


class TemplateRefuses(Exception):
    """The template raises on a conversation: by its own words (a role it does not know), or because it crashes."""


class ChatTemplate:
    """A model's chat template with the arguments that every rendering gets (`enable_thinking`, ...).

    `clock` is the day that templates see which write the date; without it they would give other ids every day.
    """

    def __init__(self, chat: ChatTokenizer, args: Mapping[str, Any], clock: date) -> None:
        """Compile the templates.

        Raises:
            CurateError: a template that is no Jinja, or arguments that the rendering itself gives.
        """
        if taken := sorted(RESERVED & args.keys()):
            raise CurateError(f"--template-args: {', '.join(taken)} cannot be set; the rows give it")
        environment = _environment(clock)
        self.args = dict(args)
        self.sources = chat.templates
        self.context = {**chat.special_tokens, **args}
        self.templates = {name: _compile(environment, source, chat) for name, source in chat.templates.items()}

    @property
    def reads_clock(self) -> bool:
        """Whether the date can be part of what it writes."""
        return any(CLOCK in source for source in self.sources.values())

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        *,
        add_generation_prompt: bool = False,
    ) -> str:
        """The text of a conversation; with `add_generation_prompt`, up to where the model's answer begins.

        Raises:
            TemplateRefuses: the template raises an error.
        """
        template = self.templates.get("tool_use") if tools else None
        try:
            return (template or self.templates["default"]).render(
                messages=messages,
                tools=tools,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self.context,
            )
        except Exception as error:  # a template is a program: it can fail in every way that Python can
            raise TemplateRefuses(str(error) or type(error).__name__) from error


def to_messages(sample: Sample) -> list[dict[str, Any]]:
    """A sample's turns under the keys that chat templates read.

    A null is left out, as in transformers: templates write "None" for it.
    """
    return [_to_message(message) for message in sample.messages]


def _to_message(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role}
    if message.content is not None:
        out["content"] = message.text
    if message.reasoning is not None:
        out["reasoning_content"] = out["thinking"] = message.reasoning  # gpt-oss reads the second
    if message.tool_calls:
        out["tool_calls"] = [_to_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        out["name"] = message.name
    return out


def _to_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"type": "function", **({} if call.id is None else {"id": call.id}), "function": function}


class _Generation(Extension):
    """`{% generation %}`, by which some templates mark what the model writes; it renders what is inside."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 declares it so)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # A call block, for the scope: what is set inside stays inside.
        return nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller: Callable[[], str]) -> str:
        return caller()


class _Dict:
    """`dict` for templates, which gives them no way to Python's own class."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        return dict.fromkeys(keys, value)


class _Namespace(Namespace):
    """`namespace` for templates, without the underscored attributes that lead into Python."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # the signature lets a template name an attribute `self`
        self, *rest = args
        attributes = dict(*rest, **kwargs)
        for name in attributes:
            _refuse_underscore(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


def _refuse_underscore(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a chat template may not set the attribute {name!r}")


def _environment(clock: date) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals.update(
        {
            "raise_exception": _raise_exception,
            CLOCK: datetime.combine(clock, time()).strftime,
            "dict": _Dict(),
            "namespace": _Namespace,
        }
    )
    return environment


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as models were trained on it; Jinja's own filter escapes for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _compile(environment: ImmutableSandboxedEnvironment, source: str, chat: ChatTokenizer) -> Template:
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise CurateError(f"{chat.folder}: its chat template is no valid Jinja ({error})") from error
