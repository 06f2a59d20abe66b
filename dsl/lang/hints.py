"""Annotations of functions, read into patterns (see patterns.py).

Each annotation is evaluated by itself, in the module of its function: one that cannot be evaluated
(a name that is imported for type checkers only, a typo) leaves its own parameter unknown and no
other. Structs bring the annotations of their fields, with the type arguments put in for the
parameters of a generic class.

Law: reading never raises and never runs a user's code, apart from the names that annotations name.
"""

from __future__ import annotations

import builtins
import collections.abc
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Annotated, Any, ForwardRef, Generic, Literal, NamedTuple, TypeAlias, Union

import attrs
import typing_extensions

from verax.compiler.ir.dtypes import DType, Scalar
from verax.compiler.ir.sizes import Size, dim, product
from verax.dsl.lang import typing as vocabulary
from verax.dsl.lang.array import Array
from verax.dsl.lang.key import Key
from verax.dsl.lang.patterns import (
    ANY_SHAPE,
    ArrayPattern,
    DictPattern,
    DTypeName,
    Field,
    FunctionPattern,
    KeyPattern,
    ManyPattern,
    Names,
    NonePattern,
    Pattern,
    ScalarPattern,
    Segment,
    Sized,
    StructPattern,
    TuplePattern,
    UnionPattern,
    Unknown,
)
from verax.dsl.lang.signatures import Ds
from verax.dsl.lang.struct import is_static, is_struct
from verax.dsl.lang.treedef import node_of

Dims: TypeAlias = tuple[Sized | Segment, ...]
Given: TypeAlias = Mapping[Any, Any]
"""What stands for the type variables of a generic class."""

_SEQUENCES = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_NUMBERS = (bool, int, float, complex)


class Parameter(NamedTuple):
    """A parameter of a function; ``kind`` is ``*`` or ``**`` for what takes the rest."""

    name: str
    kind: str
    pattern: Pattern
    has_default: bool
    default: Any


class Signature(NamedTuple):
    """What the annotations of a function say.

    Attributes:
        parameters: by position, then ``*args``, then by keyword alone, then ``**kwargs``.
        n_positional: how many are given by position.
        result: the pattern of what it returns.
    """

    parameters: tuple[Parameter, ...]
    n_positional: int
    result: Pattern


def plain_function(f: object) -> tuple[FunctionType, int] | None:
    """The function whose annotations say what f takes, and how many first arguments are bound.

    Wrappers copy the annotations of what they wrap, which need not hold for them: they have none.
    """
    bound = 0
    if isinstance(f, MethodType):
        f, bound = f.__func__, 1
    elif not isinstance(f, FunctionType) and not isinstance(f, type):
        call = inspect.getattr_static(type(f), "__call__", None)
        if node_of(type(f)) is not None and isinstance(call, FunctionType):
            f, bound = call, 1
    if not isinstance(f, FunctionType) or hasattr(f, "__wrapped__"):
        return None
    return f, bound


def owner_of(f: FunctionType) -> type | None:
    """The struct whose body defines a function, if it is found by its name in its module."""
    *outer, name = f.__qualname__.split(".")
    found: Any = None
    for i, part in enumerate(outer):
        found = getattr(found, part, None) if i else f.__globals__.get(part)
    if not isinstance(found, type) or not is_struct(found):
        return None
    member = vars(found).get(name)
    return None if member is None or isinstance(member, staticmethod) else found


def signature_of(f: FunctionType, owner: type | None = None) -> Signature:
    """The patterns of a function's parameters and of its result.

    Args:
        owner: the class that the function is a method of: the type of ``self``.
    """
    reader = _Reader(Names())
    space = _Space.of(f)
    code, hints = f.__code__, f.__annotations__

    def pattern(name: str) -> Pattern:
        if name not in hints:
            return Unknown("has no annotation")
        return reader.read(space.value(hints[name]), space, {})

    n = code.co_argcount
    parameters = []
    defaults = f.__defaults__ or ()
    first_default = n - len(defaults)
    for i, name in enumerate(code.co_varnames[:n]):
        if i == 0 and owner is not None and name not in hints:
            p = reader.struct(owner, {t: t for t in _parameters(owner)})
        else:
            p = pattern(name)
        given = i >= first_default
        parameters.append(
            Parameter(name, "", p, given, defaults[i - first_default] if given else None)
        )
    at = n + code.co_kwonlyargcount
    if code.co_flags & inspect.CO_VARARGS:
        parameters.append(
            Parameter(code.co_varnames[at], "*", pattern(code.co_varnames[at]), False, None)
        )
        at += 1
    kw = f.__kwdefaults__ or {}
    for name in code.co_varnames[n : n + code.co_kwonlyargcount]:
        parameters.append(Parameter(name, "=", pattern(name), name in kw, kw.get(name)))
    if code.co_flags & inspect.CO_VARKEYWORDS:
        name = code.co_varnames[at]
        parameters.append(Parameter(name, "**", pattern(name), False, None))
    return Signature(tuple(parameters), n, pattern("return"))


# names -------------------------------------------------------------------------------------------


class _Unresolved(NamedTuple):
    """An annotation that could not be evaluated."""

    text: str
    reason: str


class _Space(NamedTuple):
    """Where the names of annotations are looked up."""

    names: Mapping[str, Any]

    @classmethod
    def of(cls, f: FunctionType) -> _Space:
        """The closure, the type parameters and the module of a function."""
        inner: dict[str, Any] = {t.__name__: t for t in getattr(f, "__type_params__", ())}
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            try:
                inner[name] = cell.cell_contents
            except ValueError:
                continue
        return cls({**f.__globals__, **inner})

    @classmethod
    def of_class(cls, c: type) -> _Space:
        """The module of a class."""
        module = sys.modules.get(c.__module__)
        params = {t.__name__: t for t in getattr(c, "__type_params__", ())}
        return cls({**vars(module), c.__name__: c, **params} if module else {c.__name__: c})

    def value(self, hint: Any) -> Any:
        """An annotation, evaluated if it is a string."""
        if isinstance(hint, ForwardRef):
            hint = hint.__forward_arg__
        for _ in range(4):  # a string in a string is a string
            if not isinstance(hint, str):
                return hint
            hint = self._evaluated(hint)
        return hint

    def _evaluated(self, text: str) -> Any:
        try:
            return eval(text, dict(_LIBRARY), _Chain(self.names))
        except NameError as error:
            return _Unresolved(text, f"names {error.name!r}, which is not defined at run time")
        except Exception as error:
            return _Unresolved(text, f"cannot be evaluated: {type(error).__name__}: {error}")


_NOWHERE = _Space({})


class _Chain(dict[str, Any]):
    """The user's names first; what is missing is looked up in the library and the builtins."""

    def __missing__(self, name: str) -> Any:
        if name in _LIBRARY:
            return _LIBRARY[name]
        return getattr(builtins, name) if hasattr(builtins, name) else _missing(name)


def _missing(name: str) -> Any:
    raise NameError(f"name {name!r} is not defined", name=name)


_LIBRARY: dict[str, Any] = {n: getattr(vocabulary, n) for n in vocabulary.__all__}
_LIBRARY["Any"] = Any  # the library's own aliases name it


# reading -----------------------------------------------------------------------------------------


class _Reader:
    """Reads annotations; one reader has one set of names."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def read(self, hint: Any, space: _Space, given: Given) -> Pattern:
        """The pattern of an annotation."""
        hint = space.value(hint)
        if hint is vocabulary.ArrayLike:
            return Unknown("is annotated ArrayLike, which has any shape")
        if isinstance(hint, _Unresolved):
            return Unknown(f"is annotated {hint.text!r}, which {hint.reason}")
        if isinstance(hint, typing.TypeVar):
            return self._variable(hint, space, given)
        if hint is None or hint is type(None):
            return NonePattern()
        if hasattr(hint, "__supertype__"):  # NewType
            return self.read(hint.__supertype__, space, given)
        if type(hint).__name__ == "TypeAliasType":
            return self.read(hint.__value__, space, given)
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin is None:
            return self._class(hint, space)
        if type(origin).__name__ == "TypeAliasType":
            inner = dict(zip(origin.__type_params__, args))
            return self.read(origin.__value__, space, {**given, **inner})
        return self._generic(hint, origin, args, space, given)

    def _variable(self, v: typing.TypeVar, space: _Space, given: Given) -> Pattern:
        if v in given and given[v] is not v:
            return self.read(given[v], space, given)
        return Unknown(f"is of the type {v.__name__}, which may be any")

    def _class(self, c: Any, space: _Space) -> Pattern:
        if c is Any or c is object:
            return Unknown(f"is annotated {getattr(c, '__name__', 'Any')}")
        if c is Array:
            return ArrayPattern(None, ANY_SHAPE)
        if not isinstance(c, type):
            return Unknown(f"is annotated {c!r}, which says nothing of arrays")
        if issubclass(c, Key):
            return KeyPattern()
        if c in _NUMBERS:
            return ScalarPattern(c)
        if issubclass(c, vocabulary.Size):
            return ScalarPattern(int)
        if is_struct(c):
            anything = dict.fromkeys(_parameters(c), Any)
            return self.struct(c, anything)
        if issubclass(c, tuple) and hasattr(c, "_fields"):
            inner, hints = _Space.of_class(c), [c.__annotations__.get(n, Any) for n in c._fields]
            return TuplePattern(c, tuple([self.read(h, inner, {}) for h in hints]))
        if typing.is_typeddict(c):
            inner = _Space.of_class(c)
            items = [(n, self.read(h, inner, {})) for n, h in sorted(c.__annotations__.items())]
            return DictPattern(c.__name__, tuple(items))
        if c in (list, tuple, dict):
            return Unknown(f"is a {c.__name__} of what is not said")
        return Unknown(f"is of class {c.__qualname__}, which is no array, struct or number")

    def _generic(
        self, hint: Any, origin: Any, args: tuple[Any, ...], space: _Space, given: Given
    ) -> Pattern:
        if origin is Array:
            return self._array(args, space, given)
        if origin is Key:
            return self._shaped(args, KeyPattern, space, given)
        if origin is Annotated:
            return self.read(args[0], space, given)
        if origin in (Union, types.UnionType):
            return _union([self.read(a, space, given) for a in args])
        if origin is tuple:
            if len(args) == 2 and args[1] is Ellipsis:
                return ManyPattern(tuple, self.read(args[0], space, given))
            if args == ((),):
                args = ()
            return TuplePattern(tuple, tuple([self.read(a, space, given) for a in args]))
        if origin in _SEQUENCES and args:
            return ManyPattern(list, self.read(args[0], space, given))
        if origin in _MAPPINGS and len(args) == 2:
            return ManyPattern(dict, self.read(args[1], space, given))
        if origin is vocabulary.Size:
            return ScalarPattern(int, self._size(args[0], space, given))
        if origin is Literal:
            kinds = {type(a) for a in args}
            if len(args) == 1 and kinds <= {int}:
                return ScalarPattern(int, args[0])
            return Unknown(f"is one of the values {', '.join(map(repr, args))}")
        if isinstance(origin, type) and is_struct(origin):
            values = [self._argument(a, space, given) for a in args]
            return self.struct(origin, _completed(_parameters(origin), values))
        if origin is collections.abc.Callable:
            if not isinstance(args[0], list):
                return FunctionPattern(None, self.read(args[1], space, given))
            taken = tuple([self.read(a, space, given) for a in args[0]])
            return FunctionPattern(taken, self.read(args[1], space, given))
        if origin is type:
            return Unknown("is a class")
        return Unknown(f"is annotated {hint!r}, which says nothing of arrays")

    def _argument(self, a: Any, space: _Space, given: Given) -> Any:
        """A type argument, with what is given put in and names looked up where it stands."""
        a = space.value(a)
        if isinstance(a, typing.TypeVar):
            return given.get(a, a)
        if isinstance(a, _Unresolved):
            return Any
        inner = [t for t in getattr(a, "__parameters__", ()) if t in given]
        if not inner:
            return a
        return a[tuple([given.get(t, t) for t in a.__parameters__])]

    # arrays ---------------------------------------------------------------------------------------

    def _array(self, args: tuple[Any, ...], space: _Space, given: Given) -> Pattern:
        dtype = self._dtype(args[0], space, given)
        if isinstance(dtype, Unknown):
            return dtype
        return self._shaped(args[1:], lambda dims: ArrayPattern(dtype, dims), space, given)

    def _shaped(
        self, args: tuple[Any, ...], of: Callable[[Dims], Pattern], space: _Space, given: Given
    ) -> Pattern:
        dims: list[Sized | Segment] = []
        for a in args:
            dims += self._dims(a, space, given)
        if sum(isinstance(d, Segment) for d in dims) > 1:
            return Unknown("has two segments of dims, which is one too many")
        return of(tuple(dims))

    def _dtype(self, d: Any, space: _Space, given: Given) -> DType | DTypeName | Unknown | None:
        d = space.value(d)
        if isinstance(d, typing.TypeVar) and d in given and given[d] is not d:
            return self._dtype(given[d], space, given)
        if isinstance(d, typing.TypeVar):
            choices = tuple([c for c in d.__constraints__ if isinstance(c, DType)])
            return DTypeName(self.names.of(d), choices)
        if d is Any or d is Scalar:
            return None
        if isinstance(d, DType):
            return d
        return Unknown(f"has the dtype {d!r}, which is none")

    def _dims(self, a: Any, space: _Space, given: Given) -> list[Sized | Segment]:
        """The dims that one type argument stands for."""
        a = space.value(a)
        if a == ():
            return []
        inner = _unpacked(a)
        if inner is None:
            return [self._dim(a, space, given)]
        if isinstance(inner, typing.TypeVarTuple):
            return [Segment(None if inner is Ds else self.names.of(inner))]
        items = typing.get_args(inner)
        if len(items) == 2 and items[1] is Ellipsis:
            return [Segment(None)]
        return [self._dim(x, space, given) for x in items]

    def _dim(self, a: Any, space: _Space, given: Given) -> Sized:
        a = space.value(a)
        if typing.get_origin(a) is vocabulary.Sharded:
            args = typing.get_args(a)
            axes = [x for t in args[1:] for x in typing.get_args(space.value(t))]
            return Sized(self._size(args[0], space, given), tuple(map(str, axes)))
        return Sized(self._size(a, space, given))

    def _size(self, a: Any, space: _Space, given: Given) -> Size | None:
        """A size over the names of the signature, or None where nothing is known."""
        a = space.value(a)
        if isinstance(a, typing.TypeVar):
            if a in given and given[a] is not a:
                return self._size(given[a], space, given)
            return dim(self.names.of(a))
        origin, args = typing.get_origin(a), typing.get_args(a)
        if origin is Literal and len(args) == 1 and type(args[0]) is int:
            return args[0]
        if origin in (vocabulary.Add, vocabulary.Mul):
            parts = [self._size(x, space, given) for x in args]
            known = [p for p in parts if p is not None]
            if len(known) < len(parts):
                return None
            return product(known) if origin is vocabulary.Mul else sum(known, 0)
        if isinstance(a, type) and issubclass(a, vocabulary.Dim) and a is not vocabulary.Dim:
            return dim(self.names.of(a))
        return None

    # structs --------------------------------------------------------------------------------------

    def struct(self, c: type, given: Given) -> Pattern:
        """The pattern of a struct whose type parameters stand for ``given``."""
        if not is_struct(c):
            return Unknown(f"is of class {c.__qualname__}, which is no struct")

        def fields() -> tuple[Field, ...]:
            return tuple([self._field(c, f, given) for f in attrs.fields(c)])

        known = any(a is not Any for a in given.values())
        text = [self._text(a) for a in given.values()] if known else []
        return StructPattern(c, c.__name__ + (f"[{', '.join(text)}]" if text else ""), fields)

    def _text(self, a: Any) -> str:
        """A type argument as messages show it."""
        size = self._size(a, _NOWHERE, {})
        return getattr(a, "__name__", repr(a)) if size is None else str(size)

    def _field(self, c: type, f: attrs.Attribute[Any], given: Given) -> Field:
        owner, inner = _owner(c, f.name, given)
        hint = inspect.get_annotations(owner).get(f.name, Any)
        return Field(f.name, is_static(f), self.read(hint, _Space.of_class(owner), inner),
                     _default(f))  # fmt: skip


def _unpacked(a: Any) -> Any:
    """What stands behind the star of ``*Ds`` or ``*tuple[...]``; None where there is no star."""
    if isinstance(a, types.GenericAlias) and getattr(a, "__unpacked__", False):
        return a
    if typing.get_origin(a) is typing.Unpack:
        return typing.get_args(a)[0]
    return None


def _union(options: list[Pattern]) -> Pattern:
    unknown = next((o for o in options if isinstance(o, Unknown)), None)
    return UnionPattern(tuple(options)) if unknown is None else unknown


def _parameters(c: type) -> tuple[Any, ...]:
    return getattr(c, "__parameters__", ())


def _completed(parameters: Sequence[Any], args: Sequence[Any]) -> Given:
    """What type parameters stand for; those that no argument is left for have their defaults."""
    given: dict[Any, Any] = {}
    for i, p in enumerate(parameters):
        default = getattr(p, "__default__", typing_extensions.NoDefault)
        a = args[i] if i < len(args) else default
        if a is default:  # which may be a parameter before it; typing puts it in as it is
            a = given.get(a, a)
        given[p] = Any if a is typing_extensions.NoDefault else a
    return given


def _owner(c: type, name: str, given: Given) -> tuple[type, Given]:
    """The class whose body annotates a field, and what its type parameters stand for there."""
    if name in inspect.get_annotations(c):
        return c, given
    for base in c.__dict__.get("__orig_bases__", c.__bases__):
        origin = typing.get_origin(base) or base
        if not isinstance(origin, type) or origin in (Generic, object):
            continue
        if any(name in inspect.get_annotations(k) for k in origin.__mro__):
            args = [given.get(a, a) for a in typing.get_args(base)]
            params = _parameters(origin)
            inner = _completed(params, args) if args else dict.fromkeys(params, Any)
            return _owner(origin, name, inner)
    return c, given


def _default(f: attrs.Attribute[Any]) -> Callable[[], Any] | None:
    if f.default is attrs.NOTHING:
        return None
    if isinstance(f.default, attrs.Factory):  # type: ignore[arg-type]
        factory: Any = f.default
        return None if factory.takes_self else factory.factory
    return lambda: f.default
