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

"""What every node of the stack has in common: lifecycle, typed parameters, a heartbeat that nothing starves, a clean end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from objectcentric_ros.nodes import require

require("rclpy", "objectcentric_interfaces")

import rclpy  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rcl_interfaces.msg import SetParametersResult  # noqa: E402
from rclpy.callback_groups import ReentrantCallbackGroup  # noqa: E402
from rclpy.executors import Executor  # noqa: E402
from rclpy.lifecycle import LifecycleNode, LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from rclpy.utilities import remove_ros_args  # noqa: E402

from objectcentric_ros.nodes.executor import PoolExecutor  # noqa: E402
from objectcentric_ros.nodes.heart import ERROR, OK, Heart  # noqa: E402
from objectcentric_ros.nodes.parameters import ParameterError, ParameterSet, parameter  # noqa: E402

SHUTDOWN_TIMEOUT = 2.0   # how long callbacks may take to end [s]
EXIT_BAD_PARAMETER = 2
SUPERVISOR_VARIABLE = "OBJECTCENTRIC_SUPERVISOR"   # process id of the bringup that started this process


@dataclasses.dataclass(frozen=True)
class StackConfig:
    """Parameters that every node has; a node's Config inherits it."""

    autostart: bool = parameter(True, "configure and activate right after the start, without a lifecycle client")


class StackNode(LifecycleNode):
    """A lifecycle node of the stack.

    A node sets NODE_NAME and Config and overrides the hooks it needs:

    - setup(): load the model or open the connection (configure);
    - start(): create subscriptions, services and timers, begin the work (activate);
    - pause(): stop the work (deactivate);
    - teardown(): release what setup() took (cleanup, shutdown, failed setup: it must stand a setup() that went half way).

    Publishers, subscriptions, services, clients, timers and actions created in setup() or start() are destroyed by the
    base class after teardown() and pause(). An exception in setup() or start() fails the transition and its sentence goes to
    the log and to /diagnostics; the node stays up, and configure can be tried again.
    """

    NODE_NAME: ClassVar[str]
    Config: ClassVar[type[StackConfig]] = StackConfig

    def __init__(self, node_name: str | None = None, **arguments: Any) -> None:
        Node.__init__(self, node_name or self.NODE_NAME, **arguments)
        self._service_group = ReentrantCallbackGroup()
        # LifecycleNode.__init__ would put its services into the default group, where any long callback starves them.
        LifecycleNodeMixin.__init__(self, callback_group=self._service_group)
        self._transition_lock = threading.RLock()
        self._service_change_state.callback = self._on_change_state
        try:
            self._parameters_set = ParameterSet(self, self.Config)
        except ParameterError:
            self.destroy_node()
            raise
        self.config: Any = self._parameters_set.read()
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.add_post_set_parameters_callback(self._on_parameters_set)
        self.ended = threading.Event()   # set: the process goes down in order
        self.exit_code = 0
        self._setup_entities: list[Any] = []
        self._start_entities: list[Any] = []
        self._heart = Heart(self)

    # -- hooks ----------------------------------------------------------------------------------------------------------

    def own_process(self) -> None:
        """What only a process of the node's own may do, before it configures: run() calls it."""

    def setup(self) -> None:
        """Load the model or open the connection."""

    def start(self) -> None:
        """Begin the work."""

    def pause(self) -> None:
        """Stop the work."""

    def teardown(self) -> None:
        """Release what setup() took."""

    # -- what a node uses ---------------------------------------------------------------------------------------------

    def report(self, level: bytes, message: str, **values: object) -> None:
        """Set what /diagnostics says of this node from now on: level OK, WARN or ERROR, one sentence, figures."""
        self._heart.report(level, message, values)

    def exit(self, code: int) -> None:
        """End the process in order (deactivate, clean up), with an exit code: what can't go on is restarted by bringup."""
        self.exit_code = code
        self.ended.set()

    @property
    def state_label(self) -> str:
        """Lifecycle state: unconfigured, inactive, active, finalized or a transition state."""
        return str(self._state_machine.current_state[1])

    def configure_and_activate(self) -> bool:
        """Go from unconfigured to active; False when a transition failed (the reason is on /diagnostics)."""
        with self._transition_lock:
            if self.trigger_configure() is not TransitionCallbackReturn.SUCCESS:
                return False
            return bool(self.trigger_activate() is TransitionCallbackReturn.SUCCESS)

    def bring_down(self) -> None:
        """Go to finalized from whatever state, so that pause() and teardown() have run."""
        with self._transition_lock:
            if self.state_label in ("unconfigured", "inactive", "active"):
                self.trigger_shutdown()

    def destroy_node(self) -> None:
        """Stop the heartbeat, then destroy the node."""
        if hasattr(self, "_heart"):
            self._heart.stop()
        super().destroy_node()

    # -- transitions --------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters and run setup()."""
        self.report(OK, "configuring")
        try:
            self.config = self._parameters_set.read()
            with self._collecting(self._setup_entities):
                self.setup()
            super().on_configure(state)
        except Exception as error:
            self._transition_failed("configure", error)
            self._release_setup()
            return TransitionCallbackReturn.FAILURE
        self.report(OK, "configured")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run start()."""
        self.report(OK, "activating")
        try:
            super().on_activate(state)
            with self._collecting(self._start_entities):
                self.start()
        except Exception as error:
            self._transition_failed("activate", error)
            self._release_start(state)
            return TransitionCallbackReturn.FAILURE
        if self._heart.message == "activating":
            self.report(OK, "active")
        self.get_logger().info("active")
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run pause()."""
        self._release_start(state)
        self.report(OK, "inactive")
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run teardown()."""
        self._release_setup()
        self.report(OK, "unconfigured")
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run pause() and teardown() as far as the node had come."""
        if state.label == "active":
            self._release_start(state)
        if state.label in ("active", "inactive"):
            self._release_setup()
        self.report(OK, "shut down")
        return TransitionCallbackReturn.SUCCESS

    def _release_start(self, state: LifecycleState) -> None:
        self._run_release_hook(self.pause)
        super().on_deactivate(state)
        self._destroy(self._start_entities)

    def _release_setup(self) -> None:
        self._run_release_hook(self.teardown)
        self._destroy(self._setup_entities)

    def _run_release_hook(self, hook: Callable[[], None]) -> None:
        try:
            hook()
        except Exception as error:   # going down must go on
            self.get_logger().error(f"{hook.__name__} failed: {_sentence(error)}\n{traceback.format_exc()}")

    def _transition_failed(self, transition: str, error: Exception) -> None:
        self.get_logger().error(f"can't {transition}: {_sentence(error)}")
        self.get_logger().debug(traceback.format_exc())
        self.report(ERROR, f"can't {transition}: {_sentence(error)}")

    # -- entities -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _collecting(self, entities: list[Any]) -> Iterator[None]:
        before = {id(e) for e in self._entities()}
        try:
            yield
        finally:
            entities.extend(e for e in self._entities() if id(e) not in before)

    def _entities(self) -> list[Any]:
        return [*self.publishers, *self.subscriptions, *self.clients, *self.services, *self.timers, *self.waitables]

    def _destroy(self, entities: list[Any]) -> None:
        present = {id(e) for e in self._entities()}
        for entity in reversed(entities):
            if id(entity) not in present:   # the node destroyed it itself, or an event handler went with its topic
                continue
            for destroy in (self.destroy_publisher, self.destroy_subscription, self.destroy_client, self.destroy_service,
                            self.destroy_timer):
                if destroy(entity):
                    break
            else:
                if hasattr(entity, "destroy"):
                    entity.destroy()
        entities.clear()

    # -- services -----------------------------------------------------------------------------------------------------

    def _on_change_state(self, request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        # rclpy's own callback lets rcl's error for a transition that the present state doesn't have end the process.
        wanted: int | None = request.transition.id
        if request.transition.label:
            numbers = {label: number for number, label, *_ in self._state_machine.available_transitions}
            wanted = numbers.get(request.transition.label)
        with self._transition_lock:
            possible = [number for number, *_ in self._state_machine.available_transitions]
            if wanted not in possible:
                self.get_logger().warning(f"refused transition {request.transition.label or request.transition.id!r}:"
                                          f" the node is {self.state_label}")
                response.success = False
                return response
            trigger = {1: self.trigger_configure, 2: self.trigger_cleanup, 3: self.trigger_activate, 4: self.trigger_deactivate,
                       5: self.trigger_shutdown, 6: self.trigger_shutdown, 7: self.trigger_shutdown}.get(wanted or 0)
            response.success = trigger is not None and trigger() is TransitionCallbackReturn.SUCCESS
            return response

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        try:
            self._parameters_set.read(changed)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _on_parameters_set(self, changed: list[Parameter]) -> None:
        self.config = self._parameters_set.read()


def run(node_class: type[StackNode], args: Sequence[str] | None = None, threads: int = 4) -> int:
    """Main function of a node: spin until SIGINT or SIGTERM, then deactivate, clean up and leave.

    Args:
        node_class: the node.
        args: command line; None is sys.argv.
        threads: worker threads of the executor.

    Returns:
        Exit code: 0 after a signal, 2 for a wrong parameter or argument, or what the node asked for.
    """
    # rclpy's own signal handlers shut the context down first, and then no node can say goodbye.
    rclpy.init(args=list(args) if args is not None else None, signal_handler_options=SignalHandlerOptions.NO)
    ended = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
    try:
        rest = remove_ros_args(list(args) if args is not None else sys.argv)[1 if args is None else 0:]
        if rest:
            print(f"unknown arguments {' '.join(rest)!r}: a node takes --ros-args only", file=sys.stderr)
            return EXIT_BAD_PARAMETER
        node = node_class()
        node.ended = ended
        node.own_process()
    except ParameterError as error:
        print(error, file=sys.stderr, flush=True)
        # Fast DDS sometimes waits for ever when a participant is destroyed while it is still being discovered.
        os._exit(EXIT_BAD_PARAMETER)
    executor = PoolExecutor(threads)
    executor.add_node(node)
    spinner = threading.Thread(target=spin, args=(executor, node), name="executor", daemon=True)
    spinner.start()
    starter = threading.Thread(target=node.configure_and_activate, name="autostart", daemon=True)
    if node.config.autostart:
        starter.start()
    _wait_for_end(ended)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):   # a second signal ends a shutdown that hangs
            signal.signal(number, signal.SIG_DFL)
    node.bring_down()
    if not stop_executor(executor, spinner):
        # A callback that hangs would keep the interpreter from ending, or be torn apart by its end with an abort.
        node.get_logger().warning(f"a callback still runs after {SHUTDOWN_TIMEOUT} s: leaving it behind")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(node.exit_code)
    node.destroy_node()
    rclpy.try_shutdown()
    return node.exit_code


def stop_executor(executor: PoolExecutor, spinner: threading.Thread, timeout: float = SHUTDOWN_TIMEOUT) -> bool:
    """Shut an executor down whose spinning thread was told to end, and wait for its callbacks.

    Returns:
        Whether all ended within the timeout [s]; else nothing that they may use must be destroyed.
    """
    spinner.join(timeout)
    return executor.shutdown(timeout) and not spinner.is_alive()


def _wait_for_end(ended: threading.Event) -> None:
    """Wait for a signal; a node whose supervisor was killed ends as well, so that no robot runs on unwatched."""
    supervisor = os.environ.get(SUPERVISOR_VARIABLE)
    while not ended.wait(1.0 if supervisor else None):
        if str(os.getppid()) != supervisor:
            print("the supervisor is gone: ending", file=sys.stderr)
            return


def spin(executor: Executor, node: StackNode) -> None:
    """Run callbacks until `node.ended`; an exception in one is logged and reported, and the node stays up."""
    while not node.ended.is_set() and node.context.ok():
        try:
            executor.spin_once(timeout_sec=0.5)
        except Exception as error:
            if node.ended.is_set():
                break
            node.get_logger().error(f"a callback failed: {_sentence(error)}\n{traceback.format_exc()}")
            node.report(ERROR, f"a callback failed: {_sentence(error)}")
    node.ended.set()


def _sentence(error: Exception) -> str:
    text = str(error)
    return text if text and type(error) in (ValueError, RuntimeError, ParameterError) else f"{type(error).__name__}: {text}"
