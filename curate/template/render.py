"""Chat templates rendered as transformers renders them: the same environment, filters, globals and variables."""

from __future__ import annotations

import json
import re
from copy import copy
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.utils import Namespace

from curate.errors import CurateError
from curate.template.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jinja2 import Template
    from jinja2.parser import Parser


RESERVED = frozenset({"messages", "tools", "documents", "add_generation_prompt"})
CLOCK = "strftime_now"
GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
# What `{% generation %}` writes around an answer while it is looked for: characters of no script.
BEGIN, END = "\U000ff4f0", "\U000ff4f1"


class Model(Protocol):
    """What of a model its templates need: its name for messages, Jinja sources by name, and tokens by name."""

    @property
    def source(self) -> str: ...
    @property
    def templates(self) -> Mapping[str, str]: ...
    @property
    def special_tokens(self) -> Mapping[str, str]: ...


class TemplateRefuses(Exception):
    """The template raises on a conversation: by its own words (a role it does not know), or because it crashes."""


class ChatTemplate:
    """A model's chat template with the arguments that every rendering gets (`enable_thinking`, ...).

    `clock` is the day that templates see which write the date; without it they would give other ids every day.
    """

    def __init__(self, model: Model, args: Mapping[str, Any], clock: date) -> None:
        """Compile the templates.

        Raises:
            CurateError: a template that is no Jinja, or arguments that the rendering itself gives.
        """
        if taken := sorted(RESERVED & args.keys()):
            raise CurateError(f"--template-args: {', '.join(taken)} cannot be set; the rows give it")
        self.environment = _environment(clock)
        self.args = dict(args)
        self.limit: int | None = None
        self.out_of_memory = False
        self.marks_answers = any(GENERATION.search(source) for source in model.templates.values())
        self.sources = model.templates
        self.context = {**model.special_tokens, **args}
        self.templates = {name: _compile(self.environment, source, model) for name, source in model.templates.items()}

    @property
    def reads_clock(self) -> bool:
        """Whether the date can be part of what it writes."""
        return any(CLOCK in source for source in self.sources.values())

    def with_args(self, **args: Any) -> ChatTemplate:
        """The same template with other arguments."""
        other = copy(self)
        other.args = self.args | args
        other.context = self.context | args
        return other

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
            text = (template or self.templates["default"]).render(
                messages=messages,
                tools=tools,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self.context,
            )
        except MemoryError as error:
            self.out_of_memory = True
            raise TemplateRefuses("it takes too much memory") from error
        except Exception as error:  # a template is a program: it can fail in every way that Python can
            raise TemplateRefuses(str(error) or type(error).__name__) from error
        if self.limit is not None and len(text) > self.limit:
            raise TemplateRefuses(f"it writes {len(text):,} characters for one row")
        return text

    def marked(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None
    ) -> list[tuple[int, int]]:
        """What `{% generation %}` encloses in the text of a conversation, as spans.

        Raises:
            TemplateRefuses: the template raises an error.
        """
        generation: Any = self.environment.extensions[_Generation.identifier]
        generation.begin, generation.end = BEGIN, END
        try:
            pieces = re.split(f"([{BEGIN}{END}])", self.render(messages, tools))
        finally:
            generation.begin = generation.end = ""
        spans: list[tuple[int, int]] = []
        starts: list[int] = []
        at = 0
        for piece in pieces:
            if piece == BEGIN:
                starts.append(at)
            elif piece == END and starts:
                spans.append((starts.pop(), at))
            elif piece != END:
                at += len(piece)
        return spans


class _Generation(Extension):
    """`{% generation %}`, by which some templates mark what the model writes; it renders what is inside."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 declares it so)
    begin = end = ""

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # A call block, for the scope: what is set inside stays inside.
        return nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller: Callable[[], str]) -> str:
        return f"{self.begin}{caller()}{self.end}"


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


def _environment(clock: date) -> Sandbox:
    environment = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = _tojson
    environment.globals.update(
        {
            "raise_exception": _raise_exception,
            CLOCK: datetime.combine(clock, time()).strftime,
            "dict": _Dict(),
            "namespace": _Namespace,
        }
    )
    environment.types.add(_Namespace)
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


def _compile(environment: Sandbox, source: str, model: Model) -> Template:
    try:
        template = environment.from_string(source)
    except TemplateError as error:
        raise CurateError(f"{model.source}: its chat template is no valid Jinja ({error})") from error
    template.globals = dict(template.globals)  # read as a whole for each rendering, and Jinja's chain of maps is slow
    return template
