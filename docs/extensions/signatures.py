"""Signatures as they are written: ``ArrayLike`` stays ``ArrayLike``, and short names lead to their entries."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import make_refnode

from docs.extensions.code_links import entries

__all__ = ["as_written", "resolve", "setup"]


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
    """The link of a name of Python that Sphinx does not find, by what is public, or by where it comes from."""
    if node.get("refdomain") != "py":
        return None
    domain, wanted = env.domains["py"], node["reftarget"]
    target = entries().get(wanted, wanted)
    found = domain.objects.get(target)  # type: ignore[attr-defined]
    if found is None:
        return None
    return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, child, target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-signature", process)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
