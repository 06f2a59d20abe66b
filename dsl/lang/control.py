"""Branches as values: ``cond`` and ``switch``; and what ops that hold programs share.

The functions are staged once; what they capture becomes operands of the op. Branches give one
structure with one type per leaf. Python scalars stay weak until the branches meet: they take the
dtype that another branch gives.

Law: each is what the Python conditional of the same form computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, TypeVarTuple

from verax.compiler.ir.dtypes import bool_, int32
from verax.compiler.ir.errors import DTypeError, ShapeError, StructureError
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import KeyType, Type
from verax.compiler.ops.control import Cond
from verax.compiler.ops.pointwise import Convert
from verax.dsl.lang.agree import Side, agreed
from verax.dsl.lang.promotion import convert, scalar_class
from verax.dsl.lang.scope import describe, name_of
from verax.dsl.lang.stage import Staged, as_argument, spend_inputs, spend_results, stage
from verax.dsl.lang.treedef import TreeDef, build, flatten
from verax.dsl.lang.value import Value, apply_all
from verax.dsl.lang.weak import strong
from verax.dsl.lang.whole import whole

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Function = Callable[..., Any]
Batched = Literal["select", "map", "partition"]


# programs that share what they captured ----------------------------------------------------------


class Captured:
    """What several staged functions captured, each once, as operands of one op."""

    def __init__(self, every: Sequence[Staged], first: Sequence[Value] = ()) -> None:
        self.values: list[Any] = []
        self._place: dict[Any, int] = {}
        for captured in (first, *[s.captured for s in every]):
            for x in captured:
                if self._place.setdefault(_same(x), len(self.values)) == len(self.values):
                    self.values.append(x)

    def program(self, s: Staged, n_args: int, out_types: Sequence[Type]) -> Program:
        """The program of s over (captured, arguments), its results converted to these types."""
        b = Builder()
        captured = [b.input(x.type.bare) for x in self.values]
        args = [b.input(t) for t in s.program.in_types[:n_args]]
        own = [captured[self._place[_same(x)]] for x in s.captured]
        outs = b.inline(s.program, [*args, *own])
        return b.finish([_converted(b, o, t) for o, t in zip(outs, out_types)])


def _same(x: Value) -> Any:
    return id(x) if x.scope is None else (id(x.scope), x.ref)


def _converted(b: Builder, slot: int, t: Type) -> int:
    return slot if b.types[slot] is t or isinstance(t, KeyType) else b.emit(Convert(t.dtype), slot)


class Operands:
    """A tree of arguments in which Python scalars stay what they are.

    Attributes:
        values: the leaves that are arrays or keys.
        types: their types.
    """

    def __init__(self, tree: Any) -> None:
        self.leaves, self.tree = flatten(tree)
        self.places = [i for i, x in enumerate(self.leaves) if scalar_class(x) is None]
        self.values = [as_argument(self.leaves[i]) for i in self.places]
        self.types = [x.type.bare for x in self.values]

    def filled(self, values: Sequence[Any]) -> Any:
        """The tree with other values in their places."""
        leaves = list(self.leaves)
        for i, x in zip(self.places, values):
            leaves[i] = x
        return build(self.tree, leaves)


def flat(types: Sequence[Type]) -> TreeDef:
    return flatten(tuple(types))[1]


# branches ----------------------------------------------------------------------------------------


def _branches(
    what: str,
    index: Value,
    functions: Sequence[Function],
    args: tuple[Any, ...],
    batched: str,
) -> Any:
    """The Cond of these functions at this index."""
    ops = Operands(args)
    tree = flat(ops.types)

    def staged(f: Function) -> Staged:
        def branch(*values: Any) -> Any:
            return f(*ops.filled(values))

        return stage(branch, tree, ops.types, what=f"a branch of {what}", of=f, keep_weak=True)

    every = [staged(f) for f in functions]
    names = [f"branches[{i}]" for i in range(len(every))]
    if what == "cond":
        names = ["false_fun", "true_fun"]
    sides = [Side.of(name, s) for name, s in zip(names, every)]
    told = ""
    if not any("<lambda>" in name_of(f) for f in functions):
        told = " " + " and ".join(map(describe, functions))
    types = agreed(f"{what}: the branches{told} give different results", sides)
    captured = Captured(every)
    programs = tuple([captured.program(s, len(ops.types), types) for s in every])
    spend_branches(every, ops.values, what)
    results = apply_all(Cond(programs, batched), index, *captured.values, *ops.values)
    for s in every:
        spend_results(s, results)
    return build(every[0].out_tree, results)


def spend_branches(every: Sequence[Staged], xs: Sequence[Value], what: str) -> None:
    """Each branch may consume a key, since one of them runs: together they do so once."""
    done: set[Any] = set()
    for s in every:
        inputs = [*xs, *s.captured]
        fresh = [(i, use) for i, use in s.uses if _same(inputs[i]) not in done]
        spend_inputs(s._replace(uses=tuple(fresh)), xs, what)
        done.update(_same(inputs[i]) for i, _ in s.uses)


def cond(
    pred: Any,
    true_fun: Callable[[*Ts], T],
    false_fun: Callable[[*Ts], T],
    *operands: *Ts,
    batched: Batched = "select",
) -> T:
    """``true_fun(*operands)`` where pred holds, else ``false_fun(*operands)``; only one is run.

    Args:
        pred: a boolean scalar.
        true_fun, false_fun: give the same structure with the same types.
        batched: what a vmap does in which pred differs between the examples. ``select`` runs both
            branches for all of them and takes from each its own; ``map`` is a loop in which every
            example runs one branch; ``partition`` sorts the examples by their branch and runs them
            in 16 blocks, each of which runs one branch only, but for one block where the branches
            meet. Values and derivatives are the same; a branch that is not taken has no part in
            them, NaN or not.

    Raises:
        StructureError, ShapeError, DTypeError: the branches differ; the message shows every leaf.

    >>> import verax as vx
    >>> vx.cond(True, lambda x: x + 1.0, lambda x: x - 1.0, vx.asarray(1.0))
    Array(2., dtype=float32)
    """

    def cond_f(pred: Any, operands: tuple[Any, ...]) -> Any:
        p = scalar_of(pred, "cond", "pred", bool_)
        return _branches("cond", convert(p, int32), (false_fun, true_fun), operands, batched)

    result: T = whole(cond_f, true_fun, "cond", looks=False)(pred, operands)
    return result


def switch(
    index: Any,
    branches: Sequence[Callable[[*Ts], T]],
    *operands: *Ts,
    batched: Batched = "select",
) -> T:
    """``branches[index](*operands)``; the index is clamped to the branches that there are.

    ``batched`` says what a vmap does in which the index differs between the examples; see ``cond``.

    >>> import verax as vx
    >>> vx.switch(1, [lambda x: x, lambda x: -x], vx.asarray(3.0))
    Array(-3., dtype=float32)
    """
    functions = tuple(branches)
    if not functions:
        raise StructureError(
            "switch needs at least one branch, got none", fix="vx.switch(i, [f, g], x)"
        )

    def switch_f(index: Any, operands: tuple[Any, ...]) -> Any:
        i = scalar_of(index, "switch", "index", int32)
        return _branches("switch", i, functions, operands, batched)

    result: T = whole(switch_f, functions[0], "switch", looks=False)(index, operands)
    return result


def scalar_of(x: Any, what: str, name: str, dtype: Any) -> Any:
    """x as a scalar of this dtype: a bool, or an integer that becomes int32."""
    value: Any = as_argument(x)
    if value.weak:
        value = strong(value)
    if value.shape != ():
        raise ShapeError(
            f"{what}: {name} is {value.type}, not a scalar",
            fix="reduce it (vx.all, vx.any), choose by element (vx.where), or map: vx.vmap",
        )
    if dtype is bool_ and not value.dtype.is_bool:
        raise DTypeError(f"{what}: {name} is {value.type}, not a bool", fix=f"compare: {name} != 0")
    if dtype is int32 and not value.dtype.is_integer:
        raise DTypeError(
            f"{what}: {name} is {value.type}, not an integer", fix=f"{name}.astype(vx.int32)"
        )
    return convert(value, dtype)
