"""The command line: `scenekit COMMAND …`. Each command is a pipeline; its options are the fields of its `Config`.

A command's module is imported only when it is called, so that `scenekit --help` answers at once.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import tyro

import scenekit
from scenekit._imports import importing
from scenekit._layout import sibling
from scenekit.errors import InputError, ScenekitError
from scenekit.runs import as_json

COMMANDS = {
    "demo": ("Photograph a table, reconstruct it, score the result.", "scenekit demo -o demo"),
    "capture": ("Make photos of a scene whose truth is known.", "scenekit capture tabletop -o photos --photos 48"),
    "fetch": ("Bring a public data set, after its licence.", "scenekit fetch mipnerf360 --scenes garden"),
    "reconstruct": (
        "Photos, a video or a posed capture → Gaussian splats, or a radiance field.",
        "scenekit reconstruct photos/ -o kitchen",
    ),
    "segment": ("What stands on a table or floor → nodes of its own.", "scenekit segment kitchen"),
    "mesh": ("The nodes of a scene → closed, textured meshes.", "scenekit mesh kitchen"),
    "edit": ("Change a scene, or undo what was changed.", "scenekit edit kitchen move /table/mug --by 0 0 0.3"),
    "simulate": (
        "Let a scene move: materials, pushes, drops.",
        "scenekit simulate kitchen --material /table/mug=jelly",
    ),
    "export": (
        "A scene, a mesh or splats → assets for simulators: MJCF, URDF, USD, GLB.",
        "scenekit export kitchen -o assets --to mjcf,urdf,usd,glb --check",
    ),
    "check": ("Prove that exported assets load, agree, and settle.", "scenekit check assets"),
    "generate": (
        "A sentence → a thing to edit, simulate and export; a layout → a world of them.",
        'scenekit generate "a blue mug with a red handle" -o mug',
    ),
    "guidance": (
        "Train the prior of text to 3D on made pictures, or draw from it.",
        'scenekit guidance sample "a red mug" --weights prior/prior.safetensors',
    ),
    "jepa": (
        "Learn what of a scene can be predicted from the rest; show where a scene is odd.",
        "scenekit jepa energy kitchen",
    ),
    "render": ("A run or a PLY → pictures or a video.", "scenekit render kitchen -o kitchen.mp4"),
    "eval": ("Score splats or a field against the photos they never saw.", "scenekit eval kitchen"),
    "convert": ("Splats or a mesh in another format.", "scenekit convert kitchen.ply kitchen.sog"),
    "info": (
        "What is in a file of splats, a mesh, a field, a scene, a run or a capture.",
        "scenekit info kitchen/splats.ply",
    ),
    "view": ("A scene in the browser: see, edit, play, export.", "scenekit view kitchen"),
    "validate": ("What is wrong with a scene, and what mends it.", "scenekit validate kitchen"),
    "bench": ("Measure this machine; without a name, list what there is.", "scenekit bench tiles"),
}
"""Every command: what it does, and an example."""

MODULES = {"eval": "evaluate"}
"""Commands whose pipeline has another name."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 + SIGINT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    | code | meaning |
    |---|---|
    | 0 | done |
    | 1 | the system refused: a full disk, a folder that may not be written |
    | 2 | input or options that cannot be used |
    | 3, 4, 5 | photos, a fit or a back-end failed; see `scenekit.errors` |
    | 6 | `validate` found something as grave as --fail-on, which is `error` unless said otherwise |
    | 7 | a simulation went wrong; its frames so far are kept |
    | 8 | exported assets did not pass their check |
    | 130 | Ctrl-C |

    Args:
        argv: The words after `scenekit`; None takes them from the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    verbose = any(word in ("-v", "--verbose") for word in words)
    words = [word for word in words if word not in ("-v", "--verbose")]
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("scenekit").setLevel(logging.DEBUG if verbose else logging.WARNING)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"scenekit {scenekit.__version__}")
        return 0
    config: object = None
    try:
        with importing():
            module, prog, rest = _pipeline(words)
        if hasattr(module, "check"):
            module.check(rest)
        config = tyro.cli(module.Config, args=rest, prog=prog, description=_description(module, words[0]))
        result = module.run(config)
    except ScenekitError as error:
        return _failed(str(error), error.exit_code, verbose)
    except OSError as error:  # a full disk, a folder that may not be written
        return _failed(str(error), 1, verbose)
    except KeyboardInterrupt:
        return _failed(f"interrupted.{_kept(config)}", INTERRUPTED, verbose=False)
    try:
        _show(result, with_json=words[0] == "bench")
    except BrokenPipeError:  # whoever read our output has gone, as `head` does; nothing is left to say to them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(getattr(result, "exit_code", 0))


def overview() -> str:
    """What `scenekit --help` says."""
    lines = [f"  {name:<12} {what}\n  {'':<12}   {example}" for name, (what, example) in COMMANDS.items()]
    head = [
        "scenekit: photos or a sentence in, a 3D scene a program can own out.",
        "",
        "usage: scenekit COMMAND [options] [-v]",
        "",
    ]
    tail = ["", "scenekit COMMAND --help lists a command's options; -v shows the log and, on errors, the traceback."]
    return "\n".join([*head, *lines, *tail])


def benchmarks() -> list[str]:
    """Names of the benchmarks: every pipelines/bench_NAME.py."""
    return sorted(path.stem.removeprefix("bench_") for path in Path(sibling("pipelines")).glob("bench_*.py"))


def _pipeline(words: list[str]) -> tuple[ModuleType, str, list[str]]:
    """The module of a command, what to call the program in its help, and the words that are left for its options."""
    command, rest = words[0], words[1:]
    if command not in COMMANDS:
        raise InputError("command", got=repr(command), wanted="one of " + ", ".join(COMMANDS), hint="scenekit --help")
    if command != "bench":
        name = MODULES.get(command, command)
        return import_module(f"scenekit.pipelines.{name}"), f"scenekit {command}", rest
    known = ", ".join(benchmarks()) or "none in this installation"
    if not rest or rest[0] in ("-h", "--help"):
        raise SystemExit(print(f"usage: scenekit bench NAME [options]\n\nNAME: {known}"))
    if rest[0] not in benchmarks():
        raise InputError("benchmark", got=repr(rest[0]), wanted=f"one of: {known}")
    return import_module(f"scenekit.pipelines.bench_{rest[0]}"), f"scenekit bench {rest[0]}", rest[1:]


def _description(module: ModuleType, command: str) -> str:
    text = (module.__doc__ or COMMANDS[command][0]).strip()
    return text if command == "bench" else f"{text}\n\nExample: {COMMANDS[command][1]}"


def _show(result: object, *, with_json: bool) -> None:
    """Prints what a command found."""
    if with_json:
        print(json.dumps(as_json(result)), end="\n\n")
    if result is not None:
        print(result, flush=True)


def _failed(message: str, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    print(f"scenekit: {message}", file=sys.stderr)
    return code


def _kept(config: object) -> str:
    """Where to go on after an interruption, if the command has a run folder with a checkpoint."""
    output = getattr(getattr(config, "action", config), "output", None)
    if output is None:
        return ""
    same = "the same command without --fresh" if getattr(config, "fresh", False) else "the same command"
    kept = {
        "checkpoint": "The last checkpoint is", "checkpoint.safetensors": "The last checkpoint is",
        "states": "The frames so far are", "things": "What was made is", "captures.json": "What is done is",
    }  # fmt: skip
    for name, what in kept.items():
        if (Path(output) / name).exists():
            return f" {what} kept in {Path(output) / name}; {same} goes on from there."
    return ""
