# Copyright 2026 the objectcentric_ros developers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.


"""Training pairs: two images of one object with exact correspondences, from one photograph or from two rendered views.

Three modes (paper A, section 3.1, and what it leaves open):
    paper: a random affine and perspective warp of one photograph; the rigid motion is fitted to the depth-lifted matches
        (Kabsch), and a pair whose residual is too large is refused, because a 2-D warp is no rigid motion.
    exact: the camera turns about its own centre, H = K R K^-1: the motion is exactly (R, 0), whatever the depth.
    rendered: two views whose poses are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.appearance import AppearanceConfig, background, disturb
from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.rigid_fit import DegenerateFit, kabsch
from objectcentric_ros.geometry.se3 import invert, rotation_exp, transform_points

MODES = ("paper", "exact", "rendered")
ATTEMPTS = 20


@dataclass(frozen=True)
class PairConfig:
    """How pairs are made.

    Args:
        mode: paper, exact or rendered.
        width, height: size of the images [px]; 0: as the views are, and the object stays where it is.
        matches: correspondences a pair at most.
        min_matches: a pair with fewer is not used.
        roll: rotation about the optical axis up to this, either way [deg] (paper, exact).
        tilt: rotation of the camera about its other axes up to this [deg] (exact).
        perspective: shift of the image's corners by up to this share of its size (paper).
        scale: factors of the size, drawn evenly in the logarithm (low, high).
        fit: an object larger than this share of the image is made smaller.
        residual: a motion fitted to a 2-D warp that leaves more than this is refused [m] (paper).
        occlusion_tolerance: depth that differs by more is another surface [m] (rendered).
        appearance: colours, backgrounds, distractors.

    Raises:
        ValueError: an unknown mode.
    """

    mode: str = "rendered"
    width: int = 256
    height: int = 256
    matches: int = 256
    min_matches: int = 24
    roll: float = 90.0
    tilt: float = 20.0
    perspective: float = 0.15
    scale: tuple[float, float] = (0.8, 1.25)
    fit: float = 0.85
    residual: float = 0.01
    occlusion_tolerance: float = 0.004
    appearance: AppearanceConfig = AppearanceConfig()

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"unknown pair mode {self.mode!r}: there are {', '.join(MODES)}")


@dataclass(frozen=True)
class Pair:
    """Two images of one object.

    Args:
        color_a, color_b: (H, W, 3) uint8, RGB.
        mask_a, mask_b: (H, W) bool.
        camera_a, camera_b: intrinsics.
        depth_a, depth_b: (H, W) float32 [m], NaN where invalid; None where the view had none.
        matches_a, matches_b: (M, 2) float64, corresponding pixels (u, v) on the object.
        T_b_a: (4, 4), maps points of camera a into camera b; None where it is not known.
        residual: how far the matches are from that motion [m]; 0 where the motion is exact.
        mode: how it was made.
        instance: which object.
    """

    color_a: NDArray[np.uint8]
    color_b: NDArray[np.uint8]
    mask_a: NDArray[np.bool_]
    mask_b: NDArray[np.bool_]
    camera_a: PinholeCamera
    camera_b: PinholeCamera
    depth_a: NDArray[np.float32] | None
    depth_b: NDArray[np.float32] | None
    matches_a: NDArray[np.float64]
    matches_b: NDArray[np.float64]
    T_b_a: NDArray[np.float64] | None
    residual: float
    mode: str
    instance: str


@dataclass(frozen=True)
class _Placed:
    """A view warped into the image of a pair: H maps the view's pixels to the image's, T the view's camera to the image's."""

    color: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    depth: NDArray[np.float32] | None
    camera: PinholeCamera
    H: NDArray[np.float64]
    T: NDArray[np.float64]


class NoPair(ValueError):
    """These views gave no pair with enough matches."""


class PairGenerator:
    """Makes pairs of random objects; pair number i is the same whenever and wherever it is made.

    Args:
        views: photographs; `rendered` needs two or more an instance, with depth and pose; `paper` needs depth.
        config: how.
        seed: of everything random.
        distractors: views whose objects may stand in the background; empty: the views themselves.

    Raises:
        ValueError: no views, or the mode needs what they lack.
    """

    def __init__(self, views: Sequence[ObjectView], config: PairConfig, seed: int,
                 distractors: Sequence[ObjectView] = ()) -> None:
        if not views:
            raise ValueError("there are no views to make pairs of")
        lacking = [view for view in views if view.depth is None or (config.mode == "rendered" and view.T_camera_object is None)]
        if config.mode in ("paper", "rendered") and lacking:
            needs = "depth" if config.mode == "paper" else "depth and T_camera_object"
            raise ValueError(f"pair mode {config.mode!r} needs {needs}, which {len(lacking)} of {len(views)} views lack "
                             f"(the first is {lacking[0].instance}/{lacking[0].name}): use mode exact")
        self._config, self._seed = config, seed
        self._by_instance: dict[str, list[ObjectView]] = {}
        for view in views:
            self._by_instance.setdefault(view.instance, []).append(view)
        self._names = sorted(self._by_instance)
        if config.mode == "rendered" and (single := [name for name in self._names if len(self._by_instance[name]) < 2]):
            raise ValueError(f"pair mode 'rendered' needs two views an instance; {', '.join(single)} has one")
        self._distractors = list(distractors) or list(views)

    def pair(self, index: int) -> Pair:
        """Pair number `index`.

        Raises:
            NoPair: the views hardly overlap, for several tries.
        """
        rng = np.random.default_rng([self._seed, index])
        problem = ""
        for _ in range(ATTEMPTS):
            views = self._by_instance[self._names[int(rng.integers(len(self._names)))]]
            try:
                return self._make(views, rng)
            except NoPair as error:
                problem = str(error)
        raise NoPair(f"no pair in {ATTEMPTS} tries: {problem}")

    def _make(self, views: Sequence[ObjectView], rng: np.random.Generator) -> Pair:
        config = self._config
        if config.mode == "rendered":
            first, second = (views[int(i)] for i in rng.choice(len(views), 2, replace=False))
            return rendered_pair(first, second, config, rng, self._distractors)
        return augmented_pair(views[int(rng.integers(len(views)))], config, rng, self._distractors)


def augmented_pair(view: ObjectView, config: PairConfig, rng: np.random.Generator,
                   distractors: Sequence[ObjectView] = ()) -> Pair:
    """Two warps of one photograph (modes paper and exact).

    Raises:
        NoPair: too few matches, or the fitted motion leaves too much (mode paper).
    """
    a, b = (_place(view, config, rng) for _ in range(2))
    source = _pixels_of(view.mask, config.matches, rng)
    matches_a, matches_b = _map(a.H, source), _map(b.H, source)
    kept = _on_mask(matches_a, a.mask) & _on_mask(matches_b, b.mask)
    if config.mode == "paper":
        assert view.depth is not None
        depth = view.depth[source[:, 1].astype(int), source[:, 0].astype(int)].astype(np.float64)
        kept &= np.isfinite(depth)
        T_b_a, residual = _fitted_motion(matches_a[kept], matches_b[kept], depth[kept], a.camera, b.camera, config)
    else:
        T_b_a, residual = b.T @ invert(a.T), 0.0
    return _finish(a, b, matches_a[kept], matches_b[kept], T_b_a, residual, view.instance, config, rng, distractors)


def rendered_pair(first: ObjectView, second: ObjectView, config: PairConfig, rng: np.random.Generator,
                  distractors: Sequence[ObjectView] = ()) -> Pair:
    """Two views whose poses are known; what one of them doesn't see is no match.

    Raises:
        NoPair: the views see too little of the same surface.
    """
    assert first.depth is not None and second.depth is not None
    assert first.T_camera_object is not None and second.T_camera_object is not None
    a, b = _place(first, config, rng, turn=False), _place(second, config, rng, turn=False)
    T_b_a = second.T_camera_object @ invert(first.T_camera_object)
    source = _pixels_of(first.mask & np.isfinite(first.depth), 6 * config.matches, rng)
    depth = first.depth[source[:, 1].astype(int), source[:, 0].astype(int)].astype(np.float64)
    points = transform_points(T_b_a, first.camera.deproject(source, depth))
    seen = second.camera.project(points)
    kept = _on_mask(seen, second.mask)
    at = np.where(kept[:, None], np.rint(seen), 0).astype(int)
    kept &= np.abs(second.depth[at[:, 1], at[:, 0]] - points[:, 2]) < config.occlusion_tolerance
    matches_a, matches_b = _map(a.H, source[kept]), _map(b.H, seen[kept])
    inside = _on_mask(matches_a, a.mask) & _on_mask(matches_b, b.mask)
    return _finish(a, b, matches_a[inside], matches_b[inside], T_b_a, 0.0, first.instance, config, rng, distractors)


def _finish(a: _Placed, b: _Placed, matches_a: NDArray[np.float64], matches_b: NDArray[np.float64],
            T_b_a: NDArray[np.float64] | None, residual: float, instance: str, config: PairConfig, rng: np.random.Generator,
            distractors: Sequence[ObjectView]) -> Pair:
    if len(matches_a) < config.min_matches:
        raise NoPair(f"{instance}: {len(matches_a)} matches, {config.min_matches} are needed")
    chosen = rng.permutation(len(matches_a))[:config.matches]
    # The same object once more in the background would be a right answer that counts as wrong.
    distractors = [view for view in distractors if view.instance != instance]
    colors = []
    for placed in (a, b):
        ground = background(placed.camera.height, placed.camera.width, rng, config.appearance, distractors)
        colors.append(disturb(placed.color, placed.mask, ground, rng, config.appearance))
    return Pair(colors[0], colors[1], a.mask, b.mask, a.camera, b.camera, a.depth, b.depth, matches_a[chosen], matches_b[chosen],
                T_b_a, residual, config.mode, instance)


def _place(view: ObjectView, config: PairConfig, rng: np.random.Generator, turn: bool = True) -> _Placed:
    """Warp a view into an image of the wanted size, with a random scale and place."""
    H, T = np.eye(3), np.eye(4)
    if turn and config.mode == "exact":
        T[:3, :3] = _random_turn(config, rng)
        H = view.camera.matrix @ T[:3, :3] @ np.linalg.inv(view.camera.matrix)
    elif turn:
        H = _random_warp(view, config, rng)
    camera, width, height = view.camera, config.width or view.camera.width, config.height or view.camera.height
    if turn or (config.width and config.height):
        S = _window(_map(H, _outline(view.mask)), width, height, config, rng)
        H = S @ H
        # A scale and a shift of the image is another focal length and principal point, and no motion.
        camera = PinholeCamera(width, height, S[0, 0] * camera.fx, S[1, 1] * camera.fy,
                               S[0, 0] * camera.cx + S[0, 2], S[1, 1] * camera.cy + S[1, 2])
    size = (width, height)
    color = cv2.warpPerspective(view.color, H, size, flags=cv2.INTER_AREA if H[0, 0] < 0.7 else cv2.INTER_LINEAR)
    mask = cv2.warpPerspective(view.mask.astype(np.uint8), H, size, flags=cv2.INTER_NEAREST) > 0
    depth = None
    if view.depth is not None:
        depth = cv2.warpPerspective(_turned_depth(view, T), H, size, flags=cv2.INTER_NEAREST, borderValue=float("nan"))
    return _Placed(color.astype(np.uint8), mask, None if depth is None else depth.astype(np.float32), camera, H, T)


def _turned_depth(view: ObjectView, T: NDArray[np.float64]) -> NDArray[np.float32]:
    """Depth along the optical axis of the turned camera, still at the view's pixels."""
    assert view.depth is not None
    if np.array_equal(T, np.eye(4)):
        return view.depth
    return (view.camera.deproject_image(view.depth) @ T[2, :3].astype(np.float32)).astype(np.float32)


def _random_turn(config: PairConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    roll, tilt = np.deg2rad(config.roll), np.deg2rad(config.tilt)
    return rotation_exp([0.0, 0.0, rng.uniform(-roll, roll)]) @ rotation_exp([*rng.uniform(-tilt, tilt, 2), 0.0])


def _random_warp(view: ObjectView, config: PairConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation about the image's centre and a perspective that moves its corners."""
    width, height = view.camera.width, view.camera.height
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    moved = corners + rng.uniform(-0.5, 0.5, (4, 2)) * config.perspective * np.array([width, height])
    rotation = np.eye(3)
    rotation[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-config.roll, config.roll)), 1.0)
    return np.asarray(cv2.getPerspectiveTransform(corners, moved.astype(np.float32)) @ rotation, dtype=np.float64)


def _window(outline: NDArray[np.float64], width: int, height: int, config: PairConfig, rng: np.random.Generator
            ) -> NDArray[np.float64]:
    """Scale and shift that bring an outline into the image."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    scale = float(np.exp(rng.uniform(*np.log(config.scale))))
    scale = min(scale, float(config.fit * np.min(np.array([width, height]) / np.maximum(high - low, 1.0))))
    free = np.array([width, height]) - scale * (high - low)
    offset = rng.uniform(0.02, 0.98, 2) * free - scale * low
    return np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]], [0.0, 0.0, 1.0]])


def _fitted_motion(matches_a: NDArray[np.float64], matches_b: NDArray[np.float64], depth: NDArray[np.float64],
                   camera_a: PinholeCamera, camera_b: PinholeCamera, config: PairConfig) -> tuple[NDArray[np.float64], float]:
    """Paper A's pose of a synthetic pair: both ends of a match are lifted with the photograph's depth, then Kabsch."""
    points_a, points_b = camera_a.deproject(matches_a, depth), camera_b.deproject(matches_b, depth)
    try:
        T_b_a = kabsch(points_a, points_b)
    except (DegenerateFit, ValueError) as error:
        raise NoPair(f"no motion fits: {error}") from error
    residual = float(np.sqrt(np.mean(np.sum((transform_points(T_b_a, points_a) - points_b) ** 2, axis=1))))
    if residual > config.residual:
        raise NoPair(f"the warp is no rigid motion: residual {1e3 * residual:.1f} mm, limit {1e3 * config.residual:.1f} mm")
    return T_b_a, residual


def _pixels_of(mask: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Up to count random pixels (u, v) of a mask."""
    v, u = np.nonzero(mask)
    chosen = rng.permutation(len(u))[:count] if len(u) > count else np.arange(len(u))
    return np.stack([u[chosen], v[chosen]], axis=1).astype(np.float64)


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.concatenate(contours).reshape(-1, 2).astype(np.float64)


def _map(H: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels through a homography."""
    mapped = points @ H[:, :2].T + H[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:], dtype=np.float64)


def _on_mask(points: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pixels are in the image and on the mask."""
    height, width = mask.shape
    with np.errstate(invalid="ignore"):
        at = np.rint(points)
        inside = np.all((at >= 0) & (at < [width, height]), axis=1)
    at = np.where(inside[:, None], at, 0).astype(int)
    return np.asarray(inside & mask[at[:, 1], at[:, 0]], dtype=np.bool_)
