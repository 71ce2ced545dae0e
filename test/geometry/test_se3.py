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

"""SE(3) against scipy (oracle), against the matrix exponential, by round trips and at the hard angles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation, Slerp

from objectcentric_ros.geometry import se3

unit = (st.tuples(*[st.floats(-1, 1)] * 3).map(np.array).filter(lambda a: np.linalg.norm(a) > 0.1)
        .map(lambda a: a / np.linalg.norm(a)))
vector = st.tuples(*[st.floats(-2, 2)] * 3).map(np.array)
# 0, both sides of the Taylor branches (1e-4, 1e-2), the middle, and pi up to one part in 1e12
angle = st.one_of(st.floats(0, np.pi), st.sampled_from(
    [0.0, 1e-12, 1e-8, 9.9e-5, 1.01e-4, 1e-3, 9.9e-3, 1.01e-2, 1.0, 2.0,
     np.pi - 1.01e-2, np.pi - 9.9e-3, np.pi - 1e-6, np.pi - 1e-12]))


def random_transform(rng):
    return se3.T_from(rng.uniform(-1, 1, 3), rng.normal(size=4))


@settings(max_examples=150, deadline=None)
@given(unit, angle, vector)
def test_exp_is_the_matrix_exponential(axis, theta, v):
    generator = np.zeros((4, 4))
    generator[:3, :3], generator[:3, 3] = se3.skew(axis * theta), v
    np.testing.assert_allclose(se3.exp(np.concatenate([v, axis * theta])), expm(generator), atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(unit, angle, vector)
def test_log_inverts_exp_at_every_angle(axis, theta, v):
    xi = np.concatenate([v, axis * theta])
    np.testing.assert_allclose(se3.log(se3.exp(xi)), xi, atol=2e-9)


@settings(max_examples=100, deadline=None)
@given(unit, angle)
def test_rotation_log_agrees_with_scipy_below_pi(axis, theta):
    R = Rotation.from_rotvec(axis * theta).as_matrix()
    np.testing.assert_allclose(se3.rotation_log(R), Rotation.from_matrix(R).as_rotvec(), atol=1e-8)
    assert se3.rotation_angle(R) == pytest.approx(theta, abs=1e-9)


@pytest.mark.parametrize("R", [np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])])
def test_log_at_exactly_pi(R):
    w = se3.rotation_log(R)
    assert np.linalg.norm(w) == pytest.approx(np.pi)
    np.testing.assert_allclose(se3.rotation_exp(w), R, atol=1e-12)


def test_exp_of_a_rotation_beyond_pi_comes_back_as_the_short_way():
    np.testing.assert_allclose(se3.log(se3.exp([0, 0, 0, 0, 0, 1.5 * np.pi]))[3:], [0, 0, -0.5 * np.pi], atol=1e-12)


def test_screw_motion_by_hand():
    # A quarter turn about z while moving at the twist (1, 0, 0): along a circle of radius 2 / pi.
    T = se3.exp([1, 0, 0, 0, 0, np.pi / 2])
    np.testing.assert_allclose(T[:3, 3], [2 / np.pi, 2 / np.pi, 0], atol=1e-15)
    np.testing.assert_allclose(se3.log(se3.exp([0.1, 0.2, 0.3, 0, 0, 0])), [0.1, 0.2, 0.3, 0, 0, 0], atol=1e-15)


def test_compose_and_invert():
    rng = np.random.default_rng(0)
    for _ in range(50):
        T_a_b, T_b_c, T_c_d = (random_transform(rng) for _ in range(3))
        T_a_d = se3.compose(T_a_b, T_b_c, T_c_d)
        point = rng.normal(size=3)
        expected = T_a_b @ (T_b_c @ (T_c_d @ np.append(point, 1)))
        np.testing.assert_allclose(se3.transform_points(T_a_d, point), expected[:3], atol=1e-12)
        np.testing.assert_allclose(se3.invert(T_a_d), np.linalg.inv(T_a_d), atol=1e-12)
    np.testing.assert_array_equal(se3.compose(), np.eye(4))


def test_transform_points_keeps_shape_and_nan():
    points = np.zeros((2, 3, 3))
    points[0, 1] = np.nan
    moved = se3.transform_points(se3.T_from([1, 2, 3]), points)
    assert moved.shape == (2, 3, 3) and np.isnan(moved[0, 1]).all()
    np.testing.assert_array_equal(moved[1, 2], [1, 2, 3])


def test_quaternions_agree_with_scipy_and_have_non_negative_w():
    rng = np.random.default_rng(1)
    for R in [*Rotation.random(200, random_state=2).as_matrix(), np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.eye(3)]:
        quaternion = se3.quaternion_from_matrix(R)
        assert quaternion[3] >= 0 and np.linalg.norm(quaternion) == pytest.approx(1)
        np.testing.assert_allclose(se3.matrix_from_quaternion(quaternion), R, atol=1e-12)
        np.testing.assert_allclose(se3.matrix_from_quaternion(quaternion * rng.uniform(0.5, 2)),
                                   Rotation.from_quat(quaternion).as_matrix(), atol=1e-12)


def test_slerp_agrees_with_scipy_and_takes_the_short_way():
    rng = np.random.default_rng(3)
    for _ in range(50):
        q0, q1 = Rotation.random(random_state=int(rng.integers(1e6))), Rotation.random(random_state=int(rng.integers(1e6)))
        fraction = rng.uniform()
        expected = Slerp([0, 1], Rotation.concatenate([q0, q1]))(fraction).as_matrix()
        for sign in (1, -1):
            result = se3.slerp(q0.as_quat(), sign * q1.as_quat(), fraction)
            np.testing.assert_allclose(se3.matrix_from_quaternion(result), expected, atol=1e-9)


def test_interpolate_halfway_by_hand():
    T_1 = se3.T_from([2, 0, 0], [0, 0, np.sin(np.pi / 4), np.cos(np.pi / 4)])
    middle = se3.interpolate(np.eye(4), T_1, 0.5)
    np.testing.assert_allclose(middle[:3, 3], [1, 0, 0])
    np.testing.assert_allclose(se3.rotation_log(middle[:3, :3]), [0, 0, np.pi / 4], atol=1e-12)


@pytest.mark.parametrize("call, message", [
    (lambda: se3.exp([1, 2, 3]), r"twist must be \(6,\)"),
    (lambda: se3.invert(np.eye(3)), r"must be \(4, 4\)"),
    (lambda: se3.rotation_log(np.diag([1.0, 1, -1])), "not a rotation"),
    (lambda: se3.rotation_log(2 * np.eye(3)), "not a rotation"),
    (lambda: se3.log(np.full((4, 4), np.nan)), "not a rotation"),
    (lambda: se3.matrix_from_quaternion([0, 0, 0, 0]), "message left empty"),
    (lambda: se3.matrix_from_quaternion([0, 0, 0, np.nan]), "no direction"),
    (lambda: se3.T_from([1, 2]), "translation must be"),
    (lambda: se3.transform_points(np.eye(4), [1, 2]), r"\(\.\.\., 3\)"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
