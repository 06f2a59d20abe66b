"""Programs: equations over numbered values, and the builder that writes them.

Values are slots 0..n-1: inputs first, then results in order. Programs that differ only in names are
therefore equal, and the environment of a pass is a list. The builder shares equal pure equations;
``finish`` drops dead ones. What has an effect is neither shared nor dropped.

Law: ``parse(str(p)) == p`` (text.py reads what is printed here); spans are not content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from verax.compiler.ir.show import indent
from verax.compiler.ir.span import Span
from verax.compiler.ir.types import Type

if TYPE_CHECKING:
    from verax.compiler.ir.op import Op


class Equation(NamedTuple):
    """One application of an op; its results are the slots first .. first + n_out - 1."""

    op: Op
    operands: tuple[int, ...]
    first: int
    n_out: int
    span: Span | None

    @property
    def results(self) -> range:
        return range(self.first, self.first + self.n_out)


_new = tuple.__new__  # a third of the cost of calling a NamedTuple


class Program:
    """A closed, typed, immutable function: inputs, equations, outputs."""

    __slots__ = ("__weakref__", "_hash", "_key", "effects", "equations", "n_in", "outs", "types")
    n_in: int
    types: tuple[Type, ...]
    equations: tuple[Equation, ...]
    outs: tuple[int, ...]
    effects: frozenset[str]

    def __init__(
        self,
        n_in: int,
        types: tuple[Type, ...],
        equations: tuple[Equation, ...],
        outs: tuple[int, ...],
    ) -> None:
        self.n_in, self.types, self.equations, self.outs = n_in, types, equations, outs
        self.effects = _NONE.union(*[e[0].effects for e in equations if e[0].effects])
        self._key = (types[:n_in], tuple([e[:2] for e in equations]), outs)
        self._hash = hash(self._key)

    @property
    def in_types(self) -> tuple[Type, ...]:
        return self.types[: self.n_in]

    @property
    def out_types(self) -> tuple[Type, ...]:
        return tuple([self.types[o] for o in self.outs])

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Program) and self._hash == other._hash and self._key == other._key
        )

    def __len__(self) -> int:
        return len(self.equations)

    def __str__(self) -> str:
        ins = ", ".join(f"%{i}: {t}" for i, t in enumerate(self.in_types))
        lines = [f"({ins}) {{"]
        for op, xs, first, count, _ in self.equations:
            results = ", ".join(f"%{i}: {self.types[i]}" for i in range(first, first + count))
            operands = ", ".join(f"%{x}" for x in xs)
            lines.append(indent(f"  {results} = {op!r} {operands}".rstrip()))
        lines.append(f"  return {', '.join(f'%{o}' for o in self.outs)}".rstrip())
        return "\n".join(lines) + "\n}"

    def __repr__(self) -> str:
        return str(self)


_NONE: frozenset[str] = frozenset()


class Builder:
    """An open program. ``span`` is given to the equations that are emitted next."""

    __slots__ = ("equations", "inputs", "memo", "span", "types")
    types: list[Type]
    equations: list[Equation]
    inputs: list[int]
    memo: dict[tuple[Op, tuple[int, ...]], int]
    span: Span | None

    def __init__(self) -> None:
        self.types = []
        self.equations = []
        self.inputs = []
        self.memo = {}
        self.span = None

    def input(self, t: Type) -> int:
        """A new input; inputs may be added at any time and are numbered first by ``finish``."""
        self.inputs.append(len(self.types))
        self.types.append(t)
        return len(self.types) - 1

    def emit(self, op: Op, *xs: int) -> int:
        """The first result of op on these slots; equal pure equations are shared."""
        key = (op, xs)
        first = self.memo.get(key)
        if first is None:
            types = self.types
            ts = tuple(map(types.__getitem__, xs))
            out = op.cache.get(ts)
            if out is None:
                out = op.infer(ts)
            first = len(types)
            if not op.effects:
                self.memo[key] = first
            types += out
            self.equations.append(_new(Equation, (op, xs, first, len(out), self.span)))
        return first

    def emit_all(self, op: Op, *xs: int) -> range:
        """All results of op on these slots."""
        types = self.types
        before = len(types)
        first = self.emit(op, *xs)
        if first == before:
            return range(first, len(types))
        return range(first, first + len(op.infer(tuple([types[x] for x in xs]))))

    def inline(self, p: Program, ins: Iterable[int]) -> list[int]:
        """Write the equations of p on these slots; returns the slots of its outputs."""
        env = list(ins)
        types, memo, equations = self.types, self.memo, self.equations
        slot = env.__getitem__
        for op, xs, first, count, span in p.equations:
            ys = tuple(map(slot, xs))
            key = (op, ys)
            new = memo.get(key)
            if new is None:
                new = len(types)
                if not op.effects:
                    memo[key] = new
                types += p.types[first : first + count]
                equations.append(_new(Equation, (op, ys, new, count, span)))
            env += range(new, new + count)
        return [env[o] for o in p.outs]

    def finish(self, outs: Iterable[int]) -> Program:
        """Drop what no output and no effect needs; number the rest, inputs first."""
        outs = tuple(outs)
        n_in = len(self.inputs)
        keep = self._live(outs)
        if len(keep) == len(self.equations) and self.inputs == list(range(n_in)):
            return Program(n_in, tuple(self.types), tuple(keep), outs)  # numbered so already
        old = self.types
        new = [0] * len(old)
        types = [old[i] for i in self.inputs]
        for n, i in enumerate(self.inputs):
            new[i] = n
        renumber = new.__getitem__
        equations = []
        for op, xs, first, count, span in keep:
            k = len(types)
            if count == 1:
                new[first] = k
                types.append(old[first])
            else:
                new[first : first + count] = range(k, k + count)
                types += old[first : first + count]
            equations.append(_new(Equation, (op, tuple(map(renumber, xs)), k, count, span)))
        return Program(n_in, tuple(types), tuple(equations), tuple(map(renumber, outs)))

    def _live(self, outs: tuple[int, ...]) -> list[Equation]:
        """The equations that an output or an effect needs."""
        live = bytearray(len(self.types) + 1)  # the last op may have no results
        for o in outs:
            live[o] = 1
        keep = []
        for eq in reversed(self.equations):
            op, xs, first, count, _ = eq
            if live[first] or (count > 1 and any(live[first : first + count])) or op.effects:
                keep.append(eq)
                for x in xs:
                    live[x] = 1
        keep.reverse()
        return keep


def rearrange(p: Program, order: Sequence[int], outs: Sequence[int] | None = None) -> Program:
    """The same program with its inputs in another order, and a choice of its outputs."""
    same_ins = tuple(order) == tuple(range(p.n_in))
    if same_ins and (outs is None or tuple(outs) == tuple(range(len(p.outs)))):
        return p
    b = Builder()
    slots = [0] * p.n_in
    for i in order:
        slots[i] = b.input(p.types[i])
    ys = b.inline(p, slots)
    return b.finish(ys if outs is None else [ys[o] for o in outs])


def walk(p: Program) -> Iterator[tuple[Program, Equation]]:
    """Every equation of p and of the programs that its ops hold, with the program it stands in."""
    for eq in p.equations:
        yield p, eq
        for inner in eq.op.programs:
            yield from walk(inner)
