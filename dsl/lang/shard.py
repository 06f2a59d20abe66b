"""``vx.shard``: how arrays lie on a mesh.

A concrete array is moved; inside a staged function the layout becomes an equation that the
partitioner obeys. Random keys are held whole by every device, and stay as they are.

Law: sharding changes where a value lies, never the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from verax.compiler.backend import backend
from verax.compiler.ir.errors import StructureError
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.ops.shard import Shard
from verax.dsl.lang.creation import placed
from verax.dsl.lang.host import is_numpy
from verax.dsl.lang.promotion import scalar_class
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.signatures import DT, Ds
from verax.dsl.lang.stage import as_argument
from verax.dsl.lang.treedef import broadcast, build, flatten
from verax.dsl.lang.value import Value, apply, concrete, wrap
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Entry, P, Spec, spec

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

T = TypeVar("T")
A = TypeVar("A", bound=Value)


@overload
def shard(x: Array[DT, *Ds], mesh: Mesh, p: P | Sequence[Entry]) -> Array[DT, *tuple[Any, ...]]: ...
@overload
def shard(x: T, mesh: Mesh, p: P | Sequence[Entry] | Any) -> T: ...
def shard(x: Any, mesh: Mesh, p: P | Sequence[Entry] | Any) -> Any:
    """x, laid out on a mesh.

    Args:
        x: an array, or a tree of arrays.
        mesh: the devices.
        p: per dimension the axis, or axes, that cut it; for a tree, one P for all leaves or a tree
            of them (a prefix is enough).

    Raises:
        ShardingError: an unknown axis, a dimension that does not divide, an axis used twice.

    >>> import verax as vx
    >>> mesh = vx.Mesh(data=2)
    >>> vx.shard(vx.zeros((4, 3)), mesh, vx.P("data")).spec.p
    P('data')
    """
    leaves, tree = flatten(x)
    if isinstance(p, (list, tuple)) and not isinstance(p, P) and all(_is_entry(q) for q in p):
        raise StructureError(
            f"shard: the layout is the {type(p).__name__} {p!r}, not a P",
            fix=f"P({', '.join(map(repr, p))})",
        )
    wanted = broadcast(p, tree, "shard")
    for q, path in zip(wanted, tree.paths()):
        if not isinstance(q, P):
            raise StructureError(
                f"shard: the layout of x{path} is {q!r}, not a P", fix='P("data", None)'
            )
    return build(tree, [_one(leaf, mesh, q) for leaf, q in zip(leaves, wanted)])


def _is_entry(q: object) -> bool:
    """Whether q says how one dimension is cut: no axis, one, or several."""
    return q is None or isinstance(q, str) or (type(q) is tuple and all(map(_is_entry, q)))


def place(x: A, where: Spec | None) -> A:
    """A concrete array, moved to where a spec says; to one device for None."""
    value = concrete(x)
    t = value.type
    if t.spec == where:
        return value
    target = ArrayType(t.shape, t.dtype, where)
    out: A = wrap(target, backend().move(value.ref, t, target))
    return out


def _one(x: Any, mesh: Mesh, p: P) -> Any:
    if is_numpy(x) and STACK.scope is None:
        return placed(x, spec(mesh, p, x.shape))
    value: Any = as_argument(x)
    if scalar_class(x) is not None or isinstance(value.type, KeyType):
        return x
    where = spec(mesh, p, value.type.shape)
    if STACK.scope is not None:
        return apply(Shard(mesh, where.cuts), value)
    return place(value, where)
