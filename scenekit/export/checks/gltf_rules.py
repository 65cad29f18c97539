"""What the Khronos Group's glTF validator finds in a file; it is an npm package, gltf-validator, and runs in node.

Not all of us have node: there are no findings without it. It is looked for where node looks, and in the folder that the
environment variable GLTF_VALIDATOR names, the one with node_modules in it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

SECONDS = 120.0
"""Time for a file [s]."""

SCRIPT = """
const folders = [process.env.GLTF_VALIDATOR, process.cwd()].filter(Boolean);
let validator;
try { validator = require(require.resolve("gltf-validator", { paths: folders })); } catch { process.exit(3); }
const data = new Uint8Array(require("fs").readFileSync(process.argv[1]));
validator.validateBytes(data, { maxIssues: 1000 })
  .then((report) => console.log(JSON.stringify(report.issues.messages)))
  .catch((error) => console.log(JSON.stringify([{ code: "UNREADABLE", severity: 0, message: String(error) }])));
"""
"""Prints all issues of a file; ends with 3 where there is no validator."""

MISSING = 3
ERROR = 0


def findings(path: Path) -> list[str] | None:
    """Its errors, one sentence each; None where it is not installed.

    It calls the attributes of extensions invalid that it says it does not know, as KHR_gaussian_splatting:ROTATION;
    these are left out.
    """
    node = shutil.which("node")
    if node is None:
        return None
    try:
        run = subprocess.run([node, "-e", SCRIPT, str(path)], capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return [f"The validator did not end within {SECONDS:g} s."]
    if run.returncode == MISSING:
        return None
    if run.returncode:
        return [f"The validator failed: {(run.stderr.strip().splitlines() or ['no reason given'])[-1][:300]}"]
    return _errors(json.loads(run.stdout))


def _errors(messages: list[dict[str, Any]]) -> list[str]:
    unknown = [each["message"].split("'")[1] for each in messages if each["code"] == "UNSUPPORTED_EXTENSION"]
    prefixes = tuple(f"{name}:" for name in unknown)
    found = []
    for each in messages:
        pointer = each.get("pointer", "")
        foreign = each["code"] == "MESH_PRIMITIVE_INVALID_ATTRIBUTE" and pointer.rpartition("/")[2].startswith(prefixes)
        if each["severity"] == ERROR and not (prefixes and foreign):
            found.append(f"{each['code']}: {each['message']} {pointer}".strip())
    return found
