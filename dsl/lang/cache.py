"""Stage once, then dispatch: the cache that ``jit`` and every un-jitted transformation share.

There is one entry per identity of the function, tree and types of its arguments. Where a function
has no identity, or where Python looked at values, it is staged at each call: right, slow, and
counted. The compiled programs themselves are shared by content, below.

Law: a call gives what the function of these arguments is, whatever was kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from verax.compiler.backend import backend
from verax.compiler.ir.types import KeyType, Type
from verax.dsl.lang.array import Array
from verax.dsl.lang.identity import Unkeyed, identity
from verax.dsl.lang.key import Key, spend
from verax.dsl.lang.scope import code_of, describe
from verax.dsl.lang.stage import Staged, argument_path, as_argument, stage
from verax.dsl.lang.treedef import TreeDef, build, flatten
from verax.dsl.lang.value import CLASSES, Value, concrete

if TYPE_CHECKING:
    from verax.compiler.backend.compile import Executable


class Entry:
    """A staged function, compiled: what one call of it takes."""

    __slots__ = ("aliases", "captured", "donate", "out_tree", "out_uses", "plain", "results", "run",
                 "uses")  # fmt: skip

    def __init__(self, run: Executable, s: Staged, reads: Sequence[Value]) -> None:
        place = {id(x): i for i, x in enumerate(reads)}
        self.run: Executable = run
        self.out_tree = s.out_tree
        self.captured: tuple[int | Value, ...] = tuple([place.get(id(x), x) for x in s.captured])
        self.results = tuple([(CLASSES[type(t)], t) for t in run.out_types])
        self.plain = all(c is Array for c, _ in self.results)
        self.uses, self.out_uses, self.donate = s.uses, s.out_uses, run.donate
        self.aliases: tuple[tuple[int, int], ...] = tuple(
            (i, o)
            for i, (o, t) in enumerate(zip(s.program.outs, run.out_types))
            if isinstance(t, KeyType) and o < s.program.n_in
        )

    def __call__(self, xs: Sequence[Value], reads: Sequence[Value], what: str) -> Any:
        """The result for these arguments; ``reads`` are the arrays that the function reads."""
        buffers = [x.at for x in xs]
        for c in self.captured:
            buffers.append(reads[c].at if type(c) is int else concrete(c).at)  # type: ignore[arg-type]
        if self.uses:
            inputs = [*xs, *[reads[c] if isinstance(c, int) else c for c in self.captured]]
            spend([(inputs[i], use) for i, use in self.uses], what)
        try:
            results = self.run(buffers)
        except TypeError:
            for x in (*xs, *reads):
                concrete(x)  # says so if it was donated, or escaped
            raise
        if self.plain:
            out: list[Any] = [Array(t, y) for (_, t), y in zip(self.results, results)]
        else:
            out = [c(t, y) for (c, t), y in zip(self.results, results)]
            self._keys(out, xs)
        return build(self.out_tree, out)

    def _keys(self, out: Sequence[Any], xs: Sequence[Value]) -> None:
        """Results that are keys: what was done to them inside, and which are arguments."""
        for i, o in self.aliases:
            if o < len(xs):
                source = xs[o]
                assert isinstance(source, Key)
                out[i]._use = source.use
        for i, use in self.out_uses:
            if out[i]._use is None:
                out[i]._use = use


class Counts:
    """What the cache did for one function."""

    __slots__ = ("forced", "hits", "staged", "unkeyed")

    def __init__(self) -> None:
        self.hits = self.staged = self.forced = 0
        self.unkeyed: str | None = None

    def info(self) -> CacheInfo:
        """The counts so far."""
        return CacheInfo(self.hits, self.staged, self.forced, self.unkeyed)


class CacheInfo(NamedTuple):
    """How often a function was staged and found staged.

    Attributes:
        hits: calls that found the program.
        staged: calls that staged the function.
        forced: those among them where Python looked at values, so that nothing was kept.
        unkeyed: what the function reads that may change unseen, so that each call stages it; None
            where it has an identity.
    """

    hits: int
    staged: int
    forced: int
    unkeyed: str | None


_CACHE: dict[Any, Entry] = {}
_BY_CODE: dict[CodeType | None, Counts] = {}
TOTAL = Counts()
_MANY = 20  # stagings of an unkeyed function before a warning


def counts_of(f: object) -> Counts:
    """What was counted for the un-jitted calls of transformations of f."""
    return _BY_CODE.setdefault(code_of(f), Counts())


class RestagedWarning(UserWarning):
    """A function is staged again at each call."""


class Call(NamedTuple):
    """A call of a function on concrete arguments.

    Attributes:
        f: the function whose identity counts.
        run: what is staged: f, or f with its static arguments.
        of: the user's function in it, for messages.
        leaves, tree: its arguments (args, or args and kwargs if ``keywords``).
        extra: what else the entry depends on: static arguments, options.
        more: arrays that the static arguments read.
        make: stages and compiles it for arguments of these types.
        counts: where it is counted; None for the counts of its code.
    """

    f: Callable[..., Any]
    run: Callable[..., Any]
    of: object
    leaves: Sequence[Any]
    tree: TreeDef
    keywords: bool
    extra: Any
    more: tuple[Value, ...]
    make: Callable[[Sequence[Value]], tuple[Staged, Executable]]
    counts: Counts | None

    def find(self) -> tuple[Entry, list[Value], tuple[Value, ...]]:
        """The entry, staged and compiled where there is none; arguments; arrays that f reads."""
        leaves = self.leaves
        if _PLAIN.issuperset(map(type, leaves)):
            xs: list[Value] = list(leaves)
            kinds: Any = tuple([x.type for x in xs])
        else:
            xs = [as_argument(x, partial(self.path, i)) for i, x in enumerate(leaves)]
            kinds = tuple([(x.type, x.weak) if x.weak else x.type for x in xs])
        try:
            who = identity(self.f, self.tree.code)
        except Unkeyed as reason:
            return self.restage(xs, None, self.more, str(reason)), xs, self.more
        key = (who.number, self.tree, kinds, self.extra)
        reads = who.reads + self.more if self.more else who.reads
        entry = _CACHE.get(key)
        if entry is None:
            entry = self.restage(xs, key, reads, None)
        elif self.counts is not None:
            self.counts.hits += 1
        return entry, xs, reads

    def restage(
        self, xs: Sequence[Value], key: Any, reads: tuple[Value, ...], unkeyed: str | None
    ) -> Entry:
        """Stage and compile; kept under ``key`` unless Python looked at a value."""
        counts = counts_of(self.of) if self.counts is None else self.counts
        for x in xs:
            concrete(x)
        s, run = self.make(xs)
        entry = Entry(run, s, reads)
        for c in {id(counts): counts, id(TOTAL): TOTAL}.values():
            c.staged += 1
            c.forced += s.forced
            c.unkeyed = unkeyed
        if key is not None and not s.forced:
            _CACHE[key] = entry
        elif counts.staged == _MANY and unkeyed is not None:
            _warn(self.of, counts)
        return entry

    def path(self, i: int) -> str:
        """What messages call leaf i: ``x``, ``params['w']``, ``argument 0``..."""
        return argument_path(self.of, self.tree, i, self.keywords)


_PLAIN = frozenset({Array})


def _warn(f: object, counts: Counts) -> None:
    warnings.warn(
        f"{describe(f)} was staged {counts.staged} times, once per call: {counts.unkeyed}",
        RestagedWarning,
        stacklevel=6,
    )


def compiled(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    what: str,
    of: object = None,
    looks: bool = False,
) -> Any:
    """Run f on concrete arguments, as one compiled program.

    Args:
        what, of: how f came to be staged and the user's function in it, for messages.
        looks: Python may decide on the values of the arguments.
    """
    keywords = bool(kwargs)
    leaves, tree = flatten((args, kwargs) if keywords else args)
    of = f if of is None else of

    def make(xs: Sequence[Value]) -> tuple[Staged, Executable]:
        call = with_keywords(f) if keywords else f
        types, weak = [x.type for x in xs], [x.weak for x in xs]
        s = stage(call, tree, types, what=what, of=of, weak=weak, values=xs if looks else None)
        return s, compile_staged(s, types)

    call = Call(f, f, of, leaves, tree, keywords, None, (), make, None)
    entry, xs, reads = call.find()
    return entry(xs, reads, what)


def with_keywords(f: Callable[..., Any]) -> Callable[..., Any]:
    """f as a function of its positional and its keyword arguments, as two arguments."""
    return lambda args, kwargs: f(*args, **kwargs)


def compile_staged(s: Staged, types: Sequence[Type], donate: tuple[int, ...] = ()) -> Executable:
    """The executable of a staged function on arguments of these types."""
    in_types = (*types, *[x.type for x in s.captured])
    return backend().executable(s.program, in_types, None, donate)
