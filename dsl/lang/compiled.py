"""What ``jit(f).lower`` and ``jit(f).compile`` give: text, and an executable with its costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from verax.compiler.ir.errors import StructureError
from verax.compiler.ir.program import Program
from verax.compiler.ir.span import resolve
from verax.compiler.ir.types import Type
from verax.dsl.lang.cache import Entry
from verax.dsl.lang.stage import Staged, as_argument
from verax.dsl.lang.treedef import TreeDef, flatten, mismatch
from verax.sharding.errors import ShardingError

if TYPE_CHECKING:
    from verax.compiler.backend.compile import Cost, Executable, Memory
    from verax.compiler.passes.partition import Comm


class Lowered:
    """StableHLO text.

    Attributes:
        text: the module.
        program: what it was written from: simplified, and one device's part on a mesh.
    """

    __slots__ = ("program", "text")

    def __init__(self, text: str, program: Program) -> None:
        self.text, self.program = text, program

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


class CommTable(tuple["Comm", ...]):
    """The communication of a program; printed, lines of one source line are added up."""

    __slots__ = ()

    @property
    def nbytes(self) -> int:
        """The bytes of one run; what a loop of unknown length sends counts once."""
        return _bytes(self)

    def within(self, budget: int | None, who: str) -> None:
        """Raise a ShardingError, with the table, where more is communicated than ``budget``."""
        if budget is not None and self.nbytes > budget:
            table = "\n".join(f"    {line}" for line in str(self).splitlines())
            raise ShardingError(
                f"{who} communicates {self.nbytes:,} bytes, more than comm_budget={budget:,}\n"
                + table,
                fix="cut the operands of the largest lines alike (vx.shard), or allow more",
            )

    def __str__(self) -> str:
        if not self:
            return "no communication"
        groups: dict[tuple[str, str, str], list[Comm]] = {}
        for c in self:
            line = str(resolve(c.span)) if c.span is not None else ""
            groups.setdefault((c.kind, "*".join(c.axes), line), []).append(c)
        rows = [("op", "times", "bytes", "axes", "line")]
        for (kind, axes, line), found in groups.items():
            rows.append((kind, _times(found), f"{_bytes(found):,}", axes, line))
        rows.append(("total", _times(self), f"{_bytes(self):,}", "", ""))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        return "\n".join(
            f"{op:<{widths[0]}}  {n:>{widths[1]}}  {size:>{widths[2]}}  {axes:<{widths[3]}}"
            f"  {line}".rstrip()
            for op, n, size, axes, line in rows
        )


def _times(found: Sequence[Comm]) -> str:
    """How often in one run; ``+`` where a loop does not say."""
    known = sum(1 if c.times is None else c.times for c in found)
    return f"{known}+" if any(c.times is None for c in found) else str(known)


def _bytes(found: Sequence[Comm]) -> int:
    return sum(c.nbytes * (1 if c.times is None else c.times) for c in found)


class Compiled:
    """An executable for arguments of fixed types; call it like the function.

    Attributes:
        program: what one device runs.
        in_types, out_types: the types of the leaves of arguments and results.
        comm: the table of communication.
        text: the StableHLO.
    """

    __slots__ = ("_entry", "_run", "_tree", "comm", "in_types", "name", "out_types", "program",
                 "text")  # fmt: skip

    def __init__(
        self, run: Executable, s: Staged, tree: TreeDef, types: Sequence[Type], name: str
    ) -> None:
        self._run, self._entry, self._tree = run, Entry(run, s, ()), tree
        self.in_types, self.out_types = tuple(types), run.out_types
        self.program, self.text, self.name = run.program, run.text, name
        self.comm = CommTable(run.comm)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, tree = flatten((args, kwargs) if kwargs else args)
        if tree is not self._tree:
            raise mismatch(f"{self.name}, compiled", self._tree, tree, ("compiled", "called"))
        xs = [as_argument(x) for x in leaves]
        for i, (x, t) in enumerate(zip(xs, self.in_types)):
            if x.type is not t:
                path = self._tree.paths()[i]
                raise StructureError(
                    f"{self.name} was compiled for {t} at {path}, and is called with {x.type}",
                    fix="convert the argument, or call the jitted function, which compiles anew",
                )
        return self._entry(xs, (), "jit")

    def cost(self) -> Cost:
        """Operations and traffic of one run on one device, estimated by XLA."""
        return self._run.cost()

    def memory(self) -> Memory:
        """What one run needs on one device, as XLA laid it out."""
        return self._run.memory()

    def optimized(self) -> str:
        """The HLO that XLA made."""
        return self._run.optimized()
