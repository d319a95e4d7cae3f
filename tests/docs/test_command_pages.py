"""Pages of commands are made of the commands' own help."""

import inspect

import pytest

from docs.extensions.command_pages import ROOMS, Group, Option, command_help, commands, read_help, summary

TEXT = """usage: python -m room work [-h] [WORK OPTIONS]

Do the work.

More of it,
on two lines.

╭─ options ──────────────────────────────╮
│ -h, --help      show this help         │
│ --kinds [{a,b,                         │
│ c} [...]]                              │
│       kinds of it, a long              │
│       sentence. (default: a)           │
╰────────────────────────────────────────╯
╭─ training options ─────────────────────╮
│ its training;                          │
│ short.                                 │
│ ────────────────────────────────────── │
│ --training.rate FLOAT                  │
│       above 0. (required)              │
╰────────────────────────────────────────╯
"""


def test_a_help_text_is_read():
    found = read_help(TEXT)
    assert found.paragraphs == ["Do the work.", "More of it, on two lines."]
    assert found.groups == [
        Group(
            "options",
            options=[
                Option("-h, --help", "show this help"),
                Option("--kinds [{a,b,c} [...]]", "kinds of it, a long sentence. (default: a)"),
            ],
        ),
        Group("training options", "its training; short.", [Option("--training.rate FLOAT", "above 0. (required)")]),
    ]


def test_a_help_text_that_is_laid_out_in_another_way_is_named():
    with pytest.raises(ValueError, match="outside of its boxes: 'More'"):
        read_help(TEXT + "More")


@pytest.mark.parametrize("room", ROOMS)
def test_every_argument_of_every_command_is_on_its_page(room):
    for command in commands(room):
        text = command_help(room, command)
        found = read_help(text)
        options = [option for group in found.groups for option in group.options]
        assert found.paragraphs, command
        assert all(option.text for option in options), command
        assert sum(line.startswith(("│ -", "│ [--")) for line in text.splitlines()) <= len(options)
        words = [word for group in found.groups for option in group.options for word in (option.written, option.text)]
        words += [*found.paragraphs, *(f"{group.title} {group.text}" for group in found.groups)]
        boxed = "".join(text.partition("\n\n")[2].split()).translate(dict.fromkeys(map(ord, "│╭╮╰╯─")))
        assert sorted("".join("".join(words).split())) == sorted(boxed), command  # nothing lost, nothing twice


def test_the_summary_is_the_first_sentence():
    first = "Score the training examples of a data set; writes OUT/DATASET-METRIC.nc for every metric."
    assert summary("real_data", "score") == first
    assert inspect.cleandoc(command_help("real_data", "score")).split("\n\n")[1] == first
