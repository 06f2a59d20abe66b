"""The walk through what a function reads: keys are built, guards and arrays collected.

It goes through closures, defaults, partials, bound objects, the globals that the code names, the
attributes of the user's own modules and classes that it names, and every user function reached.
Library code, what is installed and modules of it do not change. What may change unseen is
``Unkeyed``, with the reason in the user's words.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
import re
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    NotImplementedType,
    WrapperDescriptorType,
)
from typing import Any

from verax.dsl.lang.treedef import Node, node_of
from verax.dsl.lang.value import Value
from verax.sharding.errors import is_library

_LARGE_LIST = 10_000
_LARGE_ARRAY = 1 << 16  # bytes


class Unkeyed(Exception):
    """The function reads something that may change unseen."""


class Walk:
    """One walk through what a function reads: keys are built, guards and arrays collected."""

    __slots__ = (
        "cells", "classes", "codes", "contents", "looked", "names", "reads", "seen", "spoken",
    )  # fmt: skip

    def __init__(self) -> None:
        self.reads: list[Value] = []
        self.cells: list[tuple[Any, Any]] = []
        self.names: list[tuple[Mapping[str, Any], str, Any]] = []
        self.codes: list[tuple[FunctionType, CodeType, Any]] = []
        self.contents: list[tuple[Callable[[Any, Any], bool], Any, Any]] = []
        self.seen: dict[int, tuple[int, Any]] = {}  # what was met, numbered and kept alive
        self.classes: dict[type, None] = {}  # the user's classes that were reached
        self.spoken: dict[str, None] = {}  # every name in the codes that were reached
        self.looked: set[tuple[type, str]] = set()

    def value(self, v: Any, path: str) -> Any:
        """The key of what stands at ``path``."""
        c = type(v)
        handler = _HANDLERS.get(c)
        if handler is not None:
            return handler(self, v, path)
        return self.other(v, c, path)

    def other(self, v: Any, c: type, path: str) -> Any:
        """The classes that are recognised by what they derive from."""
        if isinstance(v, Value):
            return self.array(v, path)
        if isinstance(v, type):
            return self.class_(v, path)
        if isinstance(v, enum.Enum):
            return c, v.name
        node = node_of(c)
        if node is not None:
            return self.container(node, v, path)
        parts = getattr(c, "_identity_", None)
        if parts is not None:
            return (c, *[self.value(p, path) for p in parts(v)])
        if _is_frozen_dataclass(c):
            fields = [f.name for f in dataclasses.fields(v)]
            self.class_(c, path)
            return (c, *[self.value(getattr(v, n), f"{path}.{n}") for n in fields])
        if c.__module__ in _FROZEN_MODULES or c.__module__.startswith("verax."):
            return c, v
        if c.__module__.startswith("numpy"):
            return self.numpy(v, c, path)
        raise Unkeyed(
            f"{path or repr(v)} is an object of class {c.__qualname__}, which can change unseen:"
            " make the class a vx.struct, or pass what the function needs as arguments"
        )

    def array(self, v: Value, path: str) -> Any:
        if v.scope is not None:
            raise Unkeyed(f"{path} is a value of a function that was staged")
        again = self.again(v)  # two names for one array are one input
        if again is not None:
            return again
        self.reads.append(v)
        return type(v), v.type

    def again(self, v: object) -> tuple[str, int] | None:
        """The key of what was met before on this walk; None at the first time."""
        known = self.seen.get(id(v))
        if known is not None:
            return "again", known[0]
        self.seen[id(v)] = (len(self.seen), v)
        return None

    def tuple_(self, v: tuple[Any, ...], path: str) -> Any:
        return (tuple, *[self.value(x, path) for x in v])

    def list_(self, v: list[Any], path: str) -> Any:
        again = self.again(v)
        if again is not None:
            return again
        self.bounded(len(v), "list", path)
        self.contents.append((_same_items, v, tuple(v)))
        return (list, *[self.value(x, f"{path}[{i}]") for i, x in enumerate(v)])

    def dict_(self, v: dict[Any, Any], path: str) -> Any:
        again = self.again(v)
        if again is not None:
            return again
        self.bounded(len(v), "dict", path)
        self.contents.append((_same_entries, v, dict(v)))
        factory = v.default_factory if isinstance(v, defaultdict) else None
        keys = [self.value(k, path) for k in v]
        return (type(v), factory, *keys, *[self.value(x, f"{path}[{k!r}]") for k, x in v.items()])

    def bounded(self, n: int, what: str, path: str) -> None:
        if n > _LARGE_LIST:
            raise Unkeyed(f"{path} is a {what} of {n} elements, too many to look at in each call")

    def container(self, node: Node, v: Any, path: str) -> Any:
        """A struct, a named tuple, or what was registered."""
        aux, children = node.take(v)
        key: list[Any] = [node.cls]
        if not _is_fixed(node.cls.__module__):
            self.class_(node.cls, path)
        if isinstance(aux, tuple):
            key += [self.value(x, path) for x in aux]
        elif aux is not None:
            key.append(self.value(aux, path))
        for i, x in enumerate(children):
            step = node.step(aux, i)
            key.append(self.value(x, f"{path}{step}"))
        return tuple(key)

    def numpy(self, v: Any, c: type, path: str) -> Any:
        """NumPy's scalars, dtypes and functions, and arrays by content."""
        numpy = sys.modules["numpy"]
        if isinstance(v, numpy.generic):
            return c, v.tobytes()
        if not isinstance(v, numpy.ndarray):
            if isinstance(v, (numpy.dtype, numpy.ufunc)):
                return c, v
            raise Unkeyed(f"{path} is a {c.__qualname__} of NumPy, which can change unseen")
        if v.nbytes > _LARGE_ARRAY or v.dtype.hasobject:
            raise Unkeyed(
                f"{path} is a NumPy array of {v.nbytes} bytes, which can change unseen:"
                " make it an array of verax once, vx.asarray(x)"
            )
        content = v.tobytes()
        self.contents.append((_same_bytes, v, content))
        return c, v.dtype, v.shape, content

    # functions ------------------------------------------------------------------------------------

    def function(self, f: FunctionType, path: str) -> Any:
        code = f.__code__
        library, closure = _is_library(code.co_filename), f.__closure__
        if library and closure is None:
            return f
        if code.co_filename.startswith("<attrs generated"):
            return code  # its class says the rest
        again = self.again(f)
        if again is not None:
            return again
        self.codes.append((f, code, f.__defaults__))
        key: list[Any] = [code]
        if f.__defaults__:
            key += [self.value(d, f"a default of {f.__name__}") for d in f.__defaults__]
        if f.__kwdefaults__:
            for name, d in f.__kwdefaults__.items():
                key.append((name, self.value(d, f"the default {name} of {f.__name__}")))
        if closure is not None:
            self.closure(f, closure, key)
        if not library:
            self.globals(f, code, key)
        return tuple(key)

    def closure(self, f: FunctionType, closure: Iterable[Any], key: list[Any]) -> None:
        for name, cell in zip(f.__code__.co_freevars, closure):
            try:
                v = cell.cell_contents
            except ValueError:
                key.append("empty")
                continue
            self.cells.append((cell, v))
            key.append(self.value(v, f"{name}, which {f.__name__} reads,"))

    def globals(self, f: FunctionType, code: CodeType, key: list[Any]) -> None:
        spoken = names_in(code)
        self.spoken |= dict.fromkeys(spoken)
        here = f.__globals__
        for name in spoken:
            v = here.get(name, here)
            if v is here:
                continue
            if type(v) is ModuleType and _is_fixed_module(v):
                key.append(v)
                continue
            self.names.append((here, name, v))
            if type(v) is ModuleType:
                key.append(self.module(v, spoken))
            else:
                key.append(self.value(v, f"the global {name}, which {f.__name__} reads,"))

    def module(self, m: ModuleType, spoken: Iterable[str]) -> Any:
        """A module of the user's: every attribute of it that the code may name."""
        if _is_fixed_module(m) or self.again(m) is not None:
            return m
        here, key = vars(m), [m]
        for name in spoken:
            v = here.get(name, here)
            if v is not here:
                self.names.append((here, name, v))
                inner = type(v) is ModuleType
                key.append(
                    self.module(v, spoken) if inner else self.value(v, f"{m.__name__}.{name}")
                )
        return tuple(key)

    def method(self, v: MethodType, path: str) -> Any:
        return MethodType, self.value(v.__func__, path), self.value(v.__self__, path)

    def partial(self, v: functools.partial[Any], path: str) -> Any:
        key = [functools.partial, self.value(v.func, path)]
        key += [self.value(x, f"an argument of partial({v.func})") for x in v.args]
        key += [(k, self.value(x, f"the argument {k} of a partial")) for k, x in v.keywords.items()]
        return tuple(key)

    def wrapped(self, v: Any, path: str) -> Any:
        """What functools.lru_cache makes: a function that is said to be pure."""
        return self.value(v.__wrapped__, path)

    # classes --------------------------------------------------------------------------------------

    def class_(self, c: type, path: str) -> Any:
        """A class counts by itself; of a user's class, what the code names of it counts too."""
        if not _is_fixed(c.__module__):
            for base in c.__mro__:
                if not _is_fixed(base.__module__):
                    self.classes[base] = None
        return c

    def finish(self) -> Any:
        """The keys of the attributes of classes that the codes name; they may name further ones."""
        key: list[Any] = []
        while True:
            found = [
                (c, n)
                for c in self.classes
                for n in vars(c)
                if (n in self.spoken or n in _IMPLICIT) and (c, n) not in self.looked
            ]
            if not found:
                return tuple(key)
            self.looked.update(found)
            for c, n in found:
                v = vars(c)[n]
                self.names.append((vars(c), n, v))
                key.append((c, n, self.value(_unbound(v), f"{c.__qualname__}.{n}")))


def _unbound(v: Any) -> Any:
    """The functions behind what stands in a class: methods of kinds, and properties."""
    if isinstance(v, (staticmethod, classmethod)):
        return v.__func__
    if isinstance(v, property):
        return v.fget, v.fset
    if isinstance(v, functools.cached_property):
        return v.func
    return None if type(v).__name__ in _DESCRIPTORS else v


_DESCRIPTORS = frozenset({"member_descriptor", "getset_descriptor", "_tuplegetter"})
_OPERATORS = (
    "init call getitem len iter contains add radd sub rsub mul rmul truediv rtruediv matmul pow"
    " neg bool eq lt le gt ge attrs_post_init post_init getattr enter exit"
)
_IMPLICIT = frozenset([f"__{name}__" for name in _OPERATORS.split()])
"""Methods that code calls without naming them."""

_FROZEN_MODULES = frozenset({"operator", "re", "datetime", "decimal", "fractions", "pathlib"})


def _atom(walk: Walk, v: Any, path: str) -> Any:
    return v


def _number(walk: Walk, v: Any, path: str) -> Any:
    return type(v), v  # 1, 1.0 and True are different constants


def _float(walk: Walk, v: Any, path: str) -> Any:
    return type(v), repr(v)  # 0.0 and -0.0 are, too


def _slice(walk: Walk, v: slice, path: str) -> Any:
    return walk.tuple_((v.start, v.stop, v.step), path)


def _frozenset(walk: Walk, v: frozenset[Any], path: str) -> Any:
    return frozenset([walk.value(x, path) for x in v])


def _module(walk: Walk, v: ModuleType, path: str) -> Any:
    return walk.module(v, tuple(walk.spoken))


_HANDLERS: dict[type, Callable[[Walk, Any, str], Any]] = {
    **dict.fromkeys((str, bytes, type(None), EllipsisType, NotImplementedType, range), _atom),
    **dict.fromkeys((BuiltinFunctionType, type(len), MethodWrapperType), _atom),
    **dict.fromkeys((WrapperDescriptorType, type(str.join), re.Pattern, CodeType), _atom),
    **dict.fromkeys((operator.itemgetter, operator.attrgetter, operator.methodcaller), _atom),
    **dict.fromkeys((bool, int), _number),
    **dict.fromkeys((float, complex), _float),
    **dict.fromkeys((dict, OrderedDict, defaultdict), Walk.dict_),
    type: Walk.class_,
    tuple: Walk.tuple_,
    list: Walk.list_,
    slice: _slice,
    frozenset: _frozenset,
    FunctionType: Walk.function,
    MethodType: Walk.method,
    ModuleType: _module,
    functools.partial: Walk.partial,
    type(lru_cache(None)(len)): Walk.wrapped,
}


# what does not change while a program runs -------------------------------------------------------

_NAMES: dict[CodeType, tuple[str, ...]] = {}
_LIBRARY: dict[str, bool] = {}


def names_in(code: CodeType) -> tuple[str, ...]:
    """Every name that a code and the codes inside it may look up: globals and attributes."""
    names = _NAMES.get(code)
    if names is None:
        found = list(code.co_names)
        for c in code.co_consts:
            if isinstance(c, CodeType):
                found += names_in(c)
        names = _NAMES[code] = tuple(dict.fromkeys(found))
    return names


def _is_library(filename: str) -> bool:
    """Whether a file is verax itself; not ``__module__``, which functools.wraps copies."""
    known = _LIBRARY.get(filename)
    if known is None:
        known = _LIBRARY[filename] = is_library(filename)
    return known


_FIXED: dict[str, bool] = {}


def _is_fixed(module: str) -> bool:
    """Whether the module of this name is the library or installed, so that it does not change."""
    known = _FIXED.get(module)
    if known is None:
        m = sys.modules.get(module)
        known = _FIXED[module] = m is not None and _is_fixed_module(m)
    return known


def _is_fixed_module(m: ModuleType) -> bool:
    name, file = m.__name__, getattr(m, "__file__", None)
    if name == "verax" or name.startswith("verax."):
        return True
    if file is None:
        return name.split(".")[0] in sys.stdlib_module_names and name != "__main__"
    return _is_installed(file)


def _is_installed(file: str) -> bool:
    return "site-packages" in file or "/lib/python" in file or is_library(file)


@lru_cache
def _is_frozen_dataclass(c: type) -> bool:
    return dataclasses.is_dataclass(c) and bool(c.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def _same_items(v: list[Any], then: tuple[Any, ...]) -> bool:
    return len(v) == len(then) and all(map(operator.is_, v, then))


def _same_entries(v: dict[Any, Any], then: dict[Any, Any]) -> bool:
    return (
        len(v) == len(then)
        and all(map(operator.is_, v, then))
        and all(map(operator.is_, v.values(), then.values()))
    )


def _same_bytes(v: Any, then: bytes) -> bool:
    return bool(v.tobytes() == then)
