"""Equations as MathML: well formed, and spaced as TeX spaces them."""

import re
from xml.etree.ElementTree import fromstring

import pytest

from docs.extensions.mathml import mathml


def inner(latex):
    return mathml(latex, display=False).partition("<mrow>")[2].rpartition("</mrow>")[0]


def test_an_equation_says_where_it_stands():
    assert 'display="inline"' in mathml("x", display=False)
    assert 'display="block"' in mathml("x", display=True)
    fromstring(mathml(r"a < b", display=True))


def test_functions_have_thin_spaces_around_them_but_not_before_a_bracket():
    space = '<mspace width="0.167em" />'
    assert inner(r"A\cos\theta") == f"<mi>A</mi>{space}<mi>cos</mi>{space}<mi>θ</mi>"
    assert inner(r"\cos(x)") == '<mi>cos</mi><mo stretchy="false">(</mo><mi>x</mi><mo stretchy="false">)</mo>'
    assert inner(r"\sin^2\theta").endswith(f"</msup>{space}<mi>θ</mi>")


def test_bars_and_slashes_stand_close():
    assert inner("|x|/2").count('lspace="0" rspace="0"') == 3
    assert inner(r"P(a \mid b)").count("rspace") == 0  # a relation


def test_a_sign_without_a_left_side_is_a_prefix():
    assert inner("f(-x)").count('form="prefix"') == 1
    assert inner("a - x").count('form="prefix"') == 0
    assert inner("-x").count('form="prefix"') == 1


def test_lines_are_aligned():
    for latex in (r"a &= b \\ c &= d", r"\begin{aligned} a &= b \\ c &= d \end{aligned}"):
        assert mathml(latex, display=True).count("<mtr>") == 2


def test_what_the_converter_does_not_know_is_named():
    with pytest.raises(ValueError, match="does not know an environment"):
        mathml(r"\begin{unknown} a & b \end{unknown}", display=True)


def test_greek_capitals_stand_upright():
    assert re.fullmatch('<mi mathvariant="normal">Φ</mi>', inner(r"\Phi"))
    assert inner(r"\phi") == "<mi>ϕ</mi>"
