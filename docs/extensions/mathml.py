"""Equations as MathML, which browsers draw by themselves: nothing is loaded, and readers of screens can read them."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number

__all__ = ["mathml", "setup"]

THIN = "0.167em"
FUNCTIONS = {
    *("arccos", "arcsin", "arctan", "arg", "cos", "cosh", "cot", "det", "exp", "inf", "lim", "ln", "log", "max", "min"),
    *("sin", "sinh", "sup", "tan", "tanh"),
}
SIGNS = {"-", "−", "+", "±"}
AFTER_SIGN = {*"=<>≤≥≈∝,;([{⟨→", *SIGNS}
SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}


def mathml(latex: str, *, display: bool) -> str:
    r"""An equation as MathML, spaced as TeX spaces it.

    Args:
        latex: without the dollars around it; several lines, aligned at ``&``, where it has ``\\`` of its own.
        display: on a line of its own.
    """
    text = re.sub(r"\{(aligned|align|align\*)\}", "{split}", latex.strip())
    if r"\\" in text and r"\begin" not in text:
        text = rf"\begin{{split}}{text}\end{{split}}"
    tree = fromstring(_well_formed(convert(text, display="block" if display else "inline")))
    for element in list(tree.iter()):
        _space(element)
        if _kind(element) == "mi" and element.text and re.fullmatch("[Α-Ω]", element.text):
            element.set("mathvariant", "normal")  # Greek capitals stand upright
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    tree.set("xmlns", "http://www.w3.org/1998/Math/MathML")
    return tostring(tree, encoding="unicode")


def _well_formed(text: str) -> str:
    """What the converter says, if it is XML.

    Raises:
        ValueError: an ampersand is left over: it knows no such environment.
    """
    if ">&<" in text:
        raise ValueError(f"the converter to MathML does not know an environment of this equation: {text}")
    return text


def _kind(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _base(element: Element) -> Element:
    """What an element is without the scripts above and below it."""
    while _kind(element) in SCRIPTS and len(element):
        element = element[0]
    return element


def _first(element: Element) -> Element:
    while _kind(element) == "mrow" and len(element):
        element = element[0]
    return element


def _space(parent: Element) -> None:
    """Set the spaces among the children of an element, where the default of browsers is not that of TeX."""
    if _kind(parent) in SCRIPTS:
        return
    row, previous = list(parent), None
    for place, child in enumerate(row):
        base = _base(child)
        word = (base.text or "").strip()
        following = _base(_first(row[place + 1])) if place + 1 < len(row) else None
        if word in ("|", "/") and "form" not in base.attrib:  # a bar is no relation, a slash no division of two sides
            base.attrib.update(lspace="0", rspace="0", stretchy="false")
        elif word in SIGNS and (previous is None or (previous.text or "").strip() in AFTER_SIGN):
            base.set("form", "prefix")
        elif word == "∞":
            base.attrib.update(lspace="0", rspace="0")
        elif word in FUNCTIONS or (_kind(base) == "mo" and word.isalpha() and len(word) > 1):
            before = previous is not None and _kind(previous) not in ("mo", "mspace")
            after = following is not None and _kind(following) != "mspace" and following.text not in ("(", ",", ")")
            _pad(parent, base, child, before=before, after=after)
        previous = base


def _pad(parent: Element, base: Element, child: Element, *, before: bool, after: bool) -> None:
    """Thin spaces around a function: those of an operator are its own, others get them beside."""
    if _kind(base) == "mo":
        base.attrib.update(lspace=THIN if before else "0", rspace=THIN if after else "0")
        return
    namespace = child.tag.rpartition("}")[0]
    place = list(parent).index(child)
    for wanted, where in ((after, place + 1), (before, place)):
        if wanted:
            space = SubElement(parent, f"{namespace}}}mspace" if namespace else "mspace", width=THIN)
            parent.remove(space)
            parent.insert(where, space)


def visit_inline(writer: Any, node: nodes.math) -> None:
    """Within a sentence."""
    writer.body.append(mathml(node.astext(), display=False))
    raise nodes.SkipNode


def visit_display(writer: Any, node: nodes.math_block) -> None:
    """On a line of its own, with its number where it has one."""
    writer.body.append(writer.starttag(node, "div", CLASS="equation"))
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
