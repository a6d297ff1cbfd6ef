"""The house itself: sizes, what an import loads, what the facade offers, what the documents say."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("orchestrator", "search", "trainables", "cluster")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md"]

LONGEST_FILE = 400
LONGEST_FUNCTION = 45


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small_and_say_what_they_are(path):
    text = path.read_text()
    tree = ast.parse(text)

    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert len(text.splitlines()) <= LONGEST_FILE
    assert ast.get_docstring(tree), "a file's first line says what it holds"
    for function in functions:
        lines = (function.end_lineno or 0) - function.lineno + 1
        docstring = len((ast.get_docstring(function) or "").splitlines())
        assert lines - docstring <= LONGEST_FUNCTION, f"{path.name}:{function.lineno} {function.name} has {lines} lines"


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_loads_nothing_heavy(room):
    heavy = {"ray", "torch", "pandas", "hyperopt", "sklearn", "pyarrow", "keras", "scipy"}

    loaded = python(f"import sys, {room}; print(sorted({heavy} & set(sys.modules)))")

    assert loaded == "[]"


def test_the_facade_offers_what_it_names():
    facade = importlib.import_module("orchestrator")

    for name in facade.__all__:
        assert getattr(facade, name) is not None
        assert getattr(facade, name).__doc__, f"{name} has no docstring"


def test_public_functions_and_classes_are_described():
    undescribed = []
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            is_public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if is_public and not ast.get_docstring(node):
                undescribed.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")

    assert undescribed == []


def test_a_hidden_name_is_told_in_one_line(tmp_path):
    (tmp_path / "search.py").write_text("")

    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import orchestrator"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip

    assert done.returncode != 0
    assert "Rename that file" in done.stderr.splitlines()[-1]
    assert "search.py" in done.stderr.splitlines()[-1]


def test_a_name_that_only_workers_would_see_hidden_is_refused(tmp_path):
    from orchestrator.floors import check_workers

    (tmp_path / "cluster.py").write_text("")

    with pytest.raises(ValueError, match=r"cluster\.py hides a440's 'cluster'.*Rename it"):
        check_workers([tmp_path])
    check_workers([ROOT])


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), flags=re.DOTALL)


@pytest.fixture(scope="module")
def ray():
    from cluster.to_ray import connect

    with connect("local", cpus=2):
        yield


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_python_in_documents_runs(path, ray, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    for block in blocks(path, "python"):
        exec(compile(block, str(path), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_in_documents_exist(path):
    from orchestrator.cli import main

    for line in re.findall(r"^a440 (.*)$", "\n".join(blocks(path, "bash")), flags=re.MULTILINE):
        words = line.split("#")[0].split()
        command = main.commands[words.pop(0)]
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        options = {
            name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts
        }
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if "://" not in link:
            assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short_and_run_in_smoke_size(path, ray, tmp_path, monkeypatch):
    import runpy

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "--smoke"])

    runpy.run_path(str(path), run_name="__main__")

    assert len(path.read_text().splitlines()) <= 60
    assert list((tmp_path / "runs").glob("*/tables/trials.parquet"))
