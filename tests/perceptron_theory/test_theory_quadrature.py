"""The quadrature under ``solve``: moments on an interval, and the measure of what is kept."""

import jax
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtri

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, KeepWindow, Labels
from perceptron_theory.solver.kept_set import kept_set
from perceptron_theory.solver.quadrature import _interval_moments, kept_lines, kept_panels, normal_cdf, normal_pdf

LINES = jax.jit(kept_lines, static_argnames="aligned")
PANELS = jax.jit(kept_panels, static_argnames="aligned")
MOMENTS = jax.jit(_interval_moments)
SLOPES = jax.jit(
    lambda v, h: [jax.jvp(_interval_moments, (v, h), t)[1] for t in ((1 + 0 * v, 0 * h), (0 * v, 1 + 0 * h))]
)
INTERVALS = [
    (middle, half)
    for middle in (0.0, 1e-9, -0.3, 1.7, -4.0, 8.0, -15.0, 25.0)
    for half in (1e-12, 1e-5, 0.01, 0.1, 0.29, 0.31, 1.0, 6.0)
]


def exact_moments(middle, half):
    """Integrals of 1, s, s^2 times the normal density at middle + s: the textbook formulas with 400 digits."""
    with mp.workdps(400):
        middle, half = mp.mpf(middle), mp.mpf(half)
        start, stop = middle - half, middle + half
        mass = (mp.erfc(start / mp.sqrt(2)) - mp.erfc(stop / mp.sqrt(2))) / 2
        first = mp.npdf(start) - mp.npdf(stop) - middle * mass
        second = mass - half * (mp.npdf(start) + mp.npdf(stop)) - middle * first
        return [float(mass), float(first), float(second)]


def test_interval_moments_keep_their_digits():
    """Narrow and wide, near and far: relative to the size of the integrand, s^n times the mass."""
    middle, half = np.array(INTERVALS).T
    with jax.enable_x64(True):
        found = np.array(MOMENTS(middle, half))
    expected = np.array([exact_moments(*interval) for interval in INTERVALS]).T
    scale = expected[0] * np.minimum(half, 1 + np.abs(middle)) ** np.arange(3)[:, None]
    worst = np.max(np.abs(found - expected) / scale, axis=1)
    near = np.abs(middle) <= 4
    worst_near = np.max((np.abs(found - expected) / scale)[:, near], axis=1)
    # each power of s costs digits where the density falls steeply, far out, where it is below 1e-14 of its peak
    assert np.all(worst < [5e-13, 5e-11, 1e-8])
    assert np.all(worst_near < [1e-14, 1e-13, 5e-12])


def exact_slopes(middle, half):
    """Derivatives of the moments by the middle, - integral of s^n (v + s) pdf(v + s), and by the half-width."""
    with mp.workdps(400):
        v, h = mp.mpf(middle), mp.mpf(half)
        start, stop = mp.npdf(v - h), mp.npdf(v + h)
        m0 = (mp.erfc((v - h) / mp.sqrt(2)) - mp.erfc((v + h) / mp.sqrt(2))) / 2
        m1 = start - stop - v * m0
        m2 = m0 - h * (start + stop) - v * m1
        m3 = 2 * m1 - h * h * (stop - start) - v * m2
        by_middle = [-(v * low + high) for low, high in ((m0, m1), (m1, m2), (m2, m3))]
        return [[float(x) for x in by_middle], [float(stop * h**n + start * (-h) ** n) for n in range(3)]]


def test_slopes_of_interval_moments_keep_their_digits():
    """Relative to what the integrand, and at the ends s^n times the density, can change by.

    The density exp(-x^2/2) alone is right to x^2/2 roundings, up to 50 of them at these ends.
    """
    middle, half = np.array(INTERVALS).T
    with jax.enable_x64(True):
        found = np.array(SLOPES(middle, half))
    expected = np.array([exact_slopes(*interval) for interval in INTERVALS]).transpose(1, 2, 0)
    mass = np.array([exact_moments(*interval)[0] for interval in INTERVALS])
    powers = np.minimum(half, 1 + np.abs(middle)) ** np.arange(3)[:, None]
    scale = np.array([mass * (1 + np.abs(middle)) * powers, expected[1, 0] * half ** np.arange(3)[:, None]])
    near = np.abs(middle) <= 4
    worst = np.max((np.abs(found - expected) / scale)[..., near], axis=2)
    assert np.all(worst < [[1e-14, 1e-13, 5e-12], [1e-14, 1e-14, 1e-14]])


@settings(max_examples=40, deadline=None)
@given(middle=st.floats(-6, 6), half=st.floats(1e-6, 5))
def test_interval_moments_against_scipy(middle, half):
    with jax.enable_x64(True):
        found = [float(m) for m in MOMENTS(np.float64(middle), np.float64(half))]
    for power, value in enumerate(found):
        expected = quad(lambda s, n=power: s**n * np.exp(-0.5 * (middle + s) ** 2) / np.sqrt(2 * np.pi), -half, half)
        assert value == pytest.approx(expected[0], rel=1e-8, abs=1e-13)


def test_normal_functions_in_the_far_tail():
    x = np.array([-30.0, -10.0, -1.0, 0.0, 5.0])
    with jax.enable_x64(True):
        cdf, pdf = np.asarray(normal_cdf(x)), np.asarray(normal_pdf(x))
    np.testing.assert_allclose(cdf, [float(mp.ncdf(v)) for v in x], rtol=1e-12)
    np.testing.assert_allclose(pdf, [float(mp.npdf(v)) for v in x], rtol=1e-12)


@pytest.mark.parametrize("theta", [0.0, 1e-6, 0.02, 0.7, 1.5])
def test_what_is_kept_has_measure_one(theta):
    """Of a function that vanishes nowhere the lines carry all that is kept."""
    rng = np.random.default_rng(3)
    keeps = []
    for _ in range(8):
        f = 10 ** rng.uniform(-3, 0)
        lower = rng.uniform(0, 1 - f)
        keeps += [KeepHard(f), KeepEasy(f), KeepRandom(f), KeepWindow(lower, lower + f)]
    with jax.enable_x64(True):
        for keep in keeps:
            strips = kept_set(keep, theta, Labels(), aligned=theta == 0).strips._replace(origin=0.0)
            omega = 0.0 if theta == 0 else float(rng.uniform(-1.2, theta))
            lines = LINES(strips, theta, omega, np.zeros(1), 40.0, aligned=theta == 0)
            assert float(np.sum(lines.weight * lines.u0)) == pytest.approx(1, rel=1e-10)


@pytest.mark.parametrize("omega", [-1.0, -0.3, 0.2, 0.49, 0.51, 0.9, 1.3])
def test_mean_fields_of_what_is_kept(omega):
    """<t>, and <z> or <v>, for students on either side of the probe (theta = 0.5), by plain Gauss-Legendre.

    Along z and across the probe w: p = z cos(theta) - w sin(theta) > 0 is w < z cot(theta).
    """
    theta, keep = 0.5, KeepWindow(0.2, 0.6)
    strips = kept_set(keep, theta, Labels(), aligned=False).strips
    with jax.enable_x64(True):
        lines = jax.tree.map(
            np.asarray, LINES(strips._replace(origin=0.0), theta, omega, np.zeros(1), 40.0, aligned=False)
        )
    found = [float(np.sum(lines.weight * moment)) for moment in (lines.t * lines.u0, lines.u1)]

    nodes, weights = np.polynomial.legendre.leggauss(80)
    cos, sin = np.cos(theta), np.sin(theta)
    low, high = ndtri(0.6), ndtri(0.8)  # |z| at ranks 0.2 and 0.6
    half = (high - low) / 2
    z = np.concatenate([low + half * (1 + nodes), -high + half * (1 + nodes)])[:, None]
    last = z * cos / sin
    w = -9 + (last + 9) * (1 + nodes) / 2
    density = np.exp(-(z**2 + w**2) / 2) / (2 * np.pi)
    weight = np.tile(weights, 2)[:, None] * half * weights * (last + 9) / 2 * density * 2 / keep.fraction
    p, q = z * cos - w * sin, z * sin + w * cos
    t, v = p * np.cos(omega) + q * np.sin(omega), q * np.cos(omega) - p * np.sin(omega)
    second = z if abs(np.sin(theta - omega)) > 0.1 else v
    expected = [np.sum(weight * t), np.sum(weight * second)]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("theta", [0.0, 1e-6, 0.02, 0.7, 1.5])
@pytest.mark.parametrize("flips", [0.0, 0.2])
def test_panels_that_nothing_crosses_carry_nothing(theta, flips):
    """They are left out of the sums of regularised students: thin strips, rare examples, students on either side."""
    rng = np.random.default_rng(4)
    aligned = theta == 0
    num_left_out = 0
    with jax.enable_x64(True):
        for _ in range(12):
            f = 10 ** rng.uniform(-3, 0)
            lower = rng.uniform(0, 1 - f)
            keep = [KeepHard(f), KeepEasy(f), KeepRandom(f), KeepWindow(lower, lower + f)][rng.integers(4)]
            strips = kept_set(keep, theta, Labels(flips), aligned=aligned).strips._replace(origin=0.0)
            omega = 0.0 if aligned else float(rng.uniform(-1.2, theta))
            asked = (strips, theta, omega, np.sort(rng.uniform(-3, 3, 6)), np.float64(rng.uniform(1, 8)))
            panels = PANELS(*asked, aligned=aligned)
            line = jax.tree.map(lambda a: np.asarray(a).reshape(-1, 28), LINES(*asked, aligned=aligned))
            out = ~np.asarray(panels.crossed)
            mass = np.abs(line.weight * np.array([line.u0, line.u1, line.u2])).sum(axis=2)
            assert mass[:, out].max(initial=0.0) <= 1e-25 * mass.max()
            num_left_out += out.sum() / out.size
    assert num_left_out / 12 > 0.3
