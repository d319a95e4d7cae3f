"""What simulations refuse, and that they do so before any work: sizes, precision, arguments of a wrong type."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from data_pruning import KeepByLabel, KeepEasy, KeepHard, KeepPolicy, KeepRandom, KeepWindow
from simulations import Point, max_margin, select_queries, simulate, validate
from simulations.trials.run import Precision

MODERATE = 6 * 2**30  # bytes of address space, in which what is refused must be refused


@pytest.mark.parametrize(
    "rule",
    [
        KeepHard(0.3),
        KeepEasy(0.31),
        KeepRandom(0.5),
        KeepWindow(0.21, 0.63),
        KeepPolicy([0, 0.13, 0.5, 1], [1, 0.3, 0.1]),
    ],
)
@pytest.mark.parametrize("num_examples", [7, 40, 1001])
def test_the_number_kept_is_known_without_the_list(rule, num_examples):
    expected = rule.kept_positions(num_examples, np.random.default_rng(0)).size
    assert rule.num_kept(num_examples) == expected


def test_a_rule_that_keeps_nothing_says_so_in_both_ways():
    for ask in (KeepHard(0.01).num_kept, KeepHard(0.01).kept_positions):
        with pytest.raises(ValueError, match="keeps none of 7 examples"):
            ask(7)


def test_what_does_not_fit_into_memory_is_refused_by_arithmetic_alone():
    """In a process of bounded memory: one line that says what it needs, exit code 2, no array of that size."""
    script = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({MODERATE}, {MODERATE}))\n"
        "from simulations import __main__ as m\n"
        "for options in (['--alpha-tot', '5', '--f', '0.3', '--num-features', '1000000000'],\n"
        "                ['--alpha-tot', '500', '--num-features', '100000'],\n"
        "                ['--alpha-tot', '1e8', '--num-features', '100'],\n"
        "                ['--alpha-tot', '1e300']):\n"
        "    try:\n"
        "        m.cli.main(['run', '--num-trials', '2', *options])\n"
        "    except SystemExit as stop:\n"
        "        print('code', stop.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.splitlines() == ["code 2"] * 4, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 4, lines
    assert all("one trial at a time needs" in line for line in lines[:3])
    assert "take a smaller alpha_tot" in lines[3]


def test_a_precision_out_of_reach_is_refused_after_thirty_trials():
    with pytest.raises(RuntimeError, match=r"trials would bring the standard error .* 1,000,000 are the most"):
        simulate(5, KeepHard(0.4), 0.3, 20, "auto", target=1e-12)
    assert Precision(1e-12).next_goal(np.zeros(10)) == 30


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: simulate(5, KeepHard(0.3), 0.2, 2.5), TypeError, "num_features must be an integer, got 2.5"),
        (lambda: simulate(5, KeepHard(0.3), 0.2, 20, 4, seed=1.5), TypeError, "seed must be an integer, got 1.5"),
        (lambda: simulate(1e300, KeepHard(0.3), 0.2, 20, 4), ValueError, "take a smaller alpha_tot"),
        (lambda: simulate(5, KeepHard(0.3), 0.2, 20, 4, bar=5), TypeError, "bar must be a progress bar .* got 5"),
        (lambda: simulate(5, KeepHard(0.3), 0.2, 20, 4, out=""), ValueError, "out must be the name of a folder"),
        (lambda: simulate(5j, KeepHard(0.3), 0.2), TypeError, "alpha_tot must be a number, got 5j"),
        (lambda: simulate(5, 0.3, 0.2), TypeError, "keep must be a keep rule .*got 0.3"),
        (lambda: validate(None), TypeError, "points must be a sequence of Point, got None"),
        (lambda: validate([Point(5, KeepHard(0.3), 0.2, 20, 4)], seed=1.5), TypeError, "seed must be an integer"),
        (
            lambda: max_margin(jnp.ones(3)),
            ValueError,
            r"examples must be floating-point .* got float32 of shape \(3,\)",
        ),
        (lambda: max_margin(jnp.ones((3, 2), int)), ValueError, "examples must be floating-point .* got int32"),
        (
            lambda: select_queries(5, 0.3, 4, num_features=20, num_trials=2.5),
            TypeError,
            "num_trials must be an integer",
        ),
        (
            lambda: simulate(5, KeepByLabel(KeepHard(np.ma.masked_array([0.3], [True]))), 0.2, 20, 4),
            (TypeError, ValueError),
            "f|shape",
        ),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
