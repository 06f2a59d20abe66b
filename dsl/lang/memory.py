"""Memory budgets: ``grad(f, memory="2GiB")``, and ``memory_plan``, which reports what was planned.

A budget counts results and temporaries; arguments belong to the caller. Where it asks for more than
the usual choice, values are computed again at the least price (passes/budget.py); where it cannot
be met, the function is refused before it is compiled.

Law: a budget changes no value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from verax.compiler.ir.program import Program
from verax.compiler.ir.types import Type
from verax.compiler.ops.values import weight
from verax.compiler.passes.budget import Row, computed_again, fit, lean, rows
from verax.compiler.passes.peak import peak, peak_of_steps
from verax.compiler.passes.pipeline import prepare
from verax.dsl.lang.amounts import Bytes, in_bytes
from verax.dsl.lang.control import Operands, flat
from verax.dsl.lang.jit import Jit, jit
from verax.dsl.lang.stage import Staged, known, spend_inputs, spend_results, stage
from verax.dsl.lang.treedef import build
from verax.dsl.lang.value import invoke

Function: TypeAlias = Callable[..., Any]
Change: TypeAlias = Callable[[Program], Program] | None
LOOPS: tuple[Change, ...] = (
    None,
    partial(lean, rule="dots_saveable"),
    partial(lean, rule="nothing_saveable"),
)
"""What scans may keep, most first."""


def in_budget(make: Callable[[Change], Function], memory: Bytes, what: str, of: object) -> Function:
    """A function that is planned to fit.

    Args:
        make: gives the function, with another way to treat loops.
        memory: the budget.
        what, of: the transformation and the user's function, for messages.
    """
    limit = in_bytes(memory, what)

    def planned_f(*args: Any, **kwargs: Any) -> Any:
        ops = Operands((args, kwargs))
        tried: list[Staged] = []

        def programs() -> Iterator[Program]:
            for change in LOOPS:
                s = _staged(make(change), ops, what, of)
                tried.append(s)
                yield s.program
                if not any(eq.op.name == "scan" for eq in s.program.equations):
                    return

        program = fit(programs(), limit, f"{what} of {name_of(of)}")
        s = tried[-1]
        spend_inputs(s, ops.values, what)
        ys = invoke(program, [*ops.values, *s.captured])
        spend_results(s, ys)
        return build(s.out_tree, ys)

    return planned_f


def _staged(f: Function, ops: Operands, what: str, of: object) -> Staged:
    def call(*values: Any) -> Any:
        args, kwargs = ops.filled(values)
        return f(*args, **kwargs)

    values = ops.values if known(ops.values) else None
    return stage(call, flat(ops.types), ops.types, what=what, of=of, values=values)


def name_of(f: object) -> str:
    """What messages call a function."""
    name: str = getattr(f, "__name__", type(f).__name__)
    return name


class MemoryPlan(NamedTuple):
    """What a function is predicted to need; printed, it is a table.

    Attributes:
        peak: the most bytes of results and temporaries at once.
        arguments, results: their bytes.
        alive: what is alive at the peak, by the user's line and type, largest first.
        again: what is computed again, likewise.
    """

    peak: int
    arguments: int
    results: int
    alive: tuple[Row, ...]
    again: tuple[Row, ...]

    def __repr__(self) -> str:
        lines = [
            f"predicted peak {self.peak:,} bytes, of which results {self.results:,};"
            f" beside them arguments {self.arguments:,}",
            "alive at the peak:" if self.alive else "nothing is alive at the peak",
            *map(str, self.alive),
            "computed again:" if self.again else "nothing is computed again",
            *map(str, self.again),
        ]
        return "\n".join(lines)


def memory_plan(f: Function, *args: Any, **kwargs: Any) -> MemoryPlan:
    """What a run of f on such arguments is predicted to need; compiles nothing.

    Args:
        f: a function, such as ``vx.grad(loss, memory="2GiB")``, jitted or not.
        args, kwargs: its arguments: arrays, or types made by ``vx.spec``.

    >>> import verax as vx
    >>> plan = vx.memory_plan(lambda x: vx.sum(vx.sin(x @ x)), vx.spec((64, 64)))
    >>> plan.peak
    16388
    """
    jitted: Any = f if isinstance(f, Jit) else jit(f)
    staged: Program = jitted.stage(*args, **kwargs)
    ready = prepare(staged, staged.in_types)
    p, steps = ready.program, ready.schedule
    top = peak(p)
    return MemoryPlan(
        top.nbytes if steps is None else peak_of_steps(steps, p.n_in),
        _bytes(p.in_types),
        _bytes(p.out_types),
        tuple(rows(p, top.values)),
        tuple(rows(p, computed_again(p))),
    )


def _bytes(ts: tuple[Type, ...]) -> int:
    return sum([weight(t) for t in ts])
