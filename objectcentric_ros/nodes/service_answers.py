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

"""Service answers: an error becomes success=false and its sentence, never a client that waits for ever."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from objectcentric_ros.nodes import require

require("rclpy")

from rclpy.node import Node  # noqa: E402


def answer(node: Node, response: Any, work: Callable[[], str | None]) -> Any:
    """Run the work of a service call and say in the response how it went.

    Args:
        node: whose log gets an error that nobody foresaw.
        response: a response message with `success` and `message`; the work fills the rest.
        work: returns the message of a success, None for none.

    Returns:
        The response.
    """
    try:
        response.message = work() or ""
        response.success = True
    except (ValueError, LookupError, TimeoutError, OSError) as error:
        response.success, response.message = False, _text(error)
    except Exception as error:
        response.success, response.message = False, _text(error)
        # Errors of the libraries are sentences; anything else deserves its traceback in the log.
        if type(error).__module__.partition(".")[0] != "objectcentric_ros":
            response.message = f"{type(error).__name__}: {error}"
            node.get_logger().error(f"a service call failed: {traceback.format_exc()}")
    return response


class CountedAnswers:
    """Answers the calls of a service, counts them, logs what is refused and has the node report after each.

    Args:
        node: whose log is used.
        report: called after each answer.
    """

    def __init__(self, node: Node, report: Callable[[], None]) -> None:
        self._node, self._report = node, report
        self.given = self.refused = 0

    def answer(self, response: Any, work: Callable[[], str | None]) -> Any:
        """As the function `answer`."""
        answer(self._node, response, work)
        self.given += 1
        if not response.success:
            self.refused += 1
            self._node.get_logger().info(f"refused: {response.message}")
        self._report()
        return response


def _text(error: Exception) -> str:
    if type(error) in (KeyError, IndexError) or not str(error):
        return f"{type(error).__name__}: {error}"
    # KeyError's own str() is the repr of the sentence.
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
