"""What stands for the plugin under a version of mypy that it was not tested with.

The run goes on without it, and says so once, at a call of verax: an exception would be
a traceback that ends the run, and no word at all would let weaker checks pass for full ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mypy.checker import TypeChecker
from mypy.plugin import FunctionContext, MethodContext, Plugin, ReportConfigContext
from mypy.types import Type

from verax.dsl.typing.errors import CODES

SUPPORTED = ((2, 0), (2, 4))
"""The minor versions of mypy, from and to, that the plugin was tested on."""


def is_supported(version: str) -> bool:
    """Whether the plugin was tested on this version of mypy."""
    major, minor = map(int, version.split("+")[0].split(".")[:2])
    return SUPPORTED[0] <= (major, minor) <= SUPPORTED[1]


def unsupported(version: str) -> type[Plugin]:
    """A plugin that says that there is none for this version."""
    low, high = (".".join(map(str, v)) for v in SUPPORTED)
    message = (
        f"shapes are not checked: verax's mypy plugin was tested with mypy {low} to {high}, and"
        f" this is {version}"
    )
    fix = f'fix: pip install "mypy>={low},<{SUPPORTED[1][0]}.{SUPPORTED[1][1] + 1}"'

    class Unsupported(Plugin):
        """Changes nothing."""

        def report_config_data(self, ctx: ReportConfigContext) -> Any:
            return {"verax": message}

        def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
            return _tell if fullname.startswith("verax.") else None

        def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
            return _tell if fullname.startswith("verax.") else None

    def _tell(ctx: FunctionContext | MethodContext) -> Type:
        assert isinstance(ctx.api, TypeChecker)
        for severity, text in (("error", message), ("note", fix)):
            ctx.api.errors.report(
                ctx.context.line, ctx.context.column, text,
                code=CODES["verax"], severity=severity, only_once=True,
            )  # fmt: skip
        return ctx.default_return_type

    return Unsupported
