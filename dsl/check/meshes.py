"""A function on the meshes that its file declares: what each device runs, and what it communicates.

Partitioning needs sizes, so the function is staged once more at sizes that were chosen: multiples
of the number of devices, all different, so that nothing fits by accident.

Law: a mesh counts for a function when it has every axis that the function's annotations name, and
is the one that its body names, if it names one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import NamedTuple

from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.passes.partition import Partitioned, forget, partition
from verax.compiler.passes.pipeline import mesh_of
from verax.compiler.passes.simplify import simplify
from verax.dsl.check.attempt import Attempt, Function
from verax.dsl.check.findings import Comm, Finding, of_error
from verax.dsl.lang.binding import spread
from verax.dsl.lang.compare import Leaf, Row
from verax.dsl.lang.compiled import CommTable
from verax.dsl.lang.jit import Jit
from verax.dsl.lang.patterns import ArrayPattern, Sized
from verax.dsl.lang.scope import describe
from verax.dsl.lang.symbolic import names_of
from verax.sharding.cuts import Cuts, no_cuts
from verax.sharding.errors import ShardingError, VeraxError
from verax.sharding.mesh import Mesh

_UNIT = 8
_SIZE = 2  # of each axis, where a file declares no mesh


class Options(NamedTuple):
    """What is asked of programs on meshes: a budget in bytes, and whether operands that are cut
    otherwise may be gathered or exchanged unasked, where cuts are declared."""

    budget: int | None = None
    implicit: bool = False


class OnMeshes(NamedTuple):
    """What came of it; ``reasons`` say why there is nothing for a mesh."""

    findings: tuple[Finding, ...] = ()
    comm: tuple[Comm, ...] = ()
    reasons: tuple[str, ...] = ()


def meshes_of(module: ModuleType) -> list[Mesh]:
    """The meshes among the names of a module."""
    return list(dict.fromkeys(x for x in vars(module).values() if isinstance(x, Mesh)))


def on_meshes(
    function: Function, symbolic: Attempt, meshes: Sequence[Mesh], options: Options
) -> OnMeshes:
    """Partition a function that could be staged."""
    assert symbolic.staged is not None
    axes = {a for r in symbolic.rows for d in _dims(r) for a in d.axes or ()}
    named = mesh_of(symbolic.staged.program, ())
    if not axes and named is None:
        return OnMeshes()
    fitting = [m for m in meshes if axes <= set(m.names)]
    if named is not None:
        fitting = [named] if axes <= set(named.names) else []
    if not fitting and named is None and not meshes:
        fitting = [Mesh(**dict.fromkeys(sorted(axes), _SIZE))]
    if not fitting:
        axis = ", ".join(map(repr, sorted(axes)))
        return OnMeshes((), (), (f"not partitioned: no mesh of the file has the axes {axis}",))
    findings: list[Finding] = []
    comm: list[Comm] = []
    reasons: list[str] = []
    for mesh in fitting:
        for found in _on(function, symbolic, mesh, options):
            if isinstance(found, Finding):
                findings.append(found._replace(mesh=str(mesh)))
            elif isinstance(found, Comm):
                comm.append(found)
            else:
                reasons.append(f"on {mesh}: {found}")
    return OnMeshes(tuple(findings), tuple(comm), tuple(reasons))


def _on(
    function: Function, symbolic: Attempt, mesh: Mesh, options: Options
) -> Iterator[Finding | Comm | str]:
    """The errors and the communication on one mesh."""
    names = names_of(list(symbolic.leaves))
    sizes = {n: mesh.count * _UNIT * (i + 1) for i, n in enumerate(names)}
    attempt = function.attempt(symbolic.choice._replace(sizes=sizes))
    place = function.found.target.place
    if attempt.staged is None:
        finding = attempt.finding
        said = attempt.reason if finding is None else finding.message.splitlines()[0]
        yield f"at the sizes that were chosen, {_show(sizes)}: {said}"
        return
    cuts = _cuts(attempt.rows)
    captured = attempt.staged.captured
    in_cuts = [cuts.get(id(x), no_cuts(x.type.ndim)) for x in attempt.leaves]
    in_cuts += [_cuts_of(x.type) for x in captured]
    forget()  # an equal program of other lines would show those
    simplify.cache_clear()
    try:
        p = simplify(attempt.staged.program)
        explicit = bool(cuts) and not options.implicit
        made = partition(p, mesh, tuple(in_cuts), explicit=explicit)
    except ShardingError as error:
        error.line = None  # the passes know spans, not frames
        yield of_error(error.with_traceback(None), function.name, place)
        return
    except VeraxError as error:
        yield error.message.splitlines()[0]
        return
    if cuts:
        yield from _results(function, attempt, made)
    table = CommTable(made.comm)
    if table:
        lines = tuple(sizes.items())
        yield Comm(function.name, place, str(mesh), lines, table.nbytes, str(table))
    jitted = function.found.decorated
    for budget in (options.budget, jitted.comm_budget if isinstance(jitted, Jit) else None):
        try:
            table.within(budget, describe(function.f))
        except ShardingError as error:
            yield of_error(error.with_traceback(None), function.name, place)._replace(place=place)
            return


def _show(sizes: dict[str, int]) -> str:
    return ", ".join(f"{n}={k}" for n, k in sizes.items())


def _dims(row: Row) -> list[Sized]:
    if not isinstance(row.pattern, ArrayPattern):
        return []
    return [d for d in row.pattern.dims if isinstance(d, Sized)]


def _cuts(rows: Sequence[Row]) -> dict[int, Cuts]:
    """Per leaf, by identity, the cuts that are declared."""
    out = {}
    for row in rows:
        declared = _declared(row)
        if declared:
            ndim = row.leaf.type.ndim
            out[id(row.leaf)] = tuple([declared.get(i, ()) for i in range(ndim)])
    return out


def _declared(row: Row) -> dict[int, tuple[str, ...]]:
    """The axes that are declared, by dimension."""
    if not isinstance(row.pattern, ArrayPattern):
        return {}
    placed = spread(row.pattern, row.leaf.type.shape)
    return {} if placed is None else {i: d.axes for i, d in placed[0] if d.axes is not None}


def _cuts_of(t: Type) -> Cuts:
    spec = t.spec if isinstance(t, ArrayType) else None
    return no_cuts(t.ndim) if spec is None else spec.cuts


def _results(function: Function, attempt: Attempt, made: Partitioned) -> Iterator[Finding]:
    """Results that lie otherwise than declared: a dim that is not ``Sharded`` is whole there."""
    at = {id(leaf): i for i, leaf in enumerate(attempt.outs)}
    for row in attempt.out_rows:
        leaf: Leaf = row.leaf
        cuts = made.out_cuts[at[id(leaf)]]
        declared = _declared(row)
        for i, have in enumerate(cuts):
            if have != declared.get(i, ()):
                lies = f"cut over {', '.join(have)}" if have else "not cut"
                yield Finding(
                    ShardingError.code,
                    f"dimension {i} of {row.path} is {lies}, and is declared {row.pattern}",
                    function.found.returns,
                    function.name,
                    "lay the result out with vx.shard, or declare how it lies",
                )
