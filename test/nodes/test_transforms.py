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

"""The tf listener."""

from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from tf2_msgs.msg import TFMessage

from objectcentric_ros.geometry.se3 import T_from
from objectcentric_ros.nodes.conversions import transform_from_matrix
from objectcentric_ros.nodes.transforms import DYNAMIC_QOS, STATIC_QOS, TransformListener

from .node_bench import NodeBench


def test_static_and_moving_transforms_make_a_tree(bench: NodeBench) -> None:
    static = bench.client.create_publisher(TFMessage, "/tf_static", STATIC_QOS)
    T_hand_camera = T_from([0.07, 0.0, 0.04], [0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
    static.publish(TFMessage(transforms=[transform_from_matrix(T_hand_camera, "hand", "camera", Time())]))
    listener = TransformListener(bench.client)   # comes later than the latched message
    moving = bench.client.create_publisher(TFMessage, "/tf", DYNAMIC_QOS)
    bench.wait_for(lambda: moving.get_subscription_count() and "camera" in listener.tree.frames(), "discovery")
    for second in (1, 2):
        T_base_hand = T_from([float(second), 0.0, 0.0])
        moving.publish(TFMessage(transforms=[transform_from_matrix(T_base_hand, "base", "hand", Time(sec=second))]))
    halfway = Time(sec=1, nanosec=500_000_000)
    T_base_camera = listener.lookup("base", "camera", halfway, timeout=5.0)
    np.testing.assert_allclose(T_base_camera, T_from([1.5, 0.0, 0.0]) @ T_hand_camera, atol=1e-12)


def test_unknown_frame_is_named_after_the_timeout(bench: NodeBench) -> None:
    listener = TransformListener(bench.client)
    with pytest.raises(LookupError, match="'base'"):
        listener.lookup("base", "camera", timeout=0.1)


def test_broken_transform_is_left_out(bench: NodeBench) -> None:
    listener = TransformListener(bench.client)
    moving = bench.client.create_publisher(TFMessage, "/tf", DYNAMIC_QOS)
    bench.wait_for(moving.get_subscription_count, "discovery")
    broken = transform_from_matrix(np.eye(4), "base", "ghost", Time(sec=1))
    broken.transform.rotation.w = float("nan")
    moving.publish(TFMessage(transforms=[broken, transform_from_matrix(np.eye(4), "base", "hand", Time(sec=1))]))
    bench.wait_for(lambda: "hand" in listener.tree.frames(), "the good one")
    assert "ghost" not in listener.tree.frames()
