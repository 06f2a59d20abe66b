"""Functions of the user's as library functions see them: called on staged values, they answer with
values of the type that the checker gives for the call.

The results depend on all arguments, so that transformations treat them as results of a function:
a gradient reaches every argument, and what is mapped stays mapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.ops.contract import total
from verax.compiler.ops.pointwise import ADD, Convert, splat
from verax.compiler.ops.random import KeyWrap
from verax.compiler.ops.shard import Shard
from verax.dsl.lang.promotion import broadcast_to
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.treedef import build, flatten
from verax.dsl.lang.value import Value, apply
from verax.dsl.lang.weak import staged_weak
from verax.dsl.typing.calling import describe, rebuilt
from verax.dsl.typing.described import Described, Number, Open, Undecided

Answer = Callable[[Sequence[Described], dict[str, Described]], Described]


class UserFunction:
    """A function that is known by what the checker answers for a call.

    Attributes:
        type: the checker's type of it.
    """

    def __init__(
        self, answer: Answer, type: Any, name: str, names: Sequence[str], file: str, line: int
    ) -> None:
        self.answer, self.type = answer, type
        self.__name__ = self.__qualname__ = name
        self.__code__ = _code(name, names, file, line)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope = STACK.scope
        if scope is None:
            raise Undecided(f"{self.__name__} is called outside of staging")
        given = [describe(x) for x in args]
        named = {k: describe(x) for k, x in kwargs.items()}
        STACK.scope = None
        try:
            result = self.answer(given, named)
        finally:
            STACK.scope = scope
        inputs = [x for x in flatten((args, kwargs))[0] if isinstance(x, Value)]
        return _depending(_made(result), inputs)


def _code(name: str, names: Sequence[str], file: str, line: int) -> CodeType:
    """The code of a function of this name and parameters, for messages."""
    made: dict[str, Any] = {}
    exec(f"def f({', '.join(f'_{i}' for i in range(len(names)))}): pass", made)
    code: CodeType = made["f"].__code__
    return code.replace(
        co_name=name, co_qualname=name, co_filename=file, co_firstlineno=max(line, 1),
        co_varnames=tuple(names),
    )  # fmt: skip


def _made(x: Described) -> Any:
    """Values of these descriptions, made from nothing in the open scope."""
    c = type(x)
    if c is ArrayType:
        y = apply(splat(0, x.bare))
        return y if x.spec is None else apply(Shard(x.spec.mesh, x.spec.cuts), y)
    if c is KeyType:
        return apply(KeyWrap(x.impl), apply(splat(0, x.physical)))
    if c is Number:
        return staged_weak(x.cls())
    if c is Open:
        raise Undecided("the shape of what a function gives is open")
    return rebuilt(x, _made)


def _depending(x: Any, inputs: Sequence[Value]) -> Any:
    """x, with arrays that depend on all arrays among the inputs."""
    numbers = [y for y in inputs if isinstance(y.type, ArrayType) and not y.type.dtype.is_bool]
    sums: dict[DType, Any] = {}

    def one(y: Any) -> Any:
        plain = isinstance(y, Value) and isinstance(y.type, ArrayType) and not y.weak
        if not plain or y.type.dtype.is_bool or not numbers:
            return y
        dtype = y.type.dtype
        if dtype not in sums:
            sums[dtype] = _sum(numbers, dtype)
        return broadcast_to(sums[dtype], y.type.shape)

    leaves, tree = flatten(x)
    return build(tree, [one(y) for y in leaves])


def _sum(arrays: Sequence[Value], dtype: DType) -> Any:
    out = apply(splat(0, ArrayType((), dtype)))
    for y in arrays:
        whole = apply(total(y.ndim, range(y.ndim)), y) if y.ndim else y
        out = apply(ADD, out, apply(Convert(dtype), whole))
    return out
