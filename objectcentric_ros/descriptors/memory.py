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


"""How much memory a training step takes (torch): every tensor's storage counted while it lives, or the GPU allocator's peak.

On the CPU the resident size says little: the allocator keeps what was freed. Here each storage that an operation returns counts
from that operation until it is freed, in Python or in autograd's graph. Scratch memory inside a kernel isn't seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_memory(function: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """Most bytes that tensors made during a call took at one moment, over what lived before it.

    Args:
        function: run once, for example forward, loss, backward and optimiser step.
        device: cpu or cuda; tensors elsewhere aren't counted.

    Raises:
        ValueError: another device.
    """
    kind = torch.device(device)
    if kind.type == "cuda":
        torch.cuda.synchronize(kind)
        torch.cuda.reset_peak_memory_stats(kind)
        before = torch.cuda.memory_allocated(kind)
        function()
        torch.cuda.synchronize(kind)
        return torch.cuda.max_memory_allocated(kind) - before
    if kind.type != "cpu":
        raise ValueError(f"memory can be measured on cpu and cuda, not on {kind.type}")
    with _Storages() as storages:
        function()
    return storages.peak


class _Storages(TorchDispatchMode):
    """Counts the bytes of the CPU storages that operations make, while these live."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._live = 0
        # A storage's Python object lives as long as its memory, wherever the references are, so weak references tell its end.
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for storage in _storages((args, kwargs)):
            self._register(storage, counts=False)     # what is seen first as an argument was there before
        result = func(*args, **kwargs)
        for storage in _storages(result):
            self._register(storage, counts=True)
        return result

    def _register(self, storage: torch.UntypedStorage, counts: bool) -> None:
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes() if counts else 0

        def free(_: object) -> None:
            del self._known[key]
            self._live -= size

        self._known[key] = weakref.ref(storage, free), size
        self._live += size
        self.peak = max(self.peak, self._live)


def _storages(values: object) -> Iterator[torch.UntypedStorage]:
    for leaf in tree_leaves(values):
        if isinstance(leaf, Tensor) and leaf.device.type == "cpu" and leaf.layout == torch.strided:
            yield leaf.untyped_storage()
