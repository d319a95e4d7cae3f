"""Files of PyTorch, read without PyTorch: the tensors that were saved; nothing that a file names is called."""

import base64
import importlib.util
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from real_data import weights
from real_data.training.array_file import check_stored
from real_data.weights.torch_file import read_tensors

_place = Path(__file__).parent / "reference" / "make_torch_weights.py"
_spec = importlib.util.spec_from_file_location("make_torch_weights", _place)
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)
FILES = {name: base64.b64decode(t) for name, t in json.loads(reference.FILE.read_text())["files"].items()}


@pytest.mark.parametrize("name", ["plain", "before-1.6", "nested", "nested-before-1.6", "checkpoint", "averaged"])
def test_tensors_of_pytorch_are_what_was_saved(name, tmp_path):
    """Values are those of reference/make_torch_weights.py, which float16 and bfloat16 hold exactly."""
    (tmp_path / "x.pth").write_bytes(FILES[name])
    found = read_tensors(tmp_path / "x.pth")
    numbers = reference.values((3, 4))
    expected = {
        "float32": numbers,
        "transposed": numbers.T,
        "part": numbers[1],
        "parameter": numbers[:2],
        "float16": numbers,
        "bfloat16": numbers,
        "float64": numbers.astype(np.float64),
        "int64": np.array(7),
        "bool": np.array([True, False]),
    }
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].dtype == array.dtype


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other-table", "no table of tensors at its top or under state_dict, .*, but weights"),
        ("module", r"it names torch.nn.modules.linear.Linear, .*: save model.state_dict\(\) alone"),
        ("sparse", "it names torch._utils._rebuild_sparse_tensor"),
        ("deeper", "beside tensors it has tables or lists of tensors, more"),
        ("negative", r"a tensor is a negative or conjugate view: save it after resolve_neg\(\).resolve_conj\(\)"),
        ("expanded", "its tensors have 1000000000000 numbers, the file 1"),
    ],
)
def test_what_is_no_table_of_tensors_is_refused(name, message, tmp_path):
    (tmp_path / "x.pth").write_bytes(FILES[name])
    with pytest.raises(ValueError, match=message):
        weights.read(tmp_path / "x.pth")


def archive(path, pickled, members=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("x/data.pkl", pickled)
        for name, content in members:
            file.writestr(f"x/{name}", content)


class Harmful:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


def test_nothing_that_a_file_names_is_called(tmp_path):
    """What would write a file, and names that a reader might forget: nothing of them runs."""
    harm = tmp_path / "harm"
    calls = [(open, str(harm), "w"), (eval, f"open({str(harm)!r}, 'w')"), (Path.touch, harm), (getattr, 1, "real")]
    for call in calls:
        archive(tmp_path / "x.pth", pickle.dumps({"state_dict": {"w": Harmful(*call)}}, protocol=2))
        with pytest.raises(ValueError, match="which a file of weights has no need of"):
            weights.read(tmp_path / "x.pth")
    calling_a_type = b"\x80\x02ctorch\nFloatStorage\n(tR."
    shadowed = b"\x80\x02ccollections\nOrderedDict.fromkeys\n(tR."
    altered = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    for pickled in (calling_a_type, shadowed, altered, b"\x80\x02."):
        archive(tmp_path / "x.pth", pickled)
        with pytest.raises(ValueError, match="is no file of tensors of PyTorch, or is damaged"):
            weights.read(tmp_path / "x.pth")
    assert not harm.exists()


def test_places_of_a_tensor_that_are_no_numbers_are_refused(tmp_path):
    """A shape of a tuple of 2^40 entries, each half twice, whose product with a number or whose text is endless."""

    def tensor(shape):
        store = b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
        return b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n" + store + b"K\x00" + shape + b"tRs."

    doubled = b"(K\x01t" + b"2\x86" * 40
    for shape in (doubled + b"\x85K\x01\x85", b"K\x02K\x02\x86K\x01\x85", b"\x88\x85K\x01\x85", b"K\x04K\x01\x85"):
        archive(tmp_path / "x.pth", tensor(shape), [("data/0", bytes(16))])
        with pytest.raises(ValueError, match="a tensor is impossible, not made as PyTorch makes them"):
            weights.read(tmp_path / "x.pth")
    archive(tmp_path / "x.pth", tensor(b"K\x04\x85K\x01\x85"), [("data/0", bytes(16))])
    assert read_tensors(tmp_path / "x.pth")["a"].shape == (4,)


def test_damaged_and_compressed_archives_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    whole = FILES["plain"]
    for content in (whole[:-30], whole[:200], whole.replace(b"FloatStorage", b"ComplStorage")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="damaged"):
            weights.read(path)
    archive(path, bytes(10**6), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"x/data.pkl is compressed"):
        weights.read(path)
    with zipfile.ZipFile(io.BytesIO(whole)) as source:
        members = {info.filename.partition("/")[2]: source.read(info) for info in source.infolist()}
    for change, message in (
        ({"data/0": members["data/0"][:-4]}, "the store 0 has 44 bytes, not 12 numbers"),
        ({"byteorder": b"big"}, "high byte"),
        ({"data/0": None}, "data/0"),
    ):
        new = {name: content for name, content in {**members, **change}.items() if content is not None}
        pickled = new.pop("data.pkl")
        archive(path, pickled, new.items())
        with pytest.raises(ValueError, match=message):
            weights.read(path)


def test_a_pickle_that_would_take_all_memory_is_refused(tmp_path):
    """A place of memory numbered two billion, for which Python would make room; members that lie on each other."""
    archive(tmp_path / "x.pth", b"\x80\x02]r\xff\xff\xff\x7f.")
    with pytest.raises(ValueError, match="remembers something at place 2147483647"):
        weights.read(tmp_path / "x.pth")
    (tmp_path / "old.pth").write_bytes(FILES["before-1.6"].replace(b"q\x00", b"r\xff\xff\xff\x7f", 1))
    with pytest.raises(ValueError, match="remembers something at place 2147483647"):
        weights.read(tmp_path / "old.pth")
    member = zipfile.ZipInfo("a")
    member.file_size = member.compress_size = 600
    other = zipfile.ZipInfo("b")
    other.file_size = other.compress_size = 600
    check_stored([member], 600)
    with pytest.raises(ValueError, match="its members have more bytes than the file"):
        check_stored([member, other], 1000)
    with pytest.raises(ValueError, match="a is in it twice"):
        check_stored([member, member], 2000)


def test_arrays_of_objects_and_compressed_ones_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.array([Harmful(open, str(tmp_path / "harm"), "w")], object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        weights.read(path)
    np.savez_compressed(path, a=np.zeros(10**6, np.float32))
    with pytest.raises(ValueError, match=r"a.npy is compressed"):
        weights.read(path)
    assert not (tmp_path / "harm").exists()
