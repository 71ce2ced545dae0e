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


"""The execution monitor against hand-computed states of one and two joints."""

import numpy as np
import pytest

from objectcentric_ros.motion.monitor import ExecutionMonitor, MonitorConfig, Progress
from objectcentric_ros.motion.protocols import ArmState, MotionOutcome, Trajectory
from objectcentric_ros.motion.trajectory import accelerations, dwell, sample

# One joint from 0 to 1 rad at 1 rad/s in a second; the second joint stays.
LINE = Trajectory(("elbow", "wrist"), np.array([0.0, 0.5, 1.0]), np.array([[0.0, 0.2], [0.5, 0.2], [1.0, 0.2]]),
                  np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
CONFIG = MonitorConfig(max_state_age=0.1, max_tracking_error=0.05, settle_tolerance=0.002, settle_velocity=0.01,
                       settle_timeout=0.5, goal_tolerance=0.01)


def state(elbow, wrist=0.2, velocity=0.0, age=0.0):
    return ArmState(np.array([elbow, wrist]), np.array([velocity, 0.0]), age)


def test_sample_is_exact_on_a_line_and_clamped_at_its_ends():
    position, velocity = sample(LINE, 0.3)
    assert position == pytest.approx([0.3, 0.2]) and velocity == pytest.approx([1.0, 0.0])
    assert sample(LINE, -1.0)[0] == pytest.approx([0.0, 0.2])
    position, velocity = sample(LINE, 5.0)
    assert position == pytest.approx([1.0, 0.2]) and velocity == pytest.approx([0.0, 0.0])


def test_sample_of_a_quadratic_is_the_quadratic():
    times = np.array([0.0, 1.0, 2.0])
    parabola = Trajectory(("j",), times, (times**2)[:, None], (2 * times)[:, None])
    for t in (0.25, 1.7):
        position, velocity = sample(parabola, t)
        assert position[0] == pytest.approx(t**2) and velocity[0] == pytest.approx(2 * t)
    assert accelerations(parabola) == pytest.approx(np.full((2, 1), 2.0))


def test_dwell_stays():
    trajectory = dwell(("a", "b"), np.array([1.0, 2.0]))
    assert trajectory.duration == pytest.approx(0.01) and not trajectory.velocities.any()


def test_running_while_close():
    verdict = ExecutionMonitor(LINE, CONFIG).update(0.5, state(0.46, velocity=1.0))
    assert verdict.progress is Progress.RUNNING
    assert verdict.tracking_error == pytest.approx(0.04)


def test_tracking_error_names_the_joint():
    monitor = ExecutionMonitor(LINE, CONFIG)
    verdict = monitor.update(0.5, state(0.44, velocity=1.0))
    assert verdict.progress is Progress.TRACKING_ERROR
    assert "elbow" in verdict.message and "0.060" in verdict.message
    result = monitor.result(verdict)
    assert result.outcome is MotionOutcome.TRACKING_ERROR
    assert result.max_tracking_error == pytest.approx(0.06)
    assert result.positions == pytest.approx([0.44, 0.2])


def test_state_is_compared_with_the_command_of_its_own_time():
    """0.09 s old and 0.09 rad behind at 1 rad/s is no error at all."""
    verdict = ExecutionMonitor(LINE, CONFIG).update(0.5, state(0.41, velocity=1.0, age=0.09))
    assert verdict.progress is Progress.RUNNING and verdict.tracking_error == pytest.approx(0.0)


def test_stale_state():
    monitor = ExecutionMonitor(LINE, CONFIG)
    verdict = monitor.update(0.5, state(0.5, age=0.11))
    assert verdict.progress is Progress.STALE_STATE and "0.11 s" in verdict.message
    assert monitor.result(verdict).outcome is MotionOutcome.STALE_STATE


def test_values_that_are_not_finite_are_no_state():
    assert ExecutionMonitor(LINE, CONFIG).update(0.5, state(np.nan)).progress is Progress.STALE_STATE


def test_settles_only_when_near_and_slow():
    monitor = ExecutionMonitor(LINE, CONFIG)
    assert monitor.update(1.0, state(0.97, velocity=0.5)).progress is Progress.RUNNING
    assert monitor.update(1.1, state(0.999, velocity=0.05)).progress is Progress.RUNNING  # near, not slow
    assert monitor.update(1.2, state(0.995)).progress is Progress.RUNNING  # slow, not near
    verdict = monitor.update(1.3, state(0.999, velocity=0.009))
    assert verdict.progress is Progress.SETTLED
    assert monitor.result(verdict).outcome is MotionOutcome.SUCCEEDED


def test_old_state_from_before_the_end_does_not_settle():
    assert ExecutionMonitor(LINE, CONFIG).update(1.05, state(1.0, age=0.08)).progress is Progress.RUNNING


def test_sagging_arm_at_rest_has_arrived_after_the_settle_time():
    monitor = ExecutionMonitor(LINE, CONFIG)
    assert monitor.update(1.49, state(0.992)).progress is Progress.RUNNING
    assert monitor.update(1.51, state(0.992)).progress is Progress.SETTLED


@pytest.mark.parametrize(("elbow", "velocity"), [(0.97, 0.0), (0.995, 0.2)])
def test_timeout_when_it_never_comes_to_rest_at_the_goal(elbow, velocity):
    monitor = ExecutionMonitor(LINE, CONFIG)
    verdict = monitor.update(1.6, state(elbow, velocity=velocity))
    assert verdict.progress is Progress.TIMEOUT and "elbow" in verdict.message
    assert monitor.result(verdict).outcome is MotionOutcome.TRACKING_ERROR


def test_start_far_from_the_arm_is_refused():
    assert ExecutionMonitor(LINE, CONFIG).check_start(state(0.2)).progress is Progress.TRACKING_ERROR
    assert ExecutionMonitor(LINE, CONFIG).check_start(state(0.01)).progress is Progress.RUNNING


def test_stopped_reports_where_the_arm_was_last_seen():
    monitor = ExecutionMonitor(LINE, CONFIG)
    monitor.update(0.3, state(0.28))
    result = monitor.stopped()
    assert result.outcome is MotionOutcome.STOPPED
    assert result.positions == pytest.approx([0.28, 0.2]) and result.max_tracking_error == pytest.approx(0.02)


def test_wrong_number_of_joints():
    with pytest.raises(ValueError, match="3 joints"):
        ExecutionMonitor(LINE, CONFIG).update(0.1, ArmState(np.zeros(3), np.zeros(3), 0.0))
