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

"""Try planned grasps in physics and fit the score model to what held.

    python -m objectcentric_ros.picking.grasp_calibration try --scenes 10 --items 10 --per-segment 3 --seed 200 --out clutter.npz
    python -m objectcentric_ros.picking.grasp_calibration try --scenes 16 --items 1 --per-segment 3 --seed 300 --out alone.npz
    python -m objectcentric_ros.picking.grasp_calibration fit clutter.npz alone.npz --write config/grasp_score.yaml

Only items of the catalogue's dev split are used. Labels are the simulator's, so that what is measured is the grasp.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from objectcentric_ros.geometry.franka_hand import HAND_TCP_DISTANCE
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.geometric import GeometricGraspConfig, GeometricGraspPlanner
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.grasping.grasp_score import GraspFeatures, GraspScoreModel
from objectcentric_ros.segmentation.segmenter import Segmentation
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.cell import Cell
from objectcentric_ros.simulation.clutter import ClutterError
from objectcentric_ros.simulation.kinematics import UnreachablePose, solve_pose
from objectcentric_ros.simulation.scene import build_model, mujoco

_FORCE = 30.0        # N, what a pick uses for light items
_LIFT = 0.15         # m
_PERIOD = 0.02       # s between joint targets
# What contact mechanics lets one expect; the trials move the weights away from here as far as they say so.
PRIOR = GraspScoreModel(0.0, {
    "overlap": 2.0, "shallow": -0.7, "width": -0.3, "along": -1.2, "across": -0.7, "wedge": -1.0, "skew": -0.5, "lean": -1.2,
    "fill": 1.5, "contact": 1.0, "ledge": -1.5, "unseen": -0.5, "tight": -0.3, "below": -0.5})


class TrialCell(Cell):
    """A cell that can go back to a saved state, so that many grasps are tried on the same clutter."""

    def save(self) -> mujoco.MjData:
        """The present state."""
        state = mujoco.MjData(self._model)
        self.snapshot(state)
        return state

    def restore(self, state: mujoco.MjData) -> None:
        """Go back to a saved state."""
        with self._lock:
            mujoco.mj_copyData(self._data, self._model, state)
        self.set_gripper(self.gripper_width(), 20.0)


@dataclass(frozen=True)
class Trial:
    """One tried grasp: its features (F,), rank among the segment's grasps, what it estimated, and whether it held."""

    features: NDArray[np.float64]
    rank: int
    score: float
    held: bool
    item: str
    scene: int
    outcome: str


class GraspTrials:
    """Executes grasps without obstacle avoidance: down from above, close, lift."""

    def __init__(self, layout: CellLayout) -> None:
        self._layout = layout
        self._robot = build_model(layout, ())

    def reach(self, grasp: Grasp, home: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Joint positions above, at the grasp and lifted; raises UnreachablePose."""
        def solve(height: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
            goal = grasp.T_base_tcp.copy()
            goal[2, 3] += height
            return solve_pose(self._robot, "hand", np.array([0.0, 0.0, HAND_TCP_DISTANCE]), goal,
                              ("fr3_joint1", "fr3_joint2", "fr3_joint3", "fr3_joint4", "fr3_joint5", "fr3_joint6", "fr3_joint7"),
                              start)
        above = solve(grasp.approach_distance, home)
        middle = solve(grasp.approach_distance / 2, above)
        at = solve(0.0, middle)
        half = solve(_LIFT / 2, at)
        return above, middle, at, half, solve(_LIFT, half)

    def attempt(self, cell: TrialCell, grasp: Grasp, index: int) -> str:
        """Outcome of one grasp of the scene's index-th item: "held", "unreachable", "blocked", "empty" or "lost"."""
        q = cell.joint_state()[0][:7]
        try:
            above, middle, at, half, lifted = self.reach(grasp, q)
        except UnreachablePose:
            return "unreachable"
        cell.set_gripper(grasp.opening, _FORCE)
        _move(cell, (q, above), 1.0)
        _move(cell, (above, middle, at), 1.0)
        cell.step(0.3)
        if np.linalg.norm(cell.T_base_tcp()[:3, 3] - grasp.T_base_tcp[:3, 3]) > 0.004:
            return "blocked"
        cell.set_gripper(0.0, _FORCE)
        cell.step(0.6)
        if cell.gripper_width() < 0.001:
            return "empty"
        _move(cell, (at, half, lifted), 1.0)
        cell.step(0.4)
        return "held" if cell.ground_truth().held[index] else "lost"


def _move(cell: Cell, waypoints: Sequence[NDArray[np.float64]], seconds: float) -> None:
    """Through joint waypoints with a smooth start and stop."""
    knots = np.linspace(0.0, 1.0, len(waypoints))
    for progress in np.linspace(0.0, 1.0, round(seconds / _PERIOD)):
        smooth = progress * progress * (3 - 2 * progress)
        cell.set_joint_targets(np.array([np.interp(smooth, knots, column) for column in np.transpose(waypoints)]))
        cell.step(_PERIOD)


def run_trials(scenes: int, items: int, seed: int, per_segment: int, layout: CellLayout,
               planner: GeometricGraspPlanner | None = None) -> tuple[list[Trial], dict[str, int]]:
    """Plan and try grasps in random clutter of dev items.

    Args:
        scenes: number of scenes.
        items: items of each.
        seed: of the choice of items and of the clutter.
        per_segment: grasps tried of each segment: the best one and random ones of the rest.
        layout: the cell.
        planner: what plans; None is the geometric planner with its defaults.

    Returns:
        The trials, and how many segments had no grasp, by reason.
    """
    dev = Catalogue.load().split("dev")
    planner = planner or GeometricGraspPlanner(layout)
    executor, trials = GraspTrials(layout), list[Trial]()
    without: dict[str, int] = {}
    for number in range(scenes):
        rng = np.random.default_rng([seed, number])
        chosen = [dev[index] for index in rng.choice(len(dev), items, replace=False)]
        try:
            cell = TrialCell(chosen, seed=int(rng.integers(1 << 30)), layout=layout)
        except ClutterError:
            continue
        with cell:
            frame, truth, start = cell.render(), cell.ground_truth(), cell.save()
            segmentation = Segmentation(truth.labels, ())
            for label in np.unique(truth.labels[truth.labels > 0]):
                if np.count_nonzero(truth.labels == label) < 150:
                    continue
                search = planner.search(frame, segmentation, int(label), max_grasps=12)
                if not search.grasps:
                    key = search.reason.split(":")[0]
                    without[key] = without.get(key, 0) + 1
                    print(f"scene {number} {chosen[label - 1].id}: no grasp, {search.reason}", flush=True)
                    continue
                others = rng.permutation(np.arange(1, len(search.grasps)))[:per_segment - 1]
                for rank in [0, *map(int, others)]:
                    cell.restore(start)
                    outcome = executor.attempt(cell, search.grasps[rank], int(label) - 1)
                    if rank == 0:
                        print(f"scene {number} {chosen[label - 1].id}: {outcome}, estimated {search.grasps[0].score:.2f}, "
                              f"{search.grasps[0].reason}", flush=True)
                    trials.append(Trial(search.features[rank], rank, search.grasps[rank].score, outcome == "held",
                                        chosen[label - 1].id, number, outcome))
    return trials, without


def fit_score(features: NDArray[np.float64], held: NDArray[np.bool_], ridge: float = 4.0,
              prior: GraspScoreModel = PRIOR) -> GraspScoreModel:
    """Logistic regression with a ridge on the distance of the weights from a prior, and with the prior's signs.

    Every weight keeps at least a quarter of the prior's: a feature that hardly matters among the trials, because the
    planner avoids it, still decides between grasps that are equal otherwise.

    Args:
        features: (N, F).
        held: (N,).
        ridge: strength of the penalty, in trials.
        prior: where the weights stay without trials.
    """
    names = GraspFeatures.names()
    design = np.column_stack([np.ones(len(features)), features])
    expected = np.array([prior.bias, *(prior.weights[name] for name in names)])
    penalty = np.full(len(expected), ridge)
    penalty[0] = 1e-3
    sign = np.where(held, 1.0, -1.0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (design @ weights)
        distance = weights - expected
        gradient = design.T @ (-sign * expit(-margin)) + penalty * distance
        return float(np.logaddexp(0.0, -margin).sum() + 0.5 * penalty @ distance**2), gradient

    bounds = [(None, None)] + [(0.25 * w, None) if w > 0 else (None, 0.25 * w) for w in expected[1:]]
    weights = minimize(loss, expected, jac=True, method="L-BFGS-B", bounds=bounds).x
    return GraspScoreModel(float(weights[0]), dict(zip(names, map(float, weights[1:]), strict=True)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m objectcentric_ros.picking.grasp_calibration",
                                     description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    trying = verbs.add_parser("try", help="try grasps in random clutter")
    trying.add_argument("--scenes", type=int, default=10)
    trying.add_argument("--items", type=int, default=10)
    trying.add_argument("--seed", type=int, default=100)
    trying.add_argument("--per-segment", type=int, default=1, help="grasps tried of each segment, the best one first")
    trying.add_argument("--out", type=Path, help="write the trials here (npz)")
    fitting = verbs.add_parser("fit", help="fit the score model")
    fitting.add_argument("trials", type=Path, nargs="+")
    fitting.add_argument("--write", type=Path, help="write the weights here (yaml)")
    options = parser.parse_args(arguments)
    return _try(options) if options.verb == "try" else _fit(options)


def _try(options: argparse.Namespace) -> int:
    started = time.monotonic()
    trials, without = run_trials(options.scenes, options.items, options.seed, options.per_segment, CellLayout.load(),
                                 GeometricGraspPlanner(CellLayout.load(), GeometricGraspConfig()))
    best = [trial for trial in trials if trial.rank == 0]
    print(f"{options.scenes} scenes of {options.items}: {len(best)} segments with a grasp, "
          f"{sum(without.values())} without {without}")
    for name, group in (("best grasp", best), ("other grasps", [trial for trial in trials if trial.rank])):
        if group:
            outcomes = {outcome: sum(trial.outcome == outcome for trial in group) for outcome in {t.outcome for t in group}}
            print(f"{name}: held {np.mean([t.held for t in group]):.2f} of {len(group)} {outcomes}, "
                  f"estimated {np.mean([t.score for t in group]):.2f}")
    print(f"{time.monotonic() - started:.0f} s")
    if options.out and trials:
        np.savez(options.out, features=np.stack([t.features for t in trials]), held=[t.held for t in trials],
                 rank=[t.rank for t in trials], item=[t.item for t in trials], scene=[t.scene for t in trials],
                 outcome=[t.outcome for t in trials], score=[t.score for t in trials], names=GraspFeatures.names())
    return 0


def _fit(options: argparse.Namespace) -> int:
    files = [np.load(path) for path in options.trials]
    features, held = np.concatenate([f["features"] for f in files]), np.concatenate([f["held"] for f in files])
    reached = np.concatenate([f["outcome"] for f in files]) != "unreachable"
    scenes = np.concatenate([f["scene"] + 10000 * number for number, f in enumerate(files)])
    features, held, scenes = features[reached], held[reached], scenes[reached]
    model = fit_score(features, held)
    # Held-out log loss over scenes: does the model say more than the mean does?
    loss, base = np.zeros(len(held)), np.zeros(len(held))
    for fold in range(5):
        test = scenes % 5 == fold
        if test.all() or not test.any():
            continue
        part = fit_score(features[~test], held[~test])
        probability = _probability(part, features[test])
        mean = held[~test].mean()
        loss[test] = -np.log(np.where(held[test], probability, 1 - probability))
        base[test] = -np.log(np.where(held[test], mean, 1 - mean))
    print(f"{len(held)} grasps, {held.mean():.2f} held; held-out log loss {loss.mean():.3f}, of the mean alone {base.mean():.3f}")
    document = {"bias": round(model.bias, 3), "weights": {name: round(weight, 3) for name, weight in model.weights.items()}}
    text = yaml.safe_dump(document, sort_keys=False)
    print(text)
    if options.write:
        options.write.write_text(
            "# Probability that a grasp holds: logistic model over the features of grasping/grasp_score.py (GraspFeatures).\n"
            f"# Fitted to {len(held)} grasps of dev items in simulated clutter, {held.mean():.2f} of which held; "
            f"held-out log loss {loss.mean():.3f} (mean alone {base.mean():.3f}).\n"
            "# Made by the commands in the docstring of objectcentric_ros/grasping/calibration.py.\n"
            + text)
    return 0


def _probability(model: GraspScoreModel, features: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-(model.bias + features @ np.array(list(model.weights.values())))))


if __name__ == "__main__":
    sys.exit(main())
