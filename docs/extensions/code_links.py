"""Names and commands in the text lead to their entries: ``solve``, ``real_data.prune``, ``python -m figures fig1``."""

from __future__ import annotations

import functools
import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from docs.extensions.command_pages import ROOMS, commands
from docs.extensions.public_names import FOLDERS, home, public_names

__all__ = ["CodeLinks", "entry_of", "page_of", "setup"]

PLAIN_WORDS = {"crossover", "forecast", "simulate", "solve"}
"""Names without a capital or an underscore that are not said of anything else; ``score`` and ``train`` are."""

COMMAND = re.compile(rf"python -m ({'|'.join(ROOMS)})(?: ([a-z0-9-]+))?")


@functools.cache
def entries() -> dict[str, str]:
    """The entry of everything public: by its names in packages and files, and alone where that says enough."""
    found, owners = {}, dict[str, set[str]]()
    for package in FOLDERS:
        for name in public_names(package):
            value = f"{home(name)}.{name.name}"
            found[f"{package}.{name.name}"] = found[f"{name.module}.{name.target}"] = value
            owners.setdefault(name.name, set()).add(value)
    for word, values in owners.items():
        if len(values) == 1 and (word in PLAIN_WORDS or (not word.isupper() and re.search("[A-Z_]", word))):
            found[word] = values.pop()
    return found


def entry_of(code: str) -> str | None:
    """The entry that a piece of code is about: a public name, alone or called."""
    match = re.fullmatch(r"([A-Za-z_][\w.]*)(\(.*\))?", code)
    return entries().get(match[1]) if match else None


def page_of(code: str) -> str | None:
    """The page of the command that a piece of code runs."""
    match = COMMAND.match(code)
    if not match:
        return None
    room, command = match[1], match[2]
    pages = f"reference/generated/commands/{room}"
    return f"{pages}-{command}" if command in commands(room) else pages


class CodeLinks(SphinxPostTransform):
    """Puts the links around literals that have none."""

    default_priority = 5  # before references are resolved

    def run(self, **options: Any) -> None:
        """Link the literals of one page, in the reference of a package its own names first; titles stay as they are."""
        package = self.env.docname.rpartition("/")[2]
        for literal in list(self.document.findall(nodes.literal)):
            if isinstance(literal, addnodes.desc_name) or _within(literal):
                continue
            code = literal.astext()
            target, page = entry_of(f"{package}.{code}") or entry_of(code), page_of(code)
            if page is not None and page != self.env.docname:
                link = addnodes.pending_xref(
                    "", refdomain="std", reftype="doc", reftarget=f"/{page}", refexplicit=True, refwarn=True
                )
            elif target is not None:
                link = addnodes.pending_xref(
                    "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=False
                )
            else:
                continue
            link["refdoc"] = self.env.docname
            literal.replace_self(link)
            link += literal


def _within(node: nodes.Node) -> bool:
    """Whether a node lies in a link, a title or a signature."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, (nodes.reference, nodes.title, nodes.term, addnodes.pending_xref, addnodes.desc_signature)):
            return True
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_post_transform(CodeLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
