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


"""Package of objectcentric_ros, for colcon (ament_python) and for pip."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "objectcentric_ros"
NODES = ("camera", "simulation", "segmentation", "gallery", "identification", "grasp_planner", "descriptors",
         "motion", "pick")
ROOT = Path(__file__).resolve().parent


def extras():
    """One extra a file of requirements/, so that there is one list of pinned packages."""
    files = [file for file in (ROOT / "requirements").glob("*.txt") if file.stem not in ("ros", "constraints")]
    lines = {file.stem: [line.split("#")[0].strip() for line in file.read_text().splitlines()] for file in files}
    return {group: [line for line in requirements if line] for group, requirements in lines.items()}


def package_files():
    """Everything inside the package that is not Python: tables, page templates, the typing marker."""
    files = (path for path in (ROOT / PACKAGE).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    return sorted(str(path.relative_to(ROOT / PACKAGE)) for path in files)


def shared_files():
    """Files for share/objectcentric_ros: whatever config/, launch/, models/ and urdf/ hold."""
    files = [("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]), (f"share/{PACKAGE}", ["package.xml"])]
    for folder in ("config", "launch", "models", "urdf"):
        for parent in sorted({path.parent for path in (ROOT / folder).rglob("*") if path.is_file()}):
            if parent.name != "__pycache__":
                inside = parent.relative_to(ROOT)
                names = [str(inside / path.name) for path in sorted(parent.iterdir()) if path.is_file()]
                files.append((f"share/{PACKAGE}/{inside}", names))
    return files


setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: package_files()},
    data_files=shared_files(),
    install_requires=["setuptools"],
    extras_require=extras(),
    python_requires=">=3.11,<3.13",
    zip_safe=False,
    maintainer="objectcentric_ros developers",
    maintainer_email="maintainers@objectcentric-ros.example",
    description="Name an item, and the arm picks it out of the clutter.",
    license="Apache-2.0",
    tests_require=["pytest"],
    entry_points={
        "console_scripts": [
            f"objectcentric = {PACKAGE}.cli:main",
            *(f"{node} = {PACKAGE}.nodes.{node}:main" for node in NODES),
        ],
    },
)
