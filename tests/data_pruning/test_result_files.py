"""Result files: what is saved is what is loaded, and a file is whole or not there."""

import errno
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import netcdf_file

from data_pruning.records import file_format
from data_pruning.records.file_format import NewerFormatError
from data_pruning.records.results import stored
from data_pruning.records.version import VERSION
from perceptron_theory import Results


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


def test_xarray_reads_it_and_is_given_the_same(tmp_path):
    results = example()
    with xarray.open_dataset(results.save(tmp_path / "x.nc"), engine="scipy") as opened:
        read = opened.load()
    given = results.to_xarray()
    xarray.testing.assert_equal(read, given)
    for dataset in (read, given):
        assert dataset.attrs["title"] == results.title
        assert json.loads(dataset.attrs["config"]) == results.config
        assert dataset.variables.keys() == results.variables.keys()
        assert dict(dataset.sizes) == {"point": 3, "rule": 3}
        for name, variable in results.variables.items():
            found = dataset[name]
            assert found.dims == variable.dims
            assert (found.attrs["units"], found.attrs["long_name"]) == (variable.units, variable.description)
            assert found.values.tolist() == variable.values.tolist()  # strings too, and truths as truths
        assert dataset["converged"].dtype == bool
        assert dataset["converged"].sel(rule="hard").values.tolist() == [True, False, False]


def test_importing_results_does_not_import_xarray():
    code = "import sys, data_pruning.records.results as r; r.Results('t'); assert 'xarray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def content_of(results):
    """Everything in comparable form, numbers as bytes."""
    variables = {
        name: (v.dims, v.units, v.description, v.values.dtype, v.values.shape, v.values.tobytes())
        for name, v in results.variables.items()
    }
    return results.title, json.dumps(results.config, sort_keys=True), variables


def small():
    results = Results("small", {"seed": 3})
    results.add("x", "i", [-0.0, np.nan], "1", "doubles")
    results.add("n", "i", [1, -2], "1", "integers")
    results.add("b", (), True, "", "one truth")
    results.add("w", "i", ["a", "åå"], "", "words")
    return results


def test_every_altered_byte_is_noticed_or_changes_nothing(tmp_path):
    """Each byte, by one bit or by all."""
    path = small().save(tmp_path / "x.nc")
    whole, expected = path.read_bytes(), content_of(small())
    assert content_of(Results.load(path)) == expected
    harmless = set()
    for place in range(len(whole)):
        for flip in (1, 2, 16, 128, 255):
            altered = bytearray(whole)
            altered[place] ^= flip
            path.write_bytes(altered)
            try:
                found = Results.load(path)
            except ValueError as error:
                message = str(error)
                if not message.startswith(f"{path} is not a result file") or not message.endswith("run the same again"):
                    raise
            else:
                assert content_of(found) == expected, (place, flip)
                harmless.add(place)
    assert len(harmless) < 0.25 * len(whole)  # padding, and what is there for other readers


def test_every_cut_is_noticed(tmp_path):
    path = small().save(tmp_path / "x.nc")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"x\.nc is not a result file of this package, or is damaged: .*delete it"):
            Results.load(path)


def test_a_file_without_its_digest_is_refused(tmp_path):
    path = small().save(tmp_path / "x.nc")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"sha256", b"sha255"))
    with pytest.raises(ValueError, match=r"x\.nc .* is damaged: it has no sha256; if this package wrote it, "):
        Results.load(path)


def written_in(path, monkeypatch, *, format_version, package):
    with monkeypatch.context() as patched:
        patched.setattr(file_format, "FORMAT_VERSION", format_version)
        patched.setattr(file_format, "VERSION", package)
        return small().save(path)


def test_a_file_says_its_format_and_who_wrote_it(tmp_path):
    with netcdf_file(small().save(tmp_path / "x.nc"), mmap=False) as file:
        assert (file.format_version, file.written_by.decode()) == (file_format.FORMAT_VERSION, VERSION)


def test_a_newer_format_is_refused_in_one_sentence(tmp_path, monkeypatch):
    path = written_in(tmp_path / "x.nc", monkeypatch, format_version=7, package="3.1.0")
    with pytest.raises(NewerFormatError) as caught:
        Results.load(path)
    assert str(caught.value) == (
        f"{path} was written by version 3.1.0 of data-pruning-theory in format 7 of result files; this is version "
        f"{VERSION}, which reads up to format {file_format.FORMAT_VERSION}: install a newer one to read it"
    )


def test_another_version_that_writes_the_same_format_is_read(tmp_path, monkeypatch):
    path = written_in(tmp_path / "x.nc", monkeypatch, format_version=file_format.FORMAT_VERSION, package="3.1.0")
    assert content_of(Results.load(path)) == content_of(small())
    path.write_bytes(path.read_bytes().replace(b"3.1.0", b"3.1.1"))
    with pytest.raises(ValueError, match="its format is not that of its seal"):
        Results.load(path)


def test_the_version_is_the_same_wherever_it_stands():
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert f"\nversion: {VERSION}\n" in (root / "CITATION.cff").read_text()


def test_equal_results_are_equal_bytes(tmp_path):
    first = small().save(tmp_path / "x.nc").read_bytes()
    assert small().save(tmp_path / "other" / "y.nc").read_bytes() == first
    other = small()
    other.add("n", "i", np.array([1, -2], np.int8), "1", "integers")
    other.add("x", "i", np.array([-0.0, np.nan], ">f8"), "1", "doubles")
    assert other.save(tmp_path / "z.nc").read_bytes() == first


@pytest.mark.parametrize("values", [np.arange(3, dtype=np.uint16), np.float32([0.1, 2]), np.array([True, False])])
def test_narrow_numbers_come_back(tmp_path, values):
    results = Results("t")
    results.add("x", "i", values, "1", "d")
    found = Results.load(results.save(tmp_path / "x.nc"))["x"]
    assert found.dtype == {"u": np.int64, "f": np.float64, "b": np.bool_}[values.dtype.kind]
    np.testing.assert_array_equal(found, values)


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    for values, error, message in (
        (np.zeros((2, 0)), ValueError, r"an empty array, of shape \(2, 0\), cannot be stored: d"),
        (np.array([[b"x"]]), TypeError, r"cannot store values of type \|S1: d"),
    ):
        results = Results("t")
        results.add("x", ("i", "j"), values, "1", "d")
        with pytest.raises(error, match=message):
            results.save(tmp_path / "x.nc")
    with pytest.raises(ValueError, match="a null character cannot be stored"):
        Results("t\0").save(tmp_path / "x.nc")
    assert not list(tmp_path.iterdir())


def test_errors_of_the_disk_are_not_taken_for_damage(tmp_path, monkeypatch):
    path = small().save(tmp_path / "x.nc")

    def fails(self):
        raise OSError(errno.EIO, "Input/output error", str(self))

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(OSError, match=r"Input/output error.*x\.nc"):
        Results.load(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_to_be_one(tmp_path, monkeypatch, number):
    path = small().save(tmp_path / "x.nc")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"the disk is full: .*x\.nc .*nothing saved before is lost.* same again"
    ) as caught:
        example().save(path)
    assert caught.value.errno == number
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.nc"]


def test_a_limit_on_file_sizes_is_a_full_disk(tmp_path):
    code = (
        "import resource, signal, sys\n"
        "from perceptron_theory import Results\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "Results('t').save(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "x.nc"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"the disk is full: {tmp_path / 'x.nc'} could not be saved" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """The order of what the system is asked for: file, name, folders."""
    asked = []
    fsync, replace = os.fsync, Path.replace

    def synced(number):
        synced = os.fstat(number)
        names = {path.name for path in (tmp_path, *tmp_path.rglob("*")) if os.path.samestat(path.stat(), synced)}
        asked.append(("sync", names.pop().split(".nc")[0]))
        fsync(number)

    def renamed(self, target):
        asked.append(("rename", target.name))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    small().save(tmp_path / "new" / "folder" / "x.nc")
    expected = [("sync", ".x"), ("rename", "x.nc"), ("sync", "folder"), ("sync", "new"), ("sync", tmp_path.name)]
    assert asked == expected


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
    results.add("one", (), 1.0, "1", "d")
    for name, dims, values in (("z", "one", [1.0, 2.0]), ("a", (), 1.0)):
        with pytest.raises(ValueError, match="is the name of one number and of a dimension"):
            results.add(name, dims, values, "1", "d")
    assert list(results.variables) == ["x", "one"]


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
