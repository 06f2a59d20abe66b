"""What an op has to say: dims (factors), dtype, derivative, batch, local form, lowering.

An op is a frozen object, interned by its fields: equality is identity, and types are inferred once
per operand types. A class that lacks a part of its story does not load.

Rules write into a Builder with slots. A zero tangent and a linear operand are None, never arrays of
zeros. ``again`` is the running pass itself: ops that hold programs call it on them, so that this
layer does not import the passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

from typing_extensions import dataclass_transform

from verax.compiler.ir.errors import DerivativeError, ShapeError
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.show import show
from verax.compiler.ir.sizes import Shape, Size, product
from verax.compiler.ir.types import ArrayType, Type

Factor: TypeAlias = str | int
Dim: TypeAlias = tuple[Factor, ...]  # a dimension is a product of factors, major first
Dims: TypeAlias = tuple[Dim, ...]
Slots: TypeAlias = Sequence[int]
MaybeSlots: TypeAlias = Sequence[int | None]
Again: TypeAlias = Callable[..., Any]


class Factors(NamedTuple):
    """Which factor stands on which dimension of which operand and result.

    A factor is free, reduced by a monoid (it stands on no result), or whole (it may not be cut).
    ``sizes`` gives the sizes that no operand tells.
    """

    ins: tuple[Dims, ...]
    outs: tuple[Dims, ...]
    reduce: Mapping[Factor, str] = {}
    whole: frozenset[Factor] = frozenset()
    sizes: Mapping[Factor, Size] = {}


def solve(op: Op, f: Factors, shapes: Sequence[Shape]) -> dict[Factor, Size]:
    """The size of every factor, or a ShapeError that names the operand and the dimension."""
    env: dict[Factor, Size] = dict(f.sizes)
    if len(f.ins) != len(shapes):
        raise ShapeError(f"{op.name} takes {len(f.ins)} operands, got {len(shapes)}")
    for k, (dims, shape) in enumerate(zip(f.ins, shapes)):
        if len(dims) != len(shape):
            raise ShapeError(f"{op.name}: operand {k} has rank {len(shape)}, expected {len(dims)}")
        for i, (d, n) in enumerate(zip(dims, shape)):
            if len(d) == 1 and env.setdefault(d[0], n) != n:
                raise ShapeError(
                    f"{op.name}: dimension {i} of operand {k} is {n}, "
                    f"but {env[d[0]]} was expected; operands have shapes "
                    + ", ".join(map(show_shape, shapes))
                )
    return env


def show_shape(shape: Shape) -> str:
    """``[8,16]``: how every message writes a shape."""
    return f"[{','.join(map(str, shape))}]"


class Emitter(Protocol):
    """What an op's ``lower`` may use to write StableHLO; values are SSA names such as ``%3``."""

    platform: str
    """What the text is for: cpu or cuda."""

    def op(self, text: str) -> str:
        """Write one operation with one result; returns the name of the result."""

    def ops(self, text: str, count: int) -> list[str]:
        """Write one operation with ``count`` results."""

    def constant(self, value: bool | int | float | complex, t: ArrayType) -> str:
        """A splat constant."""

    def block(self, types: Sequence[Type], write: Callable[[list[str]], Sequence[str]]) -> str:
        """The text of a region ``{ ^bb0(...): ... stablehlo.return ... }`` with fresh arguments."""

    def inline(self, p: Program, xs: Sequence[str]) -> list[str]:
        """Write the equations of p here; returns the names of its outputs."""

    def call(self, p: Program, xs: Sequence[str]) -> list[str]:
        """Call p as a function of the module, written once however often it is called."""

    def outline(
        self,
        key: str,
        types: Sequence[Type],
        write: Callable[[list[str]], Sequence[str]],
        out_types: Sequence[Type],
        xs: Sequence[str],
        *,
        inlineable: bool = True,
    ) -> list[str]:
        """Call a function of the module that ``write`` gives the body of; one per key."""

    def custom_target(self, name: str) -> None:
        """The module needs this FFI target (LAPACK)."""

    def channel(self) -> int:
        """A number, from 1, that no other collective of the module has."""


class _Interned(type):
    """Calling the class with equal fields gives the same object."""

    def __call__(cls: Any, *args: Any, **kwargs: Any) -> Any:
        names: tuple[str, ...] = cls.fields
        if kwargs or len(args) != len(names):
            args = _bind(cls, names, args, kwargs)
        key = (cls, cls.key(args))
        op = _OPS.get(key)
        if op is None:
            op = object.__new__(cls)
            put = object.__setattr__
            for name, value in zip(names, args):
                put(op, name, value)
            put(op, "cache", {})
            put(op, "programs", tuple(_programs(args)))
            put(op, "effects", op.own_effects.union(*[p.effects for p in op.programs]))
            op.validate()
            op = _OPS.setdefault(key, op)
        return op


def _bind(
    cls: Any, names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    values = dict(zip(names, args)) | kwargs
    defaults = {n: getattr(cls, n) for n in names if n not in values and hasattr(cls, n)}
    values |= defaults
    if set(values) != set(names) or len(args) > len(names):
        raise TypeError(f"{cls.__name__} takes the fields {names}, got {args} and {kwargs}")
    return tuple(values[n] for n in names)


def _programs(value: Any) -> list[Program]:
    if isinstance(value, Program):
        return [value]
    if isinstance(value, tuple):
        return [p for v in value for p in _programs(v)]
    return []


_OPS: dict[Any, Any] = {}
REGISTRY: dict[str, type[Op]] = {}  # name -> class, for the parser and for the table of ops
SPELLINGS: dict[str, Op] = {}  # text -> op, for the ops that print as a word of their own


@dataclass_transform(frozen_default=True)
class Op(metaclass=_Interned):
    """The base of all ops. A concrete class gives its ``name`` and declares its whole story."""

    name: ClassVar[str] = "op"
    fields: ClassVar[tuple[str, ...]] = ()
    aligned: ClassVar[bool] = False
    """vectorize repeats the operands that are not mapped, so that ``batch`` sees all mapped."""
    own_effects: ClassVar[frozenset[str]] = frozenset()

    cache: ClassVar[dict[tuple[Type, ...], tuple[Type, ...]]]
    programs: ClassVar[tuple[Program, ...]]
    effects: ClassVar[frozenset[str]]

    def __init_subclass__(cls, *, name: str | None = None) -> None:
        own = [n for n, a in cls.__annotations__.items() if not _is_classvar(a)]
        if own:
            cls.fields = (*cls.fields, *own)
        if name is None:
            return
        cls.name = name
        missing = [part for part in STORY if getattr(cls, part) is getattr(Op, part)]
        if "types" in missing and "factors" not in missing:
            missing.remove("types")  # the factors tell the types
        if "factors" in missing and cls.programs_only():
            missing.remove("factors")  # its programs tell the dimensions
        if "tangent" in missing and cls.jvp is not Op.jvp:
            missing.remove("tangent")
        missing = [part for part in missing if part != "types"]
        if missing:
            raise TypeError(f"the op {cls.__name__} lacks {', '.join(missing)} of its story")
        if REGISTRY.setdefault(name, cls) is not cls:
            raise TypeError(f"two ops are called {name}")

    @classmethod
    def programs_only(cls) -> bool:
        """Whether the op's dimensions are those of the programs that it holds."""
        return False

    @classmethod
    def key(cls, args: tuple[Any, ...]) -> Any:
        """What identifies an instance; fields whose equality is too coarse override it."""
        return args

    def validate(self) -> None:
        """Raise where the fields do not make sense; runs once per op."""

    # types ---------------------------------------------------------------------------------------

    def infer(self, ts: tuple[Type, ...]) -> tuple[Type, ...]:
        """The types of the results, worked out once per operand types."""
        out = self.cache.get(ts)
        if out is None:
            out = self.cache[ts] = self.types(*ts)
        return out

    def types(self, *ts: Any) -> tuple[Type, ...]:
        """The types of the results; the default solves the factors and asks ``dtype``."""
        shapes = [t.shape for t in ts]
        f = self.factors(*shapes)
        env = solve(self, f, shapes)
        dtype = self.dtype(*ts)

        def size(d: Dim) -> Size:
            return product([env[x] for x in d])

        return tuple([ArrayType(tuple(map(size, dims)), dtype) for dims in f.outs])

    def factors(self, *shapes: Shape) -> Factors:
        """The dimension semantics, for operands of these shapes."""
        raise NotImplementedError(f"{self.name}: factors")

    def dtype(self, *ts: ArrayType) -> Any:
        """The dtype of the results; raises DTypeError where the operands' are not taken."""
        return ts[0].dtype

    # differentiation -----------------------------------------------------------------------------

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        """The results, and their tangents."""
        ys = b.emit_all(self, *xs)
        return ys, self.tangent(b, xs, ys, ts)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        """Per result its tangent, or None where it is zero; at least one of ts is not None."""
        raise NotImplementedError(f"{self.name}: tangent")

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        """The sets of operands in which the op is jointly linear, the others being fixed."""
        return ()

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        """Per operand its cotangent, or None; a linear operand is None in ``xs``.

        The pass has checked that the linear operands lie in one of the ``linear`` sets.
        """
        raise NotImplementedError(f"{self.name}: transpose")

    # vectorization, partition, lowering ----------------------------------------------------------

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        """The results, and which are mapped; the mapped axis of an operand stands in front."""
        raise NotImplementedError(f"{self.name}: batch")

    def local(self, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]) -> Op:
        """The op that runs on one shard, when factors are cut into ``parts`` (types are local)."""
        raise NotImplementedError(f"{self.name}: local")

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Any], yts: Sequence[Any]
    ) -> list[str]:
        """Write StableHLO; returns the names of the results."""
        raise NotImplementedError(f"{self.name}: lower")

    # identity ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        if not self.fields:
            return self.name
        inside = ", ".join(f"{f}={show(getattr(self, f))}" for f in self.fields)
        return f"{self.name}{{{inside}}}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, f) for f in self.fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"ops are frozen: {self.name}.{name}")


def _is_classvar(annotation: Any) -> bool:
    return "ClassVar" in str(annotation)


STORY = ("types", "factors", "tangent", "transpose", "batch", "local", "lower")


# Declarations that stand where a rule would, so that an op's story has no hole


def no_tangent(self: Op, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
    """The derivative is zero (or does not exist) everywhere: integers, comparisons, rounding."""
    return [None] * len(ys)


def not_linear(
    self: Op, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
) -> MaybeSlots:
    """The op is linear in no operand, so the transpose pass refuses it before this is called."""
    raise DerivativeError(f"{self.name} is not linear and has no transpose")


def same_locally(
    self: Op, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]
) -> Op:
    """The op has no size in its fields: the same op runs on a shard."""
    return self
