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


"""Off-screen rendering on a thread of its own.

An OpenGL context belongs to the thread that made it. A ``SceneRenderer`` therefore owns one thread, makes the context
there at the first image and releases it there; its methods can be called from any thread. MuJoCo releases the GIL while
it renders, so physics goes on in the caller's other threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import mujoco
import numpy as np
from numpy.typing import NDArray

_Result = TypeVar("_Result")


class SceneRenderer:
    """Colour, depth and geom-id images of a model's cameras.

    Args:
        model: the scene.
        capture: copies the present state into the MjData given, under whatever lock the owner of the state uses.
    """

    def __init__(self, model: mujoco.MjModel, capture: Callable[[mujoco.MjData], None]) -> None:
        self._model = model
        self._capture = capture
        self._data = mujoco.MjData(model)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scene-renderer")
        self._renderers: dict[tuple[int, int], mujoco.Renderer] = {}
        self._closed = False

    def images(self, camera: str, width: int, height: int, *, color: bool = False, depth: bool = False, geoms: bool = False,
               shadows: bool = False) -> tuple[mujoco.MjData, dict[str, NDArray[Any]]]:
        """Images of one moment.

        Returns:
            The state that was rendered (valid until the next call), and the images by name: ``color`` (H, W, 3) uint8
            RGB, ``depth`` (H, W) float32 [m] along the optical axis (the far plane where nothing is), ``geoms`` (H, W)
            int32 geom ids (-1 where nothing is).
        """
        return self._run(lambda: self._images(camera, width, height, color, depth, geoms, shadows))

    def close(self) -> None:
        """Release the OpenGL contexts and end the thread; a second call does nothing."""
        if not self._closed:
            self._run(self._release)
            self._closed = True
            self._thread.shutdown()

    def _run(self, work: Callable[[], _Result]) -> _Result:
        if self._closed:
            raise RuntimeError("the renderer is closed: make a new cell")
        return self._thread.submit(work).result()

    def _images(self, camera: str, width: int, height: int, color: bool, depth: bool, geoms: bool,
                shadows: bool) -> tuple[mujoco.MjData, dict[str, NDArray[Any]]]:
        self._capture(self._data)
        renderer = self._renderer(width, height)
        renderer.update_scene(self._data, camera)
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        images: dict[str, NDArray[Any]] = {}
        if color:
            images["color"] = renderer.render().copy()
        if depth:
            with _mode(renderer.enable_depth_rendering, renderer.disable_depth_rendering):
                images["depth"] = renderer.render().copy()
        if geoms:
            with _mode(renderer.enable_segmentation_rendering, renderer.disable_segmentation_rendering):
                ids = renderer.render()
            images["geoms"] = np.where(ids[..., 1] == int(mujoco.mjtObj.mjOBJ_GEOM), ids[..., 0], -1)
        return self._data, images

    def _renderer(self, width: int, height: int) -> mujoco.Renderer:
        if (width, height) not in self._renderers:
            self._renderers[width, height] = mujoco.Renderer(self._model, height, width)
        return self._renderers[width, height]

    def _release(self) -> None:
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()


@contextlib.contextmanager
def _mode(enable: Callable[[], None], disable: Callable[[], None]) -> Iterator[None]:
    enable()
    try:
        yield
    finally:
        disable()
