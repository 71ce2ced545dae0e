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

"""Reads a legacy PyTorch checkpoint (torch.save before 1.6, not a zip) into numpy arrays, without torch and without trust.

A pickle may call anything; this reader allows the four names that a state dict needs and raises on every other one.

Layout of the file: the pickles magic number, protocol version, system description, state dict and list of storage keys;
then for each key its number of elements (int64) and the raw little-endian elements.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {"FloatStorage": np.dtype("<f4"), "DoubleStorage": np.dtype("<f8"), "HalfStorage": np.dtype("<f2"),
           "LongStorage": np.dtype("<i8"), "IntStorage": np.dtype("<i4"), "ShortStorage": np.dtype("<i2"),
           "CharStorage": np.dtype("i1"), "ByteStorage": np.dtype("u1"), "BoolStorage": np.dtype("?")}


class UnsafeCheckpoint(ValueError):
    """The file asks for something that a state dict does not need, or is no such file."""


@dataclass
class _Storage:
    key: str
    dtype: np.dtype[Any]
    length: int


@dataclass
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, data: NDArray[Any]) -> NDArray[Any]:
        """The tensor's elements as an array of its own; the strides may not leave the storage."""
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if min((self.offset, *self.shape, *self.strides), default=0) < 0 or (0 not in self.shape and last >= len(data)):
            raise UnsafeCheckpoint(f"a tensor of shape {self.shape} lies outside its storage of {len(data)} elements")
        steps = tuple(stride * data.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(data[self.offset:], self.shape, steps, writeable=False).copy()


def _rebuild_tensor(storage: object, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _Tensor:
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise UnsafeCheckpoint("a tensor without a storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _StateDictUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise UnsafeCheckpoint(f"the checkpoint asks for {module}.{name}, which no dictionary of tensors needs; not loaded")

    def persistent_load(self, pid: Any) -> _Storage:
        if not (isinstance(pid, tuple) and len(pid) == 6 and pid[0] == "storage"
                and isinstance(pid[1], np.dtype) and pid[5] is None):
            raise UnsafeCheckpoint(f"unknown kind of storage in the checkpoint: {str(pid)[:80]}")
        return _Storage(str(pid[2]), pid[1], int(pid[4]))


class _PlainUnpickler(_StateDictUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise UnsafeCheckpoint(f"the checkpoint's preamble asks for {module}.{name}; it was not loaded")


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a legacy checkpoint.

    Args:
        path: the .pth file.

    Returns:
        Arrays by name, in the file's order.

    Raises:
        UnsafeCheckpoint: not such a file, truncated, or it asks for anything but tensors.
    """
    data = io.BytesIO(Path(path).read_bytes())
    try:
        if _PlainUnpickler(data).load() != _MAGIC or _PlainUnpickler(data).load() != _PROTOCOL:
            raise UnsafeCheckpoint(f"{path} is not a legacy PyTorch checkpoint")
        if not _PlainUnpickler(data).load().get("little_endian", False):
            raise UnsafeCheckpoint(f"{path} was written on a big-endian machine")
        state = _StateDictUnpickler(data).load()
        storages = {key: _read_elements(data, storage) for key, storage in
                    _in_file_order(_PlainUnpickler(data).load(), state).items()}
    except UnsafeCheckpoint:
        raise
    except Exception as error:           # a broken pickle stream can raise nearly anything
        raise UnsafeCheckpoint(f"{path} is not a readable legacy PyTorch checkpoint: {error!r}") from error
    return {str(name): tensor.view(storages[tensor.storage.key]) for name, tensor in state.items()}


def _in_file_order(keys: list[str], state: object) -> dict[str, _Storage]:
    if not isinstance(state, dict) or not all(isinstance(tensor, _Tensor) for tensor in state.values()):
        raise UnsafeCheckpoint("the checkpoint holds more than a flat dictionary of tensors")
    storages = {tensor.storage.key: tensor.storage for tensor in state.values()}
    return {key: storages[key] for key in keys}


def _read_elements(data: BinaryIO, storage: _Storage) -> NDArray[Any]:
    length = int(np.frombuffer(data.read(8), "<i8")[0])
    content = data.read(length * storage.dtype.itemsize) if length == storage.length else b""
    if len(content) != storage.length * storage.dtype.itemsize:
        raise UnsafeCheckpoint(f"storage {storage.key} lacks elements ({length} of {storage.length}): the file is damaged")
    return np.frombuffer(content, storage.dtype)
