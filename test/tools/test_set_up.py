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


"""The set-up program: what it says when a machine does not fit, and what it does after an interruption."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import setup_environment
from environment import machine, python_packages, steps, system_packages
from environment.machine import Checkout, Machine
from environment.progress import CommandFailed, Progress, SetupError, explain
from environment.stamps import Stamps, digest
from environment.system_packages import Need

BARE = Machine(Path(sys.executable), False, dict(os.environ))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """An empty folder in place of a clone."""
    return Checkout(tmp_path / "clone")


def test_a_wrong_python_is_told_which_one_is_needed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(setup_environment, "SUITABLE", ("2.0",))
    monkeypatch.setattr(sys, "argv", ["setup_environment.py", "run"])
    assert setup_environment.main() == 1
    assert re.search(r"this is Python 3\.\d+, .* PYTHON=", capsys.readouterr().err, flags=re.S)


def test_a_virtual_environment_hands_over_to_its_base_interpreter() -> None:
    assert Path(setup_environment.find_interpreter([sys.executable])).resolve() == Path(sys._base_executable).resolve()


def test_an_interpreter_that_does_not_run_is_passed_over() -> None:
    assert setup_environment.find_interpreter([None, "no-such-python", "/bin/false"]) is None


def test_an_environment_keeps_the_python_it_was_made_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(setup_environment, "VENV", str(tmp_path))
    assert setup_environment.environment_interpreter() is None
    (tmp_path / "pyvenv.cfg").write_text("home = /opt/bin\nversion = 3.12.1\nexecutable = /opt/bin/python3.12\n")
    assert setup_environment.environment_interpreter() == "/opt/bin/python3.12"


def test_another_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(SetupError, match="aarch64.*x86-64"):
        machine.inspect_machine()


def test_another_ros_distribution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "humble")
    with pytest.raises(SetupError, match="humble is sourced.*jazzy"):
        machine.inspect_machine()


def test_a_full_disk_is_told_before_the_work_starts(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"GB free; the set-up needs 1000000\.0 GB"):
        machine.require_space(tmp_path / "not" / "there" / "yet", 1e15)


COMPILER = Need("a C++ compiler", "g++", lambda: False)


def test_without_apt_the_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)
    with pytest.raises(SetupError, match=r"a C\+\+ compiler \(g\+\+\)\. There is no apt-get"), \
            Progress(tmp_path).step("system", "system packages") as log:
        system_packages.install([COMPILER], log)


def test_without_rights_the_command_for_a_person_who_has_them_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path))  # no sudo there
    with pytest.raises(SetupError, match=r"sudo apt-get update && sudo apt-get install g\+\+"), \
            Progress(tmp_path).step("system", "system packages") as log:
        system_packages.install([COMPILER], log)


def test_item_models_without_apt_can_be_had_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)
    with pytest.raises(SetupError, match=f"dpkg-deb -x .* {tmp_path}"), Progress(tmp_path / "logs").step("items", "items") as log:
        system_packages.unpack_item_models(tmp_path, log)


@pytest.mark.parametrize(("printed", "sentence"), [
    ("OSError: [Errno 28] No space left on device", "The disk is full"),
    ("NewConnectionError: Failed to establish a new connection", "No network"),
    ("Temporary failure resolving 'somewhere'", "No network"),
    ("ERROR: No matching distribution found for numpy==2.4.6", "no wheel of a pinned version"),
])
def test_known_faults_are_explained(printed: str, sentence: str) -> None:
    assert sentence in (explain(f"many lines\n{printed}\nmore") or "")


def test_unknown_faults_are_not_guessed() -> None:
    assert explain("Segmentation fault") is None


def test_a_failing_step_shows_the_end_of_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = "print('the reason'); raise SystemExit(3)"
    with pytest.raises(SetupError, match=r"setup-compile\.log:\n(.*\n)*    the reason"), \
            Progress(tmp_path).step("compile", "compiling") as log:
        log.run([sys.executable, "-c", program])
    assert "compiling: FAILED in" in capsys.readouterr().out


def test_a_command_that_does_not_exist_fails_as_a_command(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no-such-command"), Progress(tmp_path).step("x", "x") as log:
        with pytest.raises(CommandFailed):
            log.run(["no-such-command"])
        log.run(["no-such-command"])


def test_a_stamp_holds_for_its_key_only(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path / "stamps")
    assert not stamps.matches("packages", "a")
    stamps.write("packages", "a")
    assert stamps.matches("packages", "a") and not stamps.matches("packages", "b")
    stamps.remove("packages")
    assert not stamps.matches("packages", "a")


def test_a_digest_sees_contents_names_and_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("x")
    two.write_text("x")
    assert digest(files=[one]) == digest(files=[one])
    assert len({digest(files=[one]), digest(files=[two]), digest(files=[one, two]), digest(files=[two, one]),
                digest("a", "b"), digest("ab")}) == 6
    before = digest(files=[one])
    one.write_text("y")
    assert digest(files=[one]) != before


def make_steps(work: dict[str, list[str]], fails: str = "") -> list[steps.Step]:
    """Three steps that note what they do; one of them may fail."""
    def step(name: str) -> steps.Step:
        def run(_log: object) -> None:
            work["done"].append(name)
            if name == fails:
                raise KeyboardInterrupt
        return steps.Step(name, name, f"key of {name}", run)
    return [step(name) for name in ("venv", "packages", "interfaces")]


def test_an_interrupted_set_up_goes_on_with_the_step_that_was_running(
        checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.venv.mkdir(parents=True)
    monkeypatch.setattr(system_packages, "missing", lambda *_: [])
    monkeypatch.setattr(system_packages, "has_item_models", lambda _: True)
    work: dict[str, list[str]] = {"done": []}
    monkeypatch.setattr(steps, "plan_steps", lambda *_: make_steps(work, fails="packages"))
    with pytest.raises(KeyboardInterrupt):
        steps.set_up(checkout, BARE, for_tests=False)
    monkeypatch.setattr(steps, "plan_steps", lambda *_: make_steps(work))
    steps.set_up(checkout, BARE, for_tests=False)
    assert work["done"] == ["venv", "packages", "packages", "interfaces"]
    steps.set_up(checkout, BARE, for_tests=False)
    assert work["done"] == ["venv", "packages", "packages", "interfaces"]
    assert "nothing to do" in capsys.readouterr().out.splitlines()[-1]


def test_packages_that_pip_left_half_way_are_installed_again(checkout: Checkout, tmp_path: Path) -> None:
    site_packages = checkout.venv / "lib" / "python3.11" / "site-packages"
    for folder in ("whole-1.0.dist-info", "torn-1.0.dist-info", "~emoved"):
        (site_packages / folder).mkdir(parents=True)
    (site_packages / "whole-1.0.dist-info" / "INSTALLER").write_text("pip\n")
    with Progress(tmp_path).step("packages", "packages") as log:
        python_packages._forget_partial_installs(checkout, log)
    assert [path.name for path in site_packages.iterdir()] == ["whole-1.0.dist-info"]


def test_somebody_elses_virtual_environment_is_not_deleted(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.venv / "bin").mkdir(parents=True)
    (checkout.venv / "bin" / "pip").touch()
    (checkout.venv / "bin" / "python").symlink_to("/bin/true")
    with pytest.raises(SetupError, match="mv .venv"), Progress(tmp_path).step("venv", "venv") as log:
        python_packages.create_virtual_environment(checkout, BARE, log)
    assert (checkout.venv / "bin" / "pip").exists()


def test_ros_dependencies_are_read_from_package_xml() -> None:
    names = system_packages.ros_dependencies(steps.ROOT / "package.xml")
    assert {"rclpy", "launch_ros", "tf2_msgs", "franka_msgs"} <= set(names)
    assert not {"objectcentric_interfaces", "python3-numpy"} & set(names)


def test_a_ros_machine_is_asked_for_the_packages_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "share" / "rclpy").mkdir(parents=True)
    (tmp_path / "share" / "rclpy" / "package.xml").touch()
    ros = Machine(Path(sys.executable), True, {"AMENT_PREFIX_PATH": str(tmp_path), "PATH": os.environ["PATH"]})
    packages = {need.package for need in system_packages.missing(ros, Checkout(steps.ROOT), for_tests=False)}
    assert {"ros-jazzy-tf2-msgs", "ros-jazzy-launch-ros"} <= packages
    assert "ros-jazzy-rclpy" not in packages


def test_tests_on_debian_ask_for_a_browser_and_on_ubuntu_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    for distribution, asked in (("debian", True), ("ubuntu", False)):
        monkeypatch.setattr(platform, "freedesktop_os_release", lambda name=distribution: {"ID": name})
        needs = system_packages.missing(Machine(Path(sys.executable), False, {}), Checkout(steps.ROOT), for_tests=True)
        assert ("chromium" in {need.package for need in needs}) == asked


def test_the_installed_command_works_from_any_folder_with_an_empty_environment(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "objectcentric"
    if not command.exists():
        pytest.skip("on a ROS machine the command is `ros2 run objectcentric_ros objectcentric`")
    result = subprocess.run([command, "--help"], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert "objectcentric VERB" in result.stdout
