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
from time import perf_counter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from verax.compiler.backend import backend
from verax.compiler.ir.types import KeyType, Type
from verax.dsl.lang.array import Array
from verax.dsl.lang.bounded import Bounded
from verax.dsl.lang.identity import Identity, Unkeyed, identity
from verax.dsl.lang.key import Key, spend
from verax.dsl.lang.lift import lifted
from verax.dsl.lang.scope import code_of, describe
from verax.dsl.lang.stage import Staged, as_argument
from verax.dsl.lang.treedef import TreeDef, builder, take_like
from verax.dsl.lang.value import CLASSES, Value, concrete
from verax.dsl.lang.weak import CARRIERS, Weak, concrete_weak

if TYPE_CHECKING:
    from verax.compiler.backend.compile import Executable


_new: Callable[[type[Array]], Any] = object.__new__


class Entry:
    """A staged function, compiled: what one call of it takes.

    ``pins`` are the arrays that the function reads and that Python looked at while staging: the
    entry is true of these arrays only. ``key`` is where it is kept, if it is; ``seconds`` is how
    long it took to stage and to compile.
    """

    __slots__ = (
        "aliases", "build", "captured", "donate", "forced", "key", "out_types", "out_uses", "pins",
        "plain", "results", "run", "seconds", "start", "uses",
    )  # fmt: skip

    def __init__(self, run: Executable, s: Staged, reads: Sequence[Value]) -> None:
        place = {id(x): i for i, x in enumerate(reads)}
        self.run, self.start = run, run.__call__  # bound once: the short way of a method
        self.forced, self.seconds = s.forced, 0.0
        self.key: Any = None
        self.build = builder(s.out_tree)
        self.captured: tuple[int | Value, ...] = tuple([place.get(id(x), x) for x in s.captured])
        self.pins = tuple([(place[id(x)], x) for x in s.looked if id(x) in place])
        self.results = tuple([(CLASSES[type(t)], t) for t in run.out_types])
        self.out_types: tuple[Any, ...] = run.out_types
        self.plain = all(c is Array for c, _ in self.results)
        self.uses, self.out_uses, self.donate = s.uses, s.out_uses, run.donate
        self.aliases: tuple[tuple[int, int], ...] = tuple(
            (i, o)
            for i, (o, t) in enumerate(zip(s.program.outs, run.out_types))
            if isinstance(t, KeyType) and o < s.program.n_in
        )

    def holds(self, reads: Sequence[Value]) -> bool:
        """Whether it is true of a function that reads these arrays."""
        return all(reads[i] is x for i, x in self.pins)

    def __call__(self, xs: Sequence[Value], reads: Sequence[Value], what: str) -> Any:
        """The result for these arguments; ``reads`` are the arrays that the function reads."""
        inputs = xs
        if self.captured:
            captured = [reads[c] if isinstance(c, int) else c for c in self.captured]
            inputs = [*xs, *captured]
        if self.uses:
            spend([(inputs[i], use) for i, use in self.uses], what)
        buffers = [x.ref for x in inputs]
        try:
            results = self.start(buffers)
        except TypeError:
            for x in inputs:
                concrete(x)  # says so if it was donated, or escaped
            raise
        if self.plain:
            out: list[Any] = []
            for t, y in zip(self.out_types, results):  # Array(t, y), without the call of __init__
                array = _new(Array)
                array.type, array.ref, array.scope = t, y, None
                out.append(array)
        else:
            out = [c(t, y) for (c, t), y in zip(self.results, results)]
            self._keys(out, xs)
        return self.build(out)

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


class Found(NamedTuple):
    """What a call needs: the entry, the arguments as values, the arrays that the function reads."""

    entry: Entry
    xs: Sequence[Value]
    reads: tuple[Value, ...]


class RestagedWarning(UserWarning):
    """A function is staged again at each call, and that takes its time."""


class Counts:
    """What the cache did for one function."""

    __slots__ = ("forced", "hits", "seconds", "staged", "unkeyed")

    def __init__(self) -> None:
        self.hits = self.staged = self.forced = 0
        self.seconds = 0.0
        self.unkeyed: str | None = None

    def restaged(self, f: object, seconds: float) -> None:
        """A function without identity was staged: warn, once, where that costs much time."""
        before, self.seconds = self.seconds, self.seconds + seconds
        if self.staged >= _MANY and before <= _LONG < self.seconds:
            warnings.warn(
                f"{describe(f)} was staged {self.staged} times, once per call, which took"
                f" {self.seconds:.1f} s: {self.unkeyed}",
                RestagedWarning,
                stacklevel=7,
            )

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


Function = Callable[..., Any]
_CACHE: Bounded[Any, Entry] = Bounded(4096)
_FLOATS: Bounded[Any, bool] = Bounded(4096)
"""Per key with lifted floats that was met: whether to stage so when another value comes."""
_BY_CODE: Bounded[CodeType | None, Counts] = Bounded(4096)
TOTAL = Counts()
_MANY, _LONG = 20, 1.0  # stagings of an unkeyed function, and seconds, before a warning


def counts_of(f: object) -> Counts:
    """What was counted for the un-jitted calls of transformations of f."""
    code = code_of(f)
    found = _BY_CODE.get(code)
    return _BY_CODE.keep(code, Counts()) if found is None else found


def lookup(
    f: Callable[..., Any],
    leaves: Sequence[Any],
    tree: TreeDef,
    extra: Any,
    code: tuple[Any, ...] | None = None,
) -> Found | None:
    """The entry that is there, for arguments that are arrays, keys and Python scalars."""
    if _PLAIN.issuperset(map(type, leaves)):
        xs: Sequence[Value] = leaves
        kinds = tuple([x.type for x in xs])
    else:
        if not _EASY.issuperset(map(type, leaves)):
            return None
        xs = [x if isinstance(x, Value) else concrete_weak(x) for x in leaves]
        kinds = kinds_of(xs)
    try:
        who = identity(f, tree.code if code is None else code)
    except Unkeyed:
        return None
    entry = _CACHE.get((who.key, tree, kinds, extra, ()))
    if entry is None or (entry.pins and not entry.holds(who.reads)):
        return None
    return Found(entry, xs, who.reads)


_PLAIN = frozenset({Array})
_EASY = frozenset({Array, Key, Weak, *CARRIERS})


class Recent(NamedTuple):
    """The last call of a function: what the next one is compared with, before it is looked up.

    Attributes:
        tree, types: of its arguments, which were arrays all of them.
        who: the function as it was.
        run: the entry that was found.
    """

    tree: TreeDef
    types: list[Any]
    who: Identity
    run: Callable[..., Any]

    def fits(self, args: tuple[Any, ...], leaves: list[Any]) -> bool:
        """Whether these arguments and the function are as they were; adds the leaves."""
        return (
            take_like(self.tree, args, leaves)
            and _PLAIN.issuperset(map(type, leaves))
            and [x.type for x in leaves] == self.types
            and self.who.holds()
        )


def recent(
    f: Callable[..., Any], leaves: Sequence[Any], tree: TreeDef, entry: Entry
) -> Recent | None:
    """What to remember of a call that was looked up; None where only a look-up is right."""
    if type(f) is not FunctionType or not _PLAIN.issuperset(map(type, leaves)):
        return None
    return Recent(tree, [x.type for x in leaves], identity(f, tree.code), entry.__call__)


def kinds_of(xs: Sequence[Value]) -> tuple[Any, ...]:
    """What arguments count as: their types, and which are Python scalars."""
    return tuple([(x.type, True) if x.weak else x.type for x in xs])


def _aliases(reads: Sequence[Value]) -> tuple[int, ...]:
    """Which of these are one array: per array, its first place."""
    first: dict[int, int] = {}
    return tuple([first.setdefault(id(x), i) for i, x in enumerate(reads)])


class Request(NamedTuple):
    """A call of a function on concrete arguments, as far as staging and compiling need it.

    Attributes:
        f: the function whose identity counts.
        run: what is staged: f, or f with its static arguments.
        of: the user's function in it, for messages.
        leaves, tree: its arguments.
        code: the functions and classes that the arguments bring.
        path: what messages call a leaf: ``x``, ``params['w']``, ``argument 0``...
        extra: what else the entry depends on: static arguments, options.
        more: arrays that the static arguments read.
        make: stages and compiles a function for arguments of these types.
        counts: where it is counted.
        allow: called with the arguments before they are staged; it may raise.
    """

    f: Callable[..., Any]
    run: Callable[..., Any]
    of: object
    leaves: Sequence[Any]
    tree: TreeDef
    code: tuple[Any, ...]
    path: Callable[[int], str]
    extra: Any
    more: tuple[Value, ...]
    make: Callable[[Function, Sequence[Value], Identity], tuple[Staged, Executable]]
    counts: Counts
    allow: Callable[[Sequence[Value]], None] | None = None

    def find(self) -> Found:
        """The entry, staged and compiled where there is none."""
        xs = [as_argument(x, partial(self.path, i)) for i, x in enumerate(self.leaves)]
        rest = (self.tree, kinds_of(xs), self.extra)
        who, reason = self.identity()
        if reason is not None:
            staged = self.stage(xs, self.run, None, self.more, who, reason)
            return Found(staged, xs, self.more)
        reads = who.reads + self.more
        key = (who.key, *rest, _aliases(reads) if self.more else ())
        entry = _CACHE.get(key)
        if entry is not None and entry.holds(reads):
            self.counts.hits += 1
            return Found(entry, xs, reads)
        return self.lifted(xs, rest) or Found(self.stage(xs, self.run, key, reads, who), xs, reads)

    def identity(self) -> tuple[Identity, str | None]:
        """What f reads, and why it has no identity if it has none."""
        try:
            return identity(self.f, self.code), None
        except Unkeyed as reason:
            return reason.reads, str(reason)

    def lifted(self, xs: list[Value], rest: tuple[Any, ...]) -> Found | None:
        """The entry with the floats that f reads as inputs, once a second value of them is met."""
        f = lifted(self.f) if self.run is self.f else None
        if f is None:
            return None
        who = identity(f, self.code)
        key, reads = (who.key, *rest, ()), who.reads
        entry = _CACHE.get(key)
        if entry is not None:
            self.counts.hits += 1
            return Found(entry, xs, reads)
        seen = _FLOATS.get(key)
        if seen is None:
            _FLOATS.keep(key, True)
        if not seen:
            return None
        try:
            return Found(self.stage(xs, f, key, reads, who), xs, reads)
        except Exception:  # the floats are used as Python numbers: f itself says what is wrong
            _FLOATS[key] = False
            return None

    def stage(
        self,
        xs: Sequence[Value],
        run: Callable[..., Any],
        key: Any,
        reads: tuple[Value, ...],
        who: Identity,
        unkeyed: str | None = None,
    ) -> Entry:
        """Stage and compile; kept under ``key`` unless Python looked at a value."""
        for x in xs:
            concrete(x)
        if self.allow is not None:
            self.allow(xs)
        start = perf_counter()
        s, executable = self.make(run, xs, who)
        entry = Entry(executable, s, reads)
        entry.seconds = perf_counter() - start
        if any(x.weak for _, x in entry.pins):
            raise Unkeyed("a lifted float is used as a Python number", who)
        for c in (self.counts, TOTAL):
            c.staged += 1
            c.forced += s.forced
            c.unkeyed = unkeyed
        if key is not None and not s.forced:
            entry.key = key
            _CACHE.keep(key, entry)
        elif unkeyed is not None:
            self.counts.restaged(self.of, entry.seconds)
        return entry


def dropped(entries: Sequence[Entry]) -> None:
    """Forget these entries, and free what was compiled for them."""
    for entry in entries:
        _CACHE.pop(entry.key, None)
    backend().forget([entry.run.key for entry in entries])


def with_keywords(f: Callable[..., Any]) -> Callable[..., Any]:
    """f as a function of its positional and its keyword arguments, as two arguments."""
    return lambda args, kwargs: f(*args, **kwargs)


def compile_staged(s: Staged, types: Sequence[Type], donate: tuple[int, ...] = ()) -> Executable:
    """The executable of a staged function on arguments of these types."""
    in_types = (*types, *[x.type for x in s.captured])
    return backend().executable(s.program, in_types, None, donate)
