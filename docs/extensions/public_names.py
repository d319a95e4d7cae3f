"""Reference of a room: a page of all its public names, by the files that they come from."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from docs.extensions.absolute_values import with_absolute_values

__all__ = ["FOLDERS", "PublicName", "home", "public_names", "reference_page", "setup"]

FOLDERS = (
    "data_pruning",
    "perceptron_theory",
    "simulations",
    "scaling_laws",
    "real_data",
    "real_data.scores",
    "real_data.datasets",
    "real_data.models",
    "real_data.subset_trainings",
    "real_data.weights",
    "figures",
)
"""Packages that list public names; a name of several of them has its entry in the first."""


@dataclass(frozen=True)
class PublicName:
    """A name that a package offers.

    Attributes:
        name: the name there.
        module: the file that it comes from, as a module.
        target: what it is called in that file.
    """

    name: str
    module: str
    target: str


def public_names(package: str) -> list[PublicName]:
    """The names in ``__init__.pyi`` of a package, or in ``__all__`` where there is no such file, in their order."""
    module = importlib.import_module(package)
    stub = Path(str(module.__file__)).with_suffix(".pyi")
    if not stub.exists():
        return [_defined(name, getattr(module, name)) for name in module.__all__]
    found = []
    for statement in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ImportFrom):
            origin = f"{package}.{statement.module}" if statement.level else str(statement.module)
            found += [_at_home(PublicName(name.asname or name.name, origin, name.name)) for name in statement.names]
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            found.append(_defined(name, getattr(module, name)))
    return found


def _defined(name: str, value: Any) -> PublicName:
    return PublicName(name, value.__module__, value.__name__)


def _at_home(name: PublicName) -> PublicName:
    """The name with the file that defines it, where a package hands it on."""
    value = getattr(importlib.import_module(name.module), name.target)
    module = getattr(value, "__module__", None)
    if isinstance(module, str) and (inspect.isclass(value) or inspect.isroutine(value)):
        return PublicName(name.name, module, value.__name__)
    return PublicName(name.name, _holder(name), name.target)


def _holder(name: PublicName) -> str:
    """The file that assigns a constant: not one that imports it."""
    module: ModuleType = importlib.import_module(name.module)
    if Path(str(module.__file__)).with_suffix(".pyi").exists():
        return next(found.module for found in public_names(name.module) if found.name == name.target)
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.ImportFrom) and name.target in [one.asname or one.name for one in statement.names]:
            return _holder(PublicName(name.name, str(statement.module), name.target))
    return name.module


def home(name: PublicName) -> str:
    """The package whose page has the entry of a name."""
    for package in FOLDERS:
        if any((other.module, other.target) == (name.module, name.target) for other in public_names(package)):
            return package
    raise KeyError(f"no package offers {name}; there are {', '.join(FOLDERS)}")


def reference_page(package: str) -> str:
    """The page in reStructuredText: what the package says of itself, a table of its names, a section for each file."""
    names = public_names(package)
    lines = [f"``{package}``", "=" * (len(package) + 4), "", f".. automodule:: {package}", "   :no-index:", ""]
    entries = {name: home(name) for name in names}
    # a file named as its function has its entry; one of two pages is that of the package that it lies in
    indexed = {f"{package}.{name.name}" for name in names}
    indexed |= {
        name.module for name in names if not name.module.startswith(f"{package}.") or _belongs_deeper(name, package)
    }
    lines += ["", ".. list-table::", "   :class: names", ""]
    for name in names:
        lines += [f"   * - :py:obj:`{name.name} <{entries[name]}.{name.name}>`", f"     - {_sentence(package, name)}"]
    modules = list(dict.fromkeys(name.module for name in names if entries[name] == package))
    for module in modules:
        title = module.removeprefix(f"{package}.")
        lines += ["", f"``{title}``", "-" * (len(title) + 4), "", f".. automodule:: {module}"]
        lines += ["   :no-index:", ""] if module in indexed else [""]
        for name in names:
            if name.module == module and entries[name] == package:
                lines += _entry(package, name)
    return "\n".join(lines) + "\n"


def _belongs_deeper(name: PublicName, package: str) -> bool:
    """Whether the file of a name lies in a package that has a page of its own, below this one."""
    return any(name.module.startswith(f"{other}.") for other in FOLDERS if other.startswith(f"{package}."))


def _sentence(package: str, name: PublicName) -> str:
    """The first sentence about a name, on one line."""
    value = getattr(importlib.import_module(package), name.name)
    said = str(inspect.getdoc(value)).splitlines() if _documents_itself(value) else _comment(name)
    text = " ".join(said).partition("  ")[0]
    first = re.split(r"(?<=[^.]{2}\.) (?=[A-Z])", text, maxsplit=1)[0]
    return with_absolute_values(re.sub(r":[a-z]+:`~?([^`]+)`", r"``\1``", first))  # roles mean what is near a docstring


def _documents_itself(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isroutine(value) or hasattr(value, "__wrapped__")


def _comment(name: PublicName) -> list[str]:
    """The text below a constant."""
    return ModuleAnalyzer.for_module(name.module).find_attr_docs().get(("", name.target), [])


def _entry(package: str, name: PublicName) -> list[str]:
    value = getattr(importlib.import_module(package), name.name)
    if inspect.isclass(value):
        return [f".. autoclass:: {package}.{name.name}", "   :members:", ""]
    if _documents_itself(value):
        return [f".. autofunction:: {package}.{name.name}", ""]
    said = [f"   {with_absolute_values(line)}" for line in _comment(name)]
    return [f".. py:data:: {name.name}", f"   :module: {package}", "", *said, ""]


def write_pages(app: Sphinx) -> None:
    """Write ``reference/generated/PACKAGE.rst`` for all packages; files that would not change are left as they are."""
    folder = Path(app.srcdir) / "reference" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    for package in FOLDERS:
        path, text = folder / f"{package}.rst", reference_page(package)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
