"""``f.cache``: the programs that a jitted function has, one per types of its arguments.

A variant is the types of the leaves of the arguments by name, and the static values. Where a limit
is set, one too many is an error that shows in what it differs from the nearest one.

Law: ``len(f.cache)`` never exceeds ``max_variants``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from reprlib import repr as short
from typing import TYPE_CHECKING, Any, NamedTuple

from verax.compiler.ir.errors import VariantError
from verax.dsl.lang.cache import Entry, dropped
from verax.dsl.lang.scope import code_of, describe
from verax.dsl.lang.stage import argument_path
from verax.dsl.lang.treedef import TreeDef
from verax.dsl.lang.weak import described_type

if TYPE_CHECKING:
    from verax.compiler.backend.compile import Memory


class Variant(NamedTuple):
    """One program of a jitted function."""

    f: Callable[..., Any]
    tree: TreeDef
    kinds: tuple[Any, ...]
    keywords: bool
    given: tuple[tuple[int | str, Any], ...]
    entry: Entry | None

    @property
    def types(self) -> dict[str, str]:
        """What each leaf of the arguments is, by name: ``{"x": "float32[3]"}``."""
        skipped = [at for at, _ in self.given if isinstance(at, int)]
        out = {}
        for i, kind in enumerate(self.kinds):
            name = argument_path(self.f, self.tree, i, self.keywords, skipped)
            out[name] = described_type(kind[0]) if isinstance(kind, tuple) else str(kind)
        return out

    @property
    def static(self) -> dict[str, str]:
        """The static values, as text."""
        code = code_of(self.f)
        names = () if code is None else code.co_varnames[: code.co_argcount]
        out = {}
        for at, x in self.given:
            name = at if isinstance(at, str) else names[at] if at < len(names) else f"argument {at}"
            out[name] = short(x)
        return out

    @property
    def key(self) -> object:
        """The types and the static values, to compare."""
        return self.tree, self.kinds, self.keywords, tuple(self.static.items())

    @property
    def seconds(self) -> float:
        """How long it took to stage and to compile."""
        assert self.entry is not None
        return self.entry.seconds

    def memory(self) -> Memory:
        """What one run needs on one device, as XLA laid it out."""
        assert self.entry is not None
        return self.entry.run.memory()

    def shown(self) -> dict[str, str]:
        """What is compared, by name."""
        return {**self.types, **{name: f"static {text}" for name, text in self.static.items()}}

    def __str__(self) -> str:
        return ", ".join(f"{name}: {text}" for name, text in self.shown().items())


class Variants:
    """The programs of one jitted function, as a view: ``f.cache``.

    >>> import verax as vx
    >>> f = vx.jit(lambda x: x * 2.0)
    >>> y, z = f(vx.ones((3,))), f(vx.ones((2, 2)))
    >>> [v.types for v in f.cache]
    [{'x': 'float32[3]'}, {'x': 'float32[2,2]'}]
    >>> f.cache.clear()
    >>> len(f.cache)
    0
    """

    __slots__ = ("_f", "_forget", "_found", "_limit")

    def __init__(
        self,
        f: Callable[..., Any],
        found: dict[object, Variant],
        limit: int | None,
        forget: Callable[[], None],
    ) -> None:
        self._f, self._found, self._limit, self._forget = f, found, limit, forget

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Variant]:
        return iter(list(self._found.values()))

    def __repr__(self) -> str:
        lines = [f"{describe(self._f)}: {_count(len(self))}"]
        lines += [f"  {v}  ({v.seconds * 1e3:.1f} ms)" for v in self]
        return "\n".join(lines)

    def clear(self) -> None:
        """Forget all of them: their programs are freed, and the next call is staged anew."""
        dropped([v.entry for v in self if v.entry is not None])
        self._found.clear()
        self._forget()

    def check(self, new: Variant) -> None:
        """Raise if one more is too many.

        Raises:
            VariantError: with what differs from the nearest variant, leaf by leaf.
        """
        if self._limit is None or len(self) < self._limit:
            return
        wanted = new.shown()
        nearest = min((v.shown() for v in self), key=lambda old: len(_differences(old, wanted)))
        lines = _differences(nearest, wanted)
        same = sum(wanted.get(name) == text for name, text in nearest.items())
        if not lines:
            lines.append("nothing: what the function reads has changed")
        elif same:
            lines.append(f"({same} other {'leaf agrees' if same == 1 else 'leaves agree'})")
        raise VariantError(
            f"{describe(self._f)} has {_count(len(self))}, as many as max_variants allows, and this"
            " call needs another; from the nearest it differs in\n"
            + "\n".join(f"    {line}" for line in lines),
            fix="call it with arguments of the same types (pad to a few sizes, convert dtypes, pass"
            " numbers that vary as arrays), or allow more",
        )


def _count(n: int) -> str:
    return f"{n} variant{'' if n == 1 else 's'}"


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Leaf by leaf what differs."""
    return [
        f"{name}: {old.get(name, 'absent')} there, {new.get(name, 'absent')} here"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
