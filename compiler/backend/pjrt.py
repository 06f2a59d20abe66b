"""The one file that knows jaxlib's private names: devices, buffers, loaded executables.

Everything else sees buffers as opaque (platforms.py alone shares the secret: it makes the client).
Written against jaxlib 0.10.2; tests/backend passes on 0.9.0 to 0.10.2. Transfers are told that
64-bit data stays 64-bit at each call, and copy the host's memory during the call, so that nobody
can change a buffer behind its back.

Law: ``get(put(x, t))`` is x, bit for bit, for every dtype and every spec.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
from jaxlib import _jax, lapack, xla_client
from numpy.typing import NDArray

from verax.compiler.backend.platforms import how_to_get, make_client
from verax.compiler.ir import dtypes as vd
from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import BackendError, DonationError, DTypeError, ShapeError
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Cuts, Spec, no_cuts

Buffer: TypeAlias = Any  # jaxlib's ArrayImpl
Host: TypeAlias = NDArray[Any]

XlaError = _jax.JaxRuntimeError

NUMPY: dict[DType, np.dtype[Any]] = {
    vd.bool_: np.dtype(np.bool_),
    vd.int4: np.dtype(ml_dtypes.int4),
    vd.uint4: np.dtype(ml_dtypes.uint4),
    vd.float8_e4m3fn: np.dtype(ml_dtypes.float8_e4m3fn),
    vd.float8_e5m2: np.dtype(ml_dtypes.float8_e5m2),
    vd.bfloat16: np.dtype(ml_dtypes.bfloat16),
    **{d: np.dtype(d.name) for d in vd.ALL if not d.mlir.startswith("f8") and d.bits > 4
       and d not in (vd.bool_, vd.bfloat16)},
}  # fmt: skip
DTYPES: dict[np.dtype[Any], DType] = {numpy: d for d, numpy in NUMPY.items()}


# client ------------------------------------------------------------------------------------------

_CREATING = threading.Lock()


@lru_cache(1)
def _client() -> Any:
    return make_client()


def client() -> Any:
    """The process's one client; it and its devices are made at the first use."""
    with _CREATING:
        return _client()


@lru_cache
def devices(mesh: Mesh | None) -> tuple[Any, ...]:
    """The devices of a mesh in the order of its ids; the first one alone without a mesh."""
    there = client().devices()
    count = 1 if mesh is None else mesh.count
    if count > len(there):
        raise BackendError(
            f"{mesh} needs {count} devices, and this process has {len(there)}; "
            "their number is fixed when the first array is made",
            fix=how_to_get(count),
        )
    return tuple(there[:count])


@lru_cache
def _device_list(mesh: Mesh | None) -> Any:
    return _jax.DeviceList(devices(mesh))


# placements --------------------------------------------------------------------------------------


class _One(_jax.SingleDeviceSharding):  # type: ignore[misc]
    """Whole, on the first device."""

    memory_kind = None

    def __init__(self) -> None:
        super().__init__(devices(None)[0])

    @property
    def device_set(self) -> set[Any]:
        return set(devices(None))

    @property
    def _internal_device_list(self) -> Any:
        return _device_list(None)

    def _to_xla_hlo_sharding(self, ndim: int) -> Any:
        return xla_client.HloSharding.replicate()


class _Cut(_jax.Sharding):  # type: ignore[misc]
    """Over a mesh, whose axes cut the dimensions."""

    memory_kind = None

    def __init__(self, mesh: Mesh, cuts: Cuts) -> None:
        super().__init__()
        self.mesh, self.cuts = mesh, cuts

    @property
    def device_set(self) -> set[Any]:
        return set(devices(self.mesh))

    @property
    def num_devices(self) -> int:
        return self.mesh.count

    @property
    def _internal_device_list(self) -> Any:
        return _device_list(self.mesh)

    def shard_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(n // self.mesh.parts(axes) for n, axes in zip(shape, self.cuts))

    def _to_xla_hlo_sharding(self, ndim: int) -> Any:
        """Transfers believe this one: where it says ``replicate`` they copy shard 0 everywhere."""
        if not any(self.cuts):
            return xla_client.HloSharding.replicate()
        mesh, names = self.mesh, self.mesh.names
        front = [axis for axes in self.cuts for axis in axes]
        rest = [axis for axis in names if axis not in front]
        copies = mesh.parts(rest)
        tiles = [mesh.parts(axes) for axes in self.cuts] + ([copies] if copies > 1 else [])
        return xla_client.HloSharding.iota_tile(
            tuple(tiles),
            reshape_dims=tuple(size for _, size in mesh.axes),
            transpose_perm=tuple(names.index(axis) for axis in front + rest),
            subgroup_types=[xla_client.OpSharding.Type.REPLICATED] if copies > 1 else [],
        )


class _Aval:
    """The shape and dtype of a buffer, as jaxlib asks for them."""

    __slots__ = ("dtype", "shape")
    weak_type = False

    def __init__(self, t: ArrayType) -> None:
        self.shape, self.dtype = t.shape, NUMPY[t.dtype]


def physical(t: Type, mesh: Mesh | None = None) -> ArrayType:
    """What is stored for a value of this type: keys are pairs of uint32.

    The type of a key has no spec: outside of a program it lies on the first device, and a program
    of a mesh holds it whole on every one.
    """
    if not isinstance(t, KeyType):
        return t
    of = t.physical
    return of if mesh is None else ArrayType(of.shape, of.dtype, Spec(mesh, no_cuts(of.ndim)))


@lru_cache(4096)
def _aval(t: ArrayType) -> _Aval:
    return _Aval(t)


@lru_cache(4096)
def _place(spec: Spec | None) -> Any:
    if spec is None:
        return _One()
    if spec.pending:
        raise BackendError(f"an array whose sum over {sorted(spec.pending)} is pending is no value")
    return _Cut(spec.mesh, spec.cuts)


@lru_cache(1024)
def parts(spec: Spec, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], ...]:
    """Per device id, the slices of the global array that it holds."""
    steps = []
    for n, axes in zip(shape, spec.cuts):
        width = n // spec.mesh.parts(axes)
        steps.append([slice(i * width, (i + 1) * width) for i in spec.mesh.offsets(axes)])
    return tuple(zip(*steps)) if steps else ((),) * spec.mesh.count


# transfers ---------------------------------------------------------------------------------------


def put(x: Host, t: Type) -> Buffer:
    """A copy of x on the device, or in shards on the mesh of t's spec.

    Raises:
        ShapeError, DTypeError: x is not what t says.
    """
    of = physical(t)
    if x.shape != of.shape:
        raise ShapeError(f"an array of shape {list(x.shape)} is no {t}")
    if x.dtype != NUMPY[of.dtype]:
        raise DTypeError(f"a NumPy array of {x.dtype} is no {t}")
    spec = of.spec
    if spec is None:
        return _transfer(of, [x], devices(None))
    return _transfer(of, _shards(x, spec), devices(spec.mesh))


def _shards(x: Host, spec: Spec) -> list[Host]:
    """What each device gets; copies of a part have memory of their own, as transfers demand."""
    if not any(spec.cuts):
        return [x] * spec.mesh.count
    shards, seen = [], set()
    for part in parts(spec, x.shape):
        shard = x[part]
        start = shard.ctypes.data
        shards.append(shard.copy() if start in seen else shard)
        seen.add(start)
    return shards


def _transfer(t: ArrayType, shards: list[Host], to: tuple[Any, ...]) -> Buffer:
    return _jax.batched_device_put(
        _aval(t), _place(t.spec), shards, list(to), True, False, _DURING_CALL, True
    )


_DURING_CALL = _jax.HostBufferSemantics.IMMUTABLE_ONLY_DURING_CALL


def get(buffer: Buffer) -> Host:
    """The global value, read-only; waits for the computation that makes it."""
    try:
        place = buffer._sharding
        return _assemble(buffer, place) if type(place) is _Cut else _host(buffer)
    except XlaError as error:
        raise failed(error) from None


def _host(buffer: Buffer) -> Host:
    x: Host = buffer._single_device_array_to_np_array_did_copy()[0]
    return x


def _assemble(buffer: Buffer, place: _Cut) -> Host:
    shards = buffer._arrays
    if not any(place.cuts):
        return _host(shards[0])
    shape = buffer.aval.shape
    whole: Host = np.empty(shape, buffer.aval.dtype)
    seen = set()
    for shard, part in zip(shards, parts(Spec(place.mesh, place.cuts), shape)):
        at = tuple((s.start, s.stop) for s in part)
        if at not in seen:  # the other shards with this part are copies
            seen.add(at)
            whole[part] = _host(shard)
    whole.flags.writeable = False
    return whole


def block(buffer: Buffer) -> None:
    """Wait until the value is there; an error of its computation is raised here."""
    try:
        buffer.block_until_ready()
    except XlaError as error:
        raise failed(error) from None


def is_deleted(buffer: Buffer) -> bool:
    """Whether the memory was donated or deleted."""
    deleted: bool = buffer.is_deleted()
    return deleted


def move(buffer: Buffer, source: Type, target: Type) -> Buffer:
    """The same value, placed as ``target`` says; the buffer itself where it lies so already."""
    return buffer if source is target else put(get(buffer), target)


def first_shard(buffer: Buffer) -> Buffer:
    """What the first device of a mesh holds, without a copy."""
    return buffer._arrays[0]


# executables -------------------------------------------------------------------------------------


def load(text: str, mesh: Mesh | None) -> Any:
    """Compile a module for the first device, or for the devices of a mesh."""
    options = xla_client.CompileOptions()
    if mesh is not None:
        n, build = mesh.count, options.executable_build_options
        options.num_partitions = build.num_partitions = n
        options.num_replicas = build.num_replicas = 1
        build.use_spmd_partitioning = build.use_shardy_partitioner = True
        build.device_assignment = xla_client.DeviceAssignment.create(
            np.array([d.id for d in devices(mesh)]).reshape(1, n)
        )
    return client().compile_and_load(text, _device_list(mesh), options)


class _Turns:
    """Runs with collectives, one after the other.

    XLA's CPU devices share a pool with one thread per device, and a thread that waits in a
    collective is taken. With two such runs in flight each can hold the threads that the other one
    waits for; XLA then ends the process. So a run starts when the one before is done.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.last: Any = None

    def run(self, execute: Any, buffers: Sequence[Buffer]) -> Any:
        with self.lock:
            if self.last is not None:
                with suppress(XlaError):  # it is raised where a result of that run is read
                    self.last.block_until_ready()
            results = execute(buffers, with_tokens=True)
            self.last = results.consume_token()
            return results


_TURNS = _Turns()


def run_in_turn(execute: Any, buffers: Sequence[Buffer]) -> Any:
    """Start a run with collectives, as soon as no other one is in flight."""
    return _TURNS.run(execute, buffers)


@lru_cache(4096)
def handler(t: ArrayType) -> Any:
    """What turns a raw result of this type into a buffer."""
    return _jax.array_result_handler(_aval(t), _place(t.spec), True, True)


def cost(loaded: Any) -> tuple[float, float]:
    """Floating-point operations and bytes accessed by one run on one device."""
    table = loaded.cost_analysis()
    return float(table.get("flops", 0.0)), float(table.get("bytes accessed", 0.0))


def memory(loaded: Any) -> tuple[int, int, int, int, int]:
    """Bytes of arguments, outputs, temporaries, aliases and code on one device."""
    m = loaded.get_compiled_memory_stats()
    return (
        m.argument_size_in_bytes,
        m.output_size_in_bytes,
        m.temp_size_in_bytes,
        m.alias_size_in_bytes,
        m.generated_code_size_in_bytes,
    )


@lru_cache(1)
def _targets() -> frozenset[str]:
    """Register the FFI targets that jaxlib brings (LAPACK); returns their names."""
    names = set()
    for platform, targets in lapack.registrations().items():
        for name, capsule, *_ in targets:
            if name.endswith("_ffi"):
                xla_client.register_custom_call_target(
                    name, capsule, platform=platform, api_version=1
                )
                names.add(name)
    lapack.prepare_lapack_call("potrf", np.dtype(np.float32))  # loads LAPACK itself, 0.2 s
    return frozenset(names)


def need(target: str) -> None:
    """Make an FFI target known to XLA."""
    if target not in _targets():
        raise BackendError(f"jaxlib brings no FFI target {target}")


def failed(error: Exception, needs: str = "") -> BackendError | DonationError:
    """The error of the run time in the family's words; ``needs`` says what a run takes."""
    text = str(error)
    if "deleted or donated buffer" in text or "previously donated" in text:
        return DonationError(
            "an array was used whose memory had been given away",
            fix="use what the call returned, or do not donate this argument",
        )
    if text.startswith("RESOURCE_EXHAUSTED: "):
        return BackendError(
            text.removeprefix("RESOURCE_EXHAUSTED: ").rstrip(".") + needs,
            fix="take smaller batches, or donate arguments that are not used again",
        )
    return BackendError(f"the computation failed: {text}")
