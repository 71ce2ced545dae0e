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


"""Try what was set up: middleware, interfaces and rendering. Runs in the virtual environment, prints one sentence a fault."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

MODULES = {
    "rclpy": "the ROS 2 client library",
    "sensor_msgs.msg": "the common messages",
    "objectcentric_interfaces.msg": "the interfaces of this repository",
    "franka_msgs.action": "the gripper's interfaces",
    "tf2_msgs.msg": "the transforms' messages",
    "mujoco": "the physics",
    "roboplan.core": "the motion planner",
    "openvino": "the inference engine",
    "psycopg": "the database client",
    "objectcentric_ros": "this package",
}
RENDER = """
import mujoco
ball = "<mujoco><worldbody><light pos='0 0 2'/><geom type='sphere' size='1'/></worldbody></mujoco>"
model = mujoco.MjModel.from_xml_string(ball)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 48, 64)
renderer.update_scene(data)
assert renderer.render().any(), "the picture is black"
renderer.close()
"""


def faults() -> list[str]:
    """What does not work, a sentence each; empty if everything does."""
    found = []
    for module, purpose in MODULES.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever an import raises is what the person must see
            found.append(f"{purpose} ({module}) can't be imported: {type(error).__name__}: {error}")
    reasons = []
    for backend in ("egl", "osmesa"):
        result = subprocess.run([sys.executable, "-c", RENDER], env={**os.environ, "MUJOCO_GL": backend}, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        if result.returncode == 0:
            return found
        reasons.append(f"{backend}: {(result.stdout.strip().splitlines() or ['no message'])[-1]}")
    return [*found, f"nothing renders without a screen ({'; '.join(reasons)}): install libegl1 and libgl1-mesa-dri"]


if __name__ == "__main__":
    sentences = faults()
    print("\n".join(sentences) or "everything works")
    sys.exit(1 if sentences else 0)
