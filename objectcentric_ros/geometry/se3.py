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

"""SE(3) and SO(3): exponential, logarithm, composition, quaternions.

Conventions: T_target_source maps source coordinates into target coordinates; a twist is [v, w] with the linear
part first; quaternions are (x, y, z, w) as in ROS. All matrices are float64. Formulas: J. Solà, J. Deray and
D. Atchuthan, "A micro Lie theory for state estimation in robotics", arXiv:1812.01537, appendices B and D.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Below this angle [rad] the closed forms lose digits and the Taylor series is exact to machine precision:
# the first dropped term is of order angle^4 and smaller than 1e-16.
_SMALL_ANGLE = 1e-4
# Above this cosine-side distance from pi the antisymmetric part of R is too short to give the axis.
_NEAR_PI = 1e-2


def compose(*transforms: ArrayLike) -> NDArray[np.float64]:
    """Product of transforms (4, 4): of T_a_b, T_b_c and T_c_d it is T_a_d; of none the identity."""
    result = np.eye(4)
    for transform in transforms:
        result = result @ _as_transform(transform)
    return result


def invert(T_target_source: ArrayLike) -> NDArray[np.float64]:
    """T_source_target (4, 4) of a rigid transform, by transposition of its rotation (no matrix inverse)."""
    transform = _as_transform(T_target_source)
    inverse = np.eye(4)
    inverse[:3, :3] = transform[:3, :3].T
    inverse[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return inverse


def transform_points(T_target_source: ArrayLike, points: ArrayLike) -> NDArray[np.float64]:
    """Points (..., 3) [m] in source coordinates -> the same points in target coordinates; NaN stays NaN."""
    transform = _as_transform(T_target_source)
    points = np.asarray(points, dtype=np.float64)
    if points.shape[-1:] != (3,):
        raise ValueError(f"points must be (..., 3), got {points.shape}")
    return points @ transform[:3, :3].T + transform[:3, 3]


def T_from(translation: ArrayLike, quaternion: ArrayLike = (0.0, 0.0, 0.0, 1.0)) -> NDArray[np.float64]:
    """Transform (4, 4) of a translation (3,) [m] and a quaternion (4,) (x, y, z, w) of any length but zero."""
    translation = np.asarray(translation, dtype=np.float64)
    if translation.shape != (3,):
        raise ValueError(f"translation must be (3,), got {translation.shape}")
    transform = np.eye(4)
    transform[:3, :3] = matrix_from_quaternion(quaternion)
    transform[:3, 3] = translation
    return transform


def skew(w: ArrayLike) -> NDArray[np.float64]:
    """Cross-product matrix (3, 3) of w: its product with x is the cross product of w and x."""
    x, y, z = np.asarray(w, dtype=np.float64)
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def exp(xi: ArrayLike) -> NDArray[np.float64]:
    """Transform (4, 4) of a twist.

    Args:
        xi: (6,) [v, w]: linear part [m], rotation vector [rad] of any length.

    Raises:
        ValueError: the shape is not (6,).
    """
    xi = np.asarray(xi, dtype=np.float64)
    if xi.shape != (6,):
        raise ValueError(f"a twist must be (6,) [v, w], got {xi.shape}")
    transform = np.eye(4)
    transform[:3, :3] = rotation_exp(xi[3:])
    transform[:3, 3] = _left_jacobian(xi[3:]) @ xi[:3]
    return transform


def log(T: ArrayLike) -> NDArray[np.float64]:
    """Twist (6,) [v, w] of a transform, |w| <= pi; the inverse of exp, stable at the identity and near pi.

    Raises:
        ValueError: the matrix is not a finite rigid transform.
    """
    transform = _as_transform(T)
    w = rotation_log(transform[:3, :3])
    return np.concatenate([_left_jacobian_inverse(w) @ transform[:3, 3], w])


def rotation_exp(w: ArrayLike) -> NDArray[np.float64]:
    """Rotation matrix (3, 3) of a rotation vector (3,) [rad]: Rodrigues' formula with a Taylor branch at zero."""
    w = np.asarray(w, dtype=np.float64)
    angle = float(np.linalg.norm(w))
    K = skew(w)
    if angle < _SMALL_ANGLE:
        first, second = 1.0 - angle**2 / 6.0, 0.5 - angle**2 / 24.0
    else:
        # (1 - cos) / angle^2 written with the half angle: no cancellation for small angles.
        first, second = np.sin(angle) / angle, 0.5 * (np.sin(angle / 2) / (angle / 2)) ** 2
    return np.eye(3) + first * K + second * K @ K


def rotation_log(R: ArrayLike) -> NDArray[np.float64]:
    """Rotation vector (3,) [rad] of a rotation matrix (3, 3), length <= pi; at exactly pi the sign is arbitrary."""
    R = _as_rotation(R)
    antisymmetric = 0.5 * np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]])  # sin(angle) * axis
    angle = rotation_angle(R)
    if angle < _SMALL_ANGLE:
        return antisymmetric * (1.0 + angle**2 / 6.0)
    if angle < np.pi - _NEAR_PI:
        return antisymmetric * (angle / np.sin(angle))
    # Near pi the antisymmetric part vanishes; the symmetric part is (1 - cos) axis axis^T + cos I.
    # Its longest column gives the axis up to sign; the antisymmetric part gives the sign while there is one.
    outer = 0.5 * (R + R.T) - np.cos(angle) * np.eye(3)
    column = outer[:, int(np.argmax(np.diag(outer)))]
    axis = column / np.linalg.norm(column)
    if antisymmetric @ axis < 0:
        axis = -axis
    return angle * axis


def rotation_angle(R: ArrayLike) -> float:
    """Angle [rad] in 0..pi of a rotation matrix (3, 3) or of the rotation in a transform (4, 4).

    Uses atan2 of the sine and cosine parts: arccos of the trace has no digits left near 0 and pi.
    """
    R = _as_rotation(np.asarray(R, dtype=np.float64)[:3, :3])
    sine = 0.5 * np.linalg.norm([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]])
    return float(np.arctan2(sine, 0.5 * (np.trace(R) - 1.0)))


def quaternion_from_matrix(R: ArrayLike) -> NDArray[np.float64]:
    """Unit quaternion (4,) (x, y, z, w), w >= 0, of a rotation (3, 3) or a transform (4, 4).

    The largest of the four squared components is divided by (Shepperd's method), so no branch divides by little.
    """
    R = _as_rotation(np.asarray(R, dtype=np.float64)[:3, :3])
    trace = np.trace(R)
    squares = np.array([*(1.0 - trace + 2.0 * np.diag(R)), 1.0 + trace])
    largest = int(np.argmax(squares))
    if largest == 3:
        quaternion = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], squares[3]])
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        quaternion = np.zeros(4)
        quaternion[i] = squares[i]
        quaternion[j] = R[j, i] + R[i, j]
        quaternion[k] = R[k, i] + R[i, k]
        quaternion[3] = R[k, j] - R[j, k]
    quaternion /= np.linalg.norm(quaternion)
    return -quaternion if quaternion[3] < 0 else quaternion


def matrix_from_quaternion(quaternion: ArrayLike) -> NDArray[np.float64]:
    """Rotation matrix (3, 3) of a quaternion (4,) (x, y, z, w), normalised first.

    Raises:
        ValueError: wrong shape, not finite, or length zero (an unset ROS message).
    """
    quaternion = np.asarray(quaternion, dtype=np.float64)
    if quaternion.shape != (4,):
        raise ValueError(f"a quaternion must be (4,) (x, y, z, w), got {quaternion.shape}")
    length = np.linalg.norm(quaternion)
    if not np.isfinite(length) or length < 1e-9:
        raise ValueError(f"quaternion (x, y, z, w) = {quaternion.tolist()} has no direction; was the message left empty?")
    x, y, z, w = quaternion / length
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])


def slerp(first: ArrayLike, second: ArrayLike, fraction: float) -> NDArray[np.float64]:
    """Quaternion (4,) (x, y, z, w) between two unit quaternions on the shorter arc; fraction 0 first, 1 second."""
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first @ second < 0:  # q and -q are the same rotation: take the nearer one
        second = -second
    # atan2 of chord lengths: arccos of the dot product has no digits left for near rotations.
    half_angle = 2.0 * np.arctan2(np.linalg.norm(first - second), np.linalg.norm(first + second))
    if half_angle < 1e-9:
        return first
    return (np.sin((1 - fraction) * half_angle) * first + np.sin(fraction * half_angle) * second) / np.sin(half_angle)


def interpolate(T_0: ArrayLike, T_1: ArrayLike, fraction: float) -> NDArray[np.float64]:
    """Pose between two poses (4, 4): translation on the straight line, rotation by slerp (as tf2 does)."""
    T_0, T_1 = _as_transform(T_0), _as_transform(T_1)
    translation = (1 - fraction) * T_0[:3, 3] + fraction * T_1[:3, 3]
    return T_from(translation, slerp(quaternion_from_matrix(T_0), quaternion_from_matrix(T_1), fraction))


def _left_jacobian(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """V(w) with exp([v, w]) translation = V v."""
    angle = float(np.linalg.norm(w))
    K = skew(w)
    if angle < _SMALL_ANGLE:
        first, second = 0.5 - angle**2 / 24.0, 1.0 / 6.0 - angle**2 / 120.0
    else:
        first = 0.5 * (np.sin(angle / 2) / (angle / 2)) ** 2
        second = (angle - np.sin(angle)) / angle**3
    return np.eye(3) + first * K + second * K @ K


def _left_jacobian_inverse(w: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = float(np.linalg.norm(w))
    K = skew(w)
    # 1/a^2 - cot(a/2) / (2a) stays finite at pi, where the textbook form (1 + cos) / (2 a sin) is 0/0.
    second = 1.0 / 12.0 + angle**2 / 720.0 if angle < 1e-2 else (1.0 - 0.5 * angle / np.tan(angle / 2)) / angle**2
    return np.eye(3) - 0.5 * K + second * K @ K


def _as_transform(T: ArrayLike) -> NDArray[np.float64]:
    transform = np.asarray(T, dtype=np.float64)
    if transform.shape != (4, 4):
        raise ValueError(f"a transform must be (4, 4), got {transform.shape}")
    return transform


def _as_rotation(R: ArrayLike) -> NDArray[np.float64]:
    rotation = np.asarray(R, dtype=np.float64)
    if rotation.shape != (3, 3):
        raise ValueError(f"a rotation must be (3, 3), got {rotation.shape}")
    # 1e-4 accepts float32 matrices and rounded YAML, and refuses scaled, sheared, mirrored or NaN ones.
    if not np.all(np.abs(rotation @ rotation.T - np.eye(3)) < 1e-4) or np.linalg.det(rotation) < 0:
        raise ValueError(f"not a rotation matrix (orthonormal, determinant 1, finite): {rotation.tolist()}")
    return rotation
