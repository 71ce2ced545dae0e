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

"""Records a .db3 as a D435 would, from pushed frames: librealsense without hardware."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE = 640, 480, 30
DEPTH_FOCAL, COLOR_FOCAL, BASELINE = 385.0, 615.0, 0.015   # [px], [px], colour sensor right of the depth sensor [m]
Scene = Callable[[int], tuple[NDArray[np.uint16], NDArray[np.uint8]]]


def wall_with_box(number: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Depth [mm] and colour of a wall 1 m away with a box 0.6 m away, at (220, 240) of the depth image."""
    depth = np.full((HEIGHT, WIDTH), 1000, np.uint16)
    depth[180:300, 160:280] = 600
    depth[:, :20] = 0   # the border that a stereo pair can't match
    color = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    color[..., 0], color[..., 2] = 200, number   # red, so that swapped channels show
    return depth, color


def record(path: Path, frames: int = 6, scene: Scene = wall_with_box, color: bool = True) -> None:
    """Write a recording of a software device."""
    device = rs.software_device()
    device.register_info(rs.camera_info.name, "Intel RealSense D435 (software)")
    device.register_info(rs.camera_info.serial_number, "SW0001")
    stereo = device.add_sensor("Stereo Module")
    depth_profile = stereo.add_video_stream(_stream(rs.stream.depth, rs.format.z16, 2, 0, DEPTH_FOCAL),
                                            True).as_video_stream_profile()
    stereo.add_read_only_option(rs.option.depth_units, 0.001)
    if color:
        camera = device.add_sensor("RGB Camera")
        color_profile = camera.add_video_stream(_stream(rs.stream.color, rs.format.rgb8, 3, 1, COLOR_FOCAL),
                                                True).as_video_stream_profile()
        extrinsics = rs.extrinsics()
        extrinsics.rotation, extrinsics.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [BASELINE, 0, 0]
        depth_profile.register_extrinsics_to(color_profile, extrinsics)
    recorder = rs.recorder(str(path), device)
    queue = rs.frame_queue(50, keep_frames=True)
    sensors = recorder.query_sensors()   # must be opened through the recorder to be recorded
    for sensor in sensors:
        sensor.open(sensor.get_stream_profiles()[0])
        sensor.start(queue)
    for number in range(1, frames + 1):
        depth_image, color_image = scene(number)
        stereo.on_video_frame(_frame(number, depth_profile, depth_image, 2))
        if color:
            camera.on_video_frame(_frame(number, color_profile, color_image, 3))
        time.sleep(1 / RATE)   # the recorder stamps frames as they come
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    del recorder, sensors, sensor, device
    gc.collect()   # librealsense closes the file when its last object goes


def _stream(kind: rs.stream, form: rs.format, size: int, uid: int, focal: float) -> rs.video_stream:
    stream = rs.video_stream()
    stream.type, stream.index, stream.uid, stream.fmt = kind, 0, uid, form
    stream.width, stream.height, stream.fps, stream.bpp = WIDTH, HEIGHT, RATE, size
    intrinsics = rs.intrinsics()
    intrinsics.width, intrinsics.height, intrinsics.fx, intrinsics.fy = WIDTH, HEIGHT, focal, focal
    intrinsics.ppx, intrinsics.ppy = WIDTH / 2, HEIGHT / 2
    intrinsics.model, intrinsics.coeffs = rs.distortion.brown_conrady, [0, 0, 0, 0, 0]
    stream.intrinsics = intrinsics
    return stream


def _frame(number: int, profile: rs.video_stream_profile, pixels: NDArray[np.generic], size: int) -> rs.software_video_frame:
    frame = rs.software_video_frame()
    frame.stride, frame.bpp, frame.timestamp, frame.frame_number = WIDTH * size, size, number * 1000.0 / RATE, number
    frame.domain, frame.profile, frame.pixels = rs.timestamp_domain.hardware_clock, profile, np.ascontiguousarray(pixels)
    if size == 2:
        frame.depth_units = 0.001
    return frame
