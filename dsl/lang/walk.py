"""The walk through what a function reads: keys are built, guards and arrays collected.

It goes through closures, defaults, partials, bound objects, the globals that the code names, the
attributes of the user's own modules and classes that it names, and every user function reached.
Library code, what is installed and modules of it do not change; containers and plain objects of
the user's count by content. What may change unseen is noted with the reason, in the user's words,
and the walk goes on: what is read must also not be written to while the function is staged.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
import re
import sys
from collections import OrderedDict, defaultdict, deque
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

from verax.dsl.lang.bytecode import facts, follows, loads
from verax.dsl.lang.contents import (
    MISSING,
    Same,
    same_attributes,
    same_bytes,
    same_entries,
    same_items,
    same_raw,
    same_slots,
    slot_values,
    slots_of,
)
from verax.dsl.lang.fixed import (
    is_fixed,
    is_fixed_module,
    is_foreign,
    is_frozen_dataclass,
    is_plain,
)
from verax.dsl.lang.frames import DOORS
from verax.dsl.lang.outside import CLOCKS, IMPORTED, READERS, is_hidden, is_iterator, is_source
from verax.dsl.lang.path import Path, root, show, variable
from verax.dsl.lang.scope import name_of
from verax.dsl.lang.treedef import Node, node_of
from verax.dsl.lang.value import Value

_LARGE = 10_000  # elements, of one container and of all of them
_LARGE_ARRAY = 1 << 16  # bytes

_CLOCK = None, "", ""


class Walk:
    """One walk through what a function reads: keys are built, guards and arrays collected."""

    __slots__ = (
        "cells", "classes", "codes", "contents", "left", "looked", "names", "reads", "reason",
        "seen", "sources", "spoken",
    )  # fmt: skip

    def __init__(self) -> None:
        self.reason: str | None = None  # why there is no identity
        self.left = _LARGE
        self.reads: list[Value] = []
        self.cells: list[tuple[Any, Any, str]] = []
        self.names: list[tuple[Mapping[str, Any], str, Any, str]] = []
        self.codes: list[tuple[FunctionType, CodeType, Any]] = []
        self.contents: list[tuple[Same, Any, Any, Path]] = []
        self.sources: dict[int, tuple[Any, str, str]] = {}  # iterators, random generators
        self.seen: dict[int, tuple[int, Any]] = {}  # what was met, numbered and kept alive
        self.classes: dict[type, None] = {}  # the user's classes that were reached
        self.spoken: dict[str, None] = {}  # every name in the codes that were reached
        self.looked: set[tuple[type, str]] = set()

    def unkeyed(self, reason: str) -> object:
        """Note why there is no identity; gives a key that equals no other."""
        self.reason = self.reason or reason
        return object()

    def value(self, v: Any, path: Path) -> Any:
        """The key of what stands at ``path``."""
        c = type(v)
        handler = _HANDLERS.get(c)
        if handler is not None:
            return handler(self, v, path)
        return self.other(v, c, path)

    def other(self, v: Any, c: type, path: Path) -> Any:
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
        if is_frozen_dataclass(c):
            fields = [f.name for f in dataclasses.fields(v)]
            self.class_(c, path)
            return (c, *[self.value(getattr(v, n), (path, ".%s", n)) for n in fields])
        if is_source(v, c):
            return self.source(v, path)
        if c.__module__ in _FROZEN_MODULES or c.__module__.startswith("verax."):
            return c, v
        if c.__module__.startswith("numpy"):
            return self.numpy(v, c, path)
        if is_plain(c):
            return self.plain(v, c, path)
        return self.unkeyed(
            f"{show(path, v)} is an object of class {c.__qualname__}, which can change unseen:"
            " make the class a vx.struct, or pass what the function needs as arguments"
        )

    def array(self, v: Value, path: Path) -> Any:
        if v.scope is not None:
            return self.unkeyed(f"{show(path, v)} is a value of a function that was staged")
        again = self.again(v)  # two names for one array are one input
        if again is not None:
            return again
        self.reads.append(v)
        return type(v), v.type

    def source(self, v: Any, path: Path) -> object:
        """An iterator, a file or a generator of random numbers: reading changes it."""
        if is_hidden(v):
            self.sources[0] = _CLOCK
            return v
        self.sources[id(v)] = v, variable(path), root(path)
        kind = "an iterator" if is_iterator(v) else f"a {type(v).__qualname__}"
        return self.unkeyed(f"{show(path, v)} is {kind}, which changes when it is read")

    def again(self, v: object) -> tuple[str, int] | None:
        """The key of what was met before on this walk; None at the first time."""
        known = self.seen.get(id(v))
        if known is not None:
            return "again", known[0]
        self.seen[id(v)] = (len(self.seen), v)
        return None

    # containers -----------------------------------------------------------------------------------

    def tuple_(self, v: tuple[Any, ...], path: Path) -> Any:
        return (tuple, *[self.value(x, (path, "[%s]", i)) for i, x in enumerate(v)])

    def items(self, v: Any, path: Path) -> Any:
        """A list, a set or a deque."""
        again = self.again(v)
        if again is not None:
            return again
        c = type(v)
        if not self.bounded(len(v), c.__name__, path):
            return object()
        self.contents.append((same_items, v, tuple(v), path))
        key = [self.value(x, (path, "[%s]", i)) for i, x in enumerate(v)]
        return (c, frozenset(key)) if c is set else (c, *key)

    def dict_(self, v: dict[Any, Any], path: Path) -> Any:
        again = self.again(v)
        if again is not None:
            return again
        if not self.bounded(len(v), "dict", path):
            return object()
        self.contents.append((same_entries, v, dict(v), path))
        factory = v.default_factory if isinstance(v, defaultdict) else None
        keys = [self.value(k, path) for k in v]
        return (
            type(v), factory, *keys, *[self.value(x, (path, "[%r]", k)) for k, x in v.items()]
        )  # fmt: skip

    def raw(self, v: bytearray, path: Path) -> Any:
        if not self.bounded(len(v) >> 6, "bytearray", path):
            return object()
        content = bytes(v)
        self.contents.append((same_raw, v, content, path))
        return bytearray, content

    def plain(self, v: Any, c: type, path: Path) -> Any:
        """An object of a class of the user's, whose state is its attributes."""
        again = self.again(v)
        if again is not None:
            return again
        self.class_(c, path)
        state: dict[str, Any] = {}
        if hasattr(v, "__dict__"):
            state |= v.__dict__
            self.contents.append((same_attributes, v, dict(state), path))
        slots = slots_of(c)
        if slots:
            filled = slot_values(v, slots)
            self.contents.append((same_slots, v, filled, path))
            state |= filled
        if not self.bounded(len(state), c.__qualname__, path):
            return object()
        return (c, tuple(state), *[self.value(x, (path, ".%s", n)) for n, x in state.items()])

    def bounded(self, n: int, what: str, path: Path) -> bool:
        """Whether what is looked at in each call stays small with n elements more."""
        if n > _LARGE:
            self.unkeyed(
                f"{show(path, what)} is a {what} of {n} elements, too many to look at in each call"
            )
            return False
        self.left -= n
        if self.left < 0:
            self.unkeyed(
                f"{show(path, what)} is one of so many that they are too much to look at in each"
                " call: pass what the function needs as arguments"
            )
        return self.left >= 0

    def container(self, node: Node, v: Any, path: Path) -> Any:
        """A struct, a named tuple, or what was registered."""
        aux, children = node.take(v)
        key: list[Any] = [node.cls]
        if not is_fixed(node.cls.__module__):
            self.class_(node.cls, path)
        if isinstance(aux, tuple):
            key += [self.value(x, path) for x in aux]
        elif aux is not None:
            key.append(self.value(aux, path))
        for i, x in enumerate(children):
            key.append(self.value(x, (path, "%s", node.step(aux, i))))
        return tuple(key)

    def numpy(self, v: Any, c: type, path: Path) -> Any:
        """NumPy's scalars, dtypes and functions, and arrays by content."""
        numpy = sys.modules["numpy"]
        if isinstance(v, numpy.generic):
            return c, v.tobytes()
        if not isinstance(v, numpy.ndarray):
            if isinstance(v, (numpy.dtype, numpy.ufunc)):
                return c, v
            return self.unkeyed(
                f"{show(path, v)} is a {c.__qualname__} of NumPy, which can change unseen"
            )
        if v.nbytes > _LARGE_ARRAY or v.dtype.hasobject:
            return self.unkeyed(
                f"{show(path, v)} is a NumPy array of {v.nbytes} bytes, which can change unseen:"
                " make it an array of verax once, vx.asarray(x)"
            )
        content = v.tobytes()
        self.contents.append((same_bytes, v, content, path))
        return c, v.dtype, v.shape, content

    # functions ------------------------------------------------------------------------------------

    def function(self, f: FunctionType, path: Path) -> Any:
        code = f.__code__
        library, closure = is_foreign(code.co_filename), f.__closure__
        if library and f.__module__ in CLOCKS:
            self.sources[0] = _CLOCK
        if code in DOORS:
            return self.value(vars(f)["__wrapped__"], path)
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
            names = code.co_varnames[code.co_argcount - len(f.__defaults__) : code.co_argcount]
            for name, d in zip(names, f.__defaults__):
                key.append(self.value(d, (None, "the default ", name, f.__name__)))
        if f.__kwdefaults__:
            for name, d in f.__kwdefaults__.items():
                key.append((name, self.value(d, (None, "the default ", name, f.__name__))))
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
            self.cells.append((cell, v, name))
            key.append(self.value(v, (None, "", name, f.__name__)))

    def globals(self, f: FunctionType, code: CodeType, key: list[Any]) -> None:
        known = facts(code)
        spoken = known.names
        self.spoken |= dict.fromkeys(spoken)
        here = f.__globals__
        for name in spoken:
            v = here.get(name, here)
            if v is here:
                continue
            if type(v) is ModuleType and is_fixed_module(v):
                if v.__name__ in CLOCKS:
                    self.clock(v, code, name)
                key.append(v)
                continue
            self.names.append((here, name, v, name))
            if type(v) is ModuleType:
                key.append(self.module(v, spoken))
            else:
                key.append(self.value(v, (None, "the global ", name, f.__name__)))
        for name in known.stores:
            if name not in here:
                self.names.append((here, name, MISSING, name))
        if not (known.imports.isdisjoint(IMPORTED) and READERS.keys().isdisjoint(spoken)):
            self.sources[0] = _CLOCK

    def clock(self, m: ModuleType, code: CodeType, name: str) -> None:
        """A module that may give another value each time it is asked."""
        asked, spoken = CLOCKS[m.__name__], facts(code).names
        if (asked is not None and asked.isdisjoint(spoken)) or not loads(code, name):
            return
        if not m.__name__.startswith("numpy"):
            self.sources[0] = _CLOCK
        elif m.__name__ != "numpy" or follows(code, name, "random"):
            if "default_rng" in spoken:
                self.sources[0] = _CLOCK
            generator = sys.modules["numpy"].random.mtrand._rand
            self.sources[id(generator)] = generator, "the random state of NumPy", "random"

    def module(self, m: ModuleType, spoken: Iterable[str]) -> Any:
        """A module of the user's: every attribute of it that the code may name."""
        if is_fixed_module(m) or self.again(m) is not None:
            return m
        here, key = vars(m), [m]
        for name in spoken:
            v = here.get(name, here)
            if v is not here:
                self.names.append((here, name, v, f"{m.__name__}.{name}"))
                inner = type(v) is ModuleType
                at = None, f"{m.__name__}.", name, None
                key.append(self.module(v, spoken) if inner else self.value(v, at))
        return tuple(key)

    def method(self, v: MethodType, path: Path) -> Any:
        return MethodType, self.value(v.__func__, path), self.value(v.__self__, path)

    def partial(self, v: functools.partial[Any], path: Path) -> Any:
        key = [functools.partial, self.value(v.func, path)]
        inner = name_of(v.func)
        for i, x in enumerate(v.args):
            key.append(self.value(x, (None, f"an argument of partial({inner}), ", i, None)))
        for k, x in v.keywords.items():
            at = None, f"an argument of partial({inner}), ", k, None
            key.append((k, self.value(x, at)))
        return tuple(key)

    def wrapped(self, v: Any, path: Path) -> Any:
        """What functools.lru_cache makes: a function that is said to be pure."""
        return self.value(v.__wrapped__, path)

    # classes --------------------------------------------------------------------------------------

    def class_(self, c: type, path: Path) -> Any:
        """A class counts by itself; of a user's class, what the code names of it counts too."""
        if c.__module__ == "datetime":
            self.sources[0] = _CLOCK
        if not is_fixed(c.__module__):
            for base in c.__mro__:
                if not is_fixed(base.__module__):
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
                name = f"{c.__qualname__}.{n}"
                self.names.append((vars(c), n, v, name))
                key.append((c, n, self.value(_unbound(v), (None, f"{c.__qualname__}.", n, None))))


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
    " neg bool eq lt le gt ge attrs_post_init post_init getattr enter exit setitem delitem setattr"
    " floordiv rfloordiv mod rmod rpow rmatmul and rand or ror xor rxor lshift rshift invert pos"
    " abs ne iadd isub imul itruediv imatmul next reversed new getattribute int float index"
)
_IMPLICIT = frozenset([f"__{name}__" for name in _OPERATORS.split()])
"""Methods that code calls without naming them."""

_FROZEN_MODULES = frozenset({"operator", "re", "datetime", "decimal", "fractions", "pathlib"})


def _atom(walk: Walk, v: Any, path: Path) -> Any:
    return v


def _number(walk: Walk, v: Any, path: Path) -> Any:
    return type(v), v  # 1, 1.0 and True are different constants


def _float(walk: Walk, v: Any, path: Path) -> Any:
    return type(v), repr(v)  # 0.0 and -0.0 are, too


def _slice(walk: Walk, v: slice, path: Path) -> Any:
    return walk.tuple_((v.start, v.stop, v.step), path)


def _frozenset(walk: Walk, v: frozenset[Any], path: Path) -> Any:
    return frozenset([walk.value(x, path) for x in v])


def _module(walk: Walk, v: ModuleType, path: Path) -> Any:
    return walk.module(v, tuple(walk.spoken))


def _builtin(walk: Walk, v: Any, path: Path) -> Any:
    """A function of C, or a method of what it is bound to."""
    owner = v.__self__
    if type(owner) is ModuleType or owner is None:
        if v.__module__ in CLOCKS or v in READERS.values():
            walk.sources[0] = _CLOCK
        return v
    return BuiltinFunctionType, v.__name__, walk.value(owner, path)


_HANDLERS: dict[type, Callable[[Walk, Any, Path], Any]] = {
    **dict.fromkeys((str, bytes, type(None), EllipsisType, NotImplementedType, range), _atom),
    **dict.fromkeys((WrapperDescriptorType, type(str.join), re.Pattern, CodeType), _atom),
    **dict.fromkeys((set, list, deque), Walk.items),
    BuiltinFunctionType: _builtin,
    MethodWrapperType: _atom,
    bytearray: Walk.raw,
    **dict.fromkeys((operator.itemgetter, operator.attrgetter, operator.methodcaller), _atom),
    **dict.fromkeys((bool, int), _number),
    **dict.fromkeys((float, complex), _float),
    **dict.fromkeys((dict, OrderedDict, defaultdict), Walk.dict_),
    type: Walk.class_,
    tuple: Walk.tuple_,
    slice: _slice,
    frozenset: _frozenset,
    FunctionType: Walk.function,
    MethodType: Walk.method,
    ModuleType: _module,
    functools.partial: Walk.partial,
    type(lru_cache(None)(len)): Walk.wrapped,
}
