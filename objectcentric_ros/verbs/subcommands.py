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


"""Verbs with sub-commands: one module a sub-command, imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import Any


class _OnDemand(argparse.ArgumentParser):
    """Sub-parser that asks its module for arguments only when it is used: the others are not imported."""

    def parse_known_args(  # type: ignore[override]  # argparse has overloads that no caller needs
            self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        module = importlib.import_module(self.get_default("subcommand_module"))
        if self.epilog is None:
            self.epilog = module.EXAMPLES
            module.add_arguments(self)
        return super().parse_known_args(args, namespace)


def add_subcommands(parser: argparse.ArgumentParser, verb: str, texts: Mapping[str, str]) -> None:
    """Give a verb its sub-commands.

    Args:
        parser: of the verb.
        verb: its name; sub-command x-y is the module objectcentric_ros.verbs.<verb>_x_y.
        texts: what each sub-command does.
    """
    commands = parser.add_subparsers(required=True, metavar="|".join(texts), parser_class=_OnDemand)
    for name, text in texts.items():
        command = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=argparse.RawDescriptionHelpFormatter)
        command.set_defaults(subcommand_module=f"objectcentric_ros.verbs.{verb}_{name.replace('-', '_')}")


def run_subcommand(arguments: argparse.Namespace) -> int:
    """Run the chosen sub-command; returns the exit code."""
    return int(importlib.import_module(arguments.subcommand_module).run(arguments))
