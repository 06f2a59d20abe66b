"""Tracebacks of errors show the user's frames only; ``VERAX_TRACEBACK=full`` shows all.

A *door* is a function of the library that users call. An error that leaves through one loses the
frames of the library's own files. Doors are put in front of the public functions, and of the
methods of the classes that users hold (see dsl/doors.py): calls inside of the library go past
them, and operators and jitted functions are doors by themselves, which costs nothing.

Law: what leaves a door has no frame of the library, unless the library is to blame: a failed
assertion, such as an InternalError. What Python raised in there has a note that frames are out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import update_wrapper
from types import CellType, CodeType, FunctionType, TracebackType
from typing import Any

from verax.sharding.errors import VeraxError, is_library

_GENERATED = "<attrs generated"  # constructors of structs


def drop_library_frames(error: BaseException, f: Any = None) -> None:
    """Take the frames of verax out of the traceback of an error, which is then raised again.

    Args:
        f: the public function that was called, which the message then names.
    """
    if f is not None and isinstance(error, VeraxError) and error.about is not None:
        name: str = f.__name__
        error.blame(error.about if name.startswith("__") else name)
    if os.environ.get("VERAX_TRACEBACK") == "full":
        return
    raised_here = _raised_here(error)
    if raised_here and isinstance(error, AssertionError):
        return
    error.__traceback__ = _users_part(error.__traceback__)
    if raised_here and not isinstance(error, VeraxError) and not hasattr(error, "__notes__"):
        error.add_note("the frames of verax are left out: VERAX_TRACEBACK=full shows them")
    inner = error.__context__
    if inner is not None and not isinstance(inner, AssertionError) and _raised_here(inner):
        if _users_part(inner.__traceback__) is None:  # what was tried before
            error.__context__ = None


def _raised_here(error: BaseException) -> bool:
    """Whether code of the library raised it, which a door did not."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or last.tb_frame.f_code in DOORS:  # there Python refused the call itself
        return False
    return is_library(last.tb_frame.f_code.co_filename)


def _users_part(tb: TracebackType | None) -> TracebackType | None:
    """The frames of a traceback that are not the library's."""
    kept = []
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        if not is_library(name) and not name.startswith(_GENERATED):
            kept.append(tb)
        tb = tb.tb_next
    last = None
    for tb in reversed(kept):
        tb.tb_next = last
        last = tb
    return last


# doors: two shapes of code for the calls that are many, one for all others


def _unary(f: Callable[..., Any], drop: Callable[[BaseException, Any], None]) -> Callable[..., Any]:
    def door(x: Any, /) -> Any:
        try:
            return f(x)
        except Exception as error:
            drop(error, f)
            raise

    return door


def _binary(
    f: Callable[..., Any], drop: Callable[[BaseException, Any], None]
) -> Callable[..., Any]:
    def door(x: Any, y: Any, /) -> Any:
        try:
            return f(x, y)
        except Exception as error:
            drop(error, f)
            raise

    return door


def _general(
    f: Callable[..., Any], drop: Callable[[BaseException, Any], None]
) -> Callable[..., Any]:
    def door(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except Exception as error:
            drop(error, f)
            raise

    return door


def _code(make: Callable[..., Callable[..., Any]]) -> CodeType:
    door: Any = make(repr, drop_library_frames)
    code: CodeType = door.__code__
    return code


_UNARY, _BINARY, _GENERAL = _code(_unary), _code(_binary), _code(_general)
DOORS = frozenset({_UNARY, _BINARY, _GENERAL})


def door(f: Any) -> FunctionType:
    """f as users call it; with the globals of f, so that tools find it where it was written."""
    inner = getattr(f, "__wrapped__", f)
    cells = {"f": CellType(f), "drop": CellType(drop_library_frames)}
    code = _shape(inner.__code__, inner.__defaults__)
    closure = tuple([cells[name] for name in code.co_freevars])
    made = FunctionType(code, inner.__globals__, inner.__name__, None, closure)
    update_wrapper(made, f)
    return made


def _shape(code: CodeType, defaults: object) -> CodeType:
    plain = not (code.co_flags & 0x0C or code.co_kwonlyargcount or defaults)
    special = code.co_name.startswith("__")  # Python calls it by position
    if plain and (special or code.co_posonlyargcount == code.co_argcount):
        return {1: _UNARY, 2: _BINARY}.get(code.co_argcount, _GENERAL)
    return _GENERAL


def is_door(f: Any) -> bool:
    """Whether a function drops frames itself."""
    code = getattr(
        getattr(f, "__wrapped__", f) if hasattr(f, "cache_info") else f, "__code__", None
    )
    return code is None or code in DOORS or drop_library_frames.__name__ in code.co_names
