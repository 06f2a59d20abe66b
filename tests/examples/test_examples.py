"""The examples run, and the main job keeps its promises on a small scale."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verax as vx
from examples import train_lm
from tests.profiles import plain_process
from verax import P

ROOT = Path(__file__).resolve().parents[2]
SMALL = train_lm.Config(width=32, heads=4, layers=2, context=32, batch=8, dropout=0.1, steps=20)
SMALL_FLAGS = ["--width", "32", "--heads", "4", "--layers", "1", "--context", "32", "--batch", "8"]


def losses(mesh: vx.Mesh, steps: int) -> list[float]:
    train, _ = train_lm.split_text(train_lm.read_text(None), SMALL.context)
    state, step = train_lm.init_state(SMALL, mesh), train_lm.make_step(SMALL)
    key, found = vx.random.key(2), []
    for i in range(steps):
        tokens = vx.shard(vx.asarray(train_lm.batch_at(train, SMALL, i)), mesh, P("data"))
        state, loss = step(state, tokens, vx.random.fold_in(key, i))
        found.append(float(loss))
    return found


@pytest.fixture(scope="module")
def alone() -> list[float]:
    return losses(vx.Mesh(data=1, model=1), 20)


@pytest.mark.parametrize(("data", "model"), [(4, 1), (2, 2), (1, 4)])
def test_the_mesh_does_not_change_the_losses(data: int, model: int, alone: list[float]) -> None:
    found = losses(vx.Mesh(data=data, model=model), 20)
    np.testing.assert_allclose(found, alone, rtol=2e-4)
    assert found[-1] < found[0] - 0.5


def start(*flags: str, **kwargs: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, **kwargs,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, out + err
    return out


def test_train_lm_ends_with_a_line_for_scripts_and_resumes(tmp_path: Path) -> None:
    flags = ["examples/train_lm.py", *SMALL_FLAGS, "--out", str(tmp_path)]
    out = finish(start(*flags, "--steps", "6", "--mesh", "2x1"))
    last = out.strip().splitlines()[-1]
    assert re.fullmatch(
        r"final: val_bits_per_char=\d\.\d{3} bigram=\d\.\d{3} unigram=\d\.\d{3} "
        r"mesh=2x1 steps=6 seconds=\d+",
        last,
    )
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    out = finish(start(*flags, "--steps", "8", "--mesh", "1x2", "--resume", env=plain_process()))
    assert "steps=8" in out.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is sent the POSIX way")
def test_ctrl_c_leaves_a_checkpoint(tmp_path: Path) -> None:
    process = start(
        "examples/train_lm.py", *SMALL_FLAGS, "--out", str(tmp_path), "--steps", "100000",
        env=plain_process(),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    assert process.stdout is not None
    for line in process.stdout:  # the 50th step has its line
        if "50/100000" in line or time.monotonic() > deadline:
            break
    process.send_signal(signal.SIGINT)
    out = finish(process, 130)
    assert "--resume goes on from there" in out
    assert vx.load_meta(tmp_path / "lm.ckpt")["step"] >= 50


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--text", "/nowhere"], "cannot read the text /nowhere: No such file or directory"),
        (["--mesh", "two"], "--mesh takes DATAxMODEL such as 2x2, got 'two'"),
        (["--text", "EMPTY"], "is empty: give a file with some text in it"),
        (["--text", "SHORT"], "the text has 5 bytes, which is too short for a context of 128"),
        (["--text", "BINARY", "--resume"], "there is no checkpoint at"),
    ],
)
def test_bad_input(flags: list[str], text: str, tmp_path: Path) -> None:
    (tmp_path / "EMPTY").write_text("")
    (tmp_path / "SHORT").write_text("short")
    (tmp_path / "BINARY").write_bytes(bytes(range(256)) * 10)
    flags = [str(tmp_path / f) if (tmp_path / f).is_file() else f for f in flags]
    small = ["--width", "8", "--heads", "2", "--layers", "1", "--context", "16"]
    small = small if "--resume" in flags else []
    process = start("examples/train_lm.py", *flags, *small, "--out", str(tmp_path / "out"))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert text in err
    assert "Traceback" not in err


def test_linear_regression() -> None:
    out = finish(start("examples/linear_regression.py"))
    numbers = [float(x) for x in re.findall(r"-?\d+\.\d*", out.split("true")[0])]
    np.testing.assert_allclose(numbers, [2.0, -1.0, 0.5], atol=0.05)


def test_digits() -> None:
    out = finish(start("examples/digits.py"))
    found = re.search(r"final: accuracy=(\d\.\d+)", out)
    assert found is not None
    assert float(found[1]) >= 0.95


def test_convnet() -> None:
    out = finish(start("examples/convnet.py", "8"))
    found = re.search(r"final: accuracy=(\d\.\d+)", out)
    assert found is not None
    assert float(found[1]) >= 0.95


def test_sharded_attention() -> None:
    table, sharded, alone = finish(start("examples/sharded_attention.py")).rsplit("\n", 3)[:3]
    assert re.search(r"^all_reduce +1 +65,536 +model ", table, re.MULTILINE)
    assert sharded.split()[1:] == alone.split()[1:]
