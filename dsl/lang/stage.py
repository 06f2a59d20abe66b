"""``stage`` turns a Python function into a program.

The function is run once, on staged values of the types of its arguments. What it captured from
outside follows its arguments among the inputs of the program. Python scalars among the arguments
are weak values; results that are Python scalars become arrays of the default dtype.

Law: the program gives what the function gives, for all arguments of these types, unless ``forced``.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from verax.compiler.ir.errors import DTypeError, StructureError
from verax.compiler.ir.program import Program
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.dsl.lang.identity import Identity
from verax.dsl.lang.key import Key, Use, local_use, spend
from verax.dsl.lang.promotion import asarray, dtype_in
from verax.dsl.lang.purity import called
from verax.dsl.lang.scope import STACK, Scope, code_of
from verax.dsl.lang.treedef import TreeDef, build, flatten
from verax.dsl.lang.value import Value, wrap
from verax.dsl.lang.weak import CARRIERS, Weak, concrete_weak, staged_weak, strong


class Staged(NamedTuple):
    """A function as a program.

    Attributes:
        program: takes the arguments, then what was captured.
        captured: values from outside, in the order of the inputs.
        out_tree: the structure of the result.
        forced: Python looked at a value: the program is true of these arguments only.
        uses: per input that is a key and was consumed, (position, what was done to it).
        out_uses: the same for the results that are keys.
        looked: arrays from outside that Python looked at: the program is true of them only.
        weak: per result, whether it is a Python scalar still (only if these are kept).
    """

    program: Program
    captured: list[Any]
    out_tree: TreeDef
    forced: bool
    looked: tuple[Value, ...]
    uses: tuple[tuple[int, Use], ...]
    out_uses: tuple[tuple[int, Use], ...]
    weak: tuple[bool, ...]


def stage(
    f: Callable[..., Any],
    in_tree: TreeDef,
    types: Sequence[Type],
    *,
    what: str,
    of: object = None,
    weak: Sequence[bool] = (),
    values: Sequence[Value] | None = None,
    repeats: bool = False,
    keep_weak: bool = False,
    reads: Identity | None = None,
    axis: tuple[str, Size] | None = None,
    strict: bool = False,
) -> Staged:
    """Run f once on staged values.

    Args:
        f: takes the arguments that ``in_tree`` is the structure of (a tuple).
        types: the types of the leaves.
        what: how it comes to be staged, for messages: ``jit``, ``the body of scan``...
        of: the user's function, where f is a wrapper of it.
        weak: which arguments are Python scalars.
        values: the arguments themselves, when Python may look at them.
        repeats: the program runs more than once per call.
        keep_weak: leave results that are Python scalars as they are, in 64 bits.
        reads: what f reads, where it is known.
        axis: the name and the size of the axis that is mapped, if it has a name.
        strict: arrays of two dtypes that meet are an error.

    Raises:
        PurityError: f wrote to what it reads.
    """
    outer = STACK.scope
    user = f if of is None else of
    scope = Scope(what, user, looks=values is not None, repeats=repeats, outer=outer, axis=axis)
    scope.strict |= strict
    args = [_argument(scope, t, i < len(weak) and weak[i]) for i, t in enumerate(types)]
    if values is not None:
        scope.values.update(zip([x.ref for x in args], values))
    with entered(scope):
        leaves, out_tree = flatten(called(scope, user, reads, f, build(in_tree, args)))
        outs = [_result(x, i, out_tree, keep_weak) for i, x in enumerate(leaves)]
        slots = [scope.lift(x) for x in outs]
        program = scope.builder.finish(slots)
    uses, out_uses = _uses(scope, slots) if scope.uses else ((), ())
    return Staged(
        program,
        [x for _, x in scope.captured.values()],
        out_tree,
        scope.forced,
        tuple(scope.looked),
        uses,
        out_uses,
        tuple([x.weak for x in outs]),
    )


@contextmanager
def entered(scope: Scope) -> Iterator[None]:
    """Make this scope the innermost one; the outermost pauses the collection of cycles.

    Programs are many small tuples without a cycle, which the collector would walk again and again.
    """
    collects = scope.outer is None and gc.isenabled()
    if collects:
        gc.disable()
    STACK.scope = scope
    try:
        yield
    finally:
        STACK.scope = scope.outer
        scope.open = False
        if collects:
            gc.enable()


def _argument(scope: Scope, t: Type, weak: bool) -> Value:
    slot = scope.builder.input(t.bare)
    if weak:
        assert isinstance(t, ArrayType)
        return Weak(t, slot, scope)
    value: Value = wrap(t.bare, slot, scope)
    return value


def _result(x: Any, i: int, tree: TreeDef, keep_weak: bool) -> Value:
    """A leaf of the result as a value of the open scope."""
    if isinstance(x, Value):
        return x if keep_weak or not x.weak else strong(x)  # type: ignore[arg-type]
    if keep_weak and type(x) in CARRIERS:
        return staged_weak(x)
    try:
        return asarray(x)
    except DTypeError:
        path = tree.paths()[i]
        where = f"the result{path}" if path else "the result"
        raise StructureError(
            f"{where} is an object of class {type(x).__name__}, not an array",
            fix="return arrays, in tuples, lists, dicts and structs",
        ) from None


def _uses(scope: Scope, outs: Sequence[int]) -> tuple[Any, Any]:
    position = {slot: i for i, slot in enumerate(scope.builder.inputs)}
    used = [(slot, use) for slot, use in scope.uses.items() if use.touched]
    ins = [(position[slot], use) for slot, use in used if slot in position]
    done = dict(used)
    return tuple(ins), tuple([(i, done[slot]) for i, slot in enumerate(outs) if slot in done])


def spend_inputs(s: Staged, xs: Sequence[Value], what: str, *, repeats: bool = False) -> None:
    """Consume what a staged function consumes of its arguments ``xs`` and of what it captured."""
    if s.uses:
        inputs = [*xs, *s.captured]
        n = len(xs) if repeats else len(inputs)
        spend([(inputs[i], use) for i, use in s.uses if i < n], what)
        spend([(inputs[i], use) for i, use in s.uses if i >= n], what, repeats=True)


def spend_results(s: Staged, ys: Sequence[Value]) -> None:
    """Mark the results that are keys which the function consumed; arguments are marked already."""
    for i, use in s.out_uses:
        y = ys[i]
        assert isinstance(y, Key)
        here = local_use(y)
        if not here.touched:
            here.join(use, y.type)


def known(xs: Sequence[Value]) -> bool:
    """Whether Python may look at what every one of these is worth."""
    return all(x.scope is None or x.scope.looks for x in xs)


# arguments ---------------------------------------------------------------------------------------


def as_argument(x: Any, path: Callable[[], str] | None = None) -> Value:
    """A leaf of the arguments as a value; ``path`` names it in messages."""
    if isinstance(x, Value):
        if x.scope is not None and not x.scope.open:
            x.scope.refuse(x)
        return x
    if type(x) in CARRIERS:
        return concrete_weak(x) if STACK.scope is None else staged_weak(x)
    try:
        return asarray(x)
    except DTypeError:
        name = "" if path is None else f" {path()}"
        raise StructureError(
            f"the argument{name} is an object of class {type(x).__name__}, not an array",
            fix="pass arrays, in tuples, lists, dicts and structs; anything else is a static"
            " argument: jit(f, static_argnames=...)",
        ) from None


def kind_of(x: Any) -> tuple[Type, bool]:
    """The type that a leaf has as an argument, and whether it is a Python scalar; no device."""
    if isinstance(x, (ArrayType, KeyType)):
        return x, False
    if isinstance(x, Value):
        return x.type, x.weak
    if type(x) in CARRIERS:
        return CARRIERS[type(x)], True
    return ArrayType(tuple(x.shape) if hasattr(x, "shape") else (), dtype_in(x, "stage")), False


def argument_path(
    f: object, tree: TreeDef, i: int, keywords: bool = False, skipped: Sequence[int] = ()
) -> str:
    """What messages call leaf i of the arguments: ``x``, ``params['w']``, ``argument 0``...

    ``skipped`` are the positions of arguments that the tree lacks: the static ones.
    """
    path = tree.paths()[i]
    code = code_of(f)
    if keywords:
        group, first, rest = path[0].key, path[1].key, path[2:]
        if group == 1:
            return f"{first}{''.join(map(str, rest))}"
    else:
        first, rest = path[0].key, path[1:]
    for at in sorted(skipped):
        first += type(first) is int and at <= first
    below = "".join(map(str, rest))
    if code is not None and type(first) is int and first < code.co_argcount:
        return f"{code.co_varnames[first]}{below}"
    return f"argument {first}{below}"
