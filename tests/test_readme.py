"""The README says what works: its Python fits the functions, its commands are understood.

A block that begins with ```python run is executed too, in order and in one namespace; mark those that take seconds.
"""

import ast
import importlib
import inspect
import re
import shlex
from functools import wraps
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
ROOMS = ("data_pruning", "perceptron_theory", "scaling_laws", "simulations", "real_data", "figures")
BLOCKS = re.findall(r"^```python *([^\n]*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
SHELL = re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every call of a room's command line, in a block of shell or between backquotes."""
    lines = "\n".join(SHELL).replace("\\\n", " ").splitlines()
    inline = [" ".join(code.split()) for code in re.findall(r"`(python -m [^`]+)`", README)]
    return [line for line in lines + inline if line.startswith("python -m ") and line.split()[2] in ROOMS]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_of_the_readme_imports_what_there_is_and_calls_it_as_it_can_be_called(number):
    tree = ast.parse(BLOCKS[number][1])
    ours = {
        alias.asname or alias.name: getattr(importlib.import_module(node.module), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ROOMS
        for alias in node.names
    }
    assert ours
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ours:
            keywords = {keyword.arg: None for keyword in call.keywords}
            inspect.signature(ours[call.func.id]).bind(*call.args, **keywords)  # a TypeError names what does not fit


def test_python_of_the_readme_that_is_marked_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    marked = [code for mark, code in BLOCKS if mark == "run"]
    if not marked:
        pytest.skip("no block of the README begins with ```python run")
    names = {}
    for code in marked:
        exec(compile(code, "README.md", "exec"), names)


@pytest.mark.parametrize("command", commands())
def test_commands_of_the_readme_are_understood(command, monkeypatch):
    _, _, room, *arguments = shlex.split(command, comments=True)
    cli = importlib.import_module(f"{room}.__main__").cli
    idle = {name: wraps(function)(lambda *_, **__: None) for name, function in cli.functions.items()}
    monkeypatch.setattr(cli, "functions", idle)
    if "--help" in arguments:
        with pytest.raises(SystemExit, match=r"^0$"):
            cli.main(arguments)
    else:
        cli.main(arguments)  # bad options are a SystemExit with code 2, their name on stderr
