"""Checkpoints: what is saved comes back, and nothing else is taken for it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verax as vx
from verax import P


def tree() -> Any:
    return {
        "w": vx.asarray(np.arange(8, dtype=np.float32).reshape(4, 2)),
        "half": vx.asarray([1.5, -2.0]).astype(vx.bfloat16),
        "n": vx.asarray(3),
        "key": vx.random.key(7),
        "layer": vx.nn.Linear.init(2, 3, key=vx.random.key(1)),
    }


def leaves(values: Any) -> list[Any]:
    return [np.asarray(x.numpy()) for x in vx.tree.leaves(values)]


def test_round_trip(tmp_path: Path) -> None:
    saved = tree()
    vx.save(tmp_path / "a.ckpt", saved, meta={"step": 3})
    loaded = vx.load(tmp_path / "a.ckpt", like=tree())
    for a, b in zip(leaves(saved), leaves(loaded), strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert vx.load_meta(tmp_path / "a.ckpt") == {"step": 3}
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


def test_it_lies_as_the_model_does(tmp_path: Path) -> None:
    x = vx.shard(vx.ones((4, 2)), vx.Mesh(data=2), P("data"))
    vx.save(tmp_path / "a", {"x": x})
    loaded = vx.load(tmp_path / "a", like={"x": x})
    assert loaded["x"].type is x.type


def test_a_failed_save_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    vx.save(path, {"x": vx.ones((2,))})
    with pytest.raises(TypeError):
        vx.save(path, {"x": vx.zeros((2,))}, meta={"bad": object()})
    assert vx.load(path, like={"x": vx.zeros((2,))})["x"].tolist() == [1.0, 1.0]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def message(error: pytest.ExceptionInfo[vx.VeraxError], path: Path) -> str:
    text = "\n".join(line for line in str(error.value).splitlines() if not line.startswith("  at "))
    return text.replace(str(path), "FILE")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(vx.CheckpointError) as error:
        vx.load(tmp_path / "no", like=tree())
    assert message(error, tmp_path / "no") == (
        "[verax-checkpoint] there is no checkpoint at FILE\n"
        "  fix: give the path of a file that vx.save wrote"
    )


def test_a_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("not a checkpoint")
    with pytest.raises(vx.CheckpointError) as error:
        vx.load(path, like=tree())
    assert message(error, path) == (
        "[verax-checkpoint] FILE is damaged or is not a checkpoint: File is not a zip file\n"
        "  fix: give the path of a file that vx.save wrote, or start afresh"
    )
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("other", "x")
    with pytest.raises(vx.CheckpointError) as error:
        vx.load(tmp_path / "zip", like=tree())
    assert message(error, tmp_path / "zip") == (
        "[verax-checkpoint] FILE is not a checkpoint of this version: expected "
        "'verax checkpoint 1', found 'no header'\n"
        "  fix: give the path of a file that vx.save wrote"
    )


def test_damage(tmp_path: Path) -> None:
    path = tmp_path / "a"
    vx.save(path, tree())
    data = bytearray(path.read_bytes())
    at = data.find(np.arange(8, dtype=np.float32).tobytes())
    data[at + 5] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(vx.CheckpointError, match="is damaged: Bad CRC"):
        vx.load(path, like=tree())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(vx.CheckpointError, match="is damaged or is not a checkpoint"):
        vx.load(path, like=tree())


def test_another_tree_shows_every_leaf_that_differs(tmp_path: Path) -> None:
    path = tmp_path / "a"
    vx.save(path, {"w": vx.ones((2, 3)), "old": vx.ones(())})
    with pytest.raises(vx.CheckpointError) as error:
        vx.load(path, like={"w": vx.ones((2, 4)), "new": vx.ones(())})
    assert message(error, path) == (
        "[verax-checkpoint] FILE holds another tree than the one asked for:\n"
        "  ['new']: the file has nothing, expected float32[]\n"
        "  ['w']: the file has float32[2,3], expected float32[2,4]\n"
        "  ['old']: the file has float32[], expected nothing\n"
        "  fix: build the model with the settings that the checkpoint was saved with"
    )
