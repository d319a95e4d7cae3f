"""Notebooks of the site, cheaply: cells parse, imports are there, calls bind.  ``make docs`` runs them in full."""

import ast
import importlib
import inspect
import re
import tomllib
from functools import wraps
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path for path in (ROOT / "docs/tutorials").glob("*.md") if path.name != "index.md")
ROOMS = ("data_pruning", "perceptron_theory", "scaling_laws", "simulations", "real_data", "figures")
CELL = re.compile(r"^```\{code-cell\} python3\n((?::[^\n]*\n)*)(.*?)^```$", re.DOTALL | re.MULTILINE)


def cells(text):
    return [code for _, code in CELL.findall(text)]


def ours_in(trees):
    """What the cells import from our rooms, by name; an ImportError or AttributeError where there is no such thing."""
    return {
        alias.asname or alias.name: getattr(importlib.import_module(node.module), alias.name)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ROOMS
        for alias in node.names
    }


def check_calls(trees, ours):
    """A TypeError for a call of one of ours that does not fit; those with ``*`` or ``**`` are passed over."""
    count = 0
    for tree in trees:
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ours):
                continue
            keywords = {keyword.arg: None for keyword in call.keywords}
            if None in keywords or any(isinstance(argument, ast.Starred) for argument in call.args):
                continue
            inspect.signature(ours[call.func.id]).bind(*call.args, **keywords)
            count += 1
    return count


def test_there_are_six_notebooks_and_the_index_leads_to_each():
    index = (ROOT / "docs/tutorials/index.md").read_text(encoding="utf-8")
    tree = re.search(r"```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)```", index, re.DOTALL)
    assert tree is not None
    assert sorted(tree[1].split()) == [path.stem for path in NOTEBOOKS]
    assert all(f"({path.name})" in index for path in NOTEBOOKS)
    assert len(NOTEBOOKS) == 6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_one_that_the_site_runs(path):
    text = path.read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["kernelspec"]["name"] == "python3"
    assert head["jupytext"]["text_representation"]["format_name"] == "myst"
    assert head["mystnb"] == {"merge_streams": True}  # what cells print stays in one piece
    assert len(cells(text)) == text.count("```{code-cell}")  # none is written in a way that this file does not read
    assert "raises-exception" not in text  # a cell that fails must fail the build
    assert not re.search(r"\bTEXT\b|\bTODO\b|/tmp/|/root/|/work/", text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_parse_and_call_what_there_is_as_it_can_be_called(path):
    trees = [ast.parse(code) for code in cells(path.read_text(encoding="utf-8"))]
    ours = ours_in(trees)
    assert check_calls(trees, ours) >= 1


def test_a_call_that_does_not_fit_is_found():
    tree = [ast.parse("from perceptron_theory import solve\nsolve(10, keep=1, theta=0, probe=2)")]
    with pytest.raises(TypeError, match="probe"):
        check_calls(tree, ours_in(tree))
    with pytest.raises(AttributeError):
        ours_in([ast.parse("from perceptron_theory import solv")])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_commands_of_a_notebook_are_understood(path, monkeypatch):
    """Every command between quotes, the f-strings filled in by what the same notebook assigns."""
    names, found = {}, []
    for code in cells(path.read_text(encoding="utf-8")):
        for node in ast.parse(code).body:
            for constant in ast.walk(node):
                if isinstance(constant, ast.JoinedStr | ast.Constant):
                    words = _filled(constant, names)
                    if words is not None and words.startswith("python -m ") and isinstance(node, ast.Expr):
                        found.append(words)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names[node.targets[0].id] = _filled(node.value, names)
    whole = [one for one in found if not any(other != one and other.startswith(one) for other in found)]
    for command in whole:
        _, _, room, *arguments = command.split()
        cli = importlib.import_module(f"{room}.__main__").cli
        idle = {name: _idle(function) for name, function in cli.functions.items()}
        monkeypatch.setattr(cli, "functions", idle)
        cli.main(arguments)
    assert bool(whole) == (path.stem == "pictures")


def _filled(node, names):
    """A string, or an f-string of known names; else None."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else names.get(getattr(part.value, "id", ""))
            for part in node.values
        ]
        return None if None in parts else "".join(parts)
    return None


def _idle(function):
    return wraps(function)(lambda *_, **__: None)


def test_the_site_runs_notebooks_and_fails_with_them():
    settings = ast.parse((ROOT / "docs/conf.py").read_text(encoding="utf-8"))
    values = {
        node.targets[0].id: node.value.value
        for node in settings.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    assert values["nb_execution_mode"] in ("cache", "force", "auto")
    assert values["nb_execution_raise_on_error"] is True
    assert values["nb_execution_timeout"] >= 120
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    docs = project["optional-dependencies"]["docs"]
    assert any(line.startswith("ipykernel") for line in docs)
