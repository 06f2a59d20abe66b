"""What happens to a program between staging and text: the one place that orders the passes.

simplify -> partition (where something lies on a mesh) -> simplify -> order -> fence; a program that
repeats itself is cut into parts instead, each of which is prepared in turn. Every step is pure, so
the result depends on the program, the placements of its inputs and the wished ones of its results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.program import Program, walk
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.named import check_bound
from verax.compiler.passes.fence import fence
from verax.compiler.passes.order import is_planned, order
from verax.compiler.passes.partition import Comm, partition
from verax.compiler.passes.segment import Schedule, segments
from verax.compiler.passes.simplify import simplify
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Cuts, Spec, no_cuts


class Prepared(NamedTuple):
    """A program that is ready to be emitted.

    Args:
        program: what one device runs.
        mesh: the devices that run it, or None for one device.
        in_types, out_types: the types of the global values; on a mesh each array has a spec.
        comm: the table of its communication.
        schedule: the steps in which one device runs it on CPU, if it repeats itself.
    """

    program: Program
    mesh: Mesh | None
    in_types: tuple[Type, ...]
    out_types: tuple[Type, ...]
    comm: tuple[Comm, ...]
    schedule: Schedule | None = None


def prepare(
    p: Program,
    in_types: tuple[Type, ...],
    out_specs: Sequence[Spec | None] | None = None,
    *,
    fences: bool = True,
) -> Prepared:
    """The program as a device runs it, for inputs that lie as ``in_types`` say.

    Args:
        p: the global program.
        in_types: the types of its concrete inputs; they may carry specs.
        out_specs: per result its wished spec or None; None altogether for what comes naturally.
        fences: whether the compiler that comes next fuses as XLA does on CPU.

    Raises:
        ShardingError: the program and its inputs know two meshes.
        StructureError: the program names a mapped axis, and no vmap is around it.
    """
    if tuple(t.bare for t in in_types) != p.in_types:
        raise InternalError(f"a program of {p.in_types} was given inputs of {in_types}")
    check_bound(p)
    p = simplify(p)
    mesh = mesh_of(p, (*(_spec(t) for t in in_types), *(out_specs or ())))
    if mesh is None:
        if not fences:
            return Prepared(p, None, in_types, p.out_types, ())
        schedule = None if is_planned(p) else segments(p)
        if schedule is None:
            p = fence(order(p))
        return Prepared(p, None, in_types, p.out_types, (), schedule)
    ins = tuple(_on(mesh, t, _cuts(t)) for t in in_types)
    wished = _wished(p, out_specs)
    made = partition(p, mesh, tuple(_cuts(t) for t in ins), wished)
    outs = tuple(_on(mesh, t, cuts) for t, cuts in zip(p.out_types, made.out_cuts))
    local = simplify(made.program)
    return Prepared(fence(order(local)) if fences else local, mesh, ins, outs, made.comm)


def mesh_of(p: Program, specs: Iterable[Spec | None]) -> Mesh | None:
    """The one mesh that the specs and the ops of the program name, or None."""
    meshes = [spec.mesh for spec in specs if spec is not None]
    named = [getattr(eq.op, "mesh", None) for _, eq in walk(p)]
    distinct = list(dict.fromkeys(meshes + [mesh for mesh in named if isinstance(mesh, Mesh)]))
    if len(distinct) > 1:
        raise ShardingError(
            f"one program on two meshes: {distinct[0]} and {distinct[1]}",
            fix="use one mesh with all axes, or move the arrays to one mesh first",
        )
    return distinct[0] if distinct else None


def _wished(p: Program, specs: Sequence[Spec | None] | None) -> tuple[Cuts | None, ...]:
    """Keys have no spec: every device holds them whole."""
    wishes = specs or (None,) * len(p.outs)
    return tuple(
        no_cuts(t.ndim) if not isinstance(t, ArrayType) else None if spec is None else spec.cuts
        for t, spec in zip(p.out_types, wishes)
    )


def _spec(t: Type) -> Spec | None:
    return t.spec if isinstance(t, ArrayType) else None


def _cuts(t: Type) -> Cuts:
    spec = _spec(t)
    return no_cuts(t.ndim) if spec is None else spec.cuts


def _on(mesh: Mesh, t: Type, cuts: Cuts) -> Type:
    return ArrayType(t.shape, t.dtype, Spec(mesh, cuts)) if isinstance(t, ArrayType) else t
