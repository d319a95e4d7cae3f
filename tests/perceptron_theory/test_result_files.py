"""Result files: what is saved is what is loaded, and a file is whole or not there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import netcdf_file

from perceptron_theory import Results
from perceptron_theory.results import stored


def example():
    results = Results("Example: errors of α-sweeps", {"rules": ["hard", "easy"], "seed": 3, "nested": {"θ": 0.1}})
    results.add("alpha", "point", [1.0, 2.5, np.pi], "1", "kept examples per parameter")
    results.add("rule", "rule", ["hard", "leicht – å≤∞", ""], "", "keep rule")
    results.add("converged", ("rule", "point"), np.eye(3) > 0, "1", "whether the search settled")
    results.add("steps", "point", np.array([-(2**31), 0, 2**31 - 1]), "1", "quadratures")
    results.add("error", (), 0.25, "1", "one number")
    results.add("count", (), 7, "1", "one integer")
    results.add("done", (), True, "1", "one truth")
    results.add("name", (), "ü", "", "one string")
    return results


def test_round_trip(tmp_path):
    saved = example()
    path = saved.save(tmp_path / "deep" / "folder" / "example.nc")
    loaded = Results.load(path)
    assert loaded.title == saved.title
    assert loaded.config == saved.config
    assert loaded.variables.keys() == saved.variables.keys()
    for name, variable in saved.variables.items():
        other = loaded.variables[name]
        assert (other.dims, other.units, other.description) == (variable.dims, variable.units, variable.description)
        assert other.values.dtype.kind == variable.values.dtype.kind
        assert other.values.shape == variable.values.shape
        np.testing.assert_array_equal(other.values, variable.values)
    assert loaded.sizes == {"point": 3, "rule": 3}
    assert sorted(str(loaded).splitlines()) == sorted(str(saved).splitlines())
    assert [p.name for p in path.parent.iterdir()] == ["example.nc"]


@settings(max_examples=40)
@given(
    values=hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(width=64)),
    words=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), min_size=1, max_size=4),
)
def test_any_numbers_and_words_come_back(values, words, tmp_path_factory):
    results = Results("t")
    results.add("x", tuple(f"axis{i}" for i in range(values.ndim)), values, "1", "d")
    results.add("words", "word", np.array(words), "", "d")
    loaded = Results.load(results.save(tmp_path_factory.mktemp("any") / "x.nc"))
    np.testing.assert_array_equal(loaded["x"], values)
    assert loaded["words"].tolist() == words


def test_other_programs_can_read_it(tmp_path):
    with netcdf_file(example().save(tmp_path / "x.nc"), mmap=False) as file:
        assert file.variables["alpha"].dimensions == ("point",)
        assert file.variables["alpha"].units == b"1"
        np.testing.assert_array_equal(file.variables["alpha"][:], [1.0, 2.5, np.pi])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.9])
def test_a_file_cut_short_is_refused(tmp_path, share):
    path = example().save(tmp_path / "x.nc")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"x\.nc is not a result file of this package, or is damaged"):
        Results.load(path)


def test_other_files_and_missing_ones(tmp_path):
    (tmp_path / "text.nc").write_text("hello")
    with pytest.raises(ValueError, match="is not a result file"):
        Results.load(tmp_path / "text.nc")
    with pytest.raises(FileNotFoundError, match=r"missing\.nc"):
        Results.load(tmp_path / "missing.nc")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = example().save(tmp_path / "x.nc")
    before = path.read_bytes()
    bad = example()
    bad.add("big", "point", np.array([0, 1, 2**31]), "1", "too large")
    with pytest.raises(ValueError, match=r"integers outside 32 bits.*too large"):
        bad.save(path)
    worse = example()
    worse.add("complex", "point", np.ones(3) * 1j, "1", "complex numbers")
    with pytest.raises(TypeError, match="cannot store values of type complex128: complex numbers"):
        worse.save(path)
    with pytest.raises(TypeError):
        Results("t", {"rule": object()}).save(path)  # not JSON
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.nc"]


def test_shapes_must_fit():
    results = Results("t")
    results.add("x", ("a", "b"), np.zeros((2, 3)), "1", "d")
    with pytest.raises(ValueError, match=r"y has 1 axes but 2 dimensions"):
        results.add("y", ("a", "b"), np.zeros(2), "1", "d")
    with pytest.raises(ValueError, match="y: dimension b has length 3 elsewhere, 4 here"):
        results.add("y", "b", np.zeros(4), "1", "d")
    assert list(results.variables) == ["x"]


def test_stored_results_are_computed_once_per_configuration(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        results = Results("t")
        results.add("x", "i", [len(calls)], "1", "number of the call")
        return results

    first = stored(tmp_path, "stem", {"a": (1, 2)}, compute)
    (first_name,) = (path.name for path in tmp_path.iterdir())
    again = stored(tmp_path, "stem", {"a": [1, 2]}, compute)
    other = stored(tmp_path, "stem", {"a": [1, 3]}, compute)
    assert (first["x"].tolist(), again["x"].tolist(), other["x"].tolist()) == ([1], [1], [2])
    assert first.config == {"a": [1, 2]}
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) == 2
    (tmp_path / names[0]).replace(tmp_path / names[1])
    for path in tmp_path.iterdir():  # the one that is left has the name of the first or of the other
        config = {"a": [1, 2]} if path.name == first_name else {"a": [1, 3]}
    with pytest.raises(ValueError, match="holds the result of another configuration"):
        stored(tmp_path, "stem", config, compute)
