"""What a fresh process sees: no noise, the number of devices, memory that stays, lazy loading."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from verax.compiler.backend.malloc import keep_memory

pytestmark = pytest.mark.optimized

PUT = """
import numpy as np
from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import float64
from verax.compiler.ir.types import ArrayType
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec
mesh = Mesh(data={n})
t = ArrayType(({n},), float64, Spec(mesh, (("data",),)))
print(backend().get(backend().put(np.arange({n}.0), t)))
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VERAX", "TF_CPP"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=kept | environment,
    )


def test_nothing_is_logged() -> None:
    done = python(PUT.format(n=2))
    assert (done.stdout, done.stderr) == ("[0. 1.]\n", "")


def test_the_level_of_the_log_is_the_users_if_set() -> None:
    done = python(PUT.format(n=2) + "import os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])",
                  TF_CPP_MIN_LOG_LEVEL="0")  # fmt: skip
    assert done.stdout == "[0. 1.]\n0\n"
    assert "device count" in done.stderr


def test_the_environment_is_left_as_it_was() -> None:
    done = python(PUT.format(n=1) + "import os; print('TF_CPP_MIN_LOG_LEVEL' in os.environ)")
    assert done.stdout == "[0.]\nFalse\n"


def test_more_devices_are_made_where_asked() -> None:
    done = python(PUT.format(n=12), VERAX_CPU_DEVICES="12")
    assert done.stdout == "[ 0.  1.  2.  3.  4.  5.  6.  7.  8.  9. 10. 11.]\n"
    assert done.stderr == ""


def test_the_number_of_devices_must_be_one() -> None:
    done = python(PUT.format(n=2), VERAX_CPU_DEVICES="many")
    assert done.returncode == 1
    assert "[verax-backend] VERAX_CPU_DEVICES is 'many', expected a positive number" in done.stderr
    assert "fix: export VERAX_CPU_DEVICES=16" in done.stderr


def test_platforms() -> None:
    done = python(PUT.format(n=2), VERAX_PLATFORM="tpu")
    assert "[verax-backend] VERAX_PLATFORM is 'tpu', expected cpu or cuda" in done.stderr
    done = python(PUT.format(n=2), VERAX_PLATFORM="cuda")
    assert (
        "[verax-backend] no PJRT plugin for cuda is installed: none of jax_plugins/xla_cuda13, "
        "jax_plugins/xla_cuda12 is there"
    ) in done.stderr
    assert "fix: pip install jax-cuda12-plugin[with-cuda]==" in done.stderr


def test_emitting_loads_no_jaxlib() -> None:
    done = python(
        "import sys; import verax.compiler.backend.emit; "
        "print([m for m in ('jaxlib', 'numpy') if m in sys.modules])"
    )
    assert done.stdout == "[]\n"


def test_memory_is_left_to_the_system_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERAX_MALLOC", "system")
    assert not keep_memory()
    monkeypatch.delenv("VERAX_MALLOC")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    assert not keep_memory()
