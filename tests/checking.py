"""Checks of argument types and array shapes while testing, in less time than jaxtyping's own decorator takes.

That one makes two checkers of each function as its module is imported, and checks all arguments twice a call so that
its errors can say more: half of the time that tests took in their own process. ``jaxtyped`` takes its place with one
checker, made at the first call, for the same arguments, results and names of axes.
"""

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import jaxtyping

Function = Callable[..., Any]

thorough = jaxtyping.jaxtyped
NEW_AXES = thorough("context")
"""What is called within has names of axes of its own."""


def jaxtyped(*, typechecker: Callable[[Function], Function]) -> Callable[[Any], Any]:
    """What ``jaxtyping.jaxtyped`` does to functions, methods and dataclasses."""

    def decorate(found: Any) -> Any:
        if isinstance(found, classmethod | staticmethod):
            return type(found)(decorate(found.__func__))
        if isinstance(found, property):
            return property(*(part and decorate(part) for part in (found.fget, found.fset, found.fdel)))
        if not inspect.isclass(found):
            return _checked_from_the_first_call_on(found, typechecker)
        done = getattr(found.__init__, "__globals__", None) is globals()  # inherited
        if is_dataclass(found) and not done and not getattr(found, "__no_type_check__", False):
            found.__init__ = decorate(found.__init__)  # type: ignore[misc]
        return found

    return decorate


def _checked_from_the_first_call_on(
    function: Function, typechecker: Callable[[Function], Function]
) -> Function:
    check: Function | None = None
    named = False

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        nonlocal check, named
        if check is None:
            hints = {name: _resolved(hint, function) for name, hint in function.__annotations__.items()}
            named = any(map(_has_axes, hints.values()))
            check = _checker(function, hints, typechecker)
        if not named:
            return check(*args, **kwargs)
        with NEW_AXES:
            return check(*args, **kwargs)

    return call


def _checker(
    function: Function, hints: dict[str, Any], typechecker: Callable[[Function], Function]
) -> Function:
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        return thorough(function, typechecker=typechecker)  # checked when called, not when it first runs
    said, function.__annotations__ = function.__annotations__, hints
    try:
        return typechecker(function)
    finally:
        function.__annotations__ = said


def _resolved(hint: Any, function: Function) -> Any:
    """A hint without names in quotes; what only type checkers can see is taken for ``Any``, as jaxtyping does."""

    def takes(value: Any) -> None: ...

    takes.__annotations__ = {"value": hint}
    try:
        return typing.get_type_hints(takes, function.__globals__, include_extras=True)["value"]
    except Exception:
        return Any


def _has_axes(hint: Any) -> bool:
    return (inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray)) or any(
        map(_has_axes, typing.get_args(hint))
    )
