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

"""TransformTree: chains, interpolation, buffering, and errors that name frames and times."""

import numpy as np
import pytest

from objectcentric_ros.geometry import se3
from objectcentric_ros.geometry.transform_tree import ExtrapolationError, TransformTree, UnconnectedFrames, UnknownFrame


@pytest.fixture
def arm():
    """The hand moves in base along x with time and turns about z; the camera is fixed to it."""
    tree = TransformTree(buffer_length=5.0)
    tree.set("hand", "camera", se3.T_from([0, 0, 0.1]))
    for stamp in (1.0, 2.0, 3.0):
        tree.set("base", "hand", _pose(stamp), stamp)
    return tree


def _pose(stamp):
    pose = se3.exp([0, 0, 0, 0, 0, stamp - 1.0])
    pose[0, 3] = stamp
    return pose


def test_chain_through_static_and_stamped_links(arm):
    np.testing.assert_allclose(arm.lookup("base", "camera", 2.0), _pose(2.0) @ se3.T_from([0, 0, 0.1]), atol=1e-12)


def test_inverse_lookup_is_the_inverse(arm):
    np.testing.assert_allclose(arm.lookup("camera", "base", 1.3) @ arm.lookup("base", "camera", 1.3), np.eye(4), atol=1e-12)


def test_interpolation_between_samples(arm):
    np.testing.assert_allclose(arm.lookup("base", "hand", 2.25), _pose(2.25), atol=1e-12)


def test_siblings_meet_at_their_common_parent(arm):
    arm.set("base", "tray", se3.T_from([0.5, 0, 0]))
    np.testing.assert_allclose(arm.lookup("tray", "hand", 1.0)[:3, 3], [0.5, 0, 0], atol=1e-12)


def test_no_stamp_is_the_newest_common_time(arm):
    arm.set("hand", "finger", se3.T_from([0, 0.01, 0]), 2.5)
    np.testing.assert_allclose(arm.lookup("base", "finger"), _pose(2.5) @ se3.T_from([0, 0.01, 0]), atol=1e-12)
    assert arm.newest("base", "finger") == 2.5
    assert arm.newest("base", "camera") == 3.0
    assert arm.newest("hand", "camera") is None


def test_a_frame_to_itself_is_the_identity(arm):
    np.testing.assert_array_equal(arm.lookup("hand", "hand", 99.0), np.eye(4))


def test_static_links_hold_at_any_time(arm):
    np.testing.assert_allclose(arm.lookup("hand", "camera", 1e9)[2, 3], 0.1)


@pytest.mark.parametrize("stamp, direction", [(0.9, "past"), (3.001, "future")])
def test_extrapolation_names_frames_and_times(arm, stamp, direction):
    with pytest.raises(ExtrapolationError, match=rf"base <- hand at {stamp:.3f} s.*{direction}: buffered 1.000 .. 3.000 s"):
        arm.lookup("base", "camera", stamp)


def test_unknown_frame_lists_the_known_ones(arm):
    with pytest.raises(UnknownFrame, match="'gripper' is not known; known frames: base, camera, hand"):
        arm.lookup("base", "gripper", 1.0)
    with pytest.raises(UnknownFrame, match="none yet"):
        TransformTree().lookup("a", "b")


def test_unconnected_frames_name_their_roots(arm):
    arm.set("map", "robot", np.eye(4))
    with pytest.raises(UnconnectedFrames, match="'robot' .root 'map'. and 'camera' .root 'base'."):
        arm.lookup("robot", "camera")


def test_old_samples_leave_the_buffer(arm):
    arm.set("base", "hand", _pose(7.5), 7.5)
    arm.lookup("base", "hand", 3.0)
    with pytest.raises(ExtrapolationError, match="buffered 3.000"):
        arm.lookup("base", "hand", 2.4)


def test_samples_out_of_order_and_repeated_stamps():
    tree = TransformTree()
    for stamp in (3.0, 1.0, 2.0):
        tree.set("a", "b", se3.T_from([stamp, 0, 0]), stamp)
    assert tree.lookup("a", "b", 1.5)[0, 3] == pytest.approx(1.5)
    tree.set("a", "b", se3.T_from([9, 0, 0]), 2.0)
    assert tree.lookup("a", "b", 2.0)[0, 3] == 9


def test_a_clock_that_jumps_back_starts_again(arm):
    arm.set("base", "hand", _pose(100.0), 100.0)
    arm.set("base", "hand", _pose(0.5), 0.5)
    assert arm.lookup("base", "hand")[0, 3] == 0.5
    with pytest.raises(ExtrapolationError):
        arm.lookup("base", "hand", 100.0)
    arm.clear()
    assert arm.frames() == ("camera", "hand")


def test_a_frame_may_get_another_parent(arm):
    arm.set("world", "base", np.eye(4))
    arm.set("world", "hand", se3.T_from([7, 0, 0]), 10.0)
    assert arm.lookup("world", "camera", 10.0)[0, 3] == 7


def test_tf1_slashes_are_dropped(arm):
    np.testing.assert_array_equal(arm.lookup("/hand", "/camera", 1.0), arm.lookup("hand", "camera", 1.0))


@pytest.mark.parametrize("arguments, message", [
    (("a", "a", np.eye(4)), "two different frame names"),
    (("", "a", np.eye(4)), "two different frame names"),
    (("camera", "base", np.eye(4)), "close a cycle: camera <- hand <- base"),
    (("a", "b", np.full((4, 4), np.nan)), "a <- b must be a finite"),
    (("a", "b", np.eye(4), np.inf), "stamp of transform a <- b must be finite"),
])
def test_bad_transforms_are_refused(arm, arguments, message):
    with pytest.raises(ValueError, match=message):
        arm.set(*arguments)


def test_the_caller_may_reuse_its_matrix():
    tree, T = TransformTree(), np.eye(4)
    tree.set("a", "b", T)
    T[0, 3] = 5
    assert tree.lookup("a", "b")[0, 3] == 0
