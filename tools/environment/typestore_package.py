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


"""Write the source of a message package out of the rosbags typestore: `typestore_package.py FOLDER PACKAGE...`.

Runs in the virtual environment (rosbags must be installed). The generated types have the same hashes as ROS 2 Jazzy's own,
so they talk to machines that have the original package.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rosbags.typesys import Stores, get_typestore

SECTION_RULE = "=" * 80  # the definition of a type is followed by those of the types it uses

CMAKE_LISTS = """\
cmake_minimum_required(VERSION 3.8)
project({name})

find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
{find_dependencies}

rosidl_generate_interfaces(${{PROJECT_NAME}}
  {files}
  DEPENDENCIES {dependencies})

ament_export_dependencies(rosidl_default_runtime)
ament_package()
"""

PACKAGE_XML = """\
<?xml version="1.0"?>
<package format="3">
  <name>{name}</name>
  <version>0.0.1</version>
  <description>Messages of {name}, generated from the ROS 2 Jazzy typestore of rosbags.</description>
  <maintainer email="maintainers@objectcentric-ros.example">objectcentric_ros developers</maintainer>
  <license>BSD-3-Clause</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
{depends}
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export>
    <build_type>ament_cmake</build_type>
  </export>
</package>
"""


def message_definitions(package: str) -> dict[str, str]:
    """Definition text of every message of a package, by its name.

    Raises:
        ValueError: the typestore has no message of this package.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    definitions = {}
    for full_name in sorted(store.types):
        if full_name.startswith(f"{package}/msg/"):
            text, _ = store.generate_msgdef(full_name, ros_version=2)
            own = text.split(SECTION_RULE)[0]
            definitions[full_name.rsplit("/", 1)[1]] = re.sub(rf"\b{package}/(?=\w)", "", own)
    if not definitions:
        raise ValueError(f"the ROS 2 Jazzy typestore of rosbags has no messages of {package!r}")
    return definitions


def write_package(folder: Path, package: str) -> None:
    """Write package.xml, CMakeLists.txt and msg/ of one package into folder/package."""
    definitions = message_definitions(package)
    dependencies = sorted({name for text in definitions.values() for name in re.findall(r"^(\w+)/\w+", text, flags=re.M)})
    target = folder / package
    (target / "msg").mkdir(parents=True, exist_ok=True)
    for name, text in definitions.items():
        (target / "msg" / f"{name}.msg").write_text(text)
    (target / "CMakeLists.txt").write_text(CMAKE_LISTS.format(
        name=package, find_dependencies="\n".join(f"find_package({name} REQUIRED)" for name in dependencies),
        files=" ".join(f'"msg/{name}.msg"' for name in definitions), dependencies=" ".join(dependencies)))
    (target / "package.xml").write_text(PACKAGE_XML.format(
        name=package, depends="\n".join(f"  <depend>{name}</depend>" for name in dependencies)))


if __name__ == "__main__":
    for package_name in sys.argv[2:]:
        write_package(Path(sys.argv[1]), package_name)
