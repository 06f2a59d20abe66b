"""How the results of a call lie on a mesh, where its arguments are cut.

The call is staged once more, with sizes that divide in place of its dims, and partitioned as under
``explicit=True``: sums are finished, and what would have to be gathered or exchanged is an error.
Types name mesh axes and no sizes, so every axis has size 2 here.

Law: a call in which nothing is cut, and that names no mesh, is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from verax.compiler.ir.sizes import Poly, Size, dim
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.passes.partition import partition
from verax.dsl.lang.value import Value
from verax.dsl.typing.calling import opened, rebuilt, staged
from verax.dsl.typing.described import Described, Number, names_in, substitute
from verax.sharding.cuts import Cuts, no_cuts
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec


class Sizes:
    """The numbers that stand for dims while a call is partitioned.

    The checker answers for the user's functions in terms of dims: what it is asked is taken back to
    dims, and what it answers is put into numbers.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def take(self, x: Any) -> Any:
        """x with dims in place of the numbers that stand for them."""
        if not self.numbers:
            return x
        dims: dict[Size, Size] = {n: dim(name) for name, n in self.numbers.items()}
        return _resized(x, lambda n: dims.get(n, n))

    def put(self, x: Any) -> Any:
        """x with numbers in place of dims."""
        return _resized(x, self.number) if self.numbers else x

    def named(self, text: str) -> str:
        """A message with dims in place of the numbers in its shapes."""
        names = {str(n): name for name, n in self.numbers.items()}

        def shape(found: re.Match[str]) -> str:
            return f"[{','.join(names.get(n, n) for n in found[1].split(','))}]"

        return re.sub(r"\[([\d,]+)\]", shape, text)

    def number(self, n: Size) -> Size:
        """A size with numbers that divide in place of its dims; each dim has one of its own."""
        for name in sorted(names_in(n)):
            self.numbers.setdefault(name, _FACTORS[len(self.numbers) % len(_FACTORS)])
        return substitute(n, self.numbers)


def _resized(x: Any, f: Callable[[Size], Size]) -> Any:
    """x with other sizes in its arrays and in place of its polynomials."""
    if type(x) is ArrayType:
        return ArrayType(tuple(map(f, x.shape)), x.dtype, x.spec)
    if type(x) is KeyType:
        return KeyType(x.impl, tuple(map(f, x.shape)))
    if isinstance(x, Poly):
        return f(x)
    return rebuilt(x, lambda y: _resized(y, f))


_FACTORS = tuple(8 * n for n in (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, 1063))
"""Sizes that no program has, and that three axes divide."""


def laid_out(
    f: Callable[..., Any],
    filled: tuple[Any, Mapping[str, Any]],
    result: Described,
    sizes: Sizes | None,
) -> Described:
    """The result of a call with the cuts that its arrays have.

    Raises:
        ShardingError: an operand would have to be gathered or exchanged.
    """
    arrays = _arrays(filled)
    meshes = [t.spec.mesh for t in arrays if isinstance(t, ArrayType) and t.spec is not None]
    meshes += [x for x in (*filled[0], *filled[1].values()) if isinstance(x, Mesh)]
    if not meshes:
        return result
    cuts = iter(_cuts(f, filled, meshes[0], sizes or Sizes()))

    def with_cuts(x: Any) -> Any:
        if type(x) is ArrayType:
            own = next(cuts)
            return ArrayType(x.shape, x.dtype, Spec(meshes[0], own)) if any(own) else x
        return rebuilt(x, with_cuts)

    return with_cuts(result)


def _cuts(
    f: Callable[..., Any], filled: tuple[Any, Mapping[str, Any]], mesh: Mesh, sizes: Sizes
) -> list[Cuts]:
    """The cuts of all arrays in the result, in order."""
    args, kwargs = _resized(filled, sizes.number)
    try:
        with opened() as scope:
            xs, named = staged(args, scope), staged(kwargs, scope)
            found: list[Value] = []
            _collect(f(*xs, **named), found)
            program = scope.builder.finish([scope.lift(x) for x in found])
        ins = [_own_cuts(t) for t in _arrays((args, kwargs))]
        return list(partition(program, mesh, tuple(ins), None, True).out_cuts)
    except ShardingError as error:
        raise type(error)(sizes.named(error.message), fix=error.fix) from None
    finally:
        sizes.numbers.clear()


def _own_cuts(t: Any) -> Cuts:
    if isinstance(t, ArrayType) and t.spec is not None:
        return t.spec.cuts
    return no_cuts(0 if isinstance(t, Number) else t.ndim)


def _arrays(x: Any) -> list[Any]:
    """What is staged as an input, in order: arrays, keys and numbers."""
    found: list[Any] = []

    def visit(y: Any) -> Any:
        if type(y) in (ArrayType, KeyType, Number):
            found.append(y)
        return rebuilt(y, visit)

    visit(x)
    return found


def _collect(x: Any, found: list[Value]) -> None:
    """The arrays in a result, in order."""

    def visit(y: Any) -> Any:
        if isinstance(y, Value) and isinstance(y.type, ArrayType) and not y.weak:
            found.append(y)
        return rebuilt(y, visit)

    visit(x)
