"""Equations as MathML, which browsers draw by themselves: nothing is loaded, and readers of screens can read them."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number

__all__ = ["mathml", "setup"]


def mathml(latex: str, *, display: bool) -> str:
    """An equation as MathML.

    Args:
        latex: without the dollars around it; several lines, aligned at ``&``, where it has ``\\\\`` of its own.
        display: on a line of its own.
    """
    text = latex.strip()
    if r"\\" in text and r"\begin" not in text:
        text = rf"\begin{{aligned}}{text}\end{{aligned}}"
    return str(convert(text, display="block" if display else "inline"))


def visit_inline(writer: Any, node: nodes.math) -> None:
    """Within a sentence."""
    writer.body.append(f'<span class="math">{mathml(node.astext(), display=False)}</span>')
    raise nodes.SkipNode


def visit_display(writer: Any, node: nodes.math_block) -> None:
    """On a line of its own, with its number where it has one."""
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    writer.body.append(f"{mathml(node.astext(), display=True)}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(visit_inline, None), block_renderers=(visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
