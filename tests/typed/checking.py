"""Runs mypy in this process over snippets, with a plugin that only reports what analyses find."""

from __future__ import annotations

import re
import tempfile
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path

from mypy import build
from mypy.modulefinder import BuildSource
from mypy.options import Options
from mypy.plugin import FunctionContext, MethodContext, Plugin
from mypy.types import Type

from verax.dsl.typing.flow import report

ROOT = Path(__file__).resolve().parent.parent.parent


class FlowPlugin(Plugin):
    """Hooks every call, and changes nothing."""

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        return _reporting

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        return _reporting


def _reporting(ctx: FunctionContext | MethodContext) -> Type:
    report(ctx.api, ctx.context)
    return ctx.default_return_type


def options(cache_dir: str) -> Options:
    found = Options()
    found.python_version = (3, 12)
    found.incremental = True
    found.cache_dir = cache_dir
    found.export_types = True
    found.preserve_asts = True
    found.check_untyped_defs = True
    found.show_traceback = True
    found.mypy_path = [str(ROOT)]
    found.hide_error_codes = False
    return found


@cache
def cache_dir() -> tempfile.TemporaryDirectory[str]:
    """What mypy knows of the library is kept between runs of one process."""
    return tempfile.TemporaryDirectory()


def checked(sources: dict[str, str]) -> dict[str, list[tuple[int, str]]]:
    """The verax errors of modules by name: (line, message)."""
    texts = {name: textwrap.dedent(text) for name, text in sources.items()}
    modules = [BuildSource(f"{name}.py", name, text) for name, text in texts.items()]
    chosen = options(cache_dir().name)
    got = build.build(modules, chosen, extra_plugins=[FlowPlugin(chosen)])
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in sources}
    for line in got.errors:
        parts = re.fullmatch(r"(\w+)\.py:(\d+): error: (.*)  \[(verax-\w+)\]", line)
        if parts is not None:
            found[parts[1]].append((int(parts[2]), parts[3]))
        elif "INTERNAL ERROR" in line or "syntax" in line:
            raise AssertionError(line)
    return found
