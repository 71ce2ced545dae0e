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


"""Recipes: YAML files loaded into typed dataclasses; a key that doesn't exist is an error that names those that do."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")


def load_recipe(path: Path, kind: type[T], overrides: Mapping[str, Any] | None = None) -> T:
    """Read a recipe.

    Args:
        path: the YAML file.
        kind: dataclass that describes it; fields may be dataclasses, tuples, numbers, texts and truth values.
        overrides: values by dotted key, such as {"training.steps": 10}, that replace the file's.

    Raises:
        ValueError: the file can't be read, a key is unknown or missing, or a value has the wrong type; says where.
    """
    try:
        mapping = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} can't be read: {error}") from error
    if not isinstance(mapping, dict):
        raise ValueError(f"{path} must hold a mapping of keys to values")
    for key, value in (overrides or {}).items():
        *parents, last = key.split(".")
        place = mapping
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ValueError(f"{path}: {parent} in {key} is no mapping")
        place[last] = value
    return build(kind, mapping, str(path))


def build(kind: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """Make a dataclass of a mapping; see load_recipe."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # T is a dataclass
    if not isinstance(mapping, Mapping):
        raise ValueError(f"{where} must be a mapping with {', '.join(names)}")
    if unknown := sorted(str(key) for key in mapping if key not in names):
        raise ValueError(f"{where} has unknown keys {', '.join(unknown)}; the keys are {', '.join(names)}")
    values = {name: _value(hints[name], mapping[name], f"{where}: {name}") for name in names if name in mapping}
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def as_mapping(recipe: Any) -> dict[str, Any]:
    """The mapping that build() makes the same recipe of; tuples are lists."""
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
    return {key: plain(value) for key, value in dataclasses.asdict(recipe).items()}


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _value(next(argument for argument in arguments if argument is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type, kind), value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where} must be a list, got {value!r}")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(value):
            raise ValueError(f"{where} must be a list of {len(kinds)}, got {value!r}")
        return tuple(_value(item_kind, item, f"{where}[{index}]")
                     for index, (item_kind, item) in enumerate(zip(kinds, value, strict=True)))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):      # YAML 1.1 reads 1e-3 as a text
        try:
            return float(value)
        except ValueError:
            pass
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise ValueError(f"{where} must be {kind.__name__}, got {value!r}")
    return value
