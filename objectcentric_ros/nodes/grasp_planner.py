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

"""The grasp planner node: a segment of a remembered scene in, ranked grasps out.

With descriptor models, an object whose grasp points the gallery has is grasped where it was taught: aligned, else straight. The
geometric grasp stays the fallback, and the answer's message says which method was taken and why. Of a known object the history
of its picks counts: kinds of grasps that have lost it before come later.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.deployed import ModelMissing, load_model
from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.choice import ChoiceConfig, GraspChooser
from objectcentric_ros.grasping.geometric import GeometricGraspConfig, GeometricGraspPlanner, GraspSearch
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.grasping.grasp_history import GraspHistoryConfig, by_history, past_grasps
from objectcentric_ros.nodes import require
from objectcentric_ros.segmentation.segmenter import Segmentation

require("rclpy", "objectcentric_interfaces", "tf2_msgs")

from objectcentric_interfaces.srv import PlanGrasp  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from objectcentric_ros.nodes.camera_input import LATCHED_QOS, CameraConfig, CameraInput, Scene, SceneMemory  # noqa: E402
from objectcentric_ros.nodes.conversions import stamp_nanoseconds, stamp_seconds  # noqa: E402
from objectcentric_ros.nodes.gallery import GalleryAddress  # noqa: E402
from objectcentric_ros.nodes.heart import OK, WARN  # noqa: E402
from objectcentric_ros.nodes.markers import grasp_markers  # noqa: E402
from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.service_answers import answer  # noqa: E402
from objectcentric_ros.nodes.stack_conversions import message_from_grasp, segmentation_from_segments  # noqa: E402
from objectcentric_ros.nodes.stack_node import StackNode, run  # noqa: E402
from objectcentric_ros.nodes.transforms import TransformListener  # noqa: E402

MOST_GRASPS = 1000   # asked for in one call
GALLERY_PAUSE = 30.0   # a gallery that didn't answer is not asked again for so long [s]


@dataclass(frozen=True)
class GraspPlannerConfig(GalleryAddress, CameraConfig):
    """Parameters of the grasp planner node."""

    max_grasps: int = parameter(10, "grasps returned when a request doesn't say", minimum=1, maximum=MOST_GRASPS, read_only=False)
    transform_timeout: float = parameter(0.5, "how long to wait for the camera's pose at the scene's stamp [s]", minimum=0.0,
                                         maximum=5.0)
    cell_file: str = parameter("", "YAML file of the cell's layout; empty = config/cell.yaml of the package")
    geometric: GeometricGraspConfig = field(default_factory=GeometricGraspConfig)
    descriptor_models: tuple[str, ...] = parameter(
        (), "exported descriptor models, names in models/ or paths, for the grasp points that the gallery has of an object;"
            " none = geometric grasps only")
    descriptor_threads: int = parameter(2, "CPU threads of a description", minimum=1, maximum=64)
    taught: ChoiceConfig = field(default_factory=ChoiceConfig)
    grasp_history: GraspHistoryConfig = field(default_factory=GraspHistoryConfig)


class GraspPlannerNode(StackNode):
    """Plans grasps on segments by stamp and id."""

    NODE_NAME = "grasp_planner"
    Config = GraspPlannerConfig

    def setup(self) -> None:
        """Load the layout and the planner, with descriptor models the gallery, too."""
        self._gallery: Gallery | None = None
        self._layout = CellLayout.load(Path(self.config.cell_file) if self.config.cell_file else None)
        self._planner = GeometricGraspPlanner(self._layout, self.config.geometric)
        self._chooser: GraspChooser | None = None
        self._without_model = self._without_gallery = ""
        self._gallery_again = 0.0
        models = []
        for name in filter(None, self.config.descriptor_models):
            try:
                models.append(load_model(name, threads=self.config.descriptor_threads))
            except ModelMissing as error:     # the geometric grasp stays
                self._without_model = str(error)
                self.get_logger().warning(f"no taught grasps by this model: {error}")
        if models:
            self._gallery = self.config.open()
            self._chooser = GraspChooser(self._layout, self._planner, models, self._gallery.grasp_points, self.config.taught,
                                         self.config.geometric)
        self._markers = self.create_publisher(MarkerArray, "grasps", LATCHED_QOS)

    def start(self) -> None:
        """Subscribe and offer the service."""
        self._plans = self._without = 0
        self._milliseconds = 0.0
        self._working = threading.Lock()
        self._prepared: tuple[Scene, RgbdFrame, Segmentation] | None = None
        self._transforms = TransformListener(self)
        self._camera = CameraInput(self, self.config, color=self._chooser is not None)   # geometric grasps need depth alone
        self._scenes = SceneMemory(self, self.config, self._camera, locate=self._locate)
        self.create_service(PlanGrasp, "plan_grasp", self._on_plan_grasp)
        self.create_timer(1.0, self._report)

    def pause(self) -> None:
        """Unsubscribe from the camera."""
        if hasattr(self, "_camera"):
            with self._working:   # a plan under way is finished
                self._camera.destroy()

    def teardown(self) -> None:
        """Close the gallery."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None

    def _on_plan_grasp(self, request: PlanGrasp.Request, response: PlanGrasp.Response) -> PlanGrasp.Response:
        with self._working:
            answer(self, response, lambda: self._plan(request, response))
        if not response.success:
            self.get_logger().info(f"refused: {response.message}")
        self._report()
        return response

    def _plan(self, request: PlanGrasp.Request, response: PlanGrasp.Response) -> str:
        if request.max_grasps > MOST_GRASPS:
            raise ValueError(f"max_grasps is {request.max_grasps}, at most {MOST_GRASPS} are planned")
        scene = self._scenes.scene(stamp_nanoseconds(request.stamp))
        if request.segment_id not in {segment.id for segment in scene.segments.segments}:
            ids = ", ".join(str(segment.id) for segment in scene.segments.segments)
            raise LookupError(f"the scene has no segment {request.segment_id}; it has {ids or 'none'}")
        frame, segmentation = self._prepare(scene)
        started = time.perf_counter()
        search = self._search(frame, segmentation, request)
        self._milliseconds = (time.perf_counter() - started) * 1e3
        self._plans += 1
        self._without += not search.grasps
        header = Header(stamp=scene.segments.header.stamp, frame_id=self._layout.base_frame)
        response.grasps = [message_from_grasp(grasp, header) for grasp in search.grasps]
        self._show(search.grasps, header)
        return search.reason

    def _search(self, frame: RgbdFrame, segmentation: Segmentation, request: PlanGrasp.Request) -> GraspSearch:
        most = request.max_grasps or self.config.max_grasps
        if self._chooser is None:
            found = self._planner.search(frame, segmentation, request.segment_id, most)
        else:
            found = self._chooser.search(frame, segmentation, request.segment_id, most, request.object_id)
        return self._by_history(found, request.object_id)

    def _by_history(self, found: GraspSearch, object_id: str) -> GraspSearch:
        """What was found, ranked by earlier picks of the object as well; without a gallery it stays as it is."""
        if not object_id or not found.grasps or not self.config.grasp_history.picks or time.monotonic() < self._gallery_again:
            return found
        try:
            if self._gallery is None:          # planning itself needs no database, and makes none
                if not self.config.exists():
                    return found
                self._gallery = self.config.open()
            picks = self._gallery.pick_history(object_id, self.config.grasp_history.picks)
            self._without_gallery = ""
        except GalleryError as error:
            self._without_gallery, self._gallery_again = str(error), time.monotonic() + GALLERY_PAUSE
            self.get_logger().warning(f"grasps are planned without the history of picks: {error}")
            return found
        return by_history(found, past_grasps(picks), self.config.grasp_history)

    def _prepare(self, scene: Scene) -> tuple[RgbdFrame, Segmentation]:
        """The scene in arrays; the same objects for the same scene, by which the planner knows that nothing changed."""
        if self._prepared is None or self._prepared[0] is not scene:
            T_base_camera = self._T_base_camera(scene)
            frame = scene.messages.frame(T_base_camera)
            self._prepared = (scene, frame, segmentation_from_segments(scene.segments, T_base_camera))
        return self._prepared[1:]

    def _show(self, grasps: tuple[Grasp, ...], header: Header) -> None:
        # Stamp 0: a viewer shows it with the newest transforms; the base doesn't move.
        self._markers.publish(grasp_markers(grasps, self._layout.gripper, Header(frame_id=header.frame_id)))

    def _T_base_camera(self, scene: Scene) -> NDArray[np.float64]:
        if scene.T_base_camera is not None:
            return scene.T_base_camera
        header = scene.segments.header
        return self._transforms.lookup(self._layout.base_frame, header.frame_id, header.stamp,
                                       timeout=self.config.transform_timeout)

    def _locate(self, frame_id: str, stamp: float) -> NDArray[np.float64] | None:
        # Looked up when the segments come: by the time of a request the transform may have left the buffer.
        try:
            return self._transforms.lookup(self._layout.base_frame, frame_id, stamp)
        except LookupError:
            return None

    def _report(self) -> None:
        complaint = self._camera.complaint() or self._without_model or self._without_gallery
        newest = self._scenes.newest()
        scene = "no scene yet" if newest is None else f"newest scene {stamp_seconds(newest.segments.header.stamp):.3f} s"
        self.report(WARN if complaint else OK, complaint or scene, planner="geometric" if self._chooser is None else "taught",
                    plans=self._plans, without_grasp=self._without, last_plan_ms=f"{self._milliseconds:.0f}",
                    images_received=self._camera.frames_received)


def main() -> int:
    """Run the node."""
    return run(GraspPlannerNode)


if __name__ == "__main__":
    sys.exit(main())
