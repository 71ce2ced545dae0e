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


"""The steps of the set-up in their order, each with what it is made from."""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from environment import interfaces, python_packages, system_packages
from environment.machine import ROS_SETUP, Checkout, Machine, inspect_machine
from environment.progress import CommandFailed, Log, Progress, SetupError
from environment.stamps import digest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from objectcentric_ros.paths import cache_dir  # noqa: E402 - the checkout is not installed yet

RUN_GROUPS = ("core", "sim")
TEST_GROUPS = ("test", "train")
GOALS = {
    "run": "everything that `objectcentric` needs",
    "test": "that, the tools of `make lint` and `make test`, and what training needs (6 GB)",
}


@dataclass(frozen=True)
class Step:
    """One step that is done again only when its key changes."""

    name: str
    title: str
    key: str
    work: Callable[[Log], None]


def plan_steps(checkout: Checkout, machine: Machine, for_tests: bool) -> list[Step]:
    """The stamped steps; a step's key contains the key of the step that it builds on."""
    root = checkout.root
    identity = f"{machine.interpreter.resolve()} {sys.version_info.major}.{sys.version_info.minor} ROS={machine.has_ros}"
    run_groups = RUN_GROUPS if machine.has_ros else ("ros", *RUN_GROUPS)

    def packages(*groups: str) -> Callable[[Log], None]:
        return lambda log: python_packages.install_packages(checkout, machine, groups, log)

    venv = Step("venv", "virtual environment .venv", digest(identity, str(root)),
                lambda log: python_packages.create_virtual_environment(checkout, machine, log))
    lists = [*python_packages.requirement_files(checkout, run_groups), python_packages.constraints(checkout)]
    runtime = Step("packages", f"Python packages ({', '.join(run_groups)})", digest(venv.key, files=lists), packages(*run_groups))
    steps = [venv, runtime]
    if for_tests:
        lists = python_packages.requirement_files(checkout, TEST_GROUPS)
        steps.append(Step("test-packages", f"Python packages ({', '.join(TEST_GROUPS)})", digest(runtime.key, files=lists),
                          packages(*TEST_GROUPS)))
    sources = [*interfaces.interface_sources(checkout)]
    package = [root / name for name in ("setup.py", "setup.cfg", "package.xml", "pyproject.toml")]
    if machine.has_ros:
        last = Step("workspace", "colcon build", digest(runtime.key, files=[*sources, *package, *_shared_files(root)]),
                    lambda log: interfaces.build_workspace(checkout, machine, log))
        steps.append(last)
    else:
        compiled = Step("interfaces", "interfaces, compiled into .venv", digest(runtime.key, files=sources),
                        lambda log: interfaces.build_into_virtual_environment(checkout, machine, log))
        last = Step("package", "objectcentric_ros in .venv", digest(compiled.key, files=package),
                    lambda log: python_packages.install_checkout(checkout, machine, log))
        steps += [compiled, last]
    verify = Path(__file__).with_name("verify.py")
    steps.append(Step("verify", "trying it", digest(last.key, files=[verify]),
                      lambda log: _verify(checkout, machine, verify, log)))
    return steps


def set_up(checkout: Checkout, machine: Machine, for_tests: bool) -> None:
    """Do the steps that are not done yet.

    Raises:
        SetupError: a step can't be done; the message says what to do.
    """
    progress = Progress(checkout.root / "out" / "logs")
    needs = system_packages.missing(machine, checkout, for_tests)
    if needs:
        with progress.step("system", f"system packages ({', '.join(need.package for need in needs)})") as log:
            system_packages.install(needs, log)
    for step in plan_steps(checkout, machine, for_tests):
        stamps = python_packages.create_stamps(checkout)
        if not stamps.matches(step.name, step.key):
            stamps.remove(step.name)
            with progress.step(step.name, step.title) as log:
                step.work(log)
            stamps.write(step.name, step.key)
    environment_script(checkout, machine)
    if not system_packages.has_item_models(cache_dir()):
        with progress.step("items", f"item models, unpacked into {cache_dir()}") as log:
            system_packages.unpack_item_models(cache_dir(), log)
    progress.finish()


def environment_script(checkout: Checkout, machine: Machine) -> None:
    """Write .venv/environment.sh for the Makefile: sources ROS where there is one, and sets OBJECTCENTRIC to the command."""
    if machine.has_ros:
        install = checkout.root / "install"
        lines = [f'[ -n "$ROS_DISTRO" ] || . {shlex.quote(str(ROS_SETUP.with_suffix(".sh")))}',
                 f"COLCON_CURRENT_PREFIX={shlex.quote(str(install))}", f". {shlex.quote(str(install / 'local_setup.sh'))}",
                 'OBJECTCENTRIC="ros2 run objectcentric_ros objectcentric"']
    else:
        lines = [f"OBJECTCENTRIC={shlex.quote(str(checkout.venv / 'bin' / 'objectcentric'))}"]
    text = "\n".join(lines) + "\n"
    script = checkout.venv / "environment.sh"
    if not script.is_file() or script.read_text() != text:
        script.write_text(text)


def main(arguments: Sequence[str]) -> int:
    """Set up for a goal; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools/setup_environment.py", description="Set up what is missing on this machine.")
    parser.add_argument("goal", choices=GOALS, help="; ".join(f"{goal}: {text}" for goal, text in GOALS.items()))
    goal = parser.parse_args(arguments).goal
    checkout = Checkout(ROOT)
    try:
        machine = inspect_machine()
        if machine.has_ros and str(machine.interpreter) != sys.executable:
            os.execv(machine.interpreter, [str(machine.interpreter), str(ROOT / "tools" / "setup_environment.py"), goal])
        (ROOT / "out").mkdir(exist_ok=True)
        with (ROOT / "out" / "setup.lock").open("w") as lock:
            os.set_inheritable(lock.fileno(), True)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                print("set-up: another set-up of this folder is running; waiting for it", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            set_up(checkout, machine, for_tests=goal == "test")
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"set-up: {error}. Check the rights and the space of {ROOT} and run the command again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; the next run goes on with the step that was running", file=sys.stderr)
        return 130
    return 0


def _shared_files(root: Path) -> list[Path]:
    """Files that setup.py installs into share/: a new one needs another build."""
    folders = (root / name for name in ("config", "launch", "urdf", "models"))
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def _verify(checkout: Checkout, machine: Machine, script: Path, log: Log) -> None:
    environment = dict(machine.environment)
    try:
        if machine.has_ros:
            command = f". {shlex.quote(str(checkout.root / 'install' / 'setup.sh'))} && exec \"$0\" \"$@\""
            log.run(["bash", "-c", command, checkout.python, script], env=environment, cwd=checkout.root / "install")
        else:
            log.run([checkout.python, script], env=environment, cwd=checkout.venv)
    except CommandFailed as error:
        raise SetupError(f"Set up, but not everything works:\n{error.output.rstrip()}\n"
                         "`make distclean` and another run start from nothing.") from error
