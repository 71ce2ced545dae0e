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

"""Item catalogue, MuJoCo cell and D435 sensor model.

MuJoCo picks its OpenGL platform from MUJOCO_GL when it is imported, which happens after this module: a robot's computer
has no display, so EGL is the default, and OSMesa where there is no EGL. Whoever sets MUJOCO_GL decides.
"""

import ctypes.util
import os

os.environ.setdefault("MUJOCO_GL", "egl" if ctypes.util.find_library("EGL") else "osmesa")
