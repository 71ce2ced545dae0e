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

"""A RealSense D435 through pyrealsense2, with the topics and frames of realsense-ros; also plays a recorded .db3 file."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.heart import OK, WARN
from objectcentric_ros.nodes.stack_node import StackConfig, StackNode, parameter, run

require("tf2_msgs")

from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from objectcentric_ros.nodes.camera_subscription import IMAGE_QOS  # noqa: E402
from objectcentric_ros.nodes.conversions import transform_from_matrix  # noqa: E402
from objectcentric_ros.nodes.image_conversions import image_from_array, image_from_color, info_from_camera  # noqa: E402
from objectcentric_ros.nodes.transforms import STATIC_QOS  # noqa: E402

FRAME_TIMEOUT = 500             # [ms]
TIMEOUTS_LOST = 20              # timeouts in a row after which a live device counts as gone
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])   # REP 103: camera_link x forward, optical z forward


@dataclasses.dataclass(frozen=True)
class CameraConfig(StackConfig):
    """Parameters of the camera node."""

    device_file: str = parameter("", "recorded device (.db3 of librealsense's recorder) to play; empty: a live device")
    at_end: str = parameter("loop", "what to do at the end of a device file", choices=("loop", "stop"))
    serial_number: str = parameter("", "serial number of the device; empty: the first one")
    width: int = parameter(640, "columns of both streams", minimum=1, maximum=1920)
    height: int = parameter(480, "rows of both streams", minimum=1, maximum=1080)
    rate: int = parameter(15, "frames a second of a live device: 6, 15, 30 or 60", minimum=1, maximum=90)
    namespace: str = parameter("/camera/camera", "prefix of the topics, as realsense-ros is started")
    link_frame: str = parameter("camera_link", "frame of the housing; fixed to the hand by somebody else")
    color_frame: str = parameter("camera_color_optical_frame", "optical frame of the colour sensor, of all images")
    depth_frame: str = parameter("camera_depth_optical_frame", "optical frame of the depth sensor")


class CameraNode(StackNode):
    """Publishes colour, depth aligned to colour, both camera_infos and the device's static transforms."""

    NODE_NAME = "camera"
    Config = CameraConfig

    def setup(self) -> None:
        """Find the device or open the file, and start its streams."""
        self._rs = _librealsense()
        self._ended = threading.Event()
        config = self.config
        self._pipeline = self._rs.pipeline()
        self._started = False
        if config.device_file and not Path(config.device_file).is_file():
            raise ValueError(f"there is no device file {config.device_file!r} (parameter device_file)")
        if not config.device_file:
            self._check_device(config.serial_number)
        self._profile = self._start_streams()
        self._align = self._rs.align(self._rs.stream.color)
        color = self._profile.get_stream(self._rs.stream.color).as_video_stream_profile()
        intrinsics = color.get_intrinsics()
        self._camera = PinholeCamera(intrinsics.width, intrinsics.height, intrinsics.fx, intrinsics.fy, intrinsics.ppx,
                                     intrinsics.ppy)
        self._distortion = [float(c) for c in intrinsics.coeffs]
        depth = self._profile.get_stream(self._rs.stream.depth)
        self._T_depth_color = matrix_from_extrinsics(color.get_extrinsics_to(depth))
        self._depth_scale = float(self._profile.get_device().first_depth_sensor().get_depth_scale())
        aligned = f"{config.namespace}/aligned_depth_to_color"
        self._color = self.create_publisher(Image, f"{config.namespace}/color/image_raw", IMAGE_QOS)
        self._color_info = self.create_publisher(CameraInfo, f"{config.namespace}/color/camera_info", IMAGE_QOS)
        self._depth = self.create_publisher(Image, f"{aligned}/image_raw", IMAGE_QOS)
        self._depth_info = self.create_publisher(CameraInfo, f"{aligned}/camera_info", IMAGE_QOS)
        self._tf_static = self.create_publisher(TFMessage, "/tf_static", STATIC_QOS)
        self._tf_static.publish(TFMessage(transforms=self._static_transforms()))

    def start(self) -> None:
        """Publish frames from a thread of their own: librealsense drops what isn't taken."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Publish no more."""
        self._ended.set()
        if hasattr(self, "_thread"):
            self._thread.join(timeout=FRAME_TIMEOUT * 1e-3 + 1.0)

    def teardown(self) -> None:
        """Stop the streams."""
        if getattr(self, "_started", False):
            self._started = False
            self._pipeline.stop()

    def _check_device(self, serial_number: str) -> None:
        devices = {device.get_info(self._rs.camera_info.serial_number) for device in self._rs.context().query_devices()}
        if not devices:
            raise ValueError("no RealSense device is connected: plug it into a USB 3 port, check `rs-enumerate-devices` and the"
                             " udev rules, or set the parameter device_file to a recording")
        if serial_number and serial_number not in devices:
            raise ValueError(f"no RealSense device has serial number {serial_number!r}; connected: {', '.join(sorted(devices))}")

    def _start_streams(self) -> Any:
        rs, config = self._rs, self.config
        wanted = rs.config()
        if config.device_file:
            # A repeating playback never tells its end and can't be stopped there: the loop is ours.
            wanted.enable_device_from_file(config.device_file, repeat_playback=False)
        else:
            if config.serial_number:
                wanted.enable_device(config.serial_number)
            wanted.enable_stream(rs.stream.depth, config.width, config.height, rs.format.z16, config.rate)
            wanted.enable_stream(rs.stream.color, config.width, config.height, rs.format.rgb8, config.rate)
        try:
            profile = self._pipeline.start(wanted)
        except RuntimeError as error:
            live = f"the device at {config.width}x{config.height}, {config.rate} Hz"
            what = f"device file {config.device_file}" if config.device_file else live
            raise ValueError(f"can't start {what}: {error}") from error
        self._started = True
        streams = {profile.stream_type() for profile in profile.get_streams()}
        if missing := [name for name, kind in (("colour", rs.stream.color), ("depth", rs.stream.depth)) if kind not in streams]:
            raise ValueError(f"{config.device_file or 'the device'} has no {' and no '.join(missing)} stream")
        return profile

    def _run(self) -> None:
        count, lost, began = 0, 0, time.monotonic()
        while not self._ended.is_set():
            try:
                frames = self._pipeline.wait_for_frames(FRAME_TIMEOUT)
            except RuntimeError as error:   # "Frame didn't arrive": the end of a file, or a device that is gone
                if self._ended.is_set():
                    return
                if self.config.device_file and self._playback_stopped():
                    if self.config.at_end == "stop":
                        self.report(OK, f"{self.config.device_file} has ended", frames=count)
                        return
                    self._rewind()
                    continue
                lost += 1
                self.report(WARN, f"no frame for {lost * FRAME_TIMEOUT / 1000:.1f} s: {error}", frames=count)
                if lost >= TIMEOUTS_LOST:
                    self.get_logger().fatal(f"the camera is gone: {error}")
                    self.exit(1)   # started anew, configure finds it again or says what is wrong
                    return
                continue
            lost = 0
            if self._publish(frames):
                count += 1
                if count % 15 == 1:
                    self.report(OK, "streaming", frames=count, hz=f"{count / max(1e-3, time.monotonic() - began):.1f}")

    def _playback_stopped(self) -> bool:
        status = self._profile.get_device().as_playback().current_status()
        return bool(status == self._rs.playback_status.stopped)

    def _rewind(self) -> None:
        self._pipeline.stop()
        self._started = False
        self._profile = self._start_streams()

    def _publish(self, frames: Any) -> bool:
        aligned = self._align.process(frames)
        color, depth = aligned.get_color_frame(), aligned.get_depth_frame()
        if not color or not depth:
            return False   # the first sets of a stream may have one of the two only
        stamp = self.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id=self.config.color_frame)
        info = info_from_camera(self._camera, header)
        info.d = self._distortion
        self._color_info.publish(info)
        self._depth_info.publish(info)
        pixels = np.asanyarray(color.get_data())
        if color.get_profile().format() == self._rs.format.bgr8:
            pixels = pixels[..., ::-1]
        self._color.publish(image_from_color(np.ascontiguousarray(pixels), header))
        self._depth.publish(image_from_array(millimetres(np.asanyarray(depth.get_data()), self._depth_scale), "16UC1", header))
        return True

    def _static_transforms(self) -> list[Any]:
        """camera_link sits in the depth sensor, as in realsense-ros; the colour sensor is where the device's extrinsics say."""
        config, stamp = self.config, self.get_clock().now().to_msg()
        T_optical = np.eye(4)
        T_optical[:3, :3] = OPTICAL
        T_link_color = T_optical @ self._T_depth_color @ np.linalg.inv(T_optical)
        pairs = ((config.link_frame, _body_frame(config.depth_frame), np.eye(4)),
                 (_body_frame(config.depth_frame), config.depth_frame, T_optical),
                 (config.link_frame, _body_frame(config.color_frame), T_link_color),
                 (_body_frame(config.color_frame), config.color_frame, T_optical))
        return [transform_from_matrix(T, parent, child, stamp) for parent, child, T in pairs]


def matrix_from_extrinsics(extrinsics: Any) -> NDArray[np.float64]:
    """T_to_from (4, 4) of librealsense extrinsics, whose rotation is column-major."""
    T_to_from = np.eye(4)
    T_to_from[:3, :3] = np.asarray(extrinsics.rotation, dtype=float).reshape(3, 3).T
    T_to_from[:3, 3] = extrinsics.translation
    return T_to_from


def millimetres(depth: NDArray[np.uint16], scale: float) -> NDArray[np.uint16]:
    """Depth in millimetres of (H, W) uint16 depth in units of scale [m]; what millimetres can't hold becomes 0, invalid."""
    if abs(scale - 0.001) < 1e-9:
        return depth
    converted = np.rint(depth * (scale * 1000.0))
    return np.where(converted <= np.iinfo(np.uint16).max, converted, 0).astype(np.uint16)


def _body_frame(optical_frame: str) -> str:
    return optical_frame.replace("_optical_frame", "_frame")


def _librealsense() -> Any:
    try:
        import pyrealsense2
    except ImportError as error:
        raise ValueError(f"pyrealsense2 can't be imported ({error}): run `pip install pyrealsense2` and"
                         " `sudo apt install libusb-1.0-0`, or use realsense2_camera") from error
    return pyrealsense2


def main() -> int:
    """Run the node."""
    return run(CameraNode)


if __name__ == "__main__":
    sys.exit(main())
