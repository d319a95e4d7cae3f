"""Forms of scaling laws: their formulas, their derivatives, and that fits find them again."""

import jax
import numpy as np
import pytest

from scaling_laws.evaluation import log_errors
from scaling_laws.fitting import fit_law
from scaling_laws.forms.catalogue import JOINT, ONE_SCALE, form_named
from scaling_laws.forms.magnitude_pruning import PRUNING_SCALES

N = np.geomspace(100, 1e5, 24)
GRID_N, GRID_M = (grid.reshape(-1) for grid in np.meshgrid(np.geomspace(100, 1e5, 7), np.geomspace(8, 512, 5)))
ROW_D, ROW_W = (grid.reshape(-1) for grid in np.meshgrid(0.8 ** np.arange(0, 30, 2.0), [8.0, 16.0, 32.0, 64.0]))
ROW_L = np.where(ROW_W > 16, 1.0, 2.0)
ROW_E = 0.2 * ROW_W**-0.3

ONE = {
    "power": {"coefficient": 3.0, "exponent": 0.4},
    "power+constant": {"coefficient": 3.0, "exponent": 0.4, "constant": 0.02},
    "exponential": {"coefficient": 0.4, "rate": 1 / 3000, "constant": 0.05},
    "m3": {"coefficient": 3.0, "exponent": 0.4, "offset": 1e-4},
    "envelope": {"coefficient": 200.0, "exponent": 0.8, "constant": 0.03, "guessing_error": 0.9},
    "m4": {"coefficient": 60.0, "exponent": 0.7, "constant": 0.03, "span": 0.8, "curvature": 0.6},
    "broken": {"constant": 0.01, "coefficient": 1.5, "exponent": 0.1, "change": 0.5, "break": 3000.0, "width": 0.4},
}
TWO = {
    "data_coefficient": 3.0,
    "data_exponent": 0.45,
    "size_coefficient": 0.8,
    "size_exponent": 0.4,
    "constant": 0.02,
    "guessing_error": 0.9,
    "p": 3.0,
}


def formula_of_one(name, n, q):
    """The laws as the papers write them, in plain numbers."""
    if name == "power":
        return q["coefficient"] * n ** -q["exponent"]
    if name == "power+constant":
        return q["coefficient"] * n ** -q["exponent"] + q["constant"]
    if name == "exponential":
        return q["coefficient"] * np.exp(-q["rate"] * n) + q["constant"]
    if name == "m3":
        return q["coefficient"] * (1 / n + q["offset"]) ** q["exponent"]
    if name == "envelope":
        t = q["coefficient"] * n ** -q["exponent"] + q["constant"]
        return q["guessing_error"] * np.abs(t / (t - 1j))
    assert name == "broken"
    fall = (1 + (n / q["break"]) ** (1 / q["width"])) ** (-q["change"] * q["width"])
    return q["constant"] + q["coefficient"] * n ** -q["exponent"] * fall


def formula_of_two(name, n, m, q):
    data = q["data_coefficient"] * n ** -q["data_exponent"]
    size = q["size_coefficient"] * m ** -q["size_exponent"]
    kaplan = (size ** (1 / q["data_exponent"]) + data ** (1 / q["data_exponent"])) ** q["data_exponent"]
    norm = (data ** q["p"] + size ** q["p"]) ** (1 / q["p"])
    t = data + size + q["constant"]
    return {
        "additive": t,
        "envelope": q["guessing_error"] * np.abs(t / (t - 1j)),
        "kaplan": kaplan,
        "kaplan+constant": kaplan + q["constant"],
        "p-norm": norm,
        "p-norm+constant": norm + q["constant"],
    }[name]


def pruning_formula(d, e, depth, width, q):
    m = depth ** q["phi"] * width ** q["psi"] * d
    ratio = (m - 1j * q["p"] * (q["guessing_error"] / e) ** (1 / q["gamma"])) / (m - 1j * q["p"])
    return e * np.abs(ratio) ** q["gamma"]


def coordinates(form, parameters):
    return np.array([[one.coordinate(parameters[one.name]) for one in form.parameters]])


@pytest.mark.parametrize("name", [name for name in ONE_SCALE if name != "m4"])
def test_laws_in_one_scale_are_their_formulas(name):
    form = form_named(name, ("n",))
    found = np.exp(log_errors(form, coordinates(form, ONE[name]), np.log(N)[None])[0])
    np.testing.assert_allclose(found, formula_of_one(name, N, ONE[name]), rtol=1e-12)


def test_m4_solves_its_equation():
    form, q = form_named("m4", ("n",)), ONE["m4"]
    for curvature in (0.2, 0.6, 1.0, 3.0):
        p = {**q, "curvature": curvature}
        error = np.exp(log_errors(form, coordinates(form, p), np.log(N)[None])[0])
        left = np.log(error - p["constant"]) - curvature * np.log(p["constant"] + p["span"] - error)
        np.testing.assert_allclose(left, np.log(p["coefficient"]) - p["exponent"] * np.log(N), atol=1e-9)


@pytest.mark.parametrize("name", JOINT)
def test_laws_in_two_scales_are_their_formulas(name):
    form = form_named(name, ("n", "m"))
    found = np.exp(log_errors(form, coordinates(form, TWO), np.log([GRID_N, GRID_M]))[0])
    np.testing.assert_allclose(found, formula_of_two(name, GRID_N, GRID_M, TWO), rtol=1e-12)


def test_kaplan_is_the_formula_of_its_paper():
    """[(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D."""
    alpha_n, alpha_d, n_c, d_c = 0.076, 0.103, 6.4e13, 1.8e13
    form = form_named("kaplan", ("D", "N"))
    q = {
        "data_coefficient": d_c**alpha_d,
        "data_exponent": alpha_d,
        "size_coefficient": n_c**alpha_n,
        "size_exponent": alpha_n,
    }
    D, size = np.array([1e8, 1e10]), np.array([1e6, 1e9])
    expected = ((n_c / size) ** (alpha_n / alpha_d) + d_c / D) ** alpha_d
    np.testing.assert_allclose(
        np.exp(log_errors(form, coordinates(form, q), np.log([D, size]))[0]), expected, rtol=1e-12
    )


def test_magnitude_pruning_is_its_formula():
    form = form_named("magnitude-pruning", PRUNING_SCALES)
    q = {"guessing_error": 0.9, "gamma": 1.4, "p": 0.7, "phi": 0.3, "psi": 1.1}
    found = np.exp(log_errors(form, coordinates(form, q), np.log([ROW_D, ROW_E, ROW_L, ROW_W]))[0])
    np.testing.assert_allclose(found, pruning_formula(ROW_D, ROW_E, ROW_L, ROW_W, q), rtol=1e-12)


def test_magnitude_pruning_of_an_infinite_gamma_is_its_limit():
    form = form_named("magnitude-pruning", PRUNING_SCALES)
    scales = np.log([ROW_D, ROW_E, ROW_L, ROW_W])
    limit, beyond = (log_errors(form, np.array([[np.log(0.9), p, -2.0, 0.1, 0.2]]), scales)[0] for p in (40.0, 1e3))
    assert np.isfinite(beyond).all()
    np.testing.assert_allclose(beyond, limit, rtol=1e-12)


@pytest.mark.parametrize("name", ONE_SCALE)
def test_derivatives_are_those_of_differences(name):
    form = form_named(name, ("n",))
    (p,), x = coordinates(form, ONE[name]), np.log(N)[None]
    with jax.enable_x64(True):
        exact = np.asarray(jax.jacfwd(form.log_error)(p, x))
    steps = 1e-6 * np.eye(p.size)
    differences = (log_errors(form, p + steps, x) - log_errors(form, p - steps, x)).T / 2e-6
    np.testing.assert_allclose(exact, differences, atol=2e-8 * np.abs(exact).max())


@pytest.mark.parametrize("name", ONE_SCALE)
def test_shifted_laws_are_the_same(name):
    form = form_named(name, ("n",))
    p, x = coordinates(form, ONE[name]), np.log(N)[None]
    moved = form.shifted(p[0], np.array([7.0]))[None]
    np.testing.assert_allclose(log_errors(form, moved, x + 7), log_errors(form, p, x), atol=1e-12)


@pytest.mark.parametrize("name", JOINT)
@pytest.mark.parametrize("num", [2, 3])
def test_shifted_joint_laws_are_the_same(name, num):
    form = form_named(name, ("n", "m", "l")[:num])
    p = np.random.default_rng(0).normal(size=(1, form.num_parameters))
    x, x0 = np.random.default_rng(1).normal(size=(num, 9)), np.array([3.0, -2.0, 1.0])[:num]
    moved = form.shifted(p[0], x0)[None]
    np.testing.assert_allclose(log_errors(form, moved, x + x0[:, None]), log_errors(form, p, x), atol=1e-12)


@pytest.mark.parametrize("name", ONE_SCALE)
def test_exact_curves_are_found_again(name):
    form = form_named(name, ("n",))
    errors = np.exp(log_errors(form, coordinates(form, ONE[name]), np.log(N)[None])[0])
    fit = fit_law(name, {"n": N}, errors, intervals="none")
    assert fit.relative.worst < 1e-5
    if name in ("power", "power+constant", "exponential", "m3", "envelope"):
        assert fit.parameters == pytest.approx(ONE[name], rel=1e-4)


@pytest.mark.parametrize("name", JOINT)
def test_exact_tables_are_found_again(name):
    fit = fit_law(name, {"n": GRID_N, "m": GRID_M}, formula_of_two(name, GRID_N, GRID_M, TWO), intervals="none")
    assert fit.relative.worst < 1e-6
    assert fit.parameters == pytest.approx({key: TWO[key] for key in fit.parameters}, rel=1e-3)


def test_an_exact_pruning_law_is_found_again():
    q = {"guessing_error": 0.9, "gamma": 1.4, "p": 0.7, "phi": 0.3, "psi": 1.1}
    errors = pruning_formula(ROW_D, ROW_E, ROW_L, ROW_W, q)
    columns = {"density": ROW_D, "unpruned_error": ROW_E, "depth": ROW_L, "width": ROW_W}
    fit = fit_law("magnitude-pruning", columns, errors, fixed={"guessing_error": 0.9}, intervals="none")
    assert fit.parameters == pytest.approx(q, rel=1e-4)
    with pytest.raises(ValueError, match="scales of magnitude-pruning must be density, unpruned_error, depth, width"):
        fit_law("magnitude-pruning", {"density": ROW_D}, errors)


def test_scales_that_would_be_confused_are_refused():
    for names in (("n", "data", "w"), ("n", "w", "w")):
        with pytest.raises(ValueError, match="scales must have different names, other than data"):
            form_named("additive", names)


def test_unknown_forms_are_named():
    with pytest.raises(ValueError, match=r"power, power\+constant.*got 'kaplan'"):
        fit_law("kaplan", {"n": N}, N**-0.5)
    with pytest.raises(ValueError, match=r"kaplan, additive.*got 'm4'"):
        fit_law("m4", {"n": GRID_N, "m": GRID_M}, GRID_N**-0.5)
