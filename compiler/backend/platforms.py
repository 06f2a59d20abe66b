"""Which devices a process has: virtual ones of the CPU, or the accelerators of a PJRT plugin.

``VERAX_PLATFORM`` names the platform (cpu, cuda) and ``VERAX_CPU_DEVICES`` the number of virtual
devices; both are read once, when the client is made. A plugin is a shared library inside of its
Python package: it is found by its path, and nothing of the package is imported. Only the CPU is
tested.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from jaxlib import xla_client
from jaxlib.version import __version__ as jaxlib_version

from verax.compiler.backend.malloc import keep_memory
from verax.compiler.ir.errors import BackendError

DEFAULT_DEVICES = 8
"""More cost nothing until they are used: 12 idle threads, and no time at a call."""

_CUDA = ("jax_plugins/xla_cuda13", "jax_plugins/xla_cuda12")


def platform() -> str:
    """The platform that the process asks for."""
    name = os.environ.get("VERAX_PLATFORM") or "cpu"
    if name not in ("cpu", "cuda"):
        raise BackendError(
            f"VERAX_PLATFORM is {name!r}, expected cpu or cuda", fix="export VERAX_PLATFORM=cpu"
        )
    return name


def make_client() -> Any:
    """A client of the platform, with all its devices."""
    if platform() == "cuda":
        return _plugin_client("cuda", _CUDA, "xla_cuda_plugin.so")
    keep_memory()
    return xla_client.make_cpu_client(num_devices=_asked())


def how_to_get(count: int) -> str:
    """What a user does who needs this many devices."""
    if platform() == "cpu":
        return f"start Python with the environment variable VERAX_CPU_DEVICES={count}"
    return f"use a mesh of the devices that there are, or a machine with {count}"


def _asked() -> int:
    asked = os.environ.get("VERAX_CPU_DEVICES", "")
    if asked and not (asked.isdecimal() and int(asked) > 0):
        raise BackendError(
            f"VERAX_CPU_DEVICES is {asked!r}, expected a positive number",
            fix="export VERAX_CPU_DEVICES=16",
        )
    return int(asked) if asked else DEFAULT_DEVICES


def _plugin_client(name: str, packages: tuple[str, ...], library: str) -> Any:
    path = _find(packages, library)
    if path is None:
        raise BackendError(
            f"no PJRT plugin for {name} is installed: none of {', '.join(packages)} is there",
            fix=f"pip install jax-cuda12-plugin[with-cuda]=={jaxlib_version}",
        )
    if not xla_client.pjrt_plugin_loaded(name):
        xla_client.load_pjrt_plugin_dynamically(name, str(path))
    if not xla_client.pjrt_plugin_initialized(name):
        xla_client.initialize_pjrt_plugin(name)
    return xla_client.make_c_api_client(name, xla_client.generate_pjrt_gpu_plugin_options())


def _find(packages: tuple[str, ...], library: str) -> Path | None:
    """The library inside of the first package that has it."""
    for package in packages:
        root, _, rest = package.partition("/")
        spec = importlib.util.find_spec(root)
        for folder in spec.submodule_search_locations or () if spec else ():
            path = Path(folder, rest, library)
            if path.exists():
                return path
    return None
