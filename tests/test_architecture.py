"""The layout is the architecture: layers, doors, and what the light paths must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "prakerja_load"
FOUNDATION = ("units", "clock", "seeds", "errors")
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("campaign", "calibration"),
    ("trial",),
    ("driver", "report"),
    ("judgement",),
    ("evidence",),
    ("scenario",),
    ("arrivals",),
    ("journey",),
    ("applicants",),
    FOUNDATION,
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
DOORS = {
    "locust": {"driver"},
    "gevent": {"driver"},
    "requests": {"driver"},
    "faker": {"applicants"},
    "pandas": {"evidence", "judgement", "report"},
    "pyarrow": {"evidence"},
    "sqlite3": {"evidence"},
    "psycopg": {"evidence", "registrar"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "rich": {"report"},
    "apsw": {"registrar"},
    "argon2": {"registrar"},
    "uvloop": {"driver", "registrar"},
    "httptools": {"driver", "registrar"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide the layer"
            if node.module == "prakerja_load":
                yield from (f"prakerja_load.{alias.name}" for alias in node.names)
            else:
                yield node.module


def rooms_used(path: Path) -> set[str]:
    names = (name.split(".") for name in imports_of(path) if name.startswith("prakerja_load."))
    return {parts[1] for parts in names} - {room_of(path), "__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert rooms_used(path) == set()
        return
    used = rooms_used(path)

    if room == "registrar":
        assert used <= {"units", "errors"}, f"the registrar stands beside the tower, but uses {used}"
        return
    assert "registrar" not in used, "harness and registrar share HTTP and nothing else"
    assert used <= LEVEL.keys()
    upward = {other for other in used if LEVEL[other] <= LEVEL[room] and not {room, other} <= set(FOUNDATION)}
    assert not upward, f"{room} must not use {upward}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_dependency_has_one_door(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports_of(path)}

    assert not {top for top in tops if top in DOORS and room_of(path) not in DOORS[top]}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""

    first = docstring.split("\n\n")[0]
    assert first.rstrip().endswith((".", "?")), f"{path} does not say in one sentence what it is"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_and_no_function_outgrows_its_limit(path: Path) -> None:
    text = path.read_text()
    long = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert len(text.splitlines()) <= 400
    assert not {name: lines for name, lines in long.items() if lines > 60}


@pytest.mark.parametrize("path", sorted((ROOT / "locustfiles").glob("*.py")), ids=lambda path: path.name)
def test_locustfiles_stay_thin_and_hold_no_numbers(path: Path) -> None:
    tree = ast.parse(path.read_text())
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    numbers = [value for value in constants if type(value) in (int, float)]
    texts = [value for value in constants if isinstance(value, str)]

    assert len(path.read_text().splitlines()) <= 40
    assert numbers == []
    assert not [text for text in texts if "://" in text]


def loaded_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("statement", [f"import prakerja_load{name}" for name in ("", ".cli", ".scenario")])
def test_the_light_paths_load_neither_locust_nor_pandas(statement: str) -> None:
    heavy = {"locust", "gevent", "pandas", "matplotlib", "faker", "rich", "apsw"}

    assert not loaded_by(statement) & heavy


def test_the_command_line_loads_no_validation_before_a_verb_needs_it() -> None:
    assert not loaded_by("import prakerja_load.cli") & {"pydantic", "numpy", "msgspec"}
