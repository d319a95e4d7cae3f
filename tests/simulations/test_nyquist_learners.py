"""Nyquist learners: the threshold where it is, the laws below it, and what takes it away."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, norm

from data_pruning import KeepEasy, KeepHard, KeepMixture, KeepRandom, KeepWindow, Results
from perceptron_theory import bayes_error
from simulations import NyquistExperiment, measure_nyquist, tell_fields
from simulations.nyquist import experiment as experiment_module
from simulations.nyquist.laws import condition_number, grid_square_error, mean_square_error
from simulations.nyquist.learners import NTK, BandLimited, Laplace, PeriodicGaussian, learner_named
from simulations.nyquist.told_fields import expected_square_distance, kept_margin_square, square_distance_law
from simulations.nyquist.torus import basis, num_coefficients, regular_grid, uniform_points

BAND, SIZE = 20, 41
FIVE_SIGMA = 5.0  # a false alarm in 1.7 million tests, of a mean over many draws


def rng(seed=0):
    return np.random.default_rng(seed)


def errors(**settings):
    """Median error by learner and density."""
    densities = settings.setdefault("densities", (0.5, 1.0, 1.25, 2.0, 3.0))
    settings.setdefault("draws", 7)
    found = measure_nyquist(NyquistExperiment(**settings))
    medians = np.median(found["error"], axis=-1)
    return {
        name: dict(zip(densities, medians[:, i].tolist(), strict=True))
        for i, name in enumerate(found["learner"].tolist())
    }


def coefficient_errors(points, band, noise, ridge, draws, seed):
    """Squared errors of the learner for many isotropic targets and noises at given points."""
    random = rng(seed)
    design = basis(points, band)
    c = random.standard_normal((draws, design.shape[1]))
    c /= np.linalg.norm(c, axis=1)[:, None]
    told = c @ design.T + noise * random.standard_normal((draws, len(points)))
    learner = BandLimited(band, ridge)
    return np.array([np.sum((learner.coefficients(points, y) - x) ** 2) for x, y in zip(c, told, strict=True)])


def standard_score(values, expected):
    return (np.mean(values) - expected) / (np.std(values, ddof=1) / math.sqrt(np.size(values)))


@pytest.mark.parametrize(("band", "dimension"), [(4, 1), (2, 2), (1, 3)])
def test_the_basis_is_orthonormal(band, dimension):
    """On a grid that is fine enough the mean over its points is the mean over the torus."""
    points = regular_grid(2 * band + 1, dimension, rng())
    matrix = basis(points, band)
    assert matrix.shape == (len(points), num_coefficients(band, dimension))
    np.testing.assert_allclose(matrix.T @ matrix / len(points), np.eye(matrix.shape[1]), atol=1e-12)


@pytest.mark.parametrize(("band", "dimension"), [(20, 1), (3, 2), (1, 3)])
def test_a_grid_of_as_many_points_as_coefficients_leaves_rounding(band, dimension):
    """The sampling theorem."""
    at = (2 * band, 2 * band + 1)
    densities = tuple((m / (2 * band + 1)) ** dimension for m in at)
    found = errors(dimension=dimension, band=band, design="grid", densities=densities, learners=("band",), draws=5)
    below, at_threshold = found["band"].values()
    assert below > 0.05
    assert at_threshold < 1e-14
    assert condition_number(regular_grid(at[1], dimension, rng()), band) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("design", ["grid", "random", "clustered"])
def test_below_the_threshold_the_error_is_the_trace_of_a_projector(design, dimension):
    """1 - n/D for any points in general position: exactly by the trace, and on average over targets (5 sigma)."""
    band, per_axis = 3, 4
    n = per_axis**dimension
    points = {
        "grid": regular_grid(per_axis, dimension, rng()),
        "random": uniform_points(n, dimension, rng()),
        "clustered": uniform_points(n, dimension, rng()) / 3,
    }[design]
    size = num_coefficients(band, dimension)
    projector = np.linalg.pinv(basis(points, band)) @ basis(points, band)
    assert mean_square_error(points, band) == pytest.approx(1 - np.trace(projector) / size, abs=1e-8)
    assert mean_square_error(points, band) == pytest.approx(1 - n / size, abs=1e-10)
    squares = coefficient_errors(points, band, 0.0, 0.0, draws=2000, seed=1)
    assert abs(standard_score(squares, 1 - n / size)) < FIVE_SIGMA


def test_points_on_a_line_see_less_than_their_number():
    """In two dimensions different points are not enough: 40 on a line are 2 band + 1 conditions."""
    points = np.column_stack([uniform_points(40, 1, rng()), np.full(40, 0.3)])
    assert mean_square_error(points, 3) == pytest.approx(1 - 7 / 49, abs=1e-10)


def test_the_law_of_a_grid_is_that_of_its_points():
    for m in (1, 2, 5, 6, 7, 8, 20):
        for dimension in (1, 2):
            points = regular_grid(m, dimension, rng(m))
            exact = mean_square_error(points, 3, noise=0.3)
            assert grid_square_error(m, 3, dimension, noise=0.3) == pytest.approx(exact, rel=1e-10), m
    n = 20**2
    assert grid_square_error(20, 3, 2, noise=0.3) == pytest.approx(0.3**2 * 49 / n, rel=1e-12)


@pytest.mark.parametrize(("n", "noise", "ridge"), [(25, 0.1, 0.0), (41, 0.1, 0.41), (60, 0.1, 0.41), (60, 0.1, 0.0)])
def test_the_law_with_noise_and_ridge_holds_on_average(n, noise, ridge):
    """At given points, over 2000 targets and noises; 5 sigma."""
    points = uniform_points(n, 1, rng(n))
    squares = coefficient_errors(points, BAND, noise, ridge, draws=2000, seed=2)
    assert abs(standard_score(squares, mean_square_error(points, BAND, noise=noise, ridge=ridge))) < FIVE_SIGMA


def test_a_ridge_solves_the_normal_equations():
    points, values, ridge = uniform_points(30, 2, rng()), rng(1).standard_normal(30), 0.7
    matrix = basis(points, 2)
    expected = np.linalg.solve(matrix.T @ matrix + ridge * np.eye(25), matrix.T @ values)
    np.testing.assert_allclose(BandLimited(2, ridge).coefficients(points, values), expected, rtol=1e-9)


def test_a_band_assumed_too_large_costs_points():
    """On a grid aliases must leave the band that is assumed, B + B' + 1 = 51; random points must be 2B' + 1 = 61."""
    settings = {"learners": ("band@30",), "draws": 5}
    grid = errors(design="grid", densities=(50 / SIZE, 51 / SIZE), **settings)["band@30"]
    assert grid[50 / SIZE] > 0.05
    assert grid[51 / SIZE] < 1e-13
    random = errors(densities=(60 / SIZE, 66 / SIZE), **settings)["band@30"]
    assert random[60 / SIZE] > 0.05
    assert random[66 / SIZE] < 1e-9


def test_random_points_need_more_only_for_rounding():
    found = errors(learners=("band",))["band"]
    assert found[0.5] > 0.5
    assert found[1.0] < 1e-6
    assert found[2.0] < 2e-14
    worst = [condition_number(uniform_points(n, 1, rng(n)), BAND) for n in (SIZE, 2 * SIZE, 6 * SIZE)]
    assert worst[0] > 1e4 > 1e3 > worst[1] > worst[2]
    assert worst[2] < 6


def test_noise_makes_the_threshold_a_peak_that_a_ridge_removes():
    """On a grid there is no peak: noise sqrt(D/n) from the threshold on, as soon as there is no alias."""
    noise = 1e-3
    settings = {"noise": noise, "draws": 15, "densities": (0.5, 1.0, 2.0, 6.0)}
    random = errors(learners=("band", "ridge"), **settings)
    assert random["band"][1.0] > 10 * random["band"][0.5]
    assert random["ridge"][1.0] < random["ridge"][0.5]
    assert random["band"][6.0] == pytest.approx(noise * math.sqrt(1 / 6), rel=0.3)
    grid = errors(design="grid", learners=("band",), **settings)["band"]
    for density in (1.0, 2.0, 6.0):
        assert grid[density] == pytest.approx(noise / math.sqrt(density), rel=0.15)
    points = uniform_points(SIZE, 1, rng())
    best = noise**2 * SIZE
    ridges = [mean_square_error(points, BAND, noise=noise, ridge=r) for r in (best / 3, best, best * 3)]
    assert ridges[1] < min(ridges[0], ridges[2])


def test_kernels_have_no_threshold():
    """The numbers measured by another program for B = 20, within a factor of three."""
    learners = ("gaussian", "laplace", "ntk")
    grid = errors(design="grid", learners=learners, densities=(1.25, 1.5, 2.0, 3.0, 6.0))
    for density, expected in ((1.25, 2e-2), (1.5, 5e-4), (2.0, 2e-8), (3.0, 7e-13)):
        assert 1 / 3 < grid["gaussian"][density] / expected < 3
    assert 1 / 3 < grid["laplace"][6.0] / 1e-2 < 3
    for name in ("laplace", "ntk"):  # a power law, no faster than n^-3 here
        assert grid[name][6.0] > grid[name][3.0] / 8
    random = errors(learners=("gaussian",), densities=(4.0,), draws=41)
    assert 1 / 3 < random["gaussian"][4.0] / 3e-5 < 3


def test_kernels_are_what_their_formulas_say():
    cosines = np.cos(np.array([[0.0, 0.0], [0.1, 0.3]]))
    for learner in (PeriodicGaussian(0.7), Laplace(0.7), NTK()):
        assert learner.kernel(cosines)[0] == 1
    assert PeriodicGaussian(0.7).kernel(cosines)[1] == pytest.approx(math.exp(-(0.01 + 0.09) / 2 / 0.49), rel=2e-2)
    chord = 2 * math.hypot(math.sin(0.05), math.sin(0.15))
    assert Laplace(0.7).kernel(cosines)[1] == pytest.approx(math.exp(-chord / 0.7), rel=1e-12)
    # the network's kernel as a mean over its weights: two layers of derivatives, k = E[relu relu] + t E[step step]
    a, b = (np.concatenate([np.cos(x), np.sin(x), [math.sqrt(2)]]) / 2 for x in (np.zeros(2), np.array([0.1, 0.3])))
    w = rng().standard_normal((400_000, 5))
    u, v = w @ a, w @ b
    drawn = np.maximum(u, 0) * np.maximum(v, 0) + (a @ b) * (u > 0) * (v > 0)
    assert abs(standard_score(drawn, NTK().kernel(cosines)[1])) < FIVE_SIGMA


def test_classes_have_no_threshold():
    """sign f is not band-limited: at densities where values leave rounding, classes leave errors of order one."""
    densities = (1.0, 2.0, 6.0)
    found = measure_nyquist(NyquistExperiment(labels="classes", learners=("band",), densities=densities, draws=9))
    medians, wrong = np.median(found["error"], axis=-1)[:, 0], np.median(found["wrong_class"], axis=-1)[:, 0]
    assert medians[0] > 100  # the part outside of the band is noise: a peak
    assert medians[2] > 0.3
    assert 0.02 < wrong[2] < wrong[1]
    assert "law" not in found.variables
    told = measure_nyquist(NyquistExperiment(learners=("band",), densities=(2.0,), draws=3))
    assert np.all(told["wrong_class"] == 0)


def test_experiments_continue_where_they_stopped(tmp_path, monkeypatch):
    whole = NyquistExperiment(band=3, densities=(0.5, 1.0, 2.0), draws=2, num_test=20)
    expected = measure_nyquist(whole)
    drawn = []

    def stopping(settings, num_examples, number):
        drawn.append((num_examples, number))
        if num_examples == 14:
            raise KeyboardInterrupt
        return draw(settings, num_examples, number)

    draw = experiment_module._draw
    monkeypatch.setattr(experiment_module, "_draw", stopping)
    with pytest.raises(
        KeyboardInterrupt, match=r"2 of 3 densities finished, saved in .*run the same again to continue"
    ):
        measure_nyquist(whole, out=tmp_path)
    with pytest.raises(KeyboardInterrupt, match="2 of 3 densities finished, nothing saved"):
        measure_nyquist(whole)
    monkeypatch.setattr(experiment_module, "_draw", lambda *cell: drawn.append(cell[1:]) or draw(*cell))
    drawn.clear()
    found = measure_nyquist(whole, out=tmp_path)
    assert drawn == [(14, 0), (14, 1)]
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(found[name], variable.values)
    assert Results.load(found.save(tmp_path / "whole.nc")).sizes == found.sizes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"band": 0}, "band must be in"),
        ({"dimension": 17}, "dimension must be in"),
        ({"noise": -1.0}, "noise must lie in"),
        ({"densities": (0.0,)}, "densities must lie in"),
        ({"densities": ()}, "densities must be different ones"),
        ({"design": "square"}, "design must be one of"),
        ({"learners": ("ridge",)}, "give a noise above 0"),
        ({"learners": ("band@-1",)}, "learner 'band@-1': band must be in"),
        ({"learners": ("band@1.5",)}, "after @ comes a whole number, got '1.5'"),
        ({"learners": ("gaussian@",)}, "after @ comes a number, got ''"),
        ({"learners": ("laplace@nan",)}, "learner 'laplace@nan': width must lie in"),
        ({"learners": ("ntk@2",)}, "learners are band"),
        ({"learners": ("spline",)}, "learners are band"),
        ({"band": 2**25}, "learner band needs a matrix"),
        ({"densities": (1e300,)}, "learner band needs a matrix"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        NyquistExperiment(**settings)


def test_examples_that_are_none_are_named():
    points = uniform_points(5, 1, rng())
    for learner in (BandLimited(2), NTK()):
        with pytest.raises(ValueError, match="values must be one per point, 5"):
            learner.predict(points, np.zeros(4), points)
        with pytest.raises(ValueError, match="points must have the shape"):
            learner.predict(points[:, 0], np.zeros(5), points)
    with pytest.raises(MemoryError, match="1 GiB"):
        basis(np.zeros((3, 8)), 20)
    assert learner_named("ridge", 2, 1, 0.1) == BandLimited(2, 0.1**2 * 5)


RULES = {"random": KeepRandom(0.4), "hard": KeepHard(0.4), "easy": KeepEasy(0.4), "window": KeepWindow(0.3, 0.7)}
THETA = math.radians(30)


@pytest.mark.parametrize("name", RULES)
def test_a_perceptron_told_the_field_is_a_nyquist_learner_whatever_the_rule(name):
    """One kept example per parameter leaves rounding; below it the projector's law, conditional on margins, 5 sigma."""
    keep, size = RULES[name], 30
    for alpha in (1.0, 1.5):
        assert np.median(tell_fields(alpha / 0.4, keep, THETA, size, 20).square_distances) < 1e-22
    for alpha in (0.4, 0.8):
        found = tell_fields(alpha / 0.4, keep, THETA, size, 1500, seed=3)
        assert found.num_kept == round(alpha * size)
        expected = [expected_square_distance(s, found.num_kept, size, THETA) for s in found.margin_squares]
        assert abs(standard_score(found.square_distances - expected, 0.0)) < FIVE_SIGMA
        np.testing.assert_allclose(np.sin(np.pi * found.errors) ** 2, found.square_distances, rtol=1e-8)
        if name == "random":
            assert abs(standard_score(found.square_distances, 1 - alpha)) < FIVE_SIGMA


def test_expected_distance_at_finite_size_is_the_mean_over_chi_square():
    size, n, s = 30, 21, 13.0
    x = chi2(size - n).ppf((np.arange(200_000) + 0.5) / 200_000)
    along = np.mean(x / (x + s))
    expected = math.cos(THETA) ** 2 * along + math.sin(THETA) ** 2 * (size - n - along) / (size - 1)
    assert expected_square_distance(s, n, size, THETA) == pytest.approx(expected, rel=1e-5)
    assert expected_square_distance(s, size, size, THETA) == 0
    # one example with noise: (X X^T)^-1 is 1/|x|^2
    by_noise = expected_square_distance(s, 1, size, THETA, noise=1.0) - expected_square_distance(s, 1, size, THETA)
    x = chi2(size - 1).ppf((np.arange(200_000) + 0.5) / 200_000)
    assert by_noise == pytest.approx(np.mean(1 / (x + s)), rel=1e-5)
    for alpha, noise in ((0.6, 0.0), (0.6, 0.4), (1.7, 0.4)):  # many: the law of infinite N
        n = round(alpha * 10**6)
        exact = expected_square_distance(0.3 * n, n, 10**6, THETA, noise=noise)
        assert exact == pytest.approx(square_distance_law(alpha, 0.3, THETA, noise=noise), rel=1e-4)


def test_margins_that_are_kept():
    """Of a large pool, of rules by an integral over ranks, and of the simulated students (1000 examples a trial)."""
    z = norm.ppf((np.arange(400_000) + 0.5) / 400_000)
    order = np.argsort(np.abs(z))
    for keep in (KeepHard(0.3), KeepEasy(0.3), KeepWindow(0.2, 0.6)):
        kept = z[order[keep.kept_positions(z.size)]]
        assert kept_margin_square(keep) == pytest.approx(np.mean(kept**2), rel=1e-4)
        found = tell_fields(50.0 / keep.fraction, keep, THETA, 20, 10)
        assert np.mean(found.margin_squares) / found.num_kept == pytest.approx(kept_margin_square(keep), rel=0.05)
    assert kept_margin_square(KeepRandom(0.3)) == pytest.approx(1, rel=1e-12)
    mixture, ranks = KeepMixture(KeepHard(0.3), 0.5), 2 * norm.cdf(np.abs(z)) - 1
    expected = np.mean(mixture(ranks) * z**2) / np.mean(mixture(ranks))
    assert kept_margin_square(mixture) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("alpha", [0.5, 1.6])
@pytest.mark.parametrize("rule", ["random", "hard"])
def test_noise_makes_the_threshold_a_peak(rule, alpha):
    """Exactly at finite size, conditional on margins; of random examples it is that of regression; 5 sigma."""
    keep, size, noise = RULES[rule], 40, 0.5
    n = round(alpha * size)
    found = tell_fields(alpha / 0.4, keep, THETA, size, 1000, seed=4, noise=noise)
    expected = [expected_square_distance(s, n, size, THETA, noise=noise) for s in found.margin_squares]
    assert abs(standard_score(found.square_distances - expected, 0.0)) < FIVE_SIGMA
    if rule == "random":
        assert abs(standard_score(found.square_distances, regression(n, size, noise))) < FIVE_SIGMA
    peak = tell_fields(1 / 0.4, keep, THETA, size, 50, seed=6, noise=noise)
    assert np.median(peak.square_distances) > 2 * np.mean(found.square_distances)
    assert square_distance_law(1.0, noise=noise) == math.inf
    assert expected_square_distance(1.0, size + 1, size, noise=noise) == math.inf


@pytest.mark.parametrize("alpha", [0.5, 1.6])
def test_features_that_are_not_seen_are_noise_for_random_examples(alpha):
    size = 40
    found = tell_fields(alpha, KeepRandom(1.0), THETA, size, 1000, seed=5, unseen=0.2)
    expected = 0.8 * regression(round(alpha * size), size, 0.5)  # of norm^2 0.8 and noise^2 0.2 = 0.8 * 0.5^2
    assert abs(standard_score(found.square_distances, expected)) < FIVE_SIGMA


def regression(n, size, noise):
    """E |w - T|^2 of random examples, by the mean of the inverse Wishart distribution, below and above n = N."""
    return 1 - n / size + noise**2 * n / (size - n - 1) if n < size else noise**2 * size / (n - size - 1)


def test_of_unseen_features_the_test_error_is_that_to_the_whole_teacher():
    """With many examples w is the part that is seen, at the angle arcsin sqrt(unseen) to the teacher."""
    found = tell_fields(60.0, KeepRandom(1.0), 0.0, 20, 4, unseen=0.25)
    np.testing.assert_allclose(found.errors, 1 / 6, rtol=0.05)


def test_the_class_alone_leaves_an_error_at_every_density():
    """0.44/alpha for the best student of random examples; the field leaves none from 1 on."""
    alpha = np.array([20.0, 50.0])
    np.testing.assert_allclose(alpha * bayes_error(alpha), 0.442, rtol=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta": 2.0}, "theta is in radians"),
        ({"noise": -1.0}, "noise must lie in"),
        ({"unseen": 1.0}, "unseen must lie in"),
        ({"keep": KeepHard(np.array([0.2, 0.4]))}, "one rule without importance weights"),
        ({"alpha_tot": 0.0}, "alpha_tot must lie in"),
        ({"num_features": 1}, "num_features must lie in"),
    ],
)
def test_students_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        tell_fields(**{"alpha_tot": 2.0, "keep": KeepHard(0.5)} | change)
