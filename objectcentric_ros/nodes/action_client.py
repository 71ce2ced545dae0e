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

"""rclpy's action client without its race: an answer that comes before the request is noted is lost.

rclpy sends a request and notes it afterwards. Where one thread sends and another one executes, a quick server's answer is found
to be "unexpected" in between; the arm has moved, and the client waits in vain.
"""

from __future__ import annotations

import threading
from typing import Any

from objectcentric_ros.nodes import require

require("rclpy")

from rclpy.action import ActionClient  # noqa: E402


class PatientActionClient(ActionClient):
    """An action client whose answers wait until the request that they belong to is noted."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._noting = threading.RLock()
        super().__init__(*arguments, **options)

    def send_goal_async(self, *arguments: Any, **options: Any) -> Any:
        """See rclpy."""
        with self._noting:
            return super().send_goal_async(*arguments, **options)

    def _get_result_async(self, *arguments: Any, **options: Any) -> Any:
        with self._noting:
            return super()._get_result_async(*arguments, **options)

    def _cancel_goal_async(self, *arguments: Any, **options: Any) -> Any:
        with self._noting:
            return super()._cancel_goal_async(*arguments, **options)

    async def execute(self, taken_data: Any) -> None:
        """See rclpy."""
        with self._noting:      # whoever is sending has noted it when this is left
            pass
        await super().execute(taken_data)
