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


"""Message packages generated from the rosbags typestore."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from environment.typestore_package import message_definitions, write_package


def test_tf2_msgs_has_the_transforms_message() -> None:
    assert message_definitions("tf2_msgs")["TFMessage"].split() == ["geometry_msgs/TransformStamped[]", "transforms"]


def test_a_message_names_its_own_package_s_types_without_prefix() -> None:
    assert "geometry_msgs/" not in message_definitions("geometry_msgs")["PoseStamped"]


def test_the_package_depends_on_what_its_messages_use(tmp_path: Path) -> None:
    write_package(tmp_path, "tf2_msgs")
    assert "<depend>geometry_msgs</depend>" in (tmp_path / "tf2_msgs" / "package.xml").read_text()
    assert '"msg/TFMessage.msg"' in (tmp_path / "tf2_msgs" / "CMakeLists.txt").read_text()


def test_an_unknown_package_is_an_error() -> None:
    with pytest.raises(ValueError, match="no messages of 'no_such_msgs'"):
        message_definitions("no_such_msgs")


def test_generated_transforms_have_the_official_type_hash() -> None:
    # What `ros2 topic info --verbose /tf` prints on a ROS 2 Jazzy machine; with another hash a robot's /tf would not match.
    description = Path(sys.prefix) / "share" / "tf2_msgs" / "msg" / "TFMessage.json"
    if not description.is_file():
        pytest.skip("on a ROS machine tf2_msgs is ROS' own")
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(description.read_text())["type_hashes"]}
    assert hashes["tf2_msgs/msg/TFMessage"] == "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"
