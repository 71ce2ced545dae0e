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


"""The package as its installers see it: versions, entry points, dependencies, licence headers, colcon's view."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import xml.etree.ElementTree
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import objectcentric_ros

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_XML = xml.etree.ElementTree.parse(ROOT / "package.xml").getroot()
CODE_FOLDERS = [ROOT / name for name in ("objectcentric_ros", "test", "tools", "launch")]
PYTHON_FILES = sorted(path for folder in CODE_FOLDERS for path in folder.rglob("*.py") if path.stat().st_size > 0)
LICENCE_HEADER = (Path(__file__).read_text().split('"""')[0]).rstrip()


@pytest.fixture(scope="module")
def setup_arguments() -> dict[str, Any]:
    """What setup.py passes to setuptools."""
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    return setup.call_args.kwargs


def requirements(file: Path) -> dict[str, str]:
    """The lines of a requirement list by normalised package name."""
    lines = [line.split("#")[0].strip() for line in file.read_text().splitlines()]
    return {re.split(r"[=\[<>~! ]", line)[0].lower().replace("_", "-").replace(".", "-"): line for line in lines if line}


def test_versions_agree(setup_arguments: dict[str, Any]) -> None:
    interfaces = xml.etree.ElementTree.parse(ROOT / "interfaces" / "objectcentric_interfaces" / "package.xml").getroot()
    assert setup_arguments["version"] == PACKAGE_XML.findtext("version") == objectcentric_ros.__version__
    assert interfaces.findtext("version") == objectcentric_ros.__version__


def test_every_command_has_its_function(setup_arguments: dict[str, Any]) -> None:
    for entry in setup_arguments["entry_points"]["console_scripts"]:
        name, module, function = re.fullmatch(r"(\w+) = ([\w.]+):(\w+)", entry).groups()
        source = ROOT / (module.replace(".", "/") + ".py")
        assert source.is_file(), f"command {name} points to {module}, which does not exist"
        defined = [node.name for node in ast.parse(source.read_text()).body if isinstance(node, ast.FunctionDef)]
        assert function in defined, f"command {name} points to {module}:{function}, which does not exist"


def test_every_shared_file_is_installed(setup_arguments: dict[str, Any]) -> None:
    installed = {f"{folder}/{Path(file).name}" for folder, files in setup_arguments["data_files"] for file in files}
    for folder in ("config", "launch", "models", "urdf"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"share/objectcentric_ros/{path.relative_to(ROOT)}" in installed


def test_every_file_of_the_package_is_installed(setup_arguments: dict[str, Any]) -> None:
    files = set(setup_arguments["package_data"]["objectcentric_ros"])
    assert {"py.typed", "simulation/items.yaml", "picking/templates/report.html.jinja"} <= files
    assert not any(name.endswith((".py", ".pyc")) for name in files)


def test_an_extra_is_its_requirement_list(setup_arguments: dict[str, Any]) -> None:
    assert setup_arguments["extras_require"]["sim"] == list(requirements(ROOT / "requirements" / "sim.txt").values())
    assert any(line.startswith("pytest==") for line in setup_arguments["extras_require"]["test"])  # or colcon test finds no tests
    assert "constraints" not in setup_arguments["extras_require"]


def test_requirements_are_pinned_and_agree() -> None:
    constraints = requirements(ROOT / "requirements" / "constraints.txt")
    for group in ("ros", "core", "sim", "test"):
        for name, line in requirements(ROOT / "requirements" / f"{group}.txt").items():
            assert re.search(r"==[\w.]+$", line), f"{group}.txt: {line} is not pinned with =="
            version = line.split("==")[1]
            assert constraints.get(name, "").endswith(f"=={version}"), f"constraints.txt does not pin {line} of {group}.txt"


def test_pytest_fits_launch_testing_of_jazzy() -> None:
    major = int(requirements(ROOT / "requirements" / "test.txt")["pytest"].split("==")[1].split(".")[0])
    assert major == 8


def top_level_imports(*folders: Path) -> set[str]:
    """Names of the top-level modules that the files of some folders import, wherever in the file."""
    imported = set()
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                imported.add(node.module.split(".")[0])
    return imported


ROS_MODULE = re.compile(r"rclpy|launch\w*|ament_\w+|\w+_(msgs|srvs|interfaces)")


def test_package_xml_names_every_ros_package_that_nodes_import() -> None:
    declared = {element.text for element in PACKAGE_XML if element.tag.endswith("depend")}
    ros = set(filter(ROS_MODULE.fullmatch, top_level_imports(ROOT / "objectcentric_ros" / "nodes", ROOT / "launch")))
    assert "rclpy" in ros
    assert ros - declared == set()


def test_every_import_is_in_a_requirement_list() -> None:
    listed = {name for file in (ROOT / "requirements").glob("*.txt") if file.stem != "constraints" for name in requirements(file)}
    # A cmeel wheel does not say what it provides; training packages need not be installed.
    providers = {"xgboost": ["xgboost-cpu"], **metadata.packages_distributions(), "pinocchio": ["pin"]}
    own = {name for path in PYTHON_FILES for name in (path.stem, path.parent.name)}
    foreign = top_level_imports(*CODE_FOLDERS) - set(sys.stdlib_module_names) - own
    for module in sorted(name for name in foreign if not ROS_MODULE.fullmatch(name)):
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in providers.get(module, [module])}
        assert names & listed, f"`import {module}`: add {' or '.join(sorted(names))} to a list in requirements/"


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_has_the_licence_header(path: Path) -> None:
    assert path.read_text().startswith(LICENCE_HEADER)


def test_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    assert PACKAGE_XML.findtext("license") == "Apache-2.0"


def colcon_packages(folder: Path) -> dict[str, str]:
    """Names and types of the packages that a plain `colcon list` finds in a folder."""
    colcon = [sys.executable, "-m", "colcon"] if shutil.which("colcon") is None else ["colcon"]
    result = subprocess.run([*colcon, "--log-base", os.devnull, "list"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return {line.split("\t")[0]: line.split("\t")[2] for line in result.stdout.splitlines()}


BOTH = {"objectcentric_interfaces": "(ros.ament_cmake)", "objectcentric_ros": "(ros.ament_python)"}


def test_colcon_finds_both_packages_from_the_root() -> None:
    assert colcon_packages(ROOT) == BOTH


def test_colcon_finds_both_packages_in_a_workspace_with_the_link(tmp_path: Path) -> None:
    clone = tmp_path / "src" / "objectcentric_ros"
    shutil.copytree(ROOT / "interfaces", clone / "interfaces")
    for name in ("package.xml", "setup.py", "setup.cfg", "colcon_defaults.yaml"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "requirements", clone / "requirements")
    assert set(colcon_packages(tmp_path)) == {"objectcentric_ros"}  # the trap that the link is for
    (tmp_path / "src" / "objectcentric_interfaces").symlink_to("objectcentric_ros/interfaces/objectcentric_interfaces")
    assert colcon_packages(tmp_path) == BOTH
