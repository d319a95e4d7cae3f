"""A page for every command of every room, made of what the command says of itself after ``--help``."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

__all__ = ["ROOMS", "Group", "Help", "Option", "command_help", "commands", "read_help", "setup"]

ROOMS = ("perceptron_theory", "simulations", "scaling_laws", "real_data", "figures")

WIDTH = 126  # wider help comes in two columns of boxes
OPTION = re.compile(r"(--[a-z][\w.-]*\w|python -m \w+(?: [a-z][\w-]+)?)")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Option:
    """One argument: how it is written, and what it does."""

    written: str
    text: str = ""


@dataclass
class Group:
    """A box of the help: its title, its own sentence, and its arguments."""

    title: str
    text: str = ""
    options: list[Option] = field(default_factory=list)


@dataclass
class Help:
    """What ``--help`` says: paragraphs, and boxes of arguments."""

    paragraphs: list[str]
    groups: list[Group]


def commands(room: str) -> list[str]:
    """The commands of a room, in the order of its help."""
    return list(importlib.import_module(f"{room}.__main__").cli.functions)


def command_help(room: str, command: str) -> str:
    """What ``python -m ROOM COMMAND --help`` prints, without colours."""
    cli = importlib.import_module(f"{room}.__main__").cli
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # text without an encoding gets no boxes
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        cli.main([command, "--help"])
    printed.seek(0)
    return ANSI.sub("", printed.read())


def read_help(text: str) -> Help:
    """The paragraphs and the boxes of a help text.

    Raises:
        ValueError: a line that is in no box and in no paragraph: the help is laid out in another way.
    """
    head, bar, boxes = text.partition("╭")
    paragraphs = [" ".join(part.split()) for part in head.split("\n\n")]
    groups: list[Group] = []
    for line in (bar + boxes).splitlines():
        if line.startswith("╭"):
            groups.append(Group(line.strip("╭─╮ ")))
        elif line.startswith("│") and groups:
            _read_row(groups[-1], line[2:].rstrip("│ "))
        elif line.strip("╰─╯ "):
            raise ValueError(f"the help has a line outside of its boxes: {line!r}")
    return Help([part for part in paragraphs if part and not part.startswith("usage:")], groups)


def _read_row(group: Group, row: str) -> None:
    if not row.strip("─ "):
        if row and group.options:  # a rule ends the sentence of the group
            group.text = " ".join(" ".join([option.written, option.text]).strip() for option in group.options)
            group.options.clear()
    elif row.startswith(" "):
        option = group.options[-1]
        option.text = f"{option.text} {row.strip()}".strip()
    elif group.options and not group.options[-1].text and not row.startswith("-"):
        group.options[-1].written += f" {row}" if not group.options[-1].written.endswith(",") else row
    else:
        written, _, rest = row.partition("  ")
        group.options.append(Option(written, rest.strip()))


class CommandPage(Directive):
    """``{command} ROOM COMMAND``: the help of a command, as paragraphs and lists of options."""

    required_arguments = 2
    has_content = False

    def run(self) -> list[nodes.Node]:
        """The nodes of the page, below its title."""
        room, command = self.arguments
        found = read_help(command_help(room, command))
        page: list[nodes.Node] = []
        for paragraph in found.paragraphs:
            before, example, line = paragraph.partition("python -m ")
            if example and before.endswith(": "):
                page += [_paragraph(before.strip()), _shell(example + line)]
            else:
                page.append(_paragraph(paragraph))
        page.insert(1, _shell(f"python -m {room} {command} ..."))
        for group in found.groups:
            options = [option for option in group.options if not option.written.startswith("-h, ")]
            if options:
                page.append(nodes.rubric("", group.title.capitalize() if group.title.islower() else group.title))
                page += [_paragraph(group.text)] if group.text else []
                page.append(nodes.definition_list("", *map(_item, options), classes=["options"]))
        return page


def _paragraph(text: str) -> nodes.paragraph:
    """A paragraph whose options are set as code; their hyphens would become dashes."""
    parts = OPTION.split(text)
    return nodes.paragraph("", "", *(nodes.literal("", p) if OPTION.fullmatch(p) else nodes.Text(p) for p in parts))


def _shell(line: str) -> nodes.literal_block:
    return nodes.literal_block(line, line, language="sh")


def _item(option: Option) -> nodes.definition_list_item:
    term = nodes.term()
    for part in re.split(r", (?=--?[a-z])", option.written):
        flag, space, value = part.partition(" ")
        term += [nodes.Text(", ")] if len(term) else []
        term += nodes.literal("", flag)
        term += [nodes.inline("", f" {value}", classes=["value"])] if space else []
    text = re.sub(r"\s*\((required|repeatable|default: [^()]*(?:\([^()]*\))*[^()]*)\)$", "", option.text)
    mark = option.text[len(text) :].strip()[1:-1]
    described = _paragraph(text)
    if mark:
        described += nodes.inline("", f" {mark}", classes=["required" if mark == "required" else "default"])
    return nodes.definition_list_item("", term, nodes.definition("", described))


def write_pages(app: Sphinx) -> None:
    """Write ``reference/generated/commands/ROOM-COMMAND.md`` and ``ROOM.md`` with a list of them."""
    folder = Path(app.srcdir) / "reference" / "generated" / "commands"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {}
    for room in ROOMS:
        names = commands(room)
        rows = [f"| [`{name}`]({room}-{name}.md) | {summary(room, name)} |" for name in names]
        listed = "\n".join(["| command | what it does |", "| --- | --- |", *rows])
        tree = "\n".join(f"{name} <{room}-{name}>" for name in names)
        about = " ".join(str(importlib.import_module(f"{room}.__main__").cli.description).split("\n\n")[0].split())
        pages[room] = f"# `python -m {room}`\n\n{about}\n\n{listed}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
        for name in names:
            pages[f"{room}-{name}"] = f"# `python -m {room} {name}`\n\n```{{command}} {room} {name}\n```\n"
    for page, text in pages.items():
        path = folder / f"{page}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.glob("*.md"):
        if path.stem not in pages:  # of a command that is gone
            path.unlink()


def summary(room: str, command: str) -> str:
    """The first sentence of a command's help, ready for a table of Markdown."""
    text = str(importlib.import_module(f"{room}.__main__").cli.functions[command].__doc__).strip()
    sentence = " ".join(text.split("\n\n")[0].split()).replace("|", r"\|").replace("<", r"\<")
    return OPTION.sub(r"`\1`", sentence)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("command", CommandPage)
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
