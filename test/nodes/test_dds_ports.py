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

"""Ports of a process's own in Fast DDS, so that a restarted node isn't deaf."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from objectcentric_ros.nodes import FIRST_PORT, PORT_VARIABLE, PORTS, dds_port

PROGRAM = """
import os, psutil
from objectcentric_ros.nodes import require
require("rclpy")
import rclpy
rclpy.init()
node = rclpy.create_node("ports")
print(os.getpid(), *[one.laddr.port for one in psutil.Process().net_connections("udp4")])
node.destroy_node()
rclpy.shutdown()
"""


def test_ports_are_odd_apart_from_the_usual_ones_and_within_the_domain() -> None:
    ports = [dds_port(pid) for pid in range(1000, 1000 + PORTS)]
    assert len(set(ports)) == PORTS and all(port % 2 for port in ports)
    assert min(ports) == FIRST_PORT > 11 + 2 * 14          # Fast DDS': 11 + 2 x the participant's number
    assert 7400 + 250 * 232 + max(ports) + 2 * 7 < 65536   # the last domain; the eighth participant of one process


def test_a_process_listens_at_its_own_port_whatever_it_inherits(ros_domain_id: int) -> None:
    if "fastrtps" not in os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"):
        pytest.skip("another middleware than Fast DDS")
    environment = {**os.environ, PORT_VARIABLE: "11"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60.0, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stdout + done.stderr
    pid, *ports = (int(word) for word in done.stdout.split())
    assert 7400 + 250 * ros_domain_id + dds_port(pid) in ports
