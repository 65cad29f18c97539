"""The house: who may import whom, what may not be called what, and that a wheel holds everything."""

import ast
import functools
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SIBLINGS = ("kernels", "pipelines", "datasets")
ROOMS = ("scenekit", *SIBLINGS)
DOOR = ROOT / "scenekit" / "cli.py"
LAZY_DOORS = (ROOT / "scenekit" / "__init__.py", ROOT / "scenekit" / "generate" / "__init__.py")


def sources(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Modules imported anywhere in a file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def inherited_methods() -> set[str]:
    """Documented methods of our protocols and base classes: what implements one need not say it again."""
    classes = [
        n for path in sources("scenekit") for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef)
    ]
    bases = {base.id for c in classes for base in c.bases if isinstance(base, ast.Name)}
    above = [c for c in classes if "Protocol" in {getattr(base, "id", "") for base in c.bases} or c.name in bases]
    return {n.name for c in above for n in c.body if isinstance(n, ast.FunctionDef) and ast.get_docstring(n)}


def public_functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Functions of a module, and methods of its public classes, whose names do not begin with an underscore."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [module, *(n for n in module.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_"))]
    for body in bodies:
        yield from (n for n in body.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_"))


@pytest.mark.parametrize("path", sources("kernels"), ids=name_of)
def test_kernels_import_nothing_of_ours_but_each_other(path: Path) -> None:
    ours = [name for name in imports(path) if name.split(".")[0] in ("scenekit", *SIBLINGS)]
    assert not [name for name in ours if not name.startswith("scenekit._kernels.")]


@pytest.mark.parametrize("path", sources("scenekit"), ids=name_of)
def test_the_library_knows_neither_datasets_nor_pipelines(path: Path) -> None:
    if path in (DOOR, *LAZY_DOORS):  # the command line and what is called like a function lead to pipelines by name
        return
    assert not [n for n in imports(path) if n.startswith(("scenekit.pipelines", "scenekit.datasets"))]


@pytest.mark.parametrize("path", sources("datasets"), ids=name_of)
def test_datasets_do_not_know_pipelines(path: Path) -> None:
    assert not [name for name in imports(path) if name.startswith("scenekit.pipelines")]


@pytest.mark.parametrize("path", sources(*SIBLINGS), ids=name_of)
def test_siblings_are_imported_through_the_package_only(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] in SIBLINGS]


def test_siblings_have_no_init_so_their_names_stay_free_for_others() -> None:
    assert not [path for room in SIBLINGS for path in (ROOT / room).rglob("__init__.py")]


def test_nothing_is_called_utils() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    everything = [path for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*")]
    assert not [name_of(path) for path in everything if vague & set(path.stem.lower().split("_"))]


@pytest.mark.parametrize("path", sources(*ROOMS), ids=name_of)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600


@pytest.mark.parametrize("path", sources("scenekit", "pipelines", "datasets"), ids=name_of)
def test_public_functions_say_what_they_mean_and_take(path: Path) -> None:
    for function in public_functions(path):
        where = f"{name_of(path)}:{function.lineno} {function.name}"
        assert ast.get_docstring(function) or function.name in inherited_methods(), f"{where} has no docstring"
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        assert not bare, f"{where}: {bare} without a type"
        assert function.returns is not None, f"{where} without a return type"


@pytest.mark.parametrize("path", sources(*ROOMS), ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    if path.parent.name in ("_kernels", *SIBLINGS) and path.name == "__init__.py":  # three lines that lead elsewhere
        return
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout."""
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))


def test_the_wheel_holds_every_room_under_one_import_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"scenekit"}
    for path in sources("scenekit"):
        assert name_of(path) in names
    for path in sources(*SIBLINGS):
        assert f"scenekit/_share/{name_of(path)}" in names
    assert "scenekit/_share/pipelines/bench_tiles.cpp" in names
    templates = {name_of(path) for path in (ROOT / "scenekit").rglob("*.jinja")}
    assert "scenekit/export/checks/report.html.jinja" in templates and templates <= names
    assert not [name for name in names if "__pycache__" in name]


def test_the_sdist_holds_every_room_and_the_tests(tmp_path: Path) -> None:
    from hatchling.builders.sdist import SdistBuilder

    built = Path(next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])))
    with tarfile.open(built) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {name_of(path) for path in sources(*ROOMS, "tests")} <= names
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_an_installed_wheel_finds_its_siblings_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """In a fresh process, from another folder, with the checkout's editable install out of the way."""
    with zipfile.ZipFile(wheel) as archive:  # what `pip install --no-deps --target` does with a pure wheel
        archive.extractall(tmp_path / "site")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import scenekit, scenekit.pipelines.reconstruct as r\n"
        "import scenekit.datasets.tabletop as d, scenekit._kernels.launch as k\n"
        "print(*(m.__file__ for m in (scenekit, r, d, k)), sep='\\n')"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    files = [Path(line) for line in ran.stdout.splitlines()]
    assert all(file.is_relative_to(tmp_path / "site") for file in files)
    assert [file.name for file in files] == ["__init__.py", "reconstruct.py", "tabletop.py", "launch.py"]


def test_importing_the_package_is_light() -> None:
    """`import scenekit` and the command line's help load none of the heavy packages."""
    program = (
        "import sys, scenekit, scenekit.cli as cli; cli.main(['--help']);"
        "print(sorted({'torch', 'warp', 'open3d', 'pycolmap', 'scipy', 'av'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"
