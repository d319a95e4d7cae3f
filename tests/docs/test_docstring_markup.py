"""What is done to docstrings before Sphinx reads them, and what in the text leads to the reference."""

import inspect
from dataclasses import dataclass, field

import pytest

from docs.extensions.absolute_values import with_absolute_values
from docs.extensions.code_links import entry_of, page_of
from docs.extensions.sentences import as_fields
from docs.extensions.signatures import as_written, exists
from perceptron_theory import Labels, solve


@pytest.mark.parametrize(
    ("line", "escaped"),
    [
        ("ranked by |J.x|;", r"ranked by \|J.x\|;"),
        ("|w| of ``|w|`` stays", r"\|w\| of ``|w|`` stays"),
        (">>> a | b", ">>> a | b"),
        ("| a | b |", "| a | b |"),
    ],
)
def test_bars_are_absolute_values(line, escaped):
    assert with_absolute_values(line) == escaped


def test_what_is_returned_is_a_sentence():
    lines = ["First.", "", "Returns:", "    Fraction: the share,", "    of all.", "", "Raises:", "    ValueError: bad."]
    expected = [
        "First.",
        "",
        "",
        ":returns: Fraction: the share,",
        "    of all.",
        "",
        "",
        "Raises:",
        "    ValueError: bad.",
    ]
    assert as_fields(lines) == expected


def test_a_sentence_about_errors_is_no_exception():
    assert as_fields(["Raises:", "    As ``solve``."]) == ["", ":raises: As ``solve``."]
    known = ["Raises:", "    TypeError, ValueError: bad."]
    assert as_fields(known) == known


def test_a_signature_is_as_written():
    arguments, result = as_written(solve)
    assert arguments.startswith("(alpha_tot: ArrayLike, keep: KeepRule | KeepByLabel, theta: ArrayLike, *, student")
    assert result == "Solution"
    assert as_written(Labels)[1] is None
    assert as_written(3) is None


def test_a_default_made_anew_is_shown_as_it_is_made():
    @dataclass
    class Settings:
        words: list = field(default_factory=lambda: ["a"])
        many: list = field(default_factory=lambda: list(range(99)))

    arguments, _ = as_written(Settings)
    assert "['a']" in arguments
    assert "list(...)" in arguments


def test_names_in_the_text_lead_to_their_entries():
    assert entry_of("solve") == entry_of("perceptron_theory.solve") == "perceptron_theory.solve"
    assert entry_of("KeepHard(0.2)") == "data_pruning.KeepHard"
    assert entry_of("perceptron_theory.KeepHard") == "data_pruning.KeepHard"
    assert entry_of("real_data.scores.score") == entry_of("real_data.scores.scoring.score") == "real_data.score"
    assert entry_of("margin") is None  # a score, a margin, a function
    assert entry_of("pareto_frontier") is None  # of which room?
    assert entry_of("real_data.pareto_frontier()") == "real_data.pareto_frontier"
    assert entry_of("a = solve(2)") is None


def test_commands_in_the_text_lead_to_their_pages():
    pages = "reference/generated/commands/"
    assert page_of("python -m figures fig1 --folder results") == pages + "figures-fig1"
    assert page_of("python -m real_data --help") == pages + "real_data"
    assert page_of("make docs") is None


def test_what_is_named_in_docstrings_exists():
    assert exists("real_data.training.train.train")
    assert exists("data_pruning.Results.load")
    assert not exists("data_pruning.nothing")
    assert not exists("nothing.at.all")
    assert inspect.getdoc(exists)
