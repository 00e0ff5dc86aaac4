"""Jinja's sandbox, with its answers about plain values remembered: templates ask for `message.role` again and again.

What is allowed is decided by Jinja alone. It decides by the type of a value and the name of the attribute, so once is
enough for the types of which templates see many.
"""

from __future__ import annotations

from types import BuiltinMethodType, MethodType
from typing import TYPE_CHECKING, Any

from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from jinja2.runtime import Context

_METHODS_OF_DICT = frozenset(dir(dict))
_REMEMBERED = (str, list, LoopContext)
_METHODS = (BuiltinMethodType, MethodType)


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment that allows what `ImmutableSandboxedEnvironment` allows, and says so sooner."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.remembered: dict[tuple[type, str], bool] = {}
        self.types = set(_REMEMBERED)

    def getattr(self, obj: Any, attribute: str) -> Any:
        kind = type(obj)
        if kind is dict and attribute not in _METHODS_OF_DICT:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        is_safe = self.remembered.get((kind, attribute))
        if is_safe is None and kind in self.types:
            # Formatting reaches attributes of its own: Jinja wraps it anew each time.
            is_safe = not attribute.startswith("format") and self.is_safe_attribute(obj, attribute, None)
            self.remembered[kind, attribute] = is_safe
        if is_safe:
            try:
                value = getattr(obj, attribute)
            except AttributeError:
                return super().getattr(obj, attribute)
            if kind is str or not isinstance(value, _METHODS):
                return value
        return super().getattr(obj, attribute)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        if type(__obj) is not BuiltinMethodType:
            return super().call(__context, __obj, *args, **kwargs)
        # A method of a built-in type cannot carry the marks that Jinja looks for, nor want the context.
        kwargs.pop("_block_vars", None)
        kwargs.pop("_loop_vars", None)
        return __obj(*args, **kwargs)
