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

"""Fixtures of the node tests."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from .node_bench import BenchCamera, NodeBench

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]
                              ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets fixtures see, when they end, whether their test failed."""
    report = yield
    item.stash[FAILED] = report.failed or (call.when != "setup" and item.stash.get(FAILED, False))
    return report


@pytest.fixture
def bench() -> Iterator[NodeBench]:
    """A bench without nodes."""
    bench = NodeBench()
    yield bench
    bench.close()


@pytest.fixture
def camera(bench: NodeBench) -> BenchCamera:
    """A camera on the bench."""
    return BenchCamera(bench)
