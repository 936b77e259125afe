"""Checks of argument types and array shapes while testing, in less time than jaxtyping's own decorator takes.

That one makes two checkers of each function as its module is imported, and checks all arguments twice a call so that
its errors can say more: half of the time that tests took in their own process. ``jaxtyped`` takes its place with one
checker, made at the first call, for the same arguments, results and names of axes. Whether an array has a shape is
found in a quarter of jaxtyping's time; where that is not plain to see, jaxtyping is asked.
"""

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import is_dataclass
from types import CodeType, FunctionType
from typing import Any

import jaxtyping
from jaxtyping import _array_types as arrays
from jaxtyping._storage import _shape_storage as lengths_of_axes

Function = Callable[..., Any]

thorough = jaxtyping.jaxtyped


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
            check, named = _check_of(function, typechecker)
        if not named:
            return check(*args, **kwargs)
        try:
            calls = lengths_of_axes.memo_stack
        except AttributeError:
            calls = lengths_of_axes.memo_stack = []  # the first of this thread
        calls.append(({}, {}, {}, {}))
        try:
            return check(*args, **kwargs)
        finally:
            calls.pop()

    return call


CHECKS: dict[CodeType, tuple[list[Any], Function, bool]] = {}
"""Of functions inside others, which are made anew at every call of those: what is checked of the last one."""


def _check_of(function: Function, typechecker: Callable[[Function], Function]) -> tuple[Function, bool]:
    """What checks a function, and whether axes have names in it."""
    inner = "<locals>" in function.__qualname__
    told = [(name, _described(hint)) for name, hint in function.__annotations__.items()]
    if inner and function.__code__ in CHECKS:
        same, check, named = CHECKS[function.__code__]
        if same == told and (renewed := _renewed(check, function)) is not None:
            return renewed, named
    hints = {name: _resolved(hint, function) for name, hint in function.__annotations__.items()}
    named = any(map(_has_axes, hints.values()))
    check = _checker(function, hints, typechecker)
    if inner:
        CHECKS[function.__code__] = told, check, named
    return check, named


def _described(hint: Any) -> Any:
    """What is the same of two hints that were written alike."""
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return hint.array_type, hint.dtypes, hint.dim_str
    return hint


def _renewed(check: Function, function: Function) -> Function | None:
    """The same check of another function, where that is one of beartype's, which takes it as an argument."""
    given: dict[str, Any] | None = getattr(check, "__kwdefaults__", None)
    if not isinstance(check, FunctionType) or not given or "__beartype_func" not in given:
        return None
    renewed = FunctionType(
        check.__code__, check.__globals__, check.__name__, check.__defaults__, check.__closure__
    )
    renewed.__kwdefaults__ = {**given, "__beartype_func": function}
    return renewed


def _quick_test(kind: Any) -> Callable[[Any], bool]:
    """A test of arrays for one type and shape: as jaxtyping's, which is asked before it says no."""
    array, ask = kind.array_type, functools.partial(_ask, kind)
    named = (arrays._NamedDim, arrays._NamedVariadicDim)
    plain = (arrays._FixedDim, *named)
    dims = [dim for dim in kind.dims if isinstance(dim, plain)]
    unnamed = (arrays._anonymous_dim, arrays._anonymous_variadic_dim)
    odd = any(dim.broadcastable or (isinstance(dim, named) and dim.treepath) for dim in dims)
    if array is Any or odd or any(dim not in dims and dim not in unnamed for dim in kind.dims):
        return ask
    count, start = len(kind.dims), kind.index_variadic
    # From the front up to axes of any number, and from behind after them.
    at = [i if start is None or i < start else i - count for i in range(count)]
    sizes = [(i, dim.size) for i, dim in zip(at, kind.dims, strict=True) if type(dim) is arrays._FixedDim]
    names = [(i, dim.name) for i, dim in zip(at, kind.dims, strict=True) if type(dim) is arrays._NamedDim]
    if len({name for _, name in names}) < len(names):
        return ask
    among = kind.dims[start] if start is not None else None
    several = among.name if type(among) is arrays._NamedVariadicDim else None
    known: set[Any] = set()

    def test(value: Any) -> bool:
        if type(value) is not array:
            return ask(value)
        if value.dtype not in known:  # names of types are compared once
            if fits := ask(value):
                known.add(value.dtype)
            return fits
        shape = value.shape
        if len(shape) != count if start is None else len(shape) < count - 1:
            return ask(value)
        for i, size in sizes:
            if shape[i] != size:
                return ask(value)
        try:
            single, variadic, _, _ = lengths_of_axes.memo_stack[-1]
        except (AttributeError, IndexError):  # not in a call
            return ask(value)
        for i, name in names:
            if single.get(name, shape[i]) != shape[i]:
                return ask(value)
        if several is not None:
            found = (False, shape[start : len(shape) + start + 1 - count])
            if variadic.setdefault(several, found) != found:
                return ask(value)
        for i, name in names:
            single[name] = shape[i]
        return True

    return test


def _ask(kind: Any, value: Any) -> bool:
    return kind.__instancecheck_str__(value) == ""


def _fits(kind: Any, value: Any) -> bool:
    try:
        test = kind.quick_test
    except AttributeError:
        kind.quick_test = test = _quick_test(kind)
    return test(value)


arrays._MetaAbstractArray.__instancecheck__ = _fits  # type: ignore[method-assign, assignment]


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
