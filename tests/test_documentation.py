"""What is written works: Python of the README and of every page fits the functions, commands are understood.

A block that begins with ```python run is executed too, in order and in one namespace a page; mark those that take
seconds.  Commands are those of blocks of sh, of lines of a console after $, and of text between backquotes.  Notebooks
are executed where the site is built, docstrings by tests of their own.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from functools import cache, wraps
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("data_pruning", "perceptron_theory", "scaling_laws", "simulations", "real_data", "figures")
FENCE = re.compile(r"^(?P<indent> *)```(?P<mark>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)


def pages() -> list[str]:
    """README, CONTRIBUTING and the pages of the site, without what is built and without notebooks."""
    written = [path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")]
    kept = [path for path in written if not any(part.startswith("_") or part == "generated" for part in path.parts)]
    names = ["README.md", "CONTRIBUTING.md", *sorted(path.as_posix() for path in kept)]
    return [name for name in names if "{code-cell}" not in text(name)]


@cache
def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[tuple[str, str, int]]:
    """Mark, code and first line of every fenced block."""
    found = []
    for match in FENCE.finditer(text(page)):
        code = "\n".join(line.removeprefix(match["indent"]) for line in match["code"].splitlines())
        found.append((match["mark"].strip(), code, text(page).count("\n", 0, match.start("code"))))
    return found


def shell(page: str) -> list[str]:
    """Lines of shell: blocks of sh, what follows $ on a console, and `python -m ...` in the text."""
    lines = []
    for mark, code, _ in blocks(page):
        if mark in ("sh", "console", "text"):
            joined = code.replace("\\\n", " ").splitlines()
            lines += joined if mark == "sh" else [line[2:] for line in joined if line.startswith("$ ")]
    prose = FENCE.sub("", text(page))
    lines += [" ".join(code.split()) for code in re.findall(r"`((?:python|make) [^`]+)`", prose)]
    return [line.strip() for line in lines]


def commands() -> list[tuple[str, str]]:
    """Every call of a room's command line once, with the first page that has it."""
    ours = {}
    for page in pages():
        for line in shell(page):
            words = line.removeprefix(".venv/bin/").split()
            if words[:2] == ["python", "-m"] and len(words) > 3 and words[2] in ROOMS:
                ours.setdefault(" ".join(words), page)
    return [(page, line) for line, page in ours.items()]


PYTHON = [page for page in pages() if any(mark.split()[:1] == ["python"] for mark, _, _ in blocks(page))]
RUN = [page for page in PYTHON if any(mark == "python run" for mark, _, _ in blocks(page))]


def test_there_are_pages_blocks_and_commands_to_look_at():
    assert "README.md" in PYTHON
    assert "README.md" in RUN
    assert len(commands()) > 100


@pytest.mark.parametrize("page", PYTHON)
def test_python_imports_what_there_is_and_calls_it_as_it_can_be_called(page):
    ours = {}
    for mark, code, line in blocks(page):
        if mark.split()[:1] != ["python"]:
            continue
        tree = ast.parse("\n" * line + code, page)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ROOMS:
                module = importlib.import_module(node.module)
                ours |= {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                modules = [alias for alias in node.names if alias.name.split(".")[0] in ROOMS]
                ours |= {alias.asname or alias.name: importlib.import_module(alias.name) for alias in modules}
            elif isinstance(node, ast.FunctionDef):
                ours.pop(node.name, None)  # one of the page's own from here on
        for call in ast.walk(tree):
            called = isinstance(call, ast.Call) and meant(call.func, ours)
            if called and not any(isinstance(argument, ast.Starred) for argument in call.args):
                keywords = {keyword.arg: None for keyword in call.keywords if keyword.arg}
                try:
                    inspect.signature(called).bind(*call.args, **keywords)
                except TypeError as fault:
                    raise AssertionError(f"{page}, line {call.lineno}: {ast.unparse(call)}: {fault}") from None
    assert ours


def meant(function: ast.expr, ours: dict[str, object]) -> object:
    """The function of ours that NAME or MODULE.NAME is, or None."""
    if isinstance(function, ast.Name):
        return ours.get(function.id)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        owner = ours.get(function.value.id)
        return getattr(owner, function.attr) if inspect.ismodule(owner) else None
    return None


@pytest.mark.parametrize("page", RUN)
def test_python_that_is_marked_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for mark, code, line in blocks(page):
        if mark == "python run":
            exec(compile("\n" * line + code, ROOT / page, "exec"), names)  # a traceback names page and line


@pytest.mark.parametrize(("page", "command"), commands())
def test_commands_are_understood(page, command, monkeypatch):
    _, _, room, *arguments = shlex.split(command, comments=True)
    cli = importlib.import_module(f"{room}.__main__").cli
    if len(arguments) == 1 and arguments[0] in cli.functions:
        return  # named in the text; what it needs beside is said elsewhere
    idle = {name: wraps(function)(lambda *_, **__: None) for name, function in cli.functions.items()}
    monkeypatch.setattr(cli, "functions", idle)
    if "--help" in arguments:
        with pytest.raises(SystemExit, match=r"^0$"):
            cli.main(arguments)
    else:
        cli.main(arguments)  # bad options are a SystemExit with code 2, their name on stderr


@pytest.mark.parametrize("page", pages())
def test_targets_of_make_and_scripts_are_there(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in shell(page):
        for target in re.findall(r"^make((?: [a-z]+\b(?!=))+)", line):
            assert set(target.split()) <= targets, line
        for script in re.findall(r"\bbenchmarks/\w+\.(?:py|sh)\b", line):
            assert (ROOT / script).is_file(), line


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(page):
    """Those of the site are checked where it is built; these pages are read elsewhere too."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", FENCE.sub("", text(page)))
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []
