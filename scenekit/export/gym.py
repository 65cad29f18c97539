"""An exported scene as a Gymnasium environment: MuJoCo moves its bodies, cameras see their splats.

    import gymnasium, scenekit.export.gym
    env = gymnasium.make("scenekit/Scene-v0", folder="assets", pusher="mug")

It is a place, not a task: the reward is 0 unless a function for it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekit._libraries import mujoco
from scenekit.cameras import Array, Camera, pinhole
from scenekit.errors import BackendError, FileError, InputError
from scenekit.export.geom_view import GeomView
from scenekit.export.splat_view import SplatView
from scenekit.render.splats import Frame

try:
    import gymnasium
    from gymnasium.spaces import Box, Dict
except ImportError as missing:
    hint = "pip install 'scenekit[gym]'"
    raise BackendError(
        "scenekit.export.gym", got="no package gymnasium", wanted="gymnasium ≥ 1", hint=hint
    ) from missing

ID = "scenekit/Scene-v0"
"""What Gymnasium knows the environment by, once this module is imported."""

SCENE = Path("mjcf", "scene.xml")
"""The model in an exported folder."""

VIEW = "view"
"""The camera that the export puts in."""

FROM_GL = np.diag([1.0, -1.0, -1.0])
"""MuJoCo's cameras look along −z with y up, ours along z with y down."""

LIFT = 2.0
"""A push is at most so many times the weight of what is pushed, if not told otherwise."""

Observation = dict[str, NDArray[Any]]
Reward = Callable[["SceneEnv"], float]


class SceneEnv(gymnasium.Env[Any, Any]):
    """Steps an exported scene and observes it through one of its cameras.

    Observation: `image` uint8 (h, w, 3), `qpos` and `qvel` as MuJoCo has them [m, rad, m/s, rad/s], with `depth` also
    the distance along the optical axis [m], float32 (h, w), 0 where nothing is seen. Robots, and what else has no
    splats, are drawn by rays; see `geom_view`.

    Action: one control per actuator, in its range (−1..1 if it has none), then the force on the link `pusher` in the
    world's axes, as parts −1..1 of `push`. It holds for the whole step.

    `env.model` and `env.data` are MuJoCo's; `env.splats` and `env.geoms` draw.

    Args:
        folder: What `scenekit export --to mjcf` wrote.
        camera: Name of a camera of the model, those of robots included; None for `VIEW`, else the first.
        width: Of the image [px].
        height: Of the image [px].
        frame_skip: Steps of MuJoCo's per step.
        depth: Also observe depth.
        pusher: A link to push; None pushes none, or the first free one if the scene has no actuator.
        push: Largest force along each axis [N]; None for twice the link's weight.
        jitter: How far free bodies are moved at a reset, sideways, each way at most [m].
        reward: Of a step, after it; 0 if None.
        done: Whether the task is over; never if None.
        time_limit: When an episode is truncated [s].
        render_mode: "rgb_array", or None.

    Raises:
        FileError: If the folder has no model that MuJoCo loads, or splats that cannot be read.
        InputError: If an option does not fit; says what exists.
    """

    action_space: Box[Any]
    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - Gymnasium's

    def __init__(
        self, folder: str | Path, *, camera: str | None = None, width: int = 128, height: int = 128,
        frame_skip: int = 20, depth: bool = False, pusher: str | None = None, push: float | None = None,
        jitter: float = 0.0, reward: Reward | None = None, done: Callable[[SceneEnv], bool] | None = None,
        time_limit: float = 10.0, render_mode: str | None = None,
    ):  # fmt: skip
        self.model = _model(Path(folder) / SCENE)
        self.data = mujoco.MjData(self.model)
        self.splats = SplatView(folder)
        self.geoms = GeomView(self.model, without=self.splats.rows)
        _check(width=width, height=height, frame_skip=frame_skip, time_limit=time_limit, push=push, jitter=jitter)
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise InputError("render_mode", got=repr(render_mode), wanted="rgb_array or None")
        self.frame_skip, self.depth, self.jitter, self.time_limit = frame_skip, depth, jitter, time_limit
        self.reward, self.done, self.render_mode = reward, done, render_mode
        self.camera_id = _camera_id(self.model, camera)
        self.camera = pinhole_of(self.model, self.camera_id, width, height)
        self.pusher, self.push = self._pushed(pusher, push)
        self.metadata = self.metadata | {"render_fps": round(1 / (frame_skip * self.model.opt.timestep))}
        self.action_space = self._actions()
        self.observation_space = self._observations()
        self._drawn: Frame | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Puts all things where they were exported, moved sideways by up to `jitter`.

        Args:
            seed: Of the jitter.
            options: {"jitter": metres} replaces the environment's own for this episode.
        """
        super().reset(seed=seed)
        if self.model.nkey:
            mujoco.mj_resetDataKeyframe(self.model, self.data, 0)
        else:
            mujoco.mj_resetData(self.model, self.data)
        jitter = float((options or {}).get("jitter", self.jitter))
        _check(jitter=jitter)
        for start in self.model.jnt_qposadr[self.model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]:
            self.data.qpos[start : start + 2] += self.np_random.uniform(-jitter, jitter, 2)
        mujoco.mj_forward(self.model, self.data)
        return self._observe(), {"time": self.data.time}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Holds an action for `frame_skip` steps.

        Raises:
            InputError: If the action is of another shape, or not finite.
        """
        action = np.asarray(action, np.float64)
        if action.shape != self.action_space.shape or not np.isfinite(action).all():
            raise InputError("action", got=action, wanted=f"finite numbers of shape {self.action_space.shape}")
        action = np.clip(action, self.action_space.low, self.action_space.high)
        self.data.ctrl[:] = action[: self.model.nu]
        if self.pusher is not None:
            self.data.xfrc_applied[self.pusher, :3] = self.push * action[self.model.nu :]
        mujoco.mj_step(self.model, self.data, nstep=self.frame_skip)
        for update in (mujoco.mj_kinematics, mujoco.mj_comPos, mujoco.mj_camlight):  # a step leaves those before it
            update(self.model, self.data)
        reward = 0.0 if self.reward is None else float(self.reward(self))
        terminated = False if self.done is None else bool(self.done(self))
        truncated = bool(self.data.time >= self.time_limit - 0.5 * self.model.opt.timestep)
        return self._observe(), reward, terminated, truncated, {"time": self.data.time}

    def render(self) -> NDArray[np.uint8] | None:
        """The image of the last observation, (h, w, 3); None without a render mode."""
        return None if self.render_mode is None or self._drawn is None else _bytes(self._drawn)

    def pose(self, link: str) -> Array:
        """T_world_link of a body by name, shape (4, 4).

        Raises:
            InputError: If there is none.
        """
        return self._pose(_id(self.model, mujoco.mjtObj.mjOBJ_BODY, link, "link"))

    @property
    def T_world_cam(self) -> Array:
        """Where the camera is, OpenCV axes, shape (4, 4)."""
        return camera_pose(self.data, self.camera_id)

    def _observe(self) -> Observation:
        poses = {self.model.body(body).name: self._pose(body) for body in range(self.model.nbody)}
        splats = self.splats.frame(poses, self.camera, self.T_world_cam)
        frame = self._drawn = self.geoms.over(splats, self.data, self.camera, self.T_world_cam)
        state = {"image": _bytes(frame), "qpos": self.data.qpos.copy(), "qvel": self.data.qvel.copy()}
        return state | ({"depth": frame.depth.numpy()} if self.depth else {})

    def _pose(self, body: int) -> Array:
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = self.data.xmat[body].reshape(3, 3), self.data.xpos[body]
        return T

    def _pushed(self, pusher: str | None, push: float | None) -> tuple[int | None, float]:
        """Body that is pushed, and how hard [N]."""
        free = self.model.jnt_bodyid[self.model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]
        if pusher is not None:
            body = _id(self.model, mujoco.mjtObj.mjOBJ_BODY, pusher, "pusher")
            if self.model.body_weldid[body] == 0:
                raise InputError("pusher", got=f"{pusher}, which stays where it is", wanted="a link that can move")
        elif self.model.nu == 0 and len(free):
            body = int(free[0])
        else:
            return None, 0.0
        weight = self.model.body_subtreemass[body] * float(np.linalg.norm(self.model.opt.gravity))
        return body, LIFT * weight if push is None else push

    def _actions(self) -> Box[Any]:
        limited = self.model.actuator_ctrllimited.astype(bool)[:, None]
        ranges = np.where(limited, self.model.actuator_ctrlrange, (-1.0, 1.0))
        if self.pusher is not None:
            ranges = np.concatenate([ranges, np.tile((-1.0, 1.0), (3, 1))])
        return Box(ranges[:, 0].astype(np.float32), ranges[:, 1].astype(np.float32), dtype=np.float32)

    def _observations(self) -> Dict[Any]:
        h, w = self.camera.height, self.camera.width
        spaces: dict[str, gymnasium.Space[Any]] = {
            "image": Box(0, 255, (h, w, 3), np.uint8),
            "qpos": Box(-np.inf, np.inf, (self.model.nq,), np.float64),
            "qvel": Box(-np.inf, np.inf, (self.model.nv,), np.float64),
        }
        return Dict(spaces | ({"depth": Box(0, np.inf, (h, w), np.float32)} if self.depth else {}))


def reaching(link: str, goal: tuple[float, float, float]) -> Reward:
    """The reward for bringing a link's origin to a place in the world [m]: minus the distance [m]."""
    return lambda env: -float(np.linalg.norm(env.pose(link)[:3, 3] - goal))


def pinhole_of(model: mujoco.MjModel, camera: int, width: int, height: int) -> Camera:
    """A camera of a model for an image of this size; MuJoCo has its vertical field of view, and square pixels.

    Raises:
        InputError: If it has no perspective.
    """
    if model.cam_projection[camera] != mujoco.mjtProjection.mjPROJ_PERSPECTIVE:
        raise InputError(model.camera(camera).name, got="an orthographic camera", wanted="one with perspective")
    focal = 0.5 * height / np.tan(0.5 * np.radians(model.cam_fovy[camera]))
    return pinhole(width, height, focal, focal, 0.5 * width, 0.5 * height)


def camera_pose(data: mujoco.MjData, camera: int) -> Array:
    """T_world_cam of a camera of a model, OpenCV axes, shape (4, 4)."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = data.cam_xmat[camera].reshape(3, 3) @ FROM_GL, data.cam_xpos[camera]
    return T


def _model(file: Path) -> mujoco.MjModel:
    if not file.is_file():
        hint = "scenekit export SCENE -o FOLDER --to mjcf"
        raise FileError(file, got="nothing", wanted="the model of an exported scene", hint=hint)
    try:
        return mujoco.MjModel.from_xml_path(str(file))
    except ValueError as fault:
        raise FileError(file, got=str(fault), wanted="a model that MuJoCo loads") from None


def _camera_id(model: mujoco.MjModel, name: str | None) -> int:
    names = [model.camera(i).name for i in range(model.ncam)]
    if name is None and names:
        return names.index(VIEW) if VIEW in names else 0
    return _id(model, mujoco.mjtObj.mjOBJ_CAMERA, name or "", "camera")


def _id(model: mujoco.MjModel, kind: mujoco.mjtObj, name: str, what: str) -> int:
    number: int = mujoco.mj_name2id(model, kind, name)
    if number < 0:
        bodies = kind == mujoco.mjtObj.mjOBJ_BODY
        names = [model.body(i).name for i in range(1, model.nbody)] if bodies else [
            model.camera(i).name for i in range(model.ncam)
        ]  # fmt: skip
        raise InputError(what, got=repr(name), wanted="one of " + (", ".join(names) or "none, as the model has none"))
    return number


def _check(**options: float | None) -> None:
    """That what is given is finite and, all but the jitter, more than 0."""
    for name, value in options.items():
        if value is not None and not (0 < value < np.inf or (name == "jitter" and value == 0)):
            raise InputError(name, got=value, wanted="a positive number")


def _bytes(frame: Frame) -> NDArray[np.uint8]:
    colors: NDArray[np.uint8] = (255 * frame.rgb.clamp(0, 1)).round().byte().numpy()
    return colors


if ID not in gymnasium.registry:
    gymnasium.register(ID, entry_point="scenekit.export.gym:SceneEnv")
