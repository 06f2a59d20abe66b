"""Programs -> executables, cached by content: the same program compiles once in a process.

The key is the program, the types of the concrete inputs (with their specs), the wished specs of the
results and what is donated. Two threads that ask for one key compile once; a compile that fails
leaves nothing behind, and its error names the user's line. How many are kept: see cache.py.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from verax.compiler.backend import pjrt
from verax.compiler.backend.cache import Cache
from verax.compiler.backend.chain import Chain
from verax.compiler.backend.emit import Module, module, spmd_module
from verax.compiler.backend.pjrt import Buffer, block, get, is_deleted, move, put
from verax.compiler.backend.platforms import platform
from verax.compiler.ir.errors import BackendError, DonationError
from verax.compiler.ir.program import Program
from verax.compiler.ir.span import Span, places
from verax.compiler.ir.types import KeyType, Type
from verax.compiler.passes.pipeline import Prepared, prepare
from verax.sharding.errors import source_line
from verax.sharding.spec import Spec

__all__ = [
    "Cost",
    "Executable",
    "Memory",
    "block",
    "executable",
    "get",
    "is_deleted",
    "move",
    "put",
]

Key: TypeAlias = tuple[Program, tuple[Type, ...], tuple[Spec | None, ...] | None, tuple[int, ...]]


class Cost(NamedTuple):
    """What one device does in one run, as XLA estimates it."""

    flops: float
    bytes_accessed: float


class Memory(NamedTuple):
    """Bytes on one device; ``aliased`` are those of outputs that lie in donated inputs."""

    arguments: int
    outputs: int
    temporaries: int
    aliased: int
    code: int


class Executable:
    """A compiled program: call it with buffers.

    Attributes:
        program: what one device runs.
        in_types: what the inputs are moved to where they lie elsewhere.
        out_types: the types of the results, with their specs.
        comm: the table of communication that the partitioner wrote.
        text: the StableHLO.
        donate: the inputs whose buffers a call takes.
        key: what it was compiled from.
        seconds: how long that took.
        used: whether it ran since the cache last looked.
    """

    __slots__ = (
        "__weakref__", "_handlers", "_keys", "_load", "_loaded", "_lock", "_moves", "_plain",
        "_run", "_waits", "comm", "donate", "in_types", "key", "out_types", "program", "seconds",
        "text", "used",
    )  # fmt: skip

    def __init__(
        self, ready: Prepared, key: Key, text: str, load: Callable[[], Any], start: float
    ) -> None:
        """``load`` gives what XLA made of the text, whenever it is called."""
        loaded = load()
        self.key, self.seconds, self.used = key, time.perf_counter() - start, True
        _, given, _, donate = key
        self._load, self._lock = load, threading.Lock()
        self.program, self.comm = ready.program, ready.comm
        self.in_types, self.out_types = ready.in_types, ready.out_types
        self.text, self.donate = text, donate
        self._loaded, self._run = loaded, loaded.execute_sharded
        self._handlers = [pjrt.handler(pjrt.physical(t, ready.mesh)) for t in ready.out_types]
        lie = [pjrt.physical(t) for t in given]
        wanted = [pjrt.physical(t, ready.mesh) for t in ready.in_types]
        self._moves = [(i, a, b) for i, (a, b) in enumerate(zip(lie, wanted)) if a is not b]
        keys = (i for i, t in enumerate(ready.out_types) if isinstance(t, KeyType))
        self._waits = bool(ready.comm) and platform() == "cpu"
        self._keys = [] if ready.mesh is None else list(keys)
        self._plain = not (self._moves or donate or self._keys or self._waits)

    def __call__(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        """Start a run; returns the buffers of its results, which fill in the background.

        Raises:
            DonationError: a buffer was given away before.
            BackendError: XLA failed; what fails later is raised where the result is read.
        """
        if not self._plain:
            return self._careful(buffers)
        self.used = True
        try:
            out: list[Buffer] = self._run(buffers).consume_with_handlers(self._handlers)
            return out
        except pjrt.XlaError as error:
            raise self._failed(error, buffers) from None

    def _careful(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        self.used = True
        placed = list(buffers)
        for i, source, target in self._moves:
            placed[i] = move(placed[i], source, target)
        try:
            ran = pjrt.run_in_turn(self._run, placed) if self._waits else self._run(placed)
            out: list[Buffer] = ran.consume_with_handlers(self._handlers)
        except pjrt.XlaError as error:
            raise self._failed(error, placed) from None
        for i in self.donate:  # also where XLA had no use for the memory
            buffers[i].delete()
        for i in self._keys:
            out[i] = pjrt.first_shard(out[i])
        return out

    def _failed(self, error: Exception, buffers: Sequence[Buffer]) -> BackendError | DonationError:
        for i, buffer in enumerate(buffers):
            if is_deleted(buffer):
                return DonationError(
                    f"input {i} was used after its memory had been given away",
                    fix="use what the call returned, or do not donate this argument",
                )
        m = self.memory()
        needs = (
            f"; a run needs {m.arguments} bytes of arguments, {m.outputs} of results "
            f"and {m.temporaries} of temporaries"
        )
        return pjrt.failed(error, needs)

    # asleep and awake -----------------------------------------------------------------------------

    def sleep(self) -> None:
        """Let go of what XLA made; runs that are under way go on."""
        with self._lock:
            self._run = self._wake_and_run
            self._loaded = None

    def awake(self) -> Any:
        """What XLA made of the text, compiled again where it was let go of."""
        with self._lock:
            loaded = self._loaded
            if loaded is None:
                loaded = self._loaded = self._load()
                self._run = loaded.execute_sharded
        _CACHE.keep(self.key, self)
        return loaded

    def _wake_and_run(self, buffers: Sequence[Buffer]) -> Any:
        return self.awake().execute_sharded(buffers)

    def cost(self) -> Cost:
        """Operations and traffic, estimated by XLA."""
        return Cost(*pjrt.cost(self.awake()))

    def memory(self) -> Memory:
        """What a run needs, as XLA laid it out."""
        return Memory(*pjrt.memory(self.awake()))

    def optimized(self) -> str:
        """The HLO that XLA made of the text."""
        text: str = self.awake().get_hlo_text()
        return text


_CACHE = Cache[Executable]()
_BUILDING: dict[Key, threading.Lock] = {}


def executable(
    p: Program,
    in_types: tuple[Type, ...],
    out_specs: tuple[Spec | None, ...] | None = None,
    donate: tuple[int, ...] = (),
) -> Executable:
    """The compiled program; from the cache where the same was compiled before.

    Args:
        p: the global program.
        in_types: the types of the concrete inputs; they may carry specs.
        out_specs: per result its wished spec or None; None altogether for what comes naturally.
        donate: the inputs whose memory the run may take.

    Raises:
        ShardingError: the inputs lie on two meshes.
        BackendError: XLA refused the program.
    """
    key = (p, in_types, out_specs, donate)
    found = _CACHE.get(key)
    if found is not None:
        return found
    try:
        with _BUILDING.setdefault(key, threading.Lock()):
            found = _CACHE.get(key)
            if found is None:
                found = _CACHE.asleep.get(key)
                if found is None:
                    found = _build(key)
                    _CACHE.keep(key, found)
                else:
                    found.awake()
            return found
    finally:
        _BUILDING.pop(key, None)


def forget(keys: Iterable[Key] | None = None) -> None:
    """Let go of what XLA made of these programs, or of all; one that is called compiles again."""
    _CACHE.rest_all(keys)


def _build(key: Key) -> Executable:
    p, in_types, out_specs, donate = key
    start = time.perf_counter()
    ready = prepare(p, in_types, out_specs, fences=platform() == "cpu")
    if ready.schedule is not None:
        chain = Chain(ready.program, ready.schedule, donate, _part)
        return Executable(ready, key, chain.text, lambda: chain, start)
    if ready.mesh is None:
        made = module(ready.program, donate, platform())
    else:
        made = spmd_module(
            ready.program, ready.mesh, ready.in_types, ready.out_types, donate, platform()
        )
    for target in sorted(made.targets):
        pjrt.need(target)
    try:
        load = partial(pjrt.load, made.text, ready.mesh)
        return Executable(ready, key, made.text, load, start)
    except pjrt.XlaError as error:
        raise refused(str(error), made) from None


def _part(p: Program, donate: tuple[int, ...]) -> Executable:
    return executable(p, p.in_types, None, donate)


# errors ------------------------------------------------------------------------------------------

_PLACE = re.compile(r"^(?:\w+: )?(?P<file>.*?):(?P<line>\d+):(?P<column>\d+): error: ", re.M)
_ALIAS = re.compile(r"loc\(#s(\d+)\)$")
_NOISE = re.compile(r"\n?<unknown>:0: error: Failed to parse using StableHLO.*", re.S)


def refused(message: str, made: Module) -> BackendError:
    """XLA's refusal of a module, with the user's line that the operation came from."""
    text = _NOISE.sub("", message)
    return BackendError(f"XLA refused the program: {text}", places=_blamed(text, made))


def _blamed(message: str, made: Module) -> list[str]:
    found = _PLACE.search(message)
    if found is not None and found["file"] != "-":
        return [source_line(found["file"], int(found["line"]))]
    lines = made.text.splitlines()
    if found is not None:
        return _place_of(lines[int(found["line"]) - 1 :], made.spans)
    for target in made.targets:  # a failure without a place may name the target of a call
        if target in message:
            calls = [i for i, line in enumerate(lines) if f"@{target}(" in line]
            return _place_of(lines[calls[0] :], made.spans) if calls else []
    return []


def _place_of(lines: Iterable[str], spans: Sequence[Span]) -> list[str]:
    """The place of the first operation that ends in these lines."""
    for line in lines:
        alias = _ALIAS.search(line)
        if alias is not None:
            return places(spans[int(alias[1])])
    return []
