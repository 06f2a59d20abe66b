"""Checkpoints: a pytree of arrays in one file, written atomically and checked when it is read.

The file is a zip of ``.npy`` members, one per leaf, and ``verax.json`` with the format, the path,
dtype and shape of each leaf and the user's own metadata. Each member carries a CRC. The file
appears under its name only when it is whole: it is written beside it and renamed.

Law: ``load(path, like=x)`` after ``save(path, x)`` is x, leaf for leaf; anything else raises.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, TypeVar

from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.lang import tree
from verax.dsl.lang.array import Array
from verax.dsl.lang.host import numpy, numpy_dtype
from verax.dsl.lang.key import Key
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.shard import place
from verax.prng import wrap_key_data
from verax.sharding.errors import VeraxError

T = TypeVar("T")
_FORMAT = "verax checkpoint 1"
_HEADER = "verax.json"


class CheckpointError(VeraxError, ValueError):
    """A checkpoint that cannot be read, or is not one of this tree."""

    code = "verax-checkpoint"


def save(path: str | os.PathLike[str], values: Any, meta: Mapping[str, Any] | None = None) -> None:
    """Write a pytree of arrays and keys to ``path``, whole or not at all.

    Args:
        meta: anything that JSON can write, given back by ``load_meta``.
    """
    target = os.fspath(path)
    leaves = tree.leaves_with_path(values)
    header = {
        "format": _FORMAT,
        "leaves": [{"path": str(at), "type": _describe(x)} for at, x in leaves],
        "meta": dict(meta or {}),
    }
    partial = f"{target}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(_HEADER, json.dumps(header))
                for i, (_, leaf) in enumerate(leaves):
                    archive.writestr(f"{i}.npy", _bytes_of(leaf))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def load(path: str | os.PathLike[str], like: T) -> T:
    """Read a pytree of the structure, types and placement of ``like``.

    Raises:
        CheckpointError: the file is damaged, is no checkpoint, or holds another tree.
    """
    target = os.fspath(path)
    with _open(target) as archive:
        header = _header(archive, target)
        wanted = tree.leaves_with_path(like)
        _compare(target, header, [{"path": str(p), "type": _describe(x)} for p, x in wanted])
        read = [_leaf(archive, target, i, x) for i, (_, x) in enumerate(wanted)]
    restored: T = tree.unflatten(tree.structure(like), read)
    return restored


def load_meta(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata that was given to ``save``."""
    target = os.fspath(path)
    with _open(target) as archive:
        meta: dict[str, Any] = _header(archive, target)["meta"]
    return meta


def _open(path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise CheckpointError(
            f"there is no checkpoint at {path}", fix="give the path of a file that vx.save wrote"
        ) from None
    except (OSError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} is damaged or is not a checkpoint: {error}",
            fix="give the path of a file that vx.save wrote, or start afresh",
        ) from None


def _header(archive: zipfile.ZipFile, path: str) -> dict[str, Any]:
    try:
        header = json.loads(archive.read(_HEADER))
        if header["format"] == _FORMAT:
            return dict(header)
        found = header["format"]
    except KeyError:
        found = "no header"
    except (zipfile.BadZipFile, zlib.error, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error}", fix="load an older checkpoint, or start afresh"
        ) from None
    raise CheckpointError(
        f"{path} is not a checkpoint of this version: expected {_FORMAT!r}, found {found!r}",
        fix="give the path of a file that vx.save wrote",
    )


def _compare(path: str, header: dict[str, Any], wanted: list[dict[str, str]]) -> None:
    """Raise with every leaf that differs."""
    have = {leaf["path"]: leaf["type"] for leaf in header["leaves"]}
    want = {leaf["path"]: leaf["type"] for leaf in wanted}
    lines = [
        f"  {at}: the file has {have.get(at, 'nothing')}, expected {want.get(at, 'nothing')}"
        for at in [*want, *[at for at in have if at not in want]]
        if have.get(at) != want.get(at)
    ]
    if lines:
        shown = lines[:8] + ([f"  ... and {len(lines) - 8} more"] if len(lines) > 8 else [])
        raise CheckpointError(
            f"{path} holds another tree than the one asked for:\n" + "\n".join(shown),
            fix="build the model with the settings that the checkpoint was saved with",
        )


def _leaf(archive: zipfile.ZipFile, path: str, i: int, like: Any) -> Any:
    try:
        data = numpy().load(io.BytesIO(archive.read(f"{i}.npy")), allow_pickle=False)
    except (KeyError, zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error}", fix="load an older checkpoint, or start afresh"
        ) from None
    if isinstance(like, Key):
        return wrap_key_data(asarray(data))
    t = asarray(like).type
    return place(asarray(data.view(numpy_dtype(t.dtype))), t.spec)


def _describe(leaf: Any) -> str:
    t: ArrayType | KeyType = leaf.type if isinstance(leaf, Array | Key) else asarray(leaf).type
    return str(t.bare)


def _bytes_of(leaf: Any) -> bytes:
    out = io.BytesIO()
    data = numpy().asarray(leaf.numpy() if isinstance(leaf, Array | Key) else leaf, order="C")
    if data.dtype.kind == "V":  # bfloat16 and its kin: NumPy's format has no name for them
        data = data.view(f"u{data.dtype.itemsize}")
    numpy().save(out, data, allow_pickle=False)
    return out.getvalue()
