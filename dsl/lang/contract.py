"""What a function's annotations ask of its arguments and its result, checked by name.

A contract is made once per function and compares the types of one call with the patterns of its
parameters (see compare.py). The message shows each argument that matters, declared beside given,
with the wrong ones marked.

Law: a function whose annotations say nothing of arrays has no contract.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import Poly
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.lang.binding import Bindings, segment_name, spread
from verax.dsl.lang.compare import Leaf, Row, Wrong, examine, walk
from verax.dsl.lang.hints import Signature, owner_of, plain_function, signature_of
from verax.dsl.lang.patterns import (
    KeyPattern,
    ScalarPattern,
    Sized,
    names_in,
    says_nothing,
)
from verax.dsl.lang.scope import describe
from verax.sharding.errors import ShardingError, VeraxError


class Contract:
    """The signature of one function; see the module."""

    __slots__ = ("f", "signature", "skipped")

    def __init__(self, f: object, signature: Signature, skipped: int) -> None:
        self.f, self.signature, self.skipped = f, signature, skipped

    def check_arguments(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], static: Sequence[int] = ()
    ) -> tuple[Bindings, list[Row]]:
        """Bind the names of one call.

        Args:
            args, kwargs: trees whose leaves are ``Leaf``.
            static: the positions that ``args`` lacks.

        Raises:
            ShapeError, DTypeError, ShardingError, StructureError: by name, with all arguments.
        """
        rows = list(self._rows(args, kwargs, static))
        bindings = Bindings()
        wrong = examine(rows, bindings, 0)
        if wrong:
            raise problem(describe(self.f), rows, wrong)
        return bindings, rows

    def check_result(self, bindings: Bindings, rows: Sequence[Row], result: Any) -> None:
        """Compare a result, a tree whose leaves are ``Leaf``, with what is declared.

        Raises:
            ShapeError, DTypeError, ShardingError, StructureError: with the arguments beside it.
        """
        more = list(walk(self.signature.result, result, "the result", describe(self.f)))
        whole = [*rows, *more]
        wrong = examine(whole, bindings.copy(), len(rows))
        if wrong:
            raise problem(describe(self.f), whole, wrong)

    def _rows(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], static: Sequence[int]
    ) -> Iterator[Row]:
        at = 0
        missing = {*static}
        who = describe(self.f)
        n = len(args) + len(missing)
        positions = [i for i in range(n) if i not in missing]
        placed = dict(zip(positions, args))
        params = self.signature.parameters[self.skipped :]
        n_positional = self.signature.n_positional - self.skipped
        for i, p in enumerate(params):
            if p.kind == "*":
                for at in [k for k in positions if k >= n_positional]:
                    yield from walk(p.pattern, placed[at], f"{p.name}[{at - n_positional}]", who)
            elif p.kind == "**":
                named = {q.name for q in params}
                for name in [name for name in kwargs if name not in named]:
                    yield from walk(p.pattern, kwargs[name], name, who)
            elif p.kind == "" and i in placed:
                yield from walk(p.pattern, placed[i], p.name, who)
            elif p.name in kwargs:
                yield from walk(p.pattern, kwargs[p.name], p.name, who)


def contract_of(f: object) -> Contract | None:
    """The contract of a function, or None where its annotations ask nothing."""
    found = plain_function(f)
    if found is None or not found[0].__annotations__:
        return None
    signature = signature_of(found[0], owner_of(found[0]))
    patterns = [p.pattern for p in signature.parameters[found[1] :]]
    if all(map(says_nothing, (*patterns, signature.result))):
        return None
    return Contract(f, signature, found[1])


# the message -------------------------------------------------------------------------------------

_MOST_ROWS = 12


def problem(
    who: str, rows: Sequence[Row], wrong: Sequence[Wrong], start: Bindings | None = None
) -> VeraxError:
    """The error of a call: the first contradiction, and all arguments that matter.

    Args:
        start: what was bound before the call.
    """
    order: list[type[VeraxError]] = [DTypeError, ShapeError, ShardingError]
    first = min(wrong, key=lambda w: (order.index(w.kind), w.row))
    fix = first.fix or _fix(rows, first, start or Bindings())
    lines = [f"{who}: {first.text}", *table(rows, wrong)]
    return first.kind("\n".join(lines), fix=fix)


def _fix(rows: Sequence[Row], first: Wrong, start: Bindings) -> str:
    row = rows[first.row]
    turned = _transposed(rows, first.row, start)
    result = row.path.startswith("the result")
    if turned:
        what = "return it transposed, .T" if result else f"pass {row.path}.T"
        return f"its dimensions come in the other order: {what}"
    if result:
        return f"return {row.pattern}, or declare what is returned"
    return f"pass {row.path} as {row.pattern}, or declare what is passed"


def _transposed(rows: Sequence[Row], i: int, start: Bindings) -> bool:
    """Whether the array would fit if its two dimensions were swapped."""
    row = rows[i]
    t = row.leaf.type
    if not isinstance(t, ArrayType) or t.ndim != 2 or t.shape[0] == t.shape[1]:
        return False
    turned = Row(row.path, row.pattern, Leaf(ArrayType(t.shape[::-1], t.dtype)))
    others = [r for k, r in enumerate(rows) if k != i]
    return not examine([*others, turned], start.copy(), 0)


def table(rows: Sequence[Row], wrong: Sequence[Wrong]) -> list[str]:
    """Each argument that matters: what is declared of it, what it is, what is wrong."""
    at_fault = {w.row: w for w in reversed(wrong)}
    names = {name for i in at_fault for name in _names(rows[i])}
    chosen = [i for i, r in enumerate(rows) if i in at_fault or names & _names(r)]
    if len(rows) <= _MOST_ROWS:
        chosen = list(range(len(rows)))
    left_out = len(rows) - len(chosen)
    cells = [(r.path, str(r.pattern), _given(r)) for r in (rows[i] for i in chosen)]
    widths = [max(len(c[k]) for c in cells) for k in range(3)]
    lines = []
    for i, (path, declared, given) in zip(chosen, cells):
        mark = ""
        if i in at_fault:
            mark = f"  <-- {at_fault[i].note}" if at_fault[i].note else "  <--"
        line = f"    {path:<{widths[0]}}  {declared:<{widths[1]}}  {given:<{widths[2]}}{mark}"
        lines.append(line.rstrip())
    if left_out:
        lines.append(f"    ({left_out} more {'array fits' if left_out == 1 else 'arrays fit'})")
    return lines


def _names(row: Row) -> set[str]:
    if isinstance(row.pattern, ScalarPattern):
        return set(names_in(row.pattern.size))
    found = {n for d in row.pattern.dims if isinstance(d, Sized) for n in names_in(d.size)}
    segment = segment_name(row.pattern)
    return found if segment is None else found | {f"*{segment}"}


def _given(row: Row) -> str:
    """``float32[Batch=32, Feat=3]``: the type of an argument with the names of its dims."""
    leaf, p = row.leaf, row.pattern
    t = leaf.type
    if leaf.weak or isinstance(p, ScalarPattern):
        return str(leaf)
    if isinstance(p, KeyPattern) != isinstance(t, KeyType):
        return str(leaf)
    placed = spread(p, t.shape)
    if placed is None:
        return str(t)
    named = {at: d.size for at, d in placed[0] if isinstance(d.size, Poly)}
    sizes = [
        f"{named[i]}={n}" if i in named and isinstance(n, int) else str(n)
        for i, n in enumerate(t.shape)
    ]
    if isinstance(t, KeyType):
        return f"key<{t.impl}>[{', '.join(sizes)}]"
    text = f"{t.dtype.name}[{', '.join(sizes)}]"
    return text if t.spec is None else f"{text}@{t.spec}"
