"""What calls gave, kept in mypy's cache: most calls of an edited module are those it had before.

The file is a log: each process appends what it worked out, in one write, and reads what stood there
when it first asked; so workers and the daemon share it without locks. It holds for one state of
verax's sources. Only plain descriptions are kept, no objects of mypy's; reading makes no others.

Law: what is read back equals what was written, or it is not written.
"""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

LARGEST = 4 * 2**20
"""Bytes from which on the log is begun anew: reading it all takes half a second."""
_CLASSES = ("verax.compiler.ir.", "verax.sharding.", "verax.dsl.typing.described")
_BUILTINS = frozenset({"slice", "int", "float", "bool", "complex", "str", "tuple", "list", "dict"})


class Store:
    """A log of what is known by key.

    Args:
        path: the file; None keeps everything in memory.
        state: of what all this holds; a file of another state is begun anew.
    """

    def __init__(self, path: Path | None, state: str) -> None:
        self.path, self.head = path, pickle.dumps(state)
        self._new: list[bytes] = []
        self._whole = False  # whether the file can be appended to

    @cached_property
    def _found(self) -> dict[Any, Any]:
        if self.path is None or not _begins(self.path, self.head):
            return {}
        text = self.path.read_bytes()
        file, found = BytesIO(text), {}
        file.seek(len(self.head))
        try:
            while file.tell() < len(text):
                key, value = _Unpickler(file).load()
                found[key] = value
        except Exception:  # bytes that are no entry: what stands before them is good
            return found
        self._whole = len(text) < LARGEST
        return found

    def get(self, key: Any) -> Any:
        """What was put there, or None.

        Raises:
            TypeError: the key has no hash.
        """
        return self._found.get(key)

    def put(self, key: Any, value: Any) -> None:
        """Remember a value, and write it."""
        self._found[key] = value
        if self.path is None:
            return
        try:
            text = pickle.dumps((key, value), pickle.HIGHEST_PROTOCOL)
            if _same(_Unpickler(BytesIO(text)).load(), (key, value)):
                self._new.append(text)
                self.flush()  # mypy ends without a word
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
            return  # it speaks of something that one process knows only

    def flush(self) -> None:
        """Write what is new; where that cannot be, nothing is lost but time."""
        if self.path is None or not self._new:
            return
        text, self._new = b"".join(self._new), []
        with suppress(OSError):
            if self._whole and _begins(self.path, self.head):
                with self.path.open("ab", buffering=0) as log:
                    log.write(text)
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                fresh = self.path.with_suffix(f".{os.getpid()}")
                fresh.write_bytes(self.head + text)
                fresh.replace(self.path)
                self._whole = True


def _begins(path: Path, head: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(head)) == head
    except OSError:
        return False


class _Unpickler(pickle.Unpickler):
    """It makes descriptions and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        error = module == "verax" and name.endswith("Error")
        if error or module.startswith(_CLASSES) or (module == "builtins" and name in _BUILTINS):
            return super().find_class(module, name)
        raise pickle.PicklingError(f"{module}.{name} describes nothing")


def _same(x: Any, y: Any) -> bool:
    """Whether two values are equal, errors by what they say."""
    if isinstance(x, BaseException):
        return type(x) is type(y) and vars(x) == vars(y) and x.args == y.args
    if type(x) is tuple:
        return type(y) is tuple and len(x) == len(y) and all(map(_same, x, y))
    return type(x) is type(y) and bool(x == y)
