"""Where the sibling folders are: beside the package in a checkout, under `_share/` in an installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def sibling(name: str) -> str:
    """The folder `name` (kernels, pipelines, datasets) as a string, ready for a package's `__path__`."""
    installed = PACKAGE / "_share" / name
    return str(installed if installed.is_dir() else PACKAGE.parent / name)
