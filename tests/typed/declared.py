"""Annotations as values, and values held against annotations, at sizes that are made up.

Every dim stands for a size of its own (a prime; a multiple of four where mesh axes cut dims). An
argument is made of its annotation, and what a function gives is held against the declared result.

Law: ``hold`` accepts what ``made`` makes of the same annotation.
"""

from __future__ import annotations

import inspect
import itertools
import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar, TypeVarTuple, get_args, get_origin

import attrs

import verax as vx
from verax.compiler.ir.dtypes import DType, Scalar
from verax.compiler.ir.types import ArrayType, KeyType
from verax.sharding.cuts import Cuts

_PRIMES = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)


class Undeclared(Exception):
    """An argument cannot be made of its annotation: a function, say, or no annotation at all."""


class Broken(Exception):
    """A value is not what its annotation says."""


class Sizes:
    """What dims are worth: named dims by their names, type variables while a function runs."""

    def __init__(self, cut: bool = False) -> None:
        self._new = itertools.cycle([4 * p for p in _PRIMES] if cut else _PRIMES)
        self._named: dict[str, int] = {}

    def named(self, dim: object) -> int:
        name = getattr(dim, "__name__", str(dim))
        if name not in self._named:
            self._named[name] = next(self._new)
        return self._named[name]


# from annotations to values ----------------------------------------------------------------------


def size_of(dim: Any, env: dict[Any, Any], sizes: Sizes) -> int:
    """What a dim is worth; type variables without a value get one."""
    if isinstance(dim, int):
        return dim
    if dim in env:
        return size_of(env[dim], env, sizes)
    origin, args = get_origin(dim), get_args(dim)
    if origin is Literal:
        return int(args[0])
    if origin is vx.Sharded:
        return size_of(args[0], env, sizes)
    if origin is vx.Add:
        return sum(size_of(a, env, sizes) for a in args)
    if origin is vx.Mul:
        total = 1
        for a in args:
            total *= size_of(a, env, sizes)
        return total
    if isinstance(dim, TypeVar):
        env[dim] = sizes.named(f"~{dim.__name__}")
        return size_of(env[dim], env, sizes)
    if inspect.isclass(dim) and issubclass(dim, vx.Dim):
        return sizes.named(dim)
    raise Undeclared(f"no size: {dim}")


def dims_of(args: tuple[Any, ...], env: dict[Any, Any], sizes: Sizes) -> Iterator[Any]:
    """The dims of an array type, segments of them laid out."""
    for dim in args:
        if isinstance(dim, tuple):
            yield from dims_of(dim, env, sizes)
        elif isinstance(unpacked(dim), TypeVarTuple):
            yield from env.setdefault(unpacked(dim), (3, 5))
        else:
            yield dim


def unpacked(dim: Any) -> Any:
    """What stands behind a star."""
    if get_origin(dim) is typing.Unpack:
        return get_args(dim)[0]
    return dim


def shown(hint: Any) -> str:
    """An annotation without the modules of its names."""
    return re.sub(r"\b(?:\w+\.)+(?=\w)|~", "", str(hint))


def is_array(hint: Any) -> bool:
    return get_origin(hint) is vx.Array


def dtype_in(hint: Any, env: dict[Any, Any]) -> DType | None:
    """The dtype of an array type; None for any."""
    of = get_args(hint)[0]
    if isinstance(of, TypeVar):
        of = env.setdefault(of, (*of.__constraints__, vx.float32)[0])
    return of if isinstance(of, type) and issubclass(of, Scalar) else None


def array_type(hint: Any, env: dict[Any, Any], sizes: Sizes) -> tuple[ArrayType, Cuts]:
    dims = list(dims_of(get_args(hint)[1:], env, sizes))
    shape = [size_of(d, env, sizes) for d in dims]
    cuts = tuple(axes_of(d) for d in dims)
    dtype = dtype_in(hint, env)
    if dtype is None:
        raise Undeclared(f"any dtype: {hint}")
    return ArrayType(tuple(shape), dtype), cuts


def axes_of(dim: Any) -> tuple[str, ...]:
    """The mesh axes that cut a dim."""
    if get_origin(dim) is not vx.Sharded:
        return ()
    return tuple([get_args(a)[0] for a in get_args(dim)[1:]])


def made(hint: Any, env: dict[Any, Any], sizes: Sizes, cuts: list[Cuts]) -> Any:
    """A value of a type, with array and key types where arrays and keys would be."""
    origin, args = get_origin(hint), get_args(hint)
    if is_array(hint):
        t, cut = array_type(hint, env, sizes)
        cuts.append(cut)
        return t
    if hint is vx.random.Key:
        cuts.append(())
        return KeyType("threefry2x32", ())
    if origin is vx.Size:
        return size_of(args[0], env, sizes)
    if origin in (list, Sequence):
        return [made(args[0], env, sizes, cuts) for _ in range(2)]
    if origin is dict:
        return {k: made(args[1], env, sizes, cuts) for k in ("b", "first", "second", "w")}
    if origin is tuple and args[-1:] == (...,):
        return tuple([made(args[0], env, sizes, cuts) for _ in range(2)])
    if origin is tuple:
        return tuple([made(a, env, sizes, cuts) for a in args])
    if hint in (bool, int, float):
        return hint(1)
    cls = origin or hint
    if inspect.isclass(cls) and issubclass(cls, tuple) and hasattr(cls, "_fields"):
        hints = typing.get_type_hints(cls)
        return cls(*[made(hints[n], env, sizes, cuts) for n in cls._fields])
    if inspect.isclass(cls) and attrs.has(cls):
        inner = dict(zip(getattr(cls, "__parameters__", ()), args))
        inner = {k: resolved(v, env, sizes) for k, v in inner.items()}
        hints = typing.get_type_hints(cls)
        new = object.__new__(cls)
        for f in attrs.fields(cls):
            has_default = f.default is not attrs.NOTHING and not hasattr(f.default, "factory")
            new.__dict__[f.name] = (
                f.default if has_default else made(hints[f.name], inner, sizes, cuts)
            )
        return new
    raise Undeclared(f"no value: {hint}")


def resolved(dim: Any, env: dict[Any, Any], sizes: Sizes) -> Any:
    """A dim or dtype without type variables of the outside."""
    if isinstance(dim, TypeVar) and not dim.__constraints__:
        return size_of(dim, env, sizes)
    if get_origin(dim) in (vx.Add, vx.Mul, Literal):
        return size_of(dim, env, sizes)
    return dim


# from values back to annotations -----------------------------------------------------------------


def hold(hint: Any, value: Any, env: dict[Any, Any], sizes: Sizes | None, where: str) -> None:
    """Hold a value against its annotation.

    Type variables take their values from what is seen first, and so do named dims where no sizes
    are given. What is no array, key, size or container of these is not looked at.

    Raises:
        Broken: it is something else.
    """
    origin, args = get_origin(hint), get_args(hint)
    if is_array(hint):
        _hold_array(hint, value, env, sizes, where)
    elif origin is vx.Size:
        _hold_size(args[0], value, env, sizes, f"{where}: a size")
    elif origin in (list, set, frozenset) and isinstance(value, origin):
        for x in value:
            hold(args[0], x, env, sizes, where)
    elif origin is dict and isinstance(value, dict):
        for x in value.values():
            hold(args[1], x, env, sizes, where)
    elif origin is tuple:
        if not isinstance(value, tuple):
            raise Broken(f"{where}: {shown(hint)} and {type(value).__name__}")
        parts = (args[0],) * len(value) if args[-1:] == (...,) else args
        if len(parts) != len(value):
            raise Broken(f"{where}: {len(parts)} parts declared, {len(value)} given")
        for a, x in zip(parts, value):
            hold(a, x, env, sizes, where)
    elif inspect.isclass(hint) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        if not isinstance(value, hint):
            raise Broken(f"{where}: {hint.__name__} and {type(value).__name__}")
        for name, inner in hints_of(hint).items():
            hold(inner, getattr(value, name), env, sizes, f"{where}.{name}")
    elif inspect.isclass(origin or hint) and attrs.has(origin or hint):
        _hold_struct(origin or hint, args, value, env, sizes, where)
    elif (hint in (list, dict) and not isinstance(value, hint)) or origin in (list, dict):
        raise Broken(f"{where}: {shown(hint)} and {type(value).__name__}")


def _hold_array(
    hint: Any, value: Any, env: dict[Any, Any], sizes: Sizes | None, where: str
) -> None:
    if isinstance(value, (int, float, complex)):
        raise Broken(f"{where}: {shown(hint)} and a Python number")
    if not isinstance(value, vx.Array):
        raise Broken(f"{where}: {shown(hint)} and {type(value).__name__}")
    of, *dims = get_args(hint)
    if isinstance(of, TypeVar):
        of = env.setdefault(of, value.dtype)
    if isinstance(of, type) and issubclass(of, Scalar) and of is not value.dtype:
        raise Broken(f"{where}: {shown(hint)} and {value.type}")
    _hold_shape(dims, tuple(value.shape), env, sizes, f"{where}: {shown(hint)} and {value.type}")


def _hold_shape(
    dims: list[Any], shape: tuple[Any, ...], env: dict[Any, Any], sizes: Sizes | None, what: str
) -> None:
    flat: list[Any] = []
    for d in dims:
        flat += list(d) if isinstance(d, tuple) else [d]
    stars = [i for i, d in enumerate(flat) if get_origin(d) is typing.Unpack]
    if stars:
        (at,) = stars
        after = len(flat) - at - 1
        if len(shape) < at + after:
            raise Broken(what)
        middle = shape[at : len(shape) - after]
        rest = unpacked(flat[at])
        if isinstance(rest, TypeVarTuple):
            if env.setdefault(rest, middle) != middle:
                raise Broken(what)
        flat = flat[:at] + [Any] * len(middle) + flat[at + 1 :]
    if len(flat) != len(shape):
        raise Broken(what)
    for d, n in zip(flat, shape):
        _hold_size(d, n, env, sizes, what)


def _hold_size(d: Any, n: Any, env: dict[Any, Any], sizes: Sizes | None, what: str) -> None:
    if d is Any:
        return
    d = d if get_origin(d) is not vx.Sharded else get_args(d)[0]
    unknown = [x for x in _atoms(d) if x not in env and (sizes is None or isinstance(x, TypeVar))]
    if unknown == [d]:
        env[d] = n
    elif len(unknown) == 1:
        _solve(d, unknown[0], n, env, sizes, what)
    elif not unknown and size_of(d, env, sizes or Sizes()) != n:
        raise Broken(what)


def _solve(d: Any, atom: Any, n: int, env: dict[Any, Any], sizes: Sizes | None, what: str) -> None:
    """Give the one unknown of a sum or product the value that makes it right, if there is one."""
    for guess in range(n + 1):
        if size_of(d, {**env, atom: guess}, sizes or Sizes()) == n:
            env[atom] = guess
            return
    raise Broken(what)


def _atoms(d: Any) -> list[Any]:
    if get_origin(d) in (vx.Add, vx.Mul):
        return list(dict.fromkeys(x for a in get_args(d) for x in _atoms(a)))
    return [] if get_origin(d) is Literal or isinstance(d, int) else [d]


def _hold_struct(
    cls: Any,
    args: tuple[Any, ...],
    value: Any,
    env: dict[Any, Any],
    sizes: Sizes | None,
    where: str,
) -> None:
    if not isinstance(value, cls):
        raise Broken(f"{where}: {cls.__name__} and {type(value).__name__}")
    inner: dict[Any, Any] = {}
    hints = typing.get_type_hints(cls)
    for f in attrs.fields(cls):
        hold(hints[f.name], getattr(value, f.name), inner, sizes, f"{where}.{f.name}")
    for parameter, arg in zip(getattr(cls, "__parameters__", ()), args):
        if isinstance(inner.get(parameter), int):
            _hold_size(arg, inner[parameter], env, sizes, f"{where}: {cls.__name__}[{arg}]")


def hints_of(f: Any) -> dict[str, Any]:
    """The annotations of a function or class; of a local function, with the names around it."""
    local = (
        dict(zip(f.__code__.co_freevars, [c.cell_contents for c in f.__closure__ or ()]))
        if (isinstance(f, types.FunctionType))
        else {}
    )
    return typing.get_type_hints(f, localns=local)
