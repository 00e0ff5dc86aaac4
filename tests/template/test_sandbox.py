"""The sandbox that remembers gives what Jinja's own gives, of every attribute of what a template can hold."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import Undefined
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from curate.template.render import _Namespace
from curate.template.sandbox import Sandbox


class Strange(dict[str, Any]):
    """A dict that is not one."""

    secret = 1

    def format(self) -> str:
        return "x"


def things() -> list[Any]:
    loop = LoopContext(["a", "b"], Undefined)
    return [
        {"role": "user", "items": "shadowed", "_x": 1},
        Strange(role="user"),
        "text",
        ["a"],
        ("a",),
        {"a"},
        3,
        1.5,
        True,
        None,
        loop,
        _Namespace(x=1),
        dict,
        things,
        "x".upper,
        "{0.__class__}".format,
        (letter for letter in "ab"),
        Undefined(name="x"),
    ]


def outcome(environment: ImmutableSandboxedEnvironment, thing: Any, name: str) -> Any:
    """What a template gets for an attribute: the value, nothing, or a refusal as soon as it is used."""
    try:
        value = environment.getattr(thing, name)
        if isinstance(value, Undefined):
            str(value + "x")
    except SecurityError:
        return "refused"
    except Exception as error:
        return type(error)
    return type(value), getattr(value, "__name__", None) if callable(value) else value


@pytest.mark.parametrize("thing", things(), ids=lambda thing: type(thing).__name__)
def test_every_attribute_is_allowed_or_refused_as_by_jinja(thing: Any) -> None:
    mine, theirs = Sandbox(), ImmutableSandboxedEnvironment()
    mine.types.add(_Namespace)
    names = {*dir(thing), "role", "items", "secret", "x", "_x", "missing", "format", "format_map", "__class__", "mro"}
    for _ in range(2):  # asked and remembered
        for name in sorted(names):
            assert outcome(mine, thing, name) == outcome(theirs, thing, name), name


def test_a_format_reaches_no_attribute() -> None:
    source = "{{ '{0.__class__}'.format(x) }}|{{ '{k.__class__}'.format_map({'k': x}) }}"
    for environment in (Sandbox(), ImmutableSandboxedEnvironment()):
        with pytest.raises(SecurityError):
            environment.from_string("{{ '{0.__class__.__mro__}'.format(x) }}").render(x=1)
        assert environment.from_string(source).render(x=1) == "|"


def test_calls_give_what_jinja_gives() -> None:
    source = (
        "{% for c in 'a,b'.split(',') %}{{ c.upper() }}{{ loop.cycle('x', 'y') }}{% endfor %}{{ range(3) | list }}"
        "{{ {'a': 1}.get('a') }}{{ dict(a=1).items() | list }}{{ 'x'.join(['a', 'b']) }}"
    )
    assert Sandbox().from_string(source).render() == ImmutableSandboxedEnvironment().from_string(source).render()
