"""Signatures as they are written: ``ArrayLike`` stays ``ArrayLike``, and short names lead to their entries."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import get_node_source, make_refnode

from docs.extensions.code_links import entries

__all__ = ["as_written", "exists", "places", "resolve", "setup"]

ROLES = ("attr", "data", "func", "meth", "mod")
"""Roles that someone wrote; types of signatures are found or are not."""

logger = logging.getLogger(__name__)


class _Written:
    """Text in place of a value."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def as_written(value: Any) -> tuple[str, str | None] | None:
    """Arguments and result of a function or a class, with annotations as in its source; None where it has no signature.

    A default that is made anew for each object is shown as it is made, where that is short.
    """
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    if dataclasses.is_dataclass(value) and isinstance(value, type):
        made = {field.name: field.default_factory for field in dataclasses.fields(value) if field.init}
        parameters = [
            parameter.replace(default=_Written(_short(factory())))
            if (factory := made.get(parameter.name, dataclasses.MISSING)) is not dataclasses.MISSING
            else parameter
            for parameter in parameters
        ]
    returns = inspect.Signature.empty if isinstance(value, type) else signature.return_annotation
    text = stringify_signature(signature.replace(parameters=parameters, return_annotation=returns))
    arguments, arrow, result = text.rpartition(" -> ")
    return (arguments, result) if arrow else (text, None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{type(value).__name__}(...)"


def process(
    app: Sphinx, what: str, name: str, value: Any, options: Any, arguments: str | None, result: str | None
) -> tuple[str | None, str | None] | None:
    """What autodoc shall print for a function, a method or a class."""
    return as_written(value) if what in ("class", "function", "method") and arguments is not None else None


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, child: nodes.Element) -> nodes.Element | None:
    """The link of a name of Python that Sphinx does not find, by what is public.

    What is not public stays without a link; a reference to what does not exist is warned of.
    """
    if node.get("refdomain") != "py":
        return None
    wanted = node["reftarget"]
    names = [wanted, *(f"{place}.{wanted}" for place in places(node))]
    for name in names:
        entry = env.domains["py"].objects.get(entries().get(name, name))
        if entry is not None:
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, child, wanted)
    if node["reftype"] in ROLES and not any(map(exists, names)):
        logger.warning("there is no %s", wanted, location=node, type="ref")
    return None


def places(node: nodes.Element) -> list[str]:
    """What the docstring of a node belongs to, from the inside out: a method, its class, its file, the packages."""
    _, found, name = (get_node_source(node) or "").partition("docstring of ")
    parts = name.split(":")[0].split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)] if found else [node.get("py:module") or ""]


def exists(name: str) -> bool:
    """Whether a full name is that of a module, or of something in one."""
    parts = name.strip(".").split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        try:
            functools.reduce(getattr, parts[end:], found)
        except AttributeError:
            return False
        return True
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-signature", process)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
