"""What gives another value each time it is asked: clocks, random numbers, files, iterators.

A staged function asks once, and the answer would stand in its program for good. Calls are seen by a
profile hook of this thread, which is set only while a function is staged that names a clock, a
random module, ``open`` or ``input``; NumPy's and captured generators, iterators and files are
compared by state, before and after.

Law: what is not called while staging is no error, whatever the function names.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from types import FrameType, GeneratorType
from typing import Any, NamedTuple

from verax.compiler.ir.errors import PurityError
from verax.sharding.errors import is_library, source_line

_CLOCK_NAMES = tuple(
    name + ns
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")
    for ns in ("", "_ns")
)
CLOCKS: dict[str, frozenset[str] | None] = {
    "time": None,
    "random": None,
    "uuid": None,
    "secrets": None,
    "datetime": frozenset({"now", "today", "utcnow"}),
    "os": frozenset({"urandom", "getrandom"}),
    "numpy": frozenset({"random"}),
    "numpy.random": None,
}
"""The modules to look at more closely: always, or where one of these names is spoken."""

IMPORTED = frozenset({"time", "random", "uuid", "secrets", "datetime"})
"""Those among them that matter where a function imports them itself."""

READERS: dict[str, Any] = {"open": open, "input": input}

_DRAW = "draw with a key, vx.random.normal(key, shape), or pass the numbers as an argument"
_ASK = "call it outside and pass what it gives as an argument"
_READ = "read outside and pass what was read as an argument"


@lru_cache(1)
def calls() -> dict[Any, tuple[str, str]]:
    """The builtin functions that the hook knows, with their names and what to write instead."""
    datetime, random = import_module("datetime"), import_module("random")
    found: dict[Any, tuple[str, str]] = {
        getattr(time, n): (f"time.{n}", _ASK)
        for n in (*_CLOCK_NAMES, "localtime", "gmtime", "ctime")
    }
    for c in (datetime.datetime, datetime.date):
        for n in ("now", "today", "utcnow"):
            if hasattr(c, n):
                found[getattr(c, n)] = f"{c.__name__}.{n}", _ASK
    generator = random._inst
    for n in ("random", "getrandbits"):
        found[getattr(generator, n)] = f"random.{n}", _DRAW
    found[super(random.Random, generator).seed] = "random.seed", _DRAW
    found[os.urandom] = "os.urandom", _DRAW
    found[open] = "open", _READ
    found[input] = "input", _READ
    return found


@lru_cache(1)
def asking() -> dict[str, tuple[str, str]]:
    """The same by full names, as type checkers have them, with what asks in the user's name."""
    harmless = {"Random", "SystemRandom", "getstate", "setstate", "compare_digest"}
    drawn = [
        f"{m}.{n}"
        for m in ("random", "secrets")
        for n in import_module(m).__all__
        if n not in harmless
    ]
    found = {n: (n, _DRAW) for n in (*drawn, "uuid.uuid4")}
    for name, fix in calls().values():
        module = {"datetime": "datetime.", "date": "datetime."}.get(name.split(".")[0], "")
        found[module + name if "." in name else f"builtins.{name}"] = name, fix
    return found


@lru_cache(1)
def _drawers() -> frozenset[str]:
    """The files that ask for random numbers in the user's name."""
    return frozenset(
        path for n in ("random", "uuid", "secrets") if (path := import_module(n).__file__)
    )


# what is read through an object ------------------------------------------------------------------


def is_iterator(v: object) -> bool:
    """Whether v is an iterator, a file or a generator, of a class that is not the user's."""
    return hasattr(type(v), "__next__")


def is_source(v: object, c: type) -> bool:
    """Whether reading v changes it, by itself."""
    if _is_random(c):
        return True
    module = c.__module__
    if module.startswith("numpy.random"):
        return hasattr(c, "bit_generator") or hasattr(c, "get_state") or hasattr(c, "state")
    return module in ("builtins", "itertools", "_io", "_csv") and is_iterator(v)


def _is_random(c: type) -> bool:
    """Whether c is ``random.Random`` or a class of the user's made from it."""
    return any(b.__module__ == "random" for b in c.__mro__)


def is_hidden(v: object) -> bool:
    """Whether v is the generator behind the functions of ``random``."""
    return type(v).__module__ == "random" and v is sys.modules["random"]._inst


def state_of(v: Any) -> Any:
    """What changes when v is read; None where that cannot be told."""
    if _is_random(type(v)):
        return v.getstate()
    if _is_numpy(v):
        if hasattr(v, "get_state"):
            return v.get_state(legacy=False)
        return (v if hasattr(v, "state") else v.bit_generator).state
    if isinstance(v, GeneratorType):
        return None  # the hook sees it run
    try:
        if hasattr(v, "tell"):
            return v.tell()
        if hasattr(v, "line_num"):
            return v.line_num
        if type(v).__module__ == "itertools" and sys.version_info >= (3, 12):
            return repr(v)  # the state is not told any more, but for a count
        return _reduced(v, 0)
    except (OSError, ValueError, TypeError):
        return type(v)


def _is_numpy(v: object) -> bool:
    return type(v).__module__.startswith("numpy.random")


def same_state(a: Any, b: Any) -> bool:
    """Whether two states are one; NumPy's are dicts with arrays in them."""
    if isinstance(a, Mapping):
        return all(same_state(x, b[k]) for k, x in a.items())
    return a.tobytes() == b.tobytes() if hasattr(a, "tobytes") else bool(a == b)


def _reduced(v: Any, depth: int) -> Any:
    """How an iterator would be copied: what it goes through, by identity, and how far it is."""
    parts = v.__reduce__()
    return tuple([_part(x, depth) for x in parts])


def _part(x: Any, depth: int) -> Any:
    if type(x) is tuple:
        return tuple([_part(y, depth) for y in x])
    if isinstance(x, (int, str)):
        return x
    if depth < 8 and is_iterator(x):
        return state_of(x) if isinstance(x, GeneratorType) else _reduced(x, depth + 1)
    return len(x) if isinstance(x, list) else id(x)


def put_back(v: Any, state: Any) -> None:
    """The generator of random numbers as it was."""
    if _is_random(type(v)):
        v.setstate(state)
    elif _is_numpy(v):
        if hasattr(v, "set_state"):
            v.set_state(state)
        else:
            (v if hasattr(v, "state") else v.bit_generator).state = state


# what is called ----------------------------------------------------------------------------------


class Hook(NamedTuple):
    """Sees the calls of builtin functions, and generators that run, in this thread.

    Attributes:
        where: what is staged, for the message.
        frames: the frames of captured generators, with their names.
        found: what is raised at the end: an error in a generator would end it.
    """

    where: str
    frames: Mapping[FrameType, str]
    found: list[PurityError]

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            known = calls().get(arg)
            if known is not None:
                caller = _caller(frame)
                if caller is not None:
                    name, fix = known
                    raise self.error(f"{name}() was called", caller, fix)
        elif event == "call" and self.frames and frame in self.frames and frame.f_back is not None:
            self.found.append(self.error(f"{self.frames[frame]} was read", frame.f_back, ITERATE))

    def error(self, what: str, caller: FrameType, fix: str) -> PurityError:
        """The error of a call; its line is the caller's."""
        error = asked(what, self.where, fix)
        error.line = source_line(caller.f_code.co_filename, caller.f_lineno)
        return error


ITERATE = (
    "take the item outside and pass it as an argument; vx.scan goes through the rows of arrays"
)
DRAW = _DRAW


def asked(what: str, where: str, fix: str, places: Sequence[str] = ()) -> PurityError:
    """The error for what gives another value each time."""
    return PurityError(
        f"{what} while {where} was being staged: what it gave then would be used in every call",
        fix=fix,
        places=places,
    )


def _caller(frame: FrameType) -> FrameType | None:
    """The user's frame that asked, also through ``random.py``; None where a library asked."""
    here: FrameType | None = frame
    while here is not None and here.f_code.co_filename in _drawers():
        here = here.f_back
    if here is None:
        return None
    name = here.f_code.co_filename
    fixed = "site-packages" in name or "/lib/python" in name or is_library(name)
    return None if fixed or name.startswith("<frozen") else here


def watched(hook: Hook, call: Callable[[], Any]) -> Any:
    """call(), under the hook; where another one is set (a profiler) it goes on unseen."""
    if sys.getprofile() is not None:
        return call()
    sys.setprofile(hook.__call__)
    try:
        return call()
    finally:
        sys.setprofile(None)
        if hook.found:
            raise hook.found[0]
