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


"""The RoboPlan planner in the cell: limits, collisions (checked by Pinocchio and Coal), straightness, errors."""

import functools

import numpy as np
import pytest
import yaml

from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.motion.contacts import ContactFinder
from objectcentric_ros.motion.factory import make_planner, planner_names
from objectcentric_ros.motion.fr3_description import fr3_description
from objectcentric_ros.motion.obstacles import camera_box, known_boxes
from objectcentric_ros.motion.protocols import Box, PlanningError, PlanningFailure, PlanRequest
from objectcentric_ros.motion.roboplan_planner import RoboPlanPlanner
from objectcentric_ros.motion.trajectory import accelerations

LAYOUT = CellLayout.load()
# Franka's documentation of the FR3 [rad], [rad/s]
LOWER = np.array([-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159])
UPPER = np.array([2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159])
MAX_VELOCITY = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
VOXEL = 0.0075


@pytest.fixture(scope="module")
def cell_planner():
    return RoboPlanPlanner(LAYOUT)


@pytest.fixture
def planner(cell_planner):
    cell_planner.set_obstacles([])
    cell_planner.attach(None)
    return cell_planner


@functools.cache
def oracle():
    return ContactFinder(fr3_description(), [("fr3_hand", camera_box(LAYOUT))])


def touching(positions, boxes=(), carried=()):
    fixtures = [(LAYOUT.tcp_frame, box) for box in carried]
    return oracle().touching(positions, [*known_boxes(LAYOUT), *boxes], fixtures)


def box(name, centre, size, yaw=0.0):
    T = np.eye(4)
    T[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    T[:3, 3] = centre
    return Box(name, T, size)


WALL = box("sensed 0", [0.52, 0.28, 0.21], (0.2, 0.03, 0.42))   # between the tray and the place bin


def clutter(rng, count=120, keep_free=None, top=0.06):
    """Sensed boxes on a 15 mm grid in the tray, none around keep_free (x, y)."""
    boxes = []
    while len(boxes) < count:
        centre = np.array([0.48 + 0.015 * rng.integers(-10, 11), 0.015 * rng.integers(-15, 16)])
        height = rng.uniform(0.015, top)
        if keep_free is None or np.linalg.norm(centre - keep_free) > 0.06:
            boxes.append(box(f"sensed {len(boxes)}", [*centre, 0.004 + height / 2], (0.03, 0.03, height)))
    return boxes


def solved(planner, pose):
    return planner.plan(PlanRequest(LAYOUT.home, pose)).positions[-1]


def check_limits(trajectory, velocity_scale, acceleration_scale):
    limits = yaml.safe_load(fr3_description().joint_limits.read_text())["joint_limits"]
    max_acceleration = np.array([limits[name]["max_acceleration"][0] for name in trajectory.joint_names])
    assert trajectory.times[0] == 0 and np.all(np.diff(trajectory.times) > 0)
    assert np.all(trajectory.positions >= LOWER - 1e-9) and np.all(trajectory.positions <= UPPER + 1e-9)
    assert np.all(np.abs(trajectory.velocities) <= MAX_VELOCITY * velocity_scale * 1.001)
    mean = np.diff(trajectory.positions, axis=0) / np.diff(trajectory.times)[:, None]
    assert np.all(np.abs(mean) <= MAX_VELOCITY * velocity_scale * 1.02), "positions are faster than the velocities say"
    assert np.all(np.abs(accelerations(trajectory)) <= max_acceleration * acceleration_scale * 1.02 + 1e-6)
    assert trajectory.velocities[[0, -1]] == pytest.approx(0.0, abs=1e-6)


def error_of(planner, *args, **kwargs):
    with pytest.raises(PlanningError) as caught:
        planner.plan(PlanRequest(*args, **kwargs))
    return caught.value


def test_look_grasp_lift_place_among_clutter(planner):
    """Every motion of a pick: within limits, free of collisions, straight where it must be."""
    rng = np.random.default_rng(0)
    look = solved(planner, LAYOUT.named_poses["look"])
    for _ in range(3):
        x, y, yaw = 0.48 + rng.uniform(-0.1, 0.1), rng.uniform(-0.16, 0.16), rng.uniform(-np.pi / 2, np.pi / 2)
        boxes = clutter(rng, keep_free=(x, y))
        planner.set_obstacles(boxes)
        grasp = top_down([x, y, 0.035], yaw)
        above = top_down([x, y, 0.135], yaw)
        free = planner.plan(PlanRequest(look, above, velocity_scale=0.7, acceleration_scale=0.5))
        check_limits(free, 0.7, 0.5)
        assert planner.forward(free.positions[-1]) == pytest.approx(above, abs=2e-3)
        approach = planner.plan(PlanRequest(free.positions[-1], grasp, linear=True, fingers_may_touch=True))
        check_limits(approach, 0.6, 0.6)
        path = np.array([planner.forward(q)[:3, 3] for q in approach.positions])
        assert np.abs(path[:, :2] - [x, y]).max() <= 0.002 and np.linalg.norm(path[-1] - grasp[:3, 3]) <= 0.002
        assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() / 0.01 <= 0.25 * 1.05
        item = box("carried item", [0.0, 0.0, 0.01], (0.05, 0.04, 0.04))
        planner.attach(item)
        lift = planner.plan(PlanRequest(approach.positions[-1], top_down([x, y, 0.2], yaw), linear=True, fingers_may_touch=True))
        place = planner.plan(PlanRequest(lift.positions[-1], LAYOUT.named_poses["place"]))
        check_limits(place, 0.6, 0.6)
        planner.attach(None)
        for trajectory, held in ((free, ()), (place, (item,))):
            assert [pair for q in trajectory.positions[::6] for pair in touching(q, boxes, held)] == []
        hand_only = [pair for q in approach.positions[::6] for pair in touching(q, boxes)
                     if not (pair[1].startswith("sensed") and "finger" in pair[0])]
        # Voxels are rounded to the nearest: the hand may come half a voxel nearer than the boxes say.
        assert all(pair[1].startswith("sensed") for pair in hand_only) and len(hand_only) <= 3


def test_way_around_a_wall(planner):
    """The straight joint path is blocked: the search finds one that the independent check accepts."""
    start, goal = solved(planner, top_down([0.5, 0.05, 0.25], 0.0)), solved(planner, top_down([0.35, 0.5, 0.3], 0.0))
    wall = [WALL]
    planner.set_obstacles(wall)
    blocked = [q for q in np.linspace(start, goal, 60) if touching(q, wall)]
    assert blocked, "the wall must stand in the way"
    trajectory = planner.plan(PlanRequest(start, goal))
    check_limits(trajectory, 0.6, 0.6)
    assert trajectory.positions[-1] == pytest.approx(goal, abs=1e-6)
    assert not [q for q in trajectory.positions if touching(q, wall)]


def test_same_seed_same_plan(planner):
    start, goal = solved(planner, top_down([0.5, 0.05, 0.25], 0.0)), top_down([0.35, 0.5, 0.3], 0.0)
    planner.set_obstacles([WALL])
    first = planner.plan(PlanRequest(start, goal))
    planner.plan(PlanRequest(start, LAYOUT.named_poses["look"]))   # what came between must not matter
    second = planner.plan(PlanRequest(start, goal))
    assert np.array_equal(first.positions, second.positions) and np.array_equal(first.times, second.times)


def test_collision_scene_agrees_with_the_independent_check(planner):
    """Obstacles, carried item and allowances changed at random: whatever came before, the answer is the oracle's.

    Guards against RoboPlan's stale pair numbers after a geometry was removed.
    """
    rng = np.random.default_rng(3)
    scene = planner.scene
    arms = []
    while len(arms) < 25:
        pose = top_down([0.48 + rng.uniform(-0.2, 0.2), rng.uniform(-0.25, 0.25), rng.uniform(0.02, 0.2)], rng.uniform(-1.5, 1.5))
        found = planner._ik.solve(pose, LAYOUT.home, rng)
        arms += found.free[:1] or ([] if found.colliding is None else [found.colliding])
    collisions = 0
    for _ in range(15):
        boxes = []
        for i in range(int(rng.integers(0, 6))):
            size = (0.03, 0.03, 0.12) if rng.random() < 0.7 else (0.24, 0.36, 0.12)   # the large are bodies of their own
            boxes.append(box(f"sensed {i}", [0.48 + 0.03 * rng.integers(-4, 4), 0.03 * rng.integers(-7, 7), 0.06], size))
        carried = box("carried item", [0.0, 0.0, 0.02], (0.12, 0.05, 0.13)) if rng.random() < 0.5 else None
        planner.set_obstacles(boxes)
        planner.attach(carried)
        ignore, touch = (("table", "sensed 1"), ())[int(rng.integers(2))], bool(rng.integers(2))
        with scene.allowing(ignore, touch):
            for arm in arms:
                fixtures = [] if carried is None else [(LAYOUT.tcp_frame, carried)]
                checked = [b for b in (*known_boxes(LAYOUT), *boxes) if b.name not in ignore]
                expected = [pair for pair in oracle().touching(arm, checked, fixtures) if not (
                    touch and pair[1].startswith("sensed") and (pair[0] == "carried item" or "finger" in pair[0]))]
                assert scene.in_collision(arm) == bool(expected), expected
                collisions += bool(expected)
    assert 20 < collisions < 300


def test_wrist_camera_is_checked(planner):
    arm = solved(planner, top_down([0.5, 0.0, 0.3], 0.0))
    at_camera = planner.forward(arm)[:3, 3] + [0.07, 0.0, 0.0] + [0.0, 0.0, 0.1034 - 0.045 + 0.0145]
    planner.set_obstacles([box("sensed 0", at_camera, (0.015, 0.015, 0.015))])
    assert ("wrist camera", "sensed 0") in planner.contacts(arm)
    assert error_of(planner, LAYOUT.home, arm).reason is PlanningFailure.GOAL_IN_COLLISION


def test_obstacle_inside_the_hands_hollow_mesh_is_found(planner):
    arm = solved(planner, top_down([0.5, 0.0, 0.3], 0.0))
    planner.set_obstacles([box("sensed 0", planner.forward(arm)[:3, 3] + [0.0, 0.0, 0.07], (0.015, 0.015, 0.015))])
    assert error_of(planner, LAYOUT.home, arm).reason is PlanningFailure.GOAL_IN_COLLISION


def test_goal_in_collision_names_the_pair(planner):
    error = error_of(planner, LAYOUT.home, top_down([0.5, 0.0, 0.0], 0.0))
    assert error.reason is PlanningFailure.GOAL_IN_COLLISION
    assert "finger with tray floor" in str(error) and "(0.500, 0.000, 0.000)" in str(error)


def test_start_in_collision_names_the_pair(planner):
    arm = solved(planner, top_down([0.5, 0.0, 0.2], 0.0))
    planner.set_obstacles([box("sensed 7", [0.5, 0.0, 0.25], (0.06, 0.3, 0.06))])
    error = error_of(planner, arm, LAYOUT.home)
    assert error.reason is PlanningFailure.START_IN_COLLISION and "with sensed 7" in str(error)


def test_unreachable_goal(planner):
    error = error_of(planner, LAYOUT.home, top_down([1.2, 0.0, 0.3], 0.0))
    assert error.reason is PlanningFailure.UNREACHABLE and "1.200" in str(error)


def test_joint_goal_beyond_its_limits(planner):
    goal = LAYOUT.home.copy()
    goal[3] = 0.2
    error = error_of(planner, LAYOUT.home, goal)
    assert error.reason is PlanningFailure.UNREACHABLE and "fr3_joint4" in str(error)


def test_search_ends_in_time(planner):
    start, goal = solved(planner, top_down([0.5, 0.05, 0.25], 0.0)), top_down([0.35, 0.5, 0.3], 0.0)
    planner.set_obstacles([WALL])
    error = error_of(planner, start, goal, timeout=1e-6)
    assert error.reason is PlanningFailure.NO_PATH and "no collision-free path" in str(error)


def test_line_out_of_reach(planner):
    arm = solved(planner, top_down([0.6, 0.0, 0.3], 0.0))
    error = error_of(planner, arm, top_down([1.1, 0.0, 0.3], 0.0), linear=True)
    assert error.reason is PlanningFailure.UNREACHABLE and "straight line" in str(error)


def test_line_into_an_obstacle_says_where(planner):
    arm = solved(planner, top_down([0.5, 0.2, 0.3], 0.0))
    planner.set_obstacles([box("sensed 0", [0.5, 0.0, 0.3], (0.06, 0.06, 0.2))])
    through = error_of(planner, arm, top_down([0.5, -0.2, 0.3], 0.0), linear=True)
    assert through.reason is PlanningFailure.NO_PATH and "of 40.0 cm" in str(through) and "with sensed 0" in str(through)
    into = error_of(planner, arm, top_down([0.5, 0.1, 0.3], 0.0), linear=True)
    assert into.reason is PlanningFailure.GOAL_IN_COLLISION


def test_fingers_may_touch_sensed_obstacles_but_the_hand_and_the_known_cell_stay_checked(planner):
    arm = solved(planner, top_down([0.5, 0.0, 0.15], 0.0))
    grasp = top_down([0.5, 0.0, 0.03], 0.0)
    beside = box("sensed 0", [0.5, 0.045, 0.025], (0.06, 0.015, 0.05))
    planner.set_obstacles([beside])
    assert error_of(planner, arm, grasp, linear=True).reason is PlanningFailure.GOAL_IN_COLLISION
    planner.plan(PlanRequest(arm, grasp, linear=True, fingers_may_touch=True))
    planner.plan(PlanRequest(arm, grasp, linear=True, ignore=("sensed 0",)))
    planner.set_obstacles([box("sensed 0", [0.5, 0.045, 0.05], (0.06, 0.015, 0.1))])
    high = error_of(planner, arm, grasp, linear=True, fingers_may_touch=True)
    assert "fr3_hand with sensed 0" in str(high) and "finger" not in str(high)
    planner.set_obstacles([])
    floor = error_of(planner, arm, top_down([0.5, 0.0, 0.002], 0.0), linear=True, fingers_may_touch=True)
    assert "finger with tray floor" in str(floor)


def test_line_leads_out_of_contact_but_not_through_it(planner):
    low = solved(planner, top_down([0.5, 0.0, 0.1], 0.0))
    planner.set_obstacles([box("sensed 0", [0.5, 0.05, 0.06], (0.06, 0.03, 0.1))])
    assert planner.contacts(low)
    planner.plan(PlanRequest(low, top_down([0.5, 0.0, 0.25], 0.0), linear=True))
    stuck = error_of(planner, low, top_down([0.5, 0.0, 0.09], 0.0), linear=True)
    assert stuck.reason is PlanningFailure.START_IN_COLLISION and "doesn't lead out" in str(stuck)


def test_carried_item_is_checked(planner):
    start, goal = solved(planner, LAYOUT.named_poses["look"]), solved(planner, top_down([0.5, 0.0, 0.1], 0.0))
    planner.plan(PlanRequest(start, goal))
    planner.attach(box("carried item", [0.0, 0.0, 0.06], (0.05, 0.05, 0.12)))
    assert "carried item with tray floor" in str(error_of(planner, start, goal))
    planner.attach(None)
    planner.plan(PlanRequest(start, goal))


def test_carried_item_may_reach_up_beside_the_hand(planner):
    """It touches the hand, its camera and the fingers, which is no collision; the table is."""
    item = box("carried item", [0.0, 0.0, 0.0], (0.2, 0.2, 0.09))
    planner.attach(item)
    assert planner.contacts(LAYOUT.home) == []
    low = error_of(planner, LAYOUT.home, top_down([0.5, 0.0, 0.03], 0.0))
    assert "carried item with" in str(low)


def test_nearest_of_several_poses_is_taken(planner):
    start = solved(planner, top_down([0.5, 0.0, 0.3], 0.0))
    pose = top_down([0.5, 0.05, 0.25], 0.4)
    turned = top_down([0.5, 0.05, 0.25], 0.4 + np.pi)
    trajectory = planner.plan(PlanRequest(start, np.stack([turned, pose])))
    assert planner.forward(trajectory.positions[-1]) == pytest.approx(pose, abs=2e-3)
    assert np.abs(trajectory.positions[-1] - start).max() < 1.0, "a wrist flip"


def test_plan_to_the_start_stays_there(planner):
    trajectory = planner.plan(PlanRequest(LAYOUT.home, LAYOUT.home))
    assert np.ptp(trajectory.positions, axis=0) == pytest.approx(0.0) and trajectory.duration > 0
    stay = planner.plan(PlanRequest(LAYOUT.home, planner.forward(LAYOUT.home), linear=True))
    assert np.ptp(stay.positions, axis=0) == pytest.approx(0.0)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"start": np.zeros(6)}, r"\(7,\)"), ({"start": np.full(7, np.nan)}, "finite"), ({"goal": np.zeros((3, 3))}, r"\(4, 4\)"),
    ({"linear": True}, "one .* pose"), ({"velocity_scale": 0.0}, "velocity_scale"), ({"acceleration_scale": 1.5}, "1.5"),
    ({"start": np.full(7, 3.5)}, "limits")])
def test_request_that_makes_no_sense(planner, change, sentence):
    arguments = {"start": LAYOUT.home, "goal": LAYOUT.home} | change
    with pytest.raises(PlanningError, match=sentence) as caught:
        planner.plan(PlanRequest(**arguments))
    assert caught.value.reason is PlanningFailure.INVALID_REQUEST


def test_obstacles_with_one_name_or_a_known_name_are_refused(planner):
    with pytest.raises(ValueError, match="two are the same"):
        planner.set_obstacles([box("sensed 0", [0.5, 0, 0.1], (0.1, 0.1, 0.1))] * 2)
    with pytest.raises(ValueError, match="table"):
        planner.set_obstacles([box("table", [0.5, 0, 0.1], (0.1, 0.1, 0.1))])


def test_factory_knows_its_planners():
    assert "roboplan" in planner_names()
    with pytest.raises(ValueError, match="'ompl'.*roboplan"):
        make_planner("ompl", LAYOUT)
    assert make_planner("roboplan", LAYOUT, seed=3).joint_names[0] == "fr3_joint1"
