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

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros.torch_checkpoint import UnsafeCheckpoint, read_state_dict

MAGIC = 0x1950A86A20F9469CFC6C


class Global:
    """Pickles as a reference to a name that need not exist here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class TorchPickler(pickle._Pickler):
    """Writes what torch.save wrote before 1.6, without torch."""

    def save(self, value: object, save_persistent_id: bool = True) -> None:
        if isinstance(value, Global):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Tensor):
            self.save(Global("torch._utils", "_rebuild_tensor_v2"))
            self.write(pickle.MARK + pickle.MARK)
            for part in ("storage", Global("torch", value.storage_type), value.key, "cpu", value.length, None):
                self.save(part)
            self.write(pickle.TUPLE + pickle.BINPERSID)
            for part in (value.offset, value.shape, value.strides, False, OrderedDict()):
                self.save(part)
            self.write(pickle.TUPLE + pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


class Tensor:
    def __init__(self, key: str, storage_type: str, length: int, offset: int, shape: tuple, strides: tuple) -> None:
        self.key, self.storage_type, self.length = key, storage_type, length
        self.offset, self.shape, self.strides = offset, shape, strides


def write(path: Path, state: object, storages: dict[str, bytes], magic: int = MAGIC) -> Path:
    with path.open("wb") as file:
        for part in (magic, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, state, list(storages)):
            TorchPickler(file, 2).dump(part)
        for key, content in storages.items():
            file.write(struct.pack("<q", len(content) // (8 if key.startswith("long") else 4)) + content)
    return path


def test_tensors_share_storages_with_offsets_and_strides(tmp_path: Path) -> None:
    numbers = np.arange(12, dtype="<f4")
    state = OrderedDict(whole=Tensor("a", "FloatStorage", 12, 0, (3, 4), (4, 1)),
                        transposed=Tensor("a", "FloatStorage", 12, 0, (4, 3), (1, 4)),
                        part=Tensor("a", "FloatStorage", 12, 5, (2,), (3,)), count=Tensor("long", "LongStorage", 1, 0, (), ()))
    read = read_state_dict(write(tmp_path / "x.pth", state, {"long": np.array([7], "<i8").tobytes(), "a": numbers.tobytes()}))
    np.testing.assert_array_equal(read["whole"], numbers.reshape(3, 4))
    np.testing.assert_array_equal(read["transposed"], numbers.reshape(3, 4).T)
    np.testing.assert_array_equal(read["part"], [5, 8])
    assert read["count"] == 7 and read["count"].dtype == np.int64


@pytest.mark.parametrize(("module", "name"),
                         [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("collections", "Counter"),
                                              ("numpy", "load"), ("torch._utils", "_rebuild_parameter")])
def test_any_other_name_is_refused_before_it_is_called(tmp_path: Path, module: str, name: str) -> None:
    with pytest.raises(UnsafeCheckpoint, match=f"{module}.{name}"):
        read_state_dict(write(tmp_path / "x.pth", {"weight": Global(module, name)}, {}))


def test_a_checkpoint_that_runs_a_command_runs_nothing(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "owned",)

    (tmp_path / "x.pth").write_bytes(pickle.dumps(Attack(), 2))
    with pytest.raises(UnsafeCheckpoint):
        read_state_dict(tmp_path / "x.pth")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("tensor", [
    Tensor("a", "FloatStorage", 4, 0, (5,), (1,)), Tensor("a", "FloatStorage", 4, 3, (2,), (1,)),
    Tensor("a", "FloatStorage", 4, 2, (2,), (-1,)), Tensor("a", "FloatStorage", 4, -1, (2,), (1,)),
    Tensor("a", "FloatStorage", 400, 0, (4,), (1,))], ids=["shape", "offset", "stride", "negative", "truncated"])
def test_a_tensor_may_not_leave_its_storage(tmp_path: Path, tensor: Tensor) -> None:
    with pytest.raises(UnsafeCheckpoint):
        read_state_dict(write(tmp_path / "x.pth", {"weight": tensor}, {"a": np.zeros(4, "<f4").tobytes()}))


@pytest.mark.parametrize("content", [b"", b"PK\3\4 a zip", b"\x80\x02.", b"garbage" * 100])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(UnsafeCheckpoint):
        read_state_dict(tmp_path / "x.pth")
