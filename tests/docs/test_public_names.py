"""The reference has one entry for every public name, in the package that a reader looks into first."""

import importlib
import re

import pytest

from docs.extensions.public_names import FOLDERS, PublicName, home, public_names, reference_page


@pytest.mark.parametrize("package", FOLDERS)
def test_the_names_are_those_that_the_package_offers(package):
    names = [name.name for name in public_names(package)]
    assert sorted(names) == sorted(set(importlib.import_module(package).__all__))


@pytest.mark.parametrize("package", FOLDERS)
def test_a_name_is_what_its_file_has_under_that_name(package):
    room = importlib.import_module(package)
    for name in public_names(package):
        assert getattr(importlib.import_module(name.module), name.target) is getattr(room, name.name)


def test_a_name_of_several_packages_has_its_entry_in_the_first():
    assert home(PublicName("KeepHard", "data_pruning.keep_rules", "KeepHard")) == "data_pruning"
    assert "autoclass:: perceptron_theory.KeepHard" not in reference_page("perceptron_theory")
    assert ":py:obj:`KeepHard <data_pruning.KeepHard>`" in reference_page("perceptron_theory")
    scores = reference_page("real_data.scores")
    assert "autofunction:: real_data.scores.prototype_distance" in scores
    assert ":py:obj:`score <real_data.score>`" in scores


def test_all_packages_have_every_name_once():
    entries = [
        line
        for package in FOLDERS
        for line in reference_page(package).splitlines()
        if line.startswith((".. auto", ".. py:data"))
    ]
    names = {(name.module, name.target) for package in FOLDERS for name in public_names(package)}
    assert sum("automodule" not in line for line in entries) == len(names) > 150


def test_a_name_of_no_package_is_refused():
    with pytest.raises(KeyError, match="no package offers"):
        home(PublicName("nothing", "data_pruning.nothing", "nothing"))


def test_a_table_says_what_each_name_is_in_a_sentence():
    page = reference_page("perceptron_theory").splitlines()
    row = page.index("   * - :py:obj:`MaxMargin <perceptron_theory.MaxMargin>`")
    assert page[row + 1] == r"     - The separator of largest margin: maximises min y w.x / \|w\|."
    for package in FOLDERS:
        sentences = re.findall("   \\* - .*\n     - (.*)\n", reference_page(package))
        assert len(sentences) == len(public_names(package))
        assert all(len(sentence) > 10 for sentence in sentences)
