"""The command: files that hang, die or do not import, exit codes, JSON, and what it loads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HEAD = """\
from __future__ import annotations
import verax as vx
from verax import F32
class Batch(vx.Dim): ...
"""
CLEAN = HEAD + "def f(x: F32[Batch]) -> F32[Batch]: return x * 2.0\n"
WRONG = HEAD + "def f(x: F32[Batch]) -> F32[()]: return x * 2.0\n"


def verax(folder: Path, *args: str) -> tuple[int, str, str]:
    """The exit code and what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "verax", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def write(folder: Path, **sources: str) -> None:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)


def test_a_clean_file(tmp_path: Path) -> None:
    write(tmp_path, clean=CLEAN)
    assert verax(tmp_path, "check", "clean.py") == (0, "0 errors in 1 function of 1 file\n", "")


def test_files_that_fail_leave_the_others_unharmed(tmp_path: Path) -> None:
    write(
        tmp_path,
        clean=CLEAN,
        wrong=WRONG,
        syntax="def f(:\n",
        missing="import no_such_module\ndef f(x): return x\n",
        divides="def f(x): return x\n1 / 0\n",
        exits="import sys\ndef f(x): return x\nsys.exit(3)\n",
        dies="import os\ndef f(x): return x\nos._exit(3)\n",
        prints=CLEAN + "print('noise')\n",
        empty="",
    )
    code, out, err = verax(tmp_path, "check", ".", "no_such_path")
    assert code == 2
    assert err == "noise\n"
    assert (
        out
        == """\
wrong.py:5:25: [verax-shape] f (wrong.py:5): the result has 1 dimension, and is declared with 0, \
F32[()]
    x           F32[Batch]  float32[Batch]
    the result  F32[()]     float32[Batch]  <--
  5 | def f(x: F32[Batch]) -> F32[()]: return x * 2.0
    |                         ^^^^^^^
  in f
  fix: return F32[()], or declare what is returned

no_such_path: could not be checked: there is no such file, folder or package

dies.py: could not be checked: its import ended the process (exit code 3)

divides.py:2: could not be checked: its import raised ZeroDivisionError: division by zero
  2 | 1 / 0

exits.py:3: could not be checked: its import ended the program: SystemExit(3)
  3 | sys.exit(3)

missing.py:1: could not be checked: its import raised ModuleNotFoundError: No module named \
'no_such_module'
  1 | import no_such_module

syntax.py:1: could not be checked: syntax error: invalid syntax
  1 | def f(:

1 error in 3 functions of 9 files; 6 paths not read
"""
    )


def test_functions_that_hang_or_die_leave_the_others_unharmed(tmp_path: Path) -> None:
    write(
        tmp_path,
        hard=HEAD
        + """\
import os, time
def sleeps(x: F32[Batch]) -> F32[Batch]:
    while True: time.sleep(1)
def swallows(x: F32[Batch]) -> F32[Batch]:
    while True:
        try: time.sleep(1)
        except BaseException: pass
def dies(x: F32[Batch]) -> F32[Batch]:
    os.kill(os.getpid(), 9)
    return x
def exits(x: F32[Batch]) -> F32[Batch]:
    raise SystemExit(3)
def last(x: F32[Batch]) -> F32[()]:
    return x
""",
    )
    start = time.perf_counter()
    code, out, _ = verax(tmp_path, "check", "hard.py", "--timeout", "0.5", "--json")
    assert time.perf_counter() - start < 60
    assert code == 1
    found = {f["function"]: f["message"].split("\n")[0] for f in json.loads(out)["findings"]}
    assert found == {
        "sleeps": "sleeps did not end within 0.5 s while it was staged",
        "swallows": "swallows did not end within 0.5 s while it was staged",
        "dies": "dies ended the process while it was staged (signal 9)",
        "exits": "SystemExit, raised while exits was staged",
        "last": "last (hard.py:17): the result has 1 dimension, and is declared with 0, F32[()]",
    }


def test_json(tmp_path: Path) -> None:
    write(tmp_path, wrong=WRONG)
    code, out, _ = verax(tmp_path, "check", "wrong.py", "--json")
    data: dict[str, Any] = json.loads(out)
    assert code == data["exit_code"] == 1
    file = str(tmp_path / "wrong.py")
    assert data["version"] == 1
    assert not data["interrupted"]
    assert data["not_read"] == data["communication"] == []
    assert data["functions"] == [
        {"name": "f", "file": file, "line": 5, "staged": True, "errors": 1, "reason": None}
    ]
    (finding,) = data["findings"]
    assert finding.pop("message").startswith("f (wrong.py:5): the result has 1 dimension")
    assert finding == {
        "code": "verax-shape",
        "file": file,
        "line": 5,
        "column": 25,
        "end_line": 5,
        "end_column": 32,
        "function": "f",
        "fix": "return F32[()], or declare what is returned",
        "places": [],
        "mesh": None,
    }


def test_packages_are_imported_by_name(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    (package / "inner").mkdir(parents=True)
    write(package, __init__="", shared=HEAD + "LIMIT = 3\n")
    write(
        package / "inner",
        __init__="",
        model="from __future__ import annotations\nfrom verax import F32\n"
        "from ..shared import Batch, LIMIT\n"
        "def f(x: F32[Batch]) -> F32[Batch]: return x[:LIMIT]\n",
    )
    for path in ("pack", "pack/inner/model.py", "pack.inner.model"):
        code, out, _ = verax(tmp_path, "check", path)
        assert code == 1, out
        assert "pack/inner/model.py:4:25: [verax-shape] f (pack/inner/model.py:4)" in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["check"], "the following arguments are required: PATH"),
        (["check", ".", "--timeout", "0"], "0 is no positive number of seconds"),
        (["check", ".", "--comm-budget", "much"], "--comm-budget='much' is no number of bytes"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_bad_usage(tmp_path: Path, args: list[str], said: str) -> None:
    code, out, err = verax(tmp_path, *args)
    assert code == 2
    assert said in err
    assert out == ""


def test_the_help_says_that_files_are_imported(tmp_path: Path) -> None:
    code, out, _ = verax(tmp_path, "check", "--help")
    assert code == 0
    assert "The files are IMPORTED" in out
    assert "exit codes: 0 no errors; 1 errors; 2" in out


def test_a_budget_for_communication(tmp_path: Path) -> None:
    write(
        tmp_path,
        sums=HEAD
        + """\
from typing import Literal
MESH = vx.Mesh(model=2)
def f(x: F32[Batch, vx.Sharded[Batch, Literal["model"]]]) -> F32[Batch]:
    return x.sum(axis=1)
""",
    )
    assert verax(tmp_path, "check", "sums.py", "--comm-budget", "1MiB")[0] == 0
    code, out, _ = verax(tmp_path, "check", "sums.py", "--comm-budget", "8")
    assert code == 1
    assert "f (sums.py:7) communicates 64 bytes, more than comm_budget=8" in out
    assert verax(tmp_path, "check", "sums.py")[0] == 0


def test_an_interrupt_ends_cleanly(tmp_path: Path) -> None:
    write(
        tmp_path,
        hangs=HEAD + "import os, time\ndef f(x: F32[Batch]) -> F32[Batch]:\n"
        "    os.mkdir('started')\n    time.sleep(100)\n    return x\n",
    )
    # shells ignore interrupts in what they start in the background, and children inherit that
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "verax", "check", "hangs.py", "--timeout", "90"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    end = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert out == "0 errors in 0 functions of 1 file; interrupted\n"
    assert err == ""


def test_neither_jaxlib_nor_numpy_is_loaded(tmp_path: Path) -> None:
    write(
        tmp_path,
        spy=CLEAN + "import sys\ndef g(x: F32[Batch]) -> F32[Batch]:\n"
        "    y = vx.softmax(x @ vx.outer(x, x))\n"
        "    loaded = {'jaxlib', 'numpy'} & set(sys.modules)\n"
        "    if loaded: raise ValueError(loaded)\n    return y\n",
    )
    assert verax(tmp_path, "check", "spy.py") == (0, "0 errors in 2 functions of 1 file\n", "")
