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


"""Inverse kinematics on a MuJoCo model, by damped least squares."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray


class UnreachablePose(ValueError):
    """No joint positions within limits bring the TCP to the pose."""


def solve_pose(model: mujoco.MjModel, body: str, offset: NDArray[np.float64], T_base_goal: NDArray[np.float64],
               joints: tuple[str, ...], start: NDArray[np.float64], iterations: int = 300) -> NDArray[np.float64]:
    """Joint positions that bring a point of a body to a pose; the same arguments give the same answer.

    Args:
        model: the robot; joints are hinges.
        body: body that carries the point and whose axes are aligned.
        offset: (3,) point in the body's frame [m].
        T_base_goal: (4, 4) wanted pose; the model's world is the base frame.
        joints: N joint names.
        start: (N,) [rad] where the search starts; the answer is near it.
        iterations: steps at most.

    Returns:
        (N,) [rad], within limits, exact to 0.01 mm and 0.0001 rad.

    Raises:
        UnreachablePose: not reached.
    """
    data = mujoco.MjData(model)
    index = [model.joint(name).qposadr[0] for name in joints]
    dof = [model.joint(name).dofadr[0] for name in joints]
    limits = np.array([model.joint(name).range for name in joints])
    body_id = model.body(body).id
    q = np.asarray(start, dtype=float).copy()
    goal_quaternion, error = np.zeros(4), np.zeros(6)
    mujoco.mju_mat2Quat(goal_quaternion, np.ascontiguousarray(T_base_goal[:3, :3]).ravel())
    jacobian = np.zeros((6, model.nv))
    for _ in range(iterations):
        data.qpos[index] = q
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        point = data.xpos[body_id] + data.xmat[body_id].reshape(3, 3) @ offset
        error[:3] = T_base_goal[:3, 3] - point
        mujoco.mju_subQuat(error[3:], goal_quaternion, data.xquat[body_id])
        error[3:] = data.xmat[body_id].reshape(3, 3) @ error[3:]
        if np.abs(error[:3]).max() < 1e-5 and np.abs(error[3:]).max() < 1e-4:
            return q
        mujoco.mj_jac(model, data, jacobian[:3], jacobian[3:], point, body_id)
        J = jacobian[:, dof]
        step = J.T @ np.linalg.solve(J @ J.T + 1e-4 * np.eye(6), error)
        q = np.clip(q + np.clip(step, -0.2, 0.2), limits[:, 0] + 0.01, limits[:, 1] - 0.01)
    position = np.round(T_base_goal[:3, 3], 3).tolist()
    raise UnreachablePose(f"the TCP cannot reach {position}: {np.linalg.norm(error[:3]) * 1000:.1f} mm and "
                          f"{np.linalg.norm(error[3:]):.3f} rad remain after {iterations} steps")
