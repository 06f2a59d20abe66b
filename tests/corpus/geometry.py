"""Programs from geometry: rotations, cameras, surfaces, curves, images."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import BPoly
from scipy.linalg import expm
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(4)


def quaternion_product(p: Any, q: Any) -> Any:
    """The product of two quaternions ``[x, y, z, w]``."""
    (u, s), (v, t) = (p[:3], p[3]), (q[:3], q[3])
    return vx.append(s * v + t * u + vx.cross(u, v), s * t - u @ v)


def quaternion_chain(joints: Any, point: Any) -> Any:
    """A point under rotations one after the other, each given by a quaternion of any length."""

    def unit(q: Any) -> Any:
        return q / vx.norm(q)

    def turned(q: Any, x: Any) -> Any:
        conjugate = q * vx.asarray([-1.0, -1.0, -1.0, 1.0], dtype=q.dtype)
        return quaternion_product(quaternion_product(q, vx.append(x, 0.0)), conjugate)[:3]

    def step(x: Any, q: Any) -> Any:
        x = turned(unit(q), x) + point
        return x, x

    return vx.scan(step, point, joints)[1]


def quaternion_reference(joints: Any, point: Any) -> Any:
    x, out = point, []
    for q in joints:
        x = Rotation.from_quat(q).apply(x) + point
        out.append(x)
    return np.stack(out)


def triangulation(cameras: Any, points: Any) -> Any:
    """Points seen by cameras, moved by the seeing, and found again from their images."""

    def project(camera: Any, x: Any) -> Any:
        y = camera @ vx.append(x, 1.0)
        return y[:2] / y[2]

    def find(pixels: Any) -> Any:
        rows = pixels[:, :, None] * cameras[:, None, 2] - cameras[:, :2]
        x = vx.linalg.svd(rows.reshape((-1, 4)), full_matrices=False)[2][-1]
        return x[:3] / x[3]

    many = vx.vmap(vx.vmap(project, in_axes=(0, None)), in_axes=(None, 0))
    pixels = many(cameras, points)
    return {"pixels": pixels, "found": vx.vmap(find)(pixels)}


def triangulation_reference(cameras: Any, points: Any) -> Any:
    y = np.einsum("cij,pj->pci", cameras, np.c_[points, points[:, 0] * 0 + 1])
    return {"pixels": y[..., :2] / y[..., 2:], "found": points}


def sphere_tracing(eye: Any, pixel: Any, radius: Any) -> Any:
    """A ray meets a sphere; the light there, by the gradient of the signed distance."""

    def distance(x: Any) -> Any:
        return vx.norm(x) - radius

    ray = pixel / vx.norm(pixel)
    far = vx.fori_loop(0, 40, lambda _, t: t + distance(eye + t * ray), vx.zeros_like(radius))
    x = eye + far * ray
    normal = vx.grad(distance)(x)
    return far, vx.relu(-normal @ ray)


def tracing_reference(eye: Any, pixel: Any, radius: Any) -> Any:
    ray = pixel / np.linalg.norm(pixel)
    b, c = eye @ ray, eye @ eye - radius**2
    far = -b - np.sqrt(b * b - c)
    return far, -(eye + far * ray) @ ray / radius


def closest_point_step(source: Any, target: Any) -> Any:
    """A step of ICP: match the closest points, then the best rotation and shift."""
    d = vx.sum((source[:, None] - target) ** 2, axis=-1)
    matched = target[vx.argmin(d, axis=1)]
    a, b = vx.mean(source, axis=0), vx.mean(matched, axis=0)
    u, _, vt = vx.linalg.svd((source - a).mT @ (matched - b))
    flip = vx.ones((3,), dtype=u.dtype).at[-1].set(vx.sign(vx.linalg.det(u @ vt)))
    rotation = (u * flip @ vt).mT
    return rotation, (source - a) @ rotation.mT + b


def closest_reference(source: Any, target: Any) -> Any:
    matched = target[np.argmin(cdist(source, target), axis=1)]
    a, b = source.mean(0), matched.mean(0)
    rotation = Rotation.align_vectors(matched - b, source - a)[0]
    return rotation.as_matrix(), rotation.apply(source - a) + b


def bezier_length(control: Any) -> Any:
    """The middle and the length of a curve: de Casteljau, and Gauss's points for its speed."""

    def curve(t: Any) -> Any:
        points = control
        while points.shape[0] > 1:
            points = (1.0 - t) * points[:-1] + t * points[1:]
        return points[0]

    def speed(t: Any) -> Any:
        return vx.norm(vx.jvp(curve, (t,), (vx.ones_like(t),))[1])

    nodes, weights = np.polynomial.legendre.leggauss(4)
    half = vx.asarray(0.5, dtype=control.dtype)
    speeds = vx.vmap(speed)((vx.asarray(nodes) + 1.0) * half)
    return curve(half), vx.vdot(speeds, vx.asarray(weights)) * half


def bezier_reference(control: Any) -> Any:
    curve = BPoly(control[:, None], [0, 1])
    nodes, weights = np.polynomial.legendre.leggauss(4)
    speeds = np.linalg.norm(curve.derivative()((nodes + 1) / 2), axis=1)
    return curve(0.5), speeds @ weights / 2


def rasteriser(triangles: Any, colours: Any, depths: Any) -> Any:
    """An image of soft triangles: how far inside each pixel is, and which triangle is near."""
    axis = vx.linspace(-1.0, 1.0, 4, dtype=triangles.dtype)
    pixels = vx.stack(vx.meshgrid(axis, axis, indexing="xy"), axis=-1)

    def coverage(triangle: Any) -> Any:
        edges = vx.roll(triangle, -1, axis=0) - triangle
        to = pixels[..., None, :] - triangle
        inside = edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0]
        return vx.prod(vx.sigmoid(inside / 0.3), axis=-1)

    cover = vx.vmap(coverage)(triangles)
    weights = cover * vx.exp(-depths)[:, None, None]
    return (
        vx.einsum("n h w, n c -> h w c", weights, colours)
        / (0.1 + vx.sum(weights, axis=0))[..., None]
    )


def raster_reference(triangles: Any, colours: Any, depths: Any) -> Any:
    axis = np.linspace(-1, 1, 4)
    image = np.zeros((4, 4, 3))
    for row, y in enumerate(axis):
        for column, x in enumerate(axis):
            weights = np.exp(-depths)
            for k, (a, b, c) in enumerate(triangles):
                for p, q in ((a, b), (b, c), (c, a)):
                    inside = np.linalg.det(np.stack([q - p, [x, y] - p]))
                    weights[k] /= 1 + np.exp(-inside / 0.3)
            image[row, column] = weights @ colours / (0.1 + weights.sum())
    return image


def rigid_motion(twists: Any, points: Any) -> Any:
    """Points under the product of the exponentials of twists."""

    def motion(twist: Any) -> Any:
        x, y, z = vx.unstack(twist[:3])
        o = vx.zeros_like(x)
        rows = [vx.stack([o, -z, y]), vx.stack([z, o, -x]), vx.stack([-y, x, o])]
        top = vx.concat([vx.stack(rows), twist[3:, None]], axis=1)
        return vx.linalg.expm(vx.pad(top, ((0, 1), (0, 0))))

    total = vx.linalg.multi_dot(vx.unstack(vx.vmap(motion)(twists)))
    return points @ total[:3, :3].mT + total[:3, 3]


def motion_reference(twists: Any, points: Any) -> Any:
    total = np.eye(4)
    for x, y, z, *shift in twists:
        m = np.zeros((4, 4))
        m[:3] = np.c_[[[0, -z, y], [z, 0, -x], [-y, x, 0]], shift]
        total = total @ expm(m)
    return points @ total[:3, :3].T + total[:3, 3]


def image_warp(image: Any, affine: Any) -> Any:
    """An image seen through an affine map, with bilinear weights and a border of zeros."""
    h, w = image.shape
    grid = vx.stack(vx.meshgrid(vx.arange(h), vx.arange(w), indexing="ij"), axis=-1)
    at = vx.astype(grid, image.dtype) @ affine[:, :2].mT + affine[:, 2]
    low = vx.floor(at)
    corner, share = vx.astype(low, vx.int32), at - low
    total = vx.zeros_like(image)
    for i in (0, 1):
        for j in (0, 1):
            r, c = corner[..., 0] + i, corner[..., 1] + j
            there = (r >= 0) & (r < h) & (c >= 0) & (c < w)
            a, b = share[..., 0], share[..., 1]
            weight = (a if i else 1.0 - a) * (b if j else 1.0 - b)
            value = image[vx.clip(r, 0, h - 1), vx.clip(c, 0, w - 1)]
            total = total + vx.where(there, weight * value, 0.0)
    return total


def warp_reference(image: Any, affine: Any) -> Any:
    grid = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), axis=-1)
    at = grid @ affine[:, :2].T + affine[:, 2]
    padded = np.pad(image, 3)
    return map_coordinates(padded, np.moveaxis(at, -1, 0) + 3, order=1)


def chamfer(points: Any, others: Any, normals: Any) -> Any:
    """The distance of two clouds by closest points, and of one to the planes of the other."""
    d = vx.norm(points[:, None] - others, axis=-1)
    closest = vx.argmin(d, axis=1)
    offsets = points - others[closest]
    planes = vx.mean(vx.vecdot(offsets, normals[closest]) ** 2)
    return vx.mean(vx.min(d, axis=0)) + vx.mean(vx.min(d, axis=1)), planes


def chamfer_reference(points: Any, others: Any, normals: Any) -> Any:
    d = cdist(points, others)
    closest = d.argmin(1)
    planes = np.einsum("ij,ij->i", points - others[closest], normals[closest])
    return d.min(0).mean() + d.min(1).mean(), np.mean(planes**2)


def mesh_normals(vertices: Any, faces: Any) -> Any:
    """Unit normals at the vertices, weighed by area, and the volume."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    areas = vx.cross(b - a, c - a)
    rows = vx.zeros_like(vertices).at[faces.ravel()].add(vx.repeat(areas, 3, axis=0))
    return rows / vx.norm(rows, axis=1, keepdims=True), vx.sum(a * vx.cross(b, c)) / 6.0


def mesh_reference(vertices: Any, faces: Any) -> Any:
    rows, volume = np.zeros_like(vertices), 0.0
    for face in faces:
        a, b, c = vertices[face]
        rows[face] += np.cross(b - a, c - a)
        volume += np.linalg.det([a, b, c]) / 6
    return rows / np.linalg.norm(rows, axis=1)[:, None], volume


def support_distance(polygon: Any, shift: Any) -> Any:
    """How far two convex hulls are apart: the widest gap of their support functions."""
    angles = vx.linspace(0.0, 2 * np.pi, 9, dtype=polygon.dtype)[:-1]
    directions = vx.stack([vx.cos(angles), vx.sin(angles)], axis=-1)

    def gap(d: Any) -> Any:
        return vx.min((polygon + shift) @ d) - vx.max(polygon @ d)

    gaps = vx.map(gap, directions)
    best = vx.argmax(gaps)
    return gaps[best], gaps


def support_reference(polygon: Any, shift: Any) -> Any:
    angles = np.arange(8) * np.pi / 4
    z = (polygon @ [1, 1j])[:, None] * np.exp(-1j * angles)
    moved = ((polygon + shift) @ [1, 1j])[:, None] * np.exp(-1j * angles)
    gaps = moved.real.min(0) - z.real.max(0)
    return gaps.max(), gaps


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


CAMERAS = np.concatenate(
    [np.stack([np.eye(3)] * 3) + _normal(3, 3, 3, scale=0.2), _normal(3, 3, 1)], 2
)
CLOUD = _normal(4, 3)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
CASES = (
    Case(
        "quaternions", quaternion_chain, (_normal(3, 4), _normal(3)), (0, 1), quaternion_reference
    ),
    Case(
        "triangulation",
        triangulation,
        (CAMERAS, _normal(2, 3, scale=0.3) + np.array([0, 0, 5])),
        (0, 1),
        triangulation_reference,
    ),
    Case(
        "sphere tracing",
        sphere_tracing,
        (np.array([0.1, 0.2, -3.0]), np.array([0.05, -0.1, 1.0]), np.array(1.2)),
        (0, 1, 2),
        tracing_reference,
    ),
    Case(
        "closest points step",
        closest_point_step,
        (CLOUD + _normal(4, 3, scale=0.1), CLOUD),
        (0, 1),
        closest_reference,
    ),
    Case("Bezier curve", bezier_length, (_normal(4, 2),), (0,), bezier_reference),
    Case(
        "soft rasteriser",
        rasteriser,
        (_normal(2, 3, 2), RNG.uniform(0, 1, (2, 3)), _normal(2)),
        (0, 1, 2),
        raster_reference,
    ),
    Case(
        "rigid motion",
        rigid_motion,
        (_normal(3, 6, scale=0.5), _normal(2, 3)),
        (0, 1),
        motion_reference,
    ),
    Case(
        "image warp",
        image_warp,
        (_normal(3, 4), np.array([[0.83, 0.31, -0.57], [-0.22, 0.91, 0.73]])),
        (0, 1),
        warp_reference,
    ),
    Case(
        "Chamfer distance",
        chamfer,
        (_normal(4, 3), _normal(3, 3), _normal(3, 3)),
        (0, 1, 2),
        chamfer_reference,
    ),
    Case("mesh normals", mesh_normals, (_normal(4, 3), FACES), (0,), mesh_reference),
    Case(
        "support functions",
        support_distance,
        (_normal(5, 2), np.array([3.0, 1.7])),
        (0, 1),
        support_reference,
    ),
)
