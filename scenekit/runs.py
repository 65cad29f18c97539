"""Run folders: what a reconstruction leaves behind, resumable and never half-written.

splats.ply       the Gaussians, in the layout every splat viewer opens
cameras.json     cameras in the format of the original 3DGS viewer, and ours
colmap/          the posed photos and sparse points as a COLMAP model, in the frame of the splats
sky.ply          with --fit.background sky: what is far behind them; draw both
metrics.json     held-out scores, the history of the fit, seconds per stage
video.mp4        a turntable
field.safetensors   with --method nerf: the radiance field; the Gaussians lie on its surface
scene.json       with --mesh: the scene, its things apart, with parts/ beside it
mesh.glb         with --mesh: all surfaces; one by one in meshes/, and meshes.png to look at
report.html      all of it to look at
config.json      every option
run.json         which stages are done, by which version, and how long they took
checkpoint/      the latest state of the fit
cache/           the database of structure from motion and the undistorted photos
"""

from __future__ import annotations

import json
import math
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import scenekit
from scenekit.errors import FileError, InputError
from scenekit.io.atomic import remove_unfinished, write_text

LAST_STAGE = "report"
"""The stage whose end is the end of the run."""

FORGIVEN = {"output", "fresh", "mesh", "each", "workers", "photos_in", "photo_memory", "view", "viewer"}
"""Options that may differ between a run and its continuation."""


@dataclass
class Run:
    """A run folder and what has been done in it."""

    folder: Path
    """Where everything is written."""
    config: dict[str, Any]
    """Every option, as in config.json."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time spent in each stage, over all sittings [s], in order."""
    done: set[str] = field(default_factory=set)
    """Stages that were finished."""
    started: str = ""
    """When it was first started, ISO 8601, UTC."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what happens inside, even if it is interrupted, and notes in run.json when it is done."""
        start = time.perf_counter()
        try:
            yield
            self.done.add(name)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.save()

    def save(self) -> None:
        """Writes run.json, atomically."""
        state = {
            "started": self.started,
            "finished": LAST_STAGE in self.done,
            "done": sorted(self.done),
            "seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
            "command": command(),
            "versions": versions(),
        }
        write_json(self.folder / "run.json", state)


def command() -> str:
    """The words that started this process, as a shell would take them."""
    program = Path(sys.argv[0])
    words = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    return shlex.join([*words, *sys.argv[1:]])


def open_run(folder: str | Path, config: object, *, fresh: bool = False) -> Run:
    """Opens a new or empty folder for a run, or an earlier run with the same options to go on with.

    Args:
        folder: The run folder; made if it is missing.
        config: The options, a dataclass; one that the earlier run's version did not know had its default there.
        fresh: Start over: drop cache, checkpoint and pictures of the making of an earlier run; its results stay until
            new ones are made.

    Raises:
        FileError: If the folder is a file, or holds other things than a run.
        InputError: If the earlier run had other options and `fresh` is not given.
    """
    folder, options = Path(folder), as_json(config)
    if folder.exists() and not folder.is_dir():
        raise FileError(folder, got="a file", wanted="a folder to write to", hint="Choose another -o.")
    if not folder.exists() or not any(folder.iterdir()):
        run = Run(folder, options, started=datetime.now(UTC).isoformat(timespec="seconds"))
    else:
        run = _earlier(folder, config, options, fresh)
    write_json(folder / "config.json", options)
    run.save()
    return run


def _earlier(folder: Path, config: object, options: dict[str, Any], fresh: bool) -> Run:
    if not (folder / "run.json").is_file():
        hint = "Choose another -o; nothing was changed there."
        raise FileError(folder, got="a folder with other things in it", wanted="a new, empty or run folder", hint=hint)
    state = read_json(folder / "run.json")
    remove_unfinished(folder)
    if fresh:
        for name in ("cache", "checkpoint", "progress"):
            shutil.rmtree(folder / name, ignore_errors=True)
        return Run(folder, options, started=datetime.now(UTC).isoformat(timespec="seconds"))
    file = folder / "config.json"
    before = _completed(read_json(file), config) if file.is_file() else {}
    changed = sorted(_differences(before, options))
    if changed:
        hint = "Choose another -o, or add --fresh to start over in this one."
        got = "an earlier run with other options (" + "; ".join(changed[:6]) + (" …" if len(changed) > 6 else "") + ")"
        raise InputError(folder, got=got, wanted="the options of that run, to go on with it", hint=hint)
    seconds, done = state.get("seconds"), state.get("done")
    return Run(
        folder,
        options,
        seconds={str(k): float(v) for k, v in seconds.items()} if isinstance(seconds, dict) else {},
        done=set(map(str, done)) if isinstance(done, list) else set(),
        started=str(state.get("started", "")),
    )


def _completed(before: Any, config: Any) -> Any:
    """Options as they were kept, and the defaults of those that came with a later version: it did as these say."""
    if not (is_dataclass(config) and isinstance(before, dict)):
        return before
    kept = {name: _completed(value, getattr(config, name, None)) for name, value in before.items()}
    return {f.name: as_json(_default(f)) for f in fields(config) if _default(f) is not MISSING} | kept


def _default(option: Field[Any]) -> Any:
    return option.default if option.default_factory is MISSING else option.default_factory()


def _differences(before: Any, after: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            if not (prefix == "" and name in FORGIVEN):
                yield from _differences(before.get(name), after.get(name), f"{prefix}.{name}".strip("."))
    elif before != after:
        yield f"{prefix} was {before}, now {after}"


def as_json(value: Any) -> Any:
    """A dataclass of options as plain JSON values; paths become absolute strings, anything else unknown its `str`.

    That goes for numbers that JSON has not, too.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if isinstance(value, Path):
        return str(value.resolve())
    plain = isinstance(value, str | int | bool | None) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else str(value)


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON, atomically.

    Raises:
        ValueError: If a number is not finite: JSON has no NaN.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object of at most 64 MB.

    Raises:
        FileError: If the file is missing, too large, or not a JSON object.
    """
    try:
        if path.stat().st_size > 64_000_000:
            raise FileError(path, got=f"{path.stat().st_size} bytes", wanted="at most 64 MB of JSON")
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(path, got="nothing", wanted="a JSON file", hint="Is this a run folder?") from None
    except (ValueError, RecursionError) as error:
        raise FileError(path, got=f"{error}", wanted="valid JSON") from None
    if not isinstance(value, dict):
        raise FileError(path, got=f"a JSON {type(value).__name__}", wanted="a JSON object")
    return value


def versions() -> dict[str, str]:
    """What the run was made with: scenekit, Python, the packages that decide the numbers, the machine."""
    from importlib.metadata import version

    packages = {name: version(name) for name in ("torch", "warp-lang", "pycolmap", "numpy")}
    machine = f"{platform.system()} {platform.machine()}"
    return {"scenekit": scenekit.__version__, "python": platform.python_version()} | packages | {"machine": machine}
