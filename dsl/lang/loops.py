"""Loops as values: ``while_loop``, ``fori_loop``, ``scan``, ``map``.

The body is staged once; what it captures becomes constants of the loop. It gives the carry that it
takes, leaf by leaf. Python scalars in the first carry stay weak: they take the dtype that the body
gives them, for which it is staged again.

Law: each is what the Python loop of the same form computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, NamedTuple, TypeVar, overload

from verax.compiler.ir.aligned import from_left
from verax.compiler.ir.dtypes import bool_, int32
from verax.compiler.ir.errors import KeyReuseError, ShapeError, StructureError, UnknownSizeError
from verax.compiler.ir.sizes import Poly, Shape, Size, known_negative
from verax.compiler.ir.span import places
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.loops import Scan, While
from verax.dsl.lang.agree import Side, agree, can_take, default_type, wider
from verax.dsl.lang.batches import in_batches
from verax.dsl.lang.control import Captured, flat, scalar_of
from verax.dsl.lang.key import refuse_repeated
from verax.dsl.lang.promotion import asarray, convert, scalar_class
from verax.dsl.lang.scope import describe
from verax.dsl.lang.signatures import Row
from verax.dsl.lang.stage import Staged, as_argument, spend_inputs, stage
from verax.dsl.lang.treedef import TreeDef, build, flatten, mismatch
from verax.dsl.lang.unroll import checkpointed, unrolled
from verax.dsl.lang.value import apply, apply_all
from verax.dsl.lang.weak import CARRIERS, Weak
from verax.dsl.lang.whole import whole

C = TypeVar("C")
X = TypeVar("X")
Y = TypeVar("Y")
Ys = TypeVar("Ys")
Function = Callable[..., Any]


class Carry(NamedTuple):
    """The state of a loop: its structure, the start values, and which are Python scalars still."""

    tree: TreeDef
    starts: list[Any]
    types: list[Type]
    weak: list[bool]

    @classmethod
    def of(cls, init: Any) -> Carry:
        leaves, tree = flatten(init)
        weak = [is_scalar(x) for x in leaves]
        starts = [x if w else as_argument(x) for x, w in zip(leaves, weak)]
        types = [_weak_type(x) if w else x.type.bare for x, w in zip(starts, weak)]
        return cls(tree, starts, types, weak)

    def settled(self, body: Staged) -> Carry:
        """The carry with the types that the body gives to what are Python scalars still."""
        types, weak = list(self.types), list(self.weak)
        for i, (t, w) in enumerate(zip(self.types, self.weak)):
            out, out_weak = body.program.out_types[i], body.weak[i]
            if w and out_weak:
                types[i] = wider(t, out)
            elif w and can_take(t, out):
                types[i], weak[i] = out, False
        return self._replace(types=types, weak=weak)

    def fixed(self) -> Carry:
        """The carry without Python scalars: what is one still takes the default dtype."""
        types = [default_type(t) if w else t for t, w in zip(self.types, self.weak)]
        return self._replace(types=types, weak=[False] * len(types))

    def values(self) -> list[Any]:
        """The start values in these types."""
        return [
            convert(asarray(x), t.dtype) if isinstance(t, ArrayType) and is_scalar(x) else x
            for x, t in zip(self.starts, self.types)
        ]


def is_scalar(x: object) -> bool:
    """Whether x is a Python scalar, or stands for one."""
    return scalar_class(x) is not None


def _weak_type(x: object) -> ArrayType:
    c = scalar_class(x)
    assert c is not None
    return CARRIERS[c]


def _stage_loop(
    what: str, f: Function, call: Function, carry: Carry, rows: Sequence[Type], name: str
) -> tuple[Carry, Staged]:
    """Stage a body until the types of its carry are settled: once, or again for Python scalars."""
    for _ in range(8):
        types = [*carry.types, *rows]
        s = stage(
            call,
            flat(types),
            types,
            what=what,
            of=f,
            weak=carry.weak,
            repeats=True,
            keep_weak=True,
        )
        _check_carry(name, f, carry, s)
        new = carry.settled(s)
        if new == carry:
            if not any(carry.weak):
                return carry, s
            new = carry.fixed()
        carry = new
    raise StructureError(
        f"{name}: the types of the carry of {describe(f)} do not settle",
        fix="start with arrays instead of Python scalars: vx.asarray(0.0)",
    )


def _check_carry(name: str, f: object, carry: Carry, s: Staged) -> None:
    """The body gives the carry that it takes."""
    tree = s.out_tree if name == "while_loop" else s.out_tree.children[0]
    if tree is not carry.tree:
        raise mismatch(
            f"{name}: {describe(f)} gives another carry than it takes",
            carry.tree,
            tree,
            ("takes", "gives"),
        )
    n = len(carry.types)
    taken = Side("takes", tree, tuple(carry.types), tuple(carry.weak))
    given = Side("gives", tree, s.program.out_types[:n], s.weak[:n])
    agree(f"{name}: {describe(f)} gives another carry than it takes", taken, given)
    for i, use in s.out_uses:
        if i < n and use.what is not None:
            raise KeyReuseError(
                f"{name}: the key{tree.paths()[i]} that {describe(f)} gives as its next carry was"
                f" consumed by {use.what} in the same step",
                places=places(use.span),
                fix="split it first: key, now = vx.random.split(key)",
            )


def while_loop(
    cond_fun: Callable[[C], Any],
    body_fun: Callable[[C], C],
    init: C,
    *,
    max_steps: int | None = None,
    reverse: Literal["recompute"] | None = None,
) -> C:
    """Repeat ``state = body_fun(state)`` while ``cond_fun(state)`` holds.

    Args:
        init: the first state, a tree.
        max_steps: the most steps that are taken. Reverse mode needs to know: it keeps about
            sqrt(max_steps) states (all of 64 or fewer), and computes the others again. It takes
            as many steps back as were taken forward, whatever max_steps is.
        reverse: ``"recompute"`` allows reverse mode where max_steps is not known: it keeps 64
            states, and for n steps takes about n * n / 128 more.

    Raises:
        StructureError, ShapeError, DTypeError: body_fun gives another state than it takes, or
            cond_fun no boolean scalar.
        DerivativeError: reverse mode without max_steps or ``reverse="recompute"``.

    >>> import verax as vx
    >>> vx.while_loop(lambda x: x < 100.0, lambda x: x * x, vx.asarray(3.0))
    Array(6561., dtype=float32)
    """
    if max_steps is not None:
        _check_count("while_loop: max_steps", max_steps, 0)
    if reverse not in (None, "recompute"):
        raise StructureError(
            f"while_loop: reverse is {reverse!r}", fix="reverse='recompute', or max_steps=100"
        )

    def while_f(init: Any) -> Any:
        carry = Carry.of(init)

        def body(*leaves: Any) -> Any:
            return body_fun(build(carry.tree, list(leaves)))

        def test(*leaves: Any) -> Any:
            holds = cond_fun(build(carry.tree, list(leaves)))
            return scalar_of(holds, "while_loop", "the condition", bool_)

        carry_, s = _stage_loop("the body of while_loop", body_fun, body, carry, (), "while_loop")
        types = carry_.types
        c = stage(
            test, flat(types), types, what="the condition of while_loop", of=cond_fun, repeats=True
        )
        for i, use in c.uses:
            refuse_repeated(c.program.types[i], use, f"the condition {describe(cond_fun)}")
        captured, n = Captured([c, s]), len(types)
        programs = captured.program(c, n, c.program.out_types), captured.program(s, n, types)
        starts = carry_.values()
        spend_inputs(s, starts, f"the body {describe(body_fun)}", repeats=True)
        op = While(*programs, len(captured.values), max_steps, reverse is not None)
        return build(carry.tree, apply_all(op, *captured.values, *starts))

    result: C = whole(while_f, body_fun, "while_loop", looks=False)(init)
    return result


@overload
def scan(
    f: Callable[[C, Any], tuple[C, Row[Ys]]],
    init: C,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    unroll: int = 1,
    checkpoint_every: int | None = None,
) -> tuple[C, Ys]: ...
@overload
def scan(
    f: Callable[[C, Any], tuple[C, Any]],
    init: C,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    unroll: int = 1,
    checkpoint_every: int | None = None,
) -> tuple[C, Any]: ...
def scan(
    f: Function,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    unroll: int = 1,
    checkpoint_every: int | None = None,
) -> Any:
    """Carry a state along the first axis of xs: ``carry, y = f(carry, x)`` for each row x.

    Args:
        f: one step.
        init: the first carry, a tree.
        xs: a tree of arrays with one first axis, or None with ``length``.
        length: the number of steps, where xs does not say it.
        reverse: take the last row first.
        unroll: how many steps are written out in one turn of the loop.
        checkpoint_every: reverse mode keeps what a step needs for so many steps only, and the
            carry in between; the steps of a segment are computed again. With n steps and
            ``checkpoint_every`` about sqrt(n), memory grows with sqrt(n).

    Returns:
        The last carry, and the ys stacked along a new first axis.

    >>> import verax as vx
    >>> vx.scan(lambda c, x: (c + x, c), 0.0, vx.arange(4.0))
    (Array(6., dtype=float32), Array([0., 0., 1., 3.], dtype=float32))
    """
    _check_count("scan: unroll", unroll, 1)
    every = checkpoint_every
    if every is not None:
        _check_count("scan: checkpoint_every", every, 1)

    return _scan("scan", f, init, xs, length, reverse, unroll, every)


def _scan(
    name: str,
    f: Callable[[C, X], tuple[C, Y]],
    init: C,
    xs: X,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
    every: int | None = None,
) -> tuple[C, Y]:
    """``scan``, under the name of the function that asks for it."""

    def scan_f(init: Any, xs: Any) -> Any:
        carry, over = Carry.of(init), Rows(name, xs, length)

        def body(*leaves: Any) -> Any:
            k = len(carry.types)
            out = f(build(carry.tree, list(leaves[:k])), build(over.tree, list(leaves[k:])))
            if type(out) is not tuple or len(out) != 2:
                raise StructureError(
                    f"{name}: {describe(f)} gives {flatten(out)[1]}, not a pair (carry, y)",
                    fix="return carry, y; y may be None",
                )
            return out

        settled, s = _stage_loop(f"the body of {name}", f, body, carry, over.types, name)
        n_carry = len(settled.types)
        rows = zip(s.program.out_types[n_carry:], s.weak[n_carry:])
        types = [*settled.types, *[default_type(t) if w else t for t, w in rows]]
        captured = Captured([s])
        p = captured.program(s, len(settled.types) + len(over.types), types)
        starts = settled.values()
        spend_inputs(s, [*starts, *over.values], f"the body {describe(f)}", repeats=True)
        op = Scan(p, len(captured.values), len(starts), over.length, reverse)
        operands = captured.values, starts, over.values
        if every is not None:
            results = checkpointed(op, *operands, every, unroll)
        elif unroll > 1:
            results = unrolled(op, *operands, unroll)
        else:
            results = apply_all(op, *captured.values, *starts, *over.values)
        return build(s.out_tree, results)

    result: tuple[C, Y] = whole(scan_f, f, name, looks=False)(init, xs)
    return result


class Rows:
    """What a scan goes over: a tree of arrays of one length."""

    def __init__(self, name: str, xs: Any, length: Size | None) -> None:
        leaves, self.tree = flatten(xs)
        self.values = [as_argument(x) for x in leaves]
        sizes: dict[Size, tuple[str, Type | Shape]] = {}
        for x, path in zip(self.values, self.tree.paths()):
            if x.ndim == 0:
                raise ShapeError(
                    f"{name}: xs{path} is {x.described}, which has no axis to go over",
                    fix="close over it, or put it into the carry",
                )
            sizes.setdefault(x.type.shape[0], (f"xs{path}", x.type))
        if length is not None:
            sizes.setdefault(length, ("length", (length,)))
        if len(sizes) > 1:
            (m, (one, _)), (n, (other, _)) = list(sizes.items())[:2]
            raise ShapeError(
                f"{name}: the lengths differ, {one} has {m} rows and {other} has {n}\n"
                + from_left(list(sizes.values()), [0]),
                fix="all xs are cut along their first axis: bring the rows there, vx.moveaxis, or"
                " cut what is longer",
            )
        if not sizes:
            raise ShapeError(f"{name}: without xs the length is not known", fix="length=10")
        (self.length,) = sizes
        self.types: list[Type] = [x.type.row() for x in self.values]


@overload
def map(f: Callable[[Any], Row[Ys]], xs: Any, *, batch_size: int | None = None) -> Ys: ...
@overload
def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any: ...
def map(f: Function, xs: Any, *, batch_size: int | None = None) -> Any:
    """f of each row of xs, one after the other, stacked: a loop, where vmap computes at once.

    With ``batch_size`` each step of the loop is a vmap over so many rows, and another vmap takes
    the rows that are left over.

    >>> import verax as vx
    >>> vx.map(lambda x: x * x, vx.arange(3.0))
    Array([0., 1., 4.], dtype=float32)
    >>> vx.map(lambda x: x * x, vx.arange(5.0), batch_size=2)
    Array([ 0.,  1.,  4.,  9., 16.], dtype=float32)
    """
    if batch_size is not None:
        _check_count("map: batch_size", batch_size, 1)

        def map_f(xs: Any) -> Any:
            over = Rows("map", xs, None)
            return in_batches(scan, f, build(over.tree, over.values), over.length, batch_size)

        return whole(map_f, f, "map", looks=False)(xs)

    @wraps(f, updated=())
    def step(_: None, x: Any) -> tuple[None, Any]:
        return None, f(x)

    return _scan("map", step, None, xs)[1]


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, C], C], init: C) -> C:
    """``for i in range(lower, upper): state = body_fun(i, state)``.

    With Python ints the number of steps is known and the loop can be differentiated in reverse.

    >>> import verax as vx
    >>> vx.fori_loop(0, 5, lambda i, x: x + i, 0)
    Array(10, dtype=int32)
    """
    if _is_size(lower) and _is_size(upper):

        @wraps(body_fun, updated=())
        def step(state: C, i: Any) -> tuple[C, None]:
            return body_fun(_weak(i), state), None

        def fori_f(init: Any) -> Any:
            n = 0 if known_negative(upper - lower) else upper - lower
            return _scan("fori_loop", step, init, asarray(lower) + apply(Iota(n, int32)))[0]

        counted: C = whole(fori_f, body_fun, "fori_loop", looks=False)(init)
        return counted

    @wraps(body_fun, updated=())
    def body(state: tuple[Any, C]) -> tuple[Any, C]:
        return state[0] + 1, body_fun(state[0], state[1])

    def less(state: tuple[Any, C]) -> Any:
        return state[0] < upper

    return while_loop(less, body, (lower, init))[1]


def _is_size(n: Any) -> bool:
    return type(n) is int or isinstance(n, Poly)


def _weak(i: Any) -> Any:
    """A counter as the Python int that it is in a Python loop."""
    return Weak(i.type, i.ref, i.scope)


def _check_count(what: str, n: object, least: int) -> None:
    """Raise unless n is an int that is large enough."""
    if isinstance(n, Poly):
        raise UnknownSizeError(
            f"{what} is {n}, which must be known", fix="give an int, or stage for a known size"
        )
    if type(n) is not int or n < least:
        option = what.split(" ")[-1]
        raise ShapeError(
            f"{what} is {n!r}, not an int >= {least}",
            fix=f"give a number that Python knows: {option}={max(least, 8)}",
        )
