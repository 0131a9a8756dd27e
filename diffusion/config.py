"""The base of a recipe's parts: frozen dataclasses that check themselves, and come from JSON."""

import dataclasses
import functools
import math
import reprlib
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, Self

from diffusion.errors import InvalidRecipe

UNIONS = (types.UnionType, typing.Union)


def choices(literal: Any) -> tuple[Any, ...]:
    """Return the allowed values of a Literal type."""
    return typing.get_args(literal)


class Config:
    """Base of a recipe's parts: checks types and Literal choices, then the part's own rules."""

    def __post_init__(self) -> None:
        for name, is_plain in self._plain_checks():
            if not is_plain(getattr(self, name)):
                self._restore(name)
        self._check()

    def _restore(self, name: str) -> None:
        """Restore what JSON does not know in a field, and refuse what is of another type."""
        hint = self._hints()[name]
        value = _coerce(getattr(self, name), hint)
        object.__setattr__(self, name, value)
        if not _matches(value, hint):
            raise InvalidRecipe(f"{self._label(name)} is {value!r}; allowed: {_allowed(hint)}")

    @classmethod
    @functools.cache  # evaluating the annotations anew takes longer than all the checks
    def _hints(cls) -> dict[str, Any]:
        return typing.get_type_hints(cls)

    @classmethod
    @functools.cache  # a search makes thousands of recipes
    def _plain_checks(cls) -> tuple[tuple[str, Callable[[Any], bool]], ...]:
        names = (f.name for f in dataclasses.fields(cls))  # type: ignore[arg-type]
        return tuple((name, _plain_check(cls._hints()[name])) for name in names)

    @classmethod
    @functools.cache
    def _required(cls) -> frozenset[str]:
        none = dataclasses.MISSING
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        return frozenset(f.name for f in fields if f.default is f.default_factory is none)

    def _check(self) -> None:
        """Raise InvalidRecipe where a field breaks a rule that its type does not express."""

    def _label(self, name: str) -> str:
        return f"{type(self).__name__.removesuffix('Config').lower()}.{name}"

    def _require(self, condition: bool, name: str, allowed: str) -> None:
        if not condition:
            value = getattr(self, name)
            raise InvalidRecipe(f"{self._label(name)} is {value!r}; allowed: {allowed}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build the part from plain JSON values.

        Raises:
            InvalidRecipe: a key is unknown or missing, or a value is not allowed.
        """
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        if not isinstance(values, dict):
            raise InvalidRecipe(f"{cls.__name__} is {values!r}; allowed: an object of its fields")
        if unknown := sorted(set(values) - set(fields)):
            raise InvalidRecipe(
                f"{cls.__name__} has no field {unknown}; allowed: {sorted(fields)}"
            )
        if missing := sorted(cls._required() - set(values)):
            raise InvalidRecipe(f"{cls.__name__} lacks {missing}")
        hints = cls._hints()
        parts = {
            name: hints[name].from_dict(value) if _is_config(hints[name]) else value
            for name, value in values.items()
        }
        return cls(**parts)


def checked(label: str, value: Any, hint: Any) -> Any:
    """Return a JSON value as its type has it: lists as tuples, and 1 as 1.0 where that is meant.

    Args:
        label: what the value is called where it is not allowed.
        value: plain JSON.
        hint: a type as in an annotation: of scalars, Literals, tuples and dictionaries by text.

    Raises:
        ValueError: it is of another type, or a number is not finite.
    """
    value = _coerce(value, hint)
    if not _matches(value, hint):
        raise ValueError(f"{label} is {reprlib.repr(value)}; allowed: {_allowed(hint)}")
    return value


def _plain_check(hint: Any) -> Callable[[Any], bool]:
    """Return a quick test for values that are allowed as they are; it may miss some."""
    if typing.get_origin(hint) is Literal:
        allowed = {(type(choice), choice) for choice in choices(hint)}
        kinds = {kind for kind, _ in allowed}
        return lambda value: type(value) in kinds and (type(value), value) in allowed
    if hint is float:  # 0 may be -0.0
        return lambda value: type(value) is float and value != 0 and math.isfinite(value)
    if isinstance(hint, type):
        return lambda value: type(value) is hint
    return lambda value: False


def _is_config(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Config)


def _coerce(value: Any, hint: Any) -> Any:
    """Restore what JSON does not know: tuples, and floats that it writes as 1."""
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        return tuple(value)
    if hint is float and type(value) in (int, float):
        try:
            return float(value) + 0.0  # -0.0 is 0.0: equal recipes have equal keys
        except OverflowError:
            return value  # refused with the field's name
    if typing.get_origin(hint) is dict and isinstance(value, dict):
        item = typing.get_args(hint)[1]
        return {name: _coerce(part, item) for name, part in value.items()}
    if typing.get_origin(hint) in UNIONS:
        options = [(option, _coerce(value, option)) for option in typing.get_args(hint)]
        return next((part for option, part in options if _matches(part, option)), value)
    return value


def _matches(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in choices(hint))
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return isinstance(value, tuple) and all(_matches(part, item) for part in value)
    if origin is dict:
        item = typing.get_args(hint)[1]
        return isinstance(value, dict) and all(
            type(name) is str and _matches(part, item) for name, part in value.items()
        )
    if hint is Any:
        return True
    if origin in UNIONS:
        return any(_matches(value, option) for option in typing.get_args(hint))
    if hint is float:
        return type(value) is float and math.isfinite(value)
    return type(value) is hint


def _allowed(hint: Any) -> str:
    """Say in words what a type allows."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return ", ".join(map(str, choices(hint)))
    if origin in UNIONS:
        return " or ".join(_allowed(option) for option in typing.get_args(hint))
    if origin is tuple:
        return f"a list, each {_allowed(typing.get_args(hint)[0])}"
    if origin is dict:
        return f"an object, each value {_allowed(typing.get_args(hint)[1])}"
    names = {float: "a finite number", int: "a whole number", bool: "true or false", str: "a text"}
    names |= {Any: "anything", types.NoneType: "null"}
    return names.get(hint, f"a {getattr(hint, '__name__', hint)}")
