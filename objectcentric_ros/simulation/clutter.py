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


"""Dropping items into the tray, the same way for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.simulation.scene import item_body

_FALL_STEPS = 120                                   # simulated steps between two drops
_SETTLE_STEPS = 200                                 # in a window; rest is judged at its end
_SETTLE_WINDOWS = 15
_ATTEMPTS = 6
_PLACES = 8                                         # tried for each item
_MAX_TOP = 0.30                                     # nothing may lie where it would touch the camera at the look pose [m]


class Droppable(Protocol):
    """What must be known of a thing to drop it."""

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    @property
    def size(self) -> tuple[float, float, float]:
        """Extents (x, y, z) [m]."""
        ...


class ClutterError(RuntimeError):
    """The items don't fit in the tray."""


def drop_clutter(model: mujoco.MjModel, data: mujoco.MjData, items: Sequence[Droppable], layout: CellLayout,
                 rng: np.random.Generator, upright: bool = False) -> None:
    """Let the items fall into the tray one after the other, upright or anyhow, and again those that end outside.

    Raises:
        ClutterError: some items end outside whatever is tried; the message names them.
    """
    drop = _Drop(model, data, items, layout, rng, upright)
    waiting = list(range(len(items)))
    for _ in range(_ATTEMPTS):
        drop.park(waiting)
        while waiting:
            drop.release(waiting.pop(0))
            drop.step(_FALL_STEPS, waiting)
        drop.settle()
        waiting = [index for index in range(len(items)) if not drop.rests_in_tray(index)]
        if not waiting:
            return
    names = ", ".join(items[index].title for index in waiting)
    raise ClutterError(f"{len(items)} items don't come to rest in the tray, outside stay: {names}; use fewer items")


def drop_what_fits(model: mujoco.MjModel, data: mujoco.MjData, items: Sequence[Droppable], layout: CellLayout,
                   rng: np.random.Generator) -> tuple[bool, ...]:
    """Let the items fall into the tray one after the other, each once and anyhow, for scenes that needn't hold them all.

    Returns:
        Of each item whether it rests in the tray; the others are put far below the floor.
    """
    drop = _Drop(model, data, items, layout, rng, upright=False)
    waiting = list(range(len(items)))
    left_out = []
    drop.park(waiting)
    while waiting:
        try:
            drop.release(waiting[0])
        except ClutterError:
            left_out.append(waiting[0])
        waiting.pop(0)
        drop.step(_FALL_STEPS, (*waiting, *left_out))
    drop.settle(left_out)
    inside = tuple(index not in left_out and drop.rests_in_tray(index) for index in range(len(items)))
    drop.park([index for index, rests in enumerate(inside) if not rests])
    return inside


class _Drop:
    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, items: Sequence[Droppable], layout: CellLayout,
                 rng: np.random.Generator, upright: bool) -> None:
        self._model, self._data, self._items, self._rng, self._upright = model, data, items, rng, upright
        self._tray = layout.tray
        joints = [model.joint(item_body(index)) for index in range(len(items))]
        self._qpos = [int(joint.qposadr[0]) for joint in joints]
        self._dof = [int(joint.dofadr[0]) for joint in joints]
        self._bodies = [model.body(item_body(index)).id for index in range(len(items))]
        self._corners = [np.array(np.meshgrid(*[(-e / 2, e / 2) for e in item.size])).reshape(3, -1).T for item in items]

    def park(self, indices: Sequence[int]) -> None:
        """Put items far below the floor, at rest."""
        for index in indices:
            a, d = self._qpos[index], self._dof[index]
            self._data.qpos[a:a + 7] = [0.0, 0.0, -2.0 - index, 1.0, 0.0, 0.0, 0.0]
            self._data.qvel[d:d + 6] = 0.0

    def release(self, index: int) -> None:
        """Put an item over the tray, just above what lies there, in a random place and orientation.

        Raises:
            ClutterError: the tray is heaped up wherever it was tried.
        """
        for _ in range(_PLACES):
            quaternion = self._rng.normal(size=4)
            if self._upright:
                quaternion[1:3] = 0.0
            quaternion /= np.linalg.norm(quaternion)
            rotation = np.zeros(9)
            mujoco.mju_quat2Mat(rotation, quaternion)
            corners = self._corners[index] @ rotation.reshape(3, 3).T
            reach = np.abs(corners[:, :2]).max(axis=0)
            room = np.maximum(np.asarray(self._tray.inner_size) / 2 - reach - 0.01, 0.0)
            position = np.asarray(self._tray.centre) + self._rng.uniform(-room, room)
            bottom = self._height_under(position, reach, index) + 0.01
            if bottom < _MAX_TOP:
                break
        else:
            raise ClutterError(f"{len(self._items)} items don't fit in the tray: no room is left for {self._items[index].title}; "
                               "use fewer items")
        a, d = self._qpos[index], self._dof[index]
        self._data.qpos[a:a + 3] = [*position, bottom - corners[:, 2].min()]
        self._data.qpos[a + 3:a + 7] = quaternion
        self._data.qvel[d:d + 6] = 0.0
        mujoco.mj_kinematics(self._model, self._data)

    def step(self, count: int, parked: Sequence[int]) -> None:
        for done in range(count):
            mujoco.mj_step(self._model, self._data)
            if done % 60 == 59:
                self.park(parked)
        self.park(parked)

    def settle(self, parked: Sequence[int] = ()) -> None:
        """Step until nothing but what is parked moves, at most 6 s."""
        moving = [index for index in range(len(self._items)) if index not in parked]
        bodies, dofs = [self._bodies[index] for index in moving], [self._dof[index] for index in moving]
        for window in range(_SETTLE_WINDOWS):
            before = self._data.xpos[bodies].copy()
            self.step(_SETTLE_STEPS, parked)
            speeds = [np.abs(self._data.qvel[d:d + 6]).max() for d in dofs]
            # Both, because what stands on an edge begins to fall slowly.
            if not speeds or (max(speeds) < 0.05 and np.abs(self._data.xpos[bodies] - before).max() < 0.001):
                return
            if window >= _SETTLE_WINDOWS // 2 and window % 2 == 0:
                # What still rocks or rolls would do so for long: real things are a little soft. Braked sooner or at every
                # window, things that stand on an edge would never finish falling.
                for d in dofs:
                    self._data.qvel[d:d + 6] *= 0.2

    def rests_in_tray(self, index: int) -> bool:
        corners = self._world_corners(index)
        centre = self._data.xpos[self._bodies[index]]
        return bool(self._tray.contains(centre) and corners[:, 2].max() < _MAX_TOP and centre[2] > 0.0)

    def _height_under(self, position: NDArray[np.float64], reach: NDArray[np.float64], falling: int) -> float:
        """Top [m] of the items whose footprint may touch the falling item's."""
        top = self._tray.floor_thickness
        for index in range(len(self._items)):
            corners = self._world_corners(index)
            if index == falling or corners[:, 2].max() < 0:
                continue
            low, high = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
            if np.all(low < position + reach) and np.all(high > position - reach):
                top = max(top, corners[:, 2].max())
        return top

    def _world_corners(self, index: int) -> NDArray[np.float64]:
        body = self._bodies[index]
        return self._corners[index] @ self._data.xmat[body].reshape(3, 3).T + self._data.xpos[body]


