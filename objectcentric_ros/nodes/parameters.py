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

"""ROS parameters declared from a frozen dataclass, so that `ros2 param describe` and the code can't disagree.

A field becomes a parameter of the same name; a nested dataclass becomes a prefix (`rgbd.min_area`). Descriptions come from
`parameter(...)`, or from the `name: text` lines below "Args:" in the dataclass's docstring, so configs of the libraries
can be used as they are. Types: bool, int, float, str and tuples of them.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from objectcentric_ros.nodes import require

require("rclpy")

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor  # noqa: E402
from rclpy.exceptions import ParameterException  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

BUILT_IN = ("use_sim_time", "start_type_description_service")   # declared by rclpy itself
_TYPES = {bool: Parameter.Type.BOOL, int: Parameter.Type.INTEGER, float: Parameter.Type.DOUBLE, str: Parameter.Type.STRING}
_ARRAYS = {bool: Parameter.Type.BOOL_ARRAY, int: Parameter.Type.INTEGER_ARRAY, float: Parameter.Type.DOUBLE_ARRAY,
           str: Parameter.Type.STRING_ARRAY}


class ParameterError(ValueError):
    """A parameter is unknown, has the wrong type or a value that is not allowed; the message names it."""


def parameter(default: Any, description: str, *, minimum: float | None = None, maximum: float | None = None,
              choices: Sequence[Any] = (), read_only: bool = True) -> Any:
    """Dataclass field that declares itself as a ROS parameter.

    Args:
        default: bool, int, float, str or a tuple of one of them (an empty tuple of str is [""] in ROS).
        description: one sentence with the unit, shown by `ros2 param describe`.
        minimum: least allowed number.
        maximum: largest allowed number.
        choices: allowed values.
        read_only: False where a running node follows a change (self.config is replaced).
    """
    return dataclasses.field(default=default, metadata={
        "description": description, "minimum": minimum, "maximum": maximum, "choices": tuple(choices), "read_only": read_only})


@dataclasses.dataclass(frozen=True)
class _Declaration:
    name: str
    kind: type
    array: bool
    default: Any
    descriptor: ParameterDescriptor

    def to_ros(self, value: Any) -> Any:
        if not self.array:
            return value
        return list(value) or ([""] if self.kind is str else [])

    def from_ros(self, value: Any) -> Any:
        if not self.array:
            return value
        values = tuple(self.kind(v) for v in value)
        return () if values == ("",) else values


class ParameterSet:
    """The declared parameters of one node and the typed config they make.

    Args:
        node: the node to declare on.
        config_class: frozen dataclass, every field with a default.

    Raises:
        ParameterError: an override is unknown, has the wrong type, is out of range, or the config refuses it.
        TypeError: the dataclass itself is wrong (a field without description or of another type).
    """

    def __init__(self, node: Node, config_class: type) -> None:
        self._node = node
        self._config_class = config_class
        self._declarations = {d.name: d for d in _declarations(config_class, "")}
        self._check_overrides()
        for d in self._declarations.values():
            try:
                node.declare_parameter(d.name, d.to_ros(d.default), d.descriptor)
            except ParameterException as error:
                raise ParameterError(self._sentence(d, error)) from error
        self.read()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all declared parameters."""
        return tuple(self._declarations)

    def read(self, changed: Sequence[Parameter] = ()) -> Any:
        """Config of the present values, with `changed` laid over them.

        Raises:
            ParameterError: the config refuses the combination.
        """
        values = {d.name: self._node.get_parameter(d.name).value for d in self._declarations.values()}
        values.update({p.name: p.value for p in changed if p.name in self._declarations})
        values = {name: self._declarations[name].from_ros(value) for name, value in values.items()}
        try:
            return _build(self._config_class, values, "")
        except (ValueError, TypeError) as error:
            raise ParameterError(f"parameters of node {self._node.get_name()!r} don't fit together: {error}") from error

    def _check_overrides(self) -> None:
        # rclpy has no public view of the overrides of undeclared parameters, and ignores a misspelt one in silence.
        given = self._node._parameter_overrides
        for name in given:
            known = name in self._declarations or name in BUILT_IN or self._node.has_parameter(name)
            if known or name.startswith("qos_overrides."):
                continue
            near = difflib.get_close_matches(name, self._declarations, n=3)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(sorted(self._declarations))}"
            raise ParameterError(f"node {self._node.get_name()!r} has no parameter {name!r}: {hint}")
        for name, override in list(given.items()):
            declaration = self._declarations.get(name)
            # YAML says `rate: 5` where a person means 5.0; refusing that helps nobody.
            if declaration is None or declaration.kind is not float:
                continue
            if override.type_ is Parameter.Type.INTEGER and not declaration.array:
                given[name] = Parameter(name, Parameter.Type.DOUBLE, float(override.value))
            elif override.type_ is Parameter.Type.INTEGER_ARRAY and declaration.array:
                given[name] = Parameter(name, Parameter.Type.DOUBLE_ARRAY, [float(v) for v in override.value])

    def _sentence(self, declaration: _Declaration, error: Exception) -> str:
        override = self._node._parameter_overrides.get(declaration.name)
        given = repr(override.value) if override is not None else repr(declaration.default)
        expected = ("array of " if declaration.array else "") + declaration.kind.__name__
        limits = _limits(declaration.descriptor)
        return (f"parameter {declaration.name!r} of node {self._node.get_name()!r} is {given}, expected {expected}"
                f"{' ' + limits if limits else ''} ({declaration.descriptor.description})")


def defaults(config_class: type) -> dict[str, Any]:
    """Default of every parameter that a config class declares, by its ROS name."""
    return {declaration.name: declaration.default for declaration in _declarations(config_class, "")}


def _declarations(config_class: type, prefix: str) -> Iterator[_Declaration]:
    hints = typing.get_type_hints(config_class)
    documented = _documented(config_class)
    for field in dataclasses.fields(config_class):
        name, kind, array = prefix + field.name, hints[field.name], False
        if dataclasses.is_dataclass(kind):
            yield from _declarations(typing.cast(type, kind), name + ".")
            continue
        if typing.get_origin(kind) is tuple:
            array, kind = True, typing.get_args(kind)[0]
        if kind not in _TYPES:
            raise TypeError(f"{config_class.__name__}.{field.name} is a {kind}; a parameter is bool, int, float, str"
                            " or a tuple of one")
        if field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        else:
            raise TypeError(f"{config_class.__name__}.{field.name} needs a default to be a parameter")
        description = field.metadata.get("description") or documented.get(field.name)
        if not description:
            raise TypeError(f"{config_class.__name__}.{field.name} needs a description to be a parameter")
        yield _Declaration(name, kind, array, default, _descriptor(kind, array, description, field.metadata))


def _descriptor(kind: type, array: bool, description: str, metadata: types.MappingProxyType[Any, Any]) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=description, read_only=bool(metadata.get("read_only", True)),
                                     type=(_ARRAYS if array else _TYPES)[kind].value)
    low, high = metadata.get("minimum"), metadata.get("maximum")
    if low is not None or high is not None:
        if kind is int:
            descriptor.integer_range = [IntegerRange(from_value=-2**63 if low is None else int(low),
                                                     to_value=2**63 - 1 if high is None else int(high), step=0)]
        else:
            first, last = float("-inf") if low is None else float(low), float("inf") if high is None else float(high)
            descriptor.floating_point_range = [FloatingPointRange(from_value=first, to_value=last, step=0.0)]
    if metadata.get("choices"):
        descriptor.additional_constraints = "one of " + ", ".join(map(str, metadata["choices"]))
    return descriptor


def _limits(descriptor: ParameterDescriptor) -> str:
    for span in (*descriptor.integer_range, *descriptor.floating_point_range):
        return f"from {span.from_value} to {span.to_value}"
    return descriptor.additional_constraints


def _documented(config_class: type) -> dict[str, str]:
    """Descriptions in the "Args:" section of a docstring; `a, b: text` describes both."""
    text = inspect.cleandoc(config_class.__doc__ or "")
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Attributes):", line):
            inside = True
        elif inside and line and not line.startswith(" "):
            inside = False
        elif inside and (match := re.match(r"    (\w+(?:, \w+)*): (.+)", line)):
            names = match[1].split(", ")
            found.update({name: match[2].strip() for name in names})
        elif inside and line.strip():
            found.update({name: f"{found[name]} {line.strip()}" for name in names})
    return found


def _build(config_class: type, values: dict[str, Any], prefix: str) -> Any:
    hints = typing.get_type_hints(config_class)
    arguments = {}
    for field in dataclasses.fields(config_class):
        name = prefix + field.name
        if dataclasses.is_dataclass(hints[field.name]):
            arguments[field.name] = _build(hints[field.name], values, name + ".")
            continue
        choices = field.metadata.get("choices")
        value = values[name]
        if choices and not set(value if isinstance(value, tuple) else (value,)) <= set(choices):
            raise ValueError(f"{name!r} is {value!r}, expected one of {', '.join(map(repr, choices))}")
        arguments[field.name] = value
    return config_class(**arguments)
