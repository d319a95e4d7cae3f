"""The store of trials: nothing is lost, whoever is killed and when, and nothing altered is taken for a result."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest
import xarray

from perceptron_theory import Results
from simulations.trials.store import Column, TrialStore

COLUMNS = {
    "error": Column("1", "test error"),
    "margins": Column("1", "margins of two examples", ("example",)),
    "steps": Column("1", "iterations", dtype=int),
    "separable": Column("1", "whether a separating student exists", dtype=bool),
}
CONFIG = {"alpha": 2.5, "keep": {"rule": "KeepHard", "fraction": 0.3}, "sizes": (50, 100), "θ": None}


def store(folder, **change):
    usual = {"folder": folder, "stem": "point", "title": "T", "config": CONFIG, "columns": COLUMNS}
    return TrialStore(**usual | change)


def values(trials):
    """What trials of these numbers give."""
    trials = np.asarray(trials)
    return {
        "error": 1 / (trials + 3.0),
        "margins": np.where(trials[:, None] % 5 == 3, np.nan, (trials[:, None] + [0.0, 0.5]) / 7),
        "steps": trials * 7 - 11,
        "separable": trials % 3 == 0,
    }


def assert_holds(found, trials):
    """These trials, each once and bit for bit."""
    trials = np.array(sorted(trials), np.int64)
    for name, expected in ({"trial": trials} | values(trials)).items():
        assert found[name].dtype == expected.dtype
        assert found[name].shape == expected.shape
        assert found[name].tobytes() == expected.tobytes(), name


def names(of):
    return sorted(path.name for path in of.path.iterdir())


def test_round_trip(tmp_path):
    one = store(tmp_path / "deep")
    assert not one.path.exists()
    assert {name: (v.shape, v.dtype) for name, v in one.read().items()} == {
        "trial": ((0,), np.int64),
        "error": ((0,), np.float64),
        "margins": ((0, 0), np.float64),
        "steps": ((0,), np.int64),
        "separable": ((0,), bool),
    }
    one.merge()
    assert one.add([7, 3], values([7, 3])) == one.path / "trials-3-7.nc"
    one.add(np.arange(8, 20, dtype=np.uint8), values(np.arange(8, 20)))
    one.add([8, 9], values([8, 9]))  # again
    trials = [3, 7, *range(8, 20)]
    assert names(one) == ["trials-3-7.nc", "trials-8-19.nc", "trials-8-9.nc"]
    assert_holds(one.read(), trials)
    assert_holds(store(tmp_path / "deep").read(), trials)
    one.merge()
    assert names(one) == ["trials-3-19.nc"]
    assert_holds(one.read(), trials)
    before = (one.path / "trials-3-19.nc").stat()
    one.merge()
    assert (one.path / "trials-3-19.nc").stat() == before
    one.add([2**31 - 1], values([3]))
    assert one.read()["trial"][-1] == 2**31 - 1


def test_key_is_the_digest_of_the_config(tmp_path):
    text = json.dumps({**CONFIG, "sizes": [50, 100]}, sort_keys=True)
    shell = subprocess.run(["sha256sum"], input=text.encode(), capture_output=True, check=True).stdout.decode()
    assert store(tmp_path).path == tmp_path / f"point-{shell[:16]}"
    assert store(tmp_path, config=dict(reversed(CONFIG.items()))).path == store(tmp_path).path
    assert store(tmp_path, config={**CONFIG, "alpha": 2.6}).path != store(tmp_path).path


def test_trials_of_the_same_ends_are_all_kept(tmp_path):
    one = store(tmp_path)
    one.add([0, 2, 4], values([0, 2, 4]))
    one.add([0, 1, 4], values([0, 1, 4]))
    assert names(one) == ["trials-0-4.nc"]
    assert_holds(one.read(), [0, 1, 2, 4])
    wrong = values([0, 3, 4])
    wrong["error"][2] += 1e-16
    with pytest.raises(ValueError, match=r"error of trial 4 is not the same in .*trials-0-4\.nc and in the trials"):
        one.add([0, 3, 4], wrong)
    assert_holds(one.read(), [0, 1, 2, 4])


def test_a_stranger_can_read_it(tmp_path):
    one = store(tmp_path)
    with xarray.open_dataset(one.add([5, 3], values([5, 3])), engine="scipy") as found:
        assert found.attrs["title"] == "T"
        assert json.loads(found.attrs["config"]) == {**CONFIG, "sizes": [50, 100]}
        assert found["trial"].values.tolist() == [3, 5]
        assert found["margins"].dims == ("trial", "example")
        for name, column in COLUMNS.items():
            assert (found[name].attrs["units"], found[name].attrs["long_name"]) == column[:2]
            np.testing.assert_array_equal(found[name].values, values([3, 5])[name])


def test_two_machines_write_the_same_bytes(tmp_path):
    """Whatever the folder, the time, the order of the trials and how they were cut."""
    one, two = store(tmp_path / "one"), store(tmp_path / "two" / "deeper")
    first = one.add([0, 1, 2], values([0, 1, 2])).read_bytes()
    assert two.add([2, 0, 1], values([2, 0, 1])).read_bytes() == first
    one.add([3], values([3]))
    for trials in ([1, 3], [0], [2]):
        two.add(trials, values(trials))
    one.merge()
    two.merge()
    contents = [(of.path / "trials-0-3.nc").read_bytes() for of in (one, two)]
    assert contents[0] == contents[1]
    assert str(tmp_path).encode() not in contents[0]


def test_different_values_of_a_trial_are_an_error(tmp_path):
    one = store(tmp_path)
    one.add([0, 1], values([0, 1]))
    zero = values([1, 2])
    zero["margins"][0, 1] = np.nextafter(zero["margins"][0, 1], 1)
    one.add([1, 2], zero)
    pattern = r"margins of trial 1 is not the same in .*trials-0-1\.nc and in .*trials-1-2\.nc; .*delete the file"
    for act in (one.read, one.merge):
        with pytest.raises(ValueError, match=pattern):
            act()
    assert names(one) == ["trials-0-1.nc", "trials-1-2.nc"]
    (one.path / "trials-1-2.nc").unlink()
    wide = values([1, 2])
    wide["margins"] = np.ones((2, 3))
    one.add([1, 2], wide)
    with pytest.raises(ValueError, match=r"margins has shape \(2,\) per trial in .*0-1\.nc, but \(3,\) in .*1-2\.nc"):
        one.read()


def test_bits_count_not_equality(tmp_path):
    one = store(tmp_path, columns={"x": COLUMNS["error"]})
    one.add([0, 1], {"x": np.array([np.nan, 0.0])})
    one.add([0], {"x": np.array([np.nan])})
    assert one.read()["trial"].tolist() == [0, 1]
    one.add([1], {"x": np.array([-0.0])})
    with pytest.raises(ValueError, match="x of trial 1 is not the same"):
        one.read()


def test_a_file_of_another_configuration_is_an_error(tmp_path):
    one, other = store(tmp_path), store(tmp_path, config={**CONFIG, "alpha": 3.0})
    one.add([0], values([0]))
    other.add([1], values([1])).rename(one.path / "trials-1-1.nc")
    for act in (one.read, one.merge, lambda: one.add([1], values([1]))):
        with pytest.raises(ValueError, match=r"trials-1-1\.nc holds trials of another configuration"):
            act()


@pytest.mark.parametrize(
    ("change", "odd"),
    [
        ({"error": Column("rad", "test error")}, "error"),
        ({"error": Column("1", "training error")}, "error"),
        ({"margins": Column("1", "margins of two examples", ("other",))}, "margins"),
        ({"steps": Column("1", "iterations")}, "steps"),
        ({"more": Column("1", "one more")}, "more"),
    ],
)
def test_a_file_of_other_columns_is_an_error(tmp_path, change, odd):
    store(tmp_path).add([0], values([0]))
    with pytest.raises(ValueError, match=rf"trials-0-0\.nc holds other columns than are asked for: {odd} differ"):
        store(tmp_path, columns=COLUMNS | change).read()


@pytest.mark.parametrize(
    ("trials", "change", "message"),
    [
        ([], {}, "trials must be a sequence of at least one integer"),
        ([0.0, 1.0], {}, "trials must be a sequence of at least one integer"),
        ([[0, 1]], {}, "trials must be a sequence of at least one integer"),
        ([0, -1], {}, "trials must lie between 0 and 2147483647, got -1 to 0"),
        ([0, 2**31], {}, "trials must lie between 0 and 2147483647, got 0 to 2147483648"),
        ([1, 1], {}, "trials must differ"),
        ([0, 1], {"more": np.zeros(2)}, "values must have the columns .*'steps'], got .*'more'"),
        ([0, 1], {"error": np.zeros(3)}, r"error must have 2 trials, axes \(trial\), got shape \(3,\)"),
        ([0, 1], {"margins": np.zeros(2)}, r"margins must have 2 trials, axes \(trial, example\), got shape \(2,\)"),
        ([0, 1], {"margins": np.zeros((2, 0))}, r"margins must have 2 trials, .* got shape \(2, 0\)"),
        ([0, 1], {"error": np.zeros(2, int)}, "error must have dtype float, got int64"),
        ([0, 1], {"error": np.zeros(2, complex)}, "error must have dtype float, got complex128"),
        ([0, 1], {"steps": np.zeros(2)}, "steps must have dtype int, got float64"),
        ([0, 1], {"separable": np.zeros(2, int)}, "separable must have dtype bool, got int64"),
        ([0, 1], {"steps": np.array([0, 2**31])}, "steps must lie within 32 bits, got 0 to 2147483648"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, trials, change, message):
    one = store(tmp_path)
    with pytest.raises(ValueError, match=message):
        one.add(trials, values([0, 1]) | change)
    assert not one.path.exists()


def test_arguments_are_checked(tmp_path):
    for change, error, message in (
        ({"stem": "a/b"}, ValueError, "stem must be the beginning of a file name, got 'a/b'"),
        ({"stem": ""}, ValueError, "stem must be"),
        ({"columns": {}}, ValueError, "columns is empty"),
        ({"columns": {"trial": Column("1", "d")}}, ValueError, "identifiers other than 'trial', got 'trial'"),
        ({"columns": {"x": Column("1", "d", ("a b",))}}, ValueError, "got 'a b' in 'x'"),
        ({"columns": {"x": Column("1", "d", (), str)}}, TypeError, "dtype of column 'x' must be float, int or bool"),
        ({"config": {"x": object()}}, TypeError, "not JSON serializable"),
    ):
        with pytest.raises(error, match=message):
            store(tmp_path, **change)
    for batch in (-1, 1.0, True):
        with pytest.raises(ValueError, match="batch must be a non-negative integer"), store(tmp_path).claim(batch):
            pass


def test_every_cut_and_every_altered_byte(tmp_path):
    """Of a small file: an error that names it, or the same numbers."""
    one = store(tmp_path, columns={"error": COLUMNS["error"]}, config={"a": 1})
    path = one.add([4, 6], {"error": np.array([0.5, np.nan])})
    whole = path.read_bytes()
    expected = one.read()
    damaged = [whole[:length] for length in range(len(whole))]
    for place in range(len(whole)):
        for flip in (1, 255):
            damaged.append(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            found = store(tmp_path, columns={"error": COLUMNS["error"]}, config={"a": 1}).read()
        except ValueError as error:
            if str(path) not in str(error) or "delete it" not in str(error):
                raise
            refused += 1
        else:
            assert len(content) == len(whole)
            assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
    assert refused > 0.9 * len(damaged)


def test_a_claim_excludes_threads_and_processes(tmp_path):
    one = store(tmp_path)
    with one.claim(0) as first, one.claim(0) as second, one.claim(1) as other:
        assert (first, second, other) == (True, False, True)
    with one.claim(np.int64(0)) as again:
        assert again
    assert names(one) == []
    with subprocess.Popen([sys.executable, "-c", CHILD, "hold", tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with one.claim(5) as held:
            assert not held
        one.add([0], values([0]))
        one.merge()
        assert names(one) == ["batch-5.lock", "trials-0-0.nc"]  # it is held
        threading.Timer(0.1, holder.kill).start()
        with one.claim(5, wait=True) as held:
            assert held
            assert holder.wait() == -9
    (one.path / "batch-9.lock").touch()  # of one that was killed
    one.merge()
    assert names(one) == ["trials-0-0.nc"]


def test_claims_are_exclusive_while_their_files_come_and_go(tmp_path):
    one = store(tmp_path)
    inside, most, turns = [0], [0], [0]

    def work():
        for _ in range(200):
            with one.claim(0, wait=True) as held:
                assert held
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                turns[0] += 1
                time.sleep(1e-4)  # to the others
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], turns[0]) == (1, 800)


def test_half_written_files_are_ignored_and_cleared_after_a_day(tmp_path):
    one = store(tmp_path)
    one.add([0], values([0]))
    new, old = (one.path / f".trials-1-1.nc.{name}.partial" for name in ("new", "old"))
    for path in (new, old):
        path.write_bytes(b"CDF")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    assert_holds(one.read(), [0])
    one.merge()
    assert names(one) == [new.name, "trials-0-0.nc"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(tmp_path, monkeypatch, number):
    one = store(tmp_path)
    one.add([0], values([0]))
    one.add([1], values([1]))

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for act in (one.merge, lambda: one.add([2], values([2])), lambda: one.add([0, 1], values([0, 1]))):
            with pytest.raises(OSError, match=r"the disk is full: .*trials-.*nothing saved before is lost") as caught:
                act()
            assert caught.value.errno == number
            assert names(one) == ["trials-0-0.nc", "trials-1-1.nc"]
    assert_holds(one.read(), [0, 1])
    one.merge()
    assert_holds(one.read(), [0, 1])


def test_a_limit_on_file_sizes(tmp_path):
    """A limit that the file of many trials exceeds stands in for a disk that fills up while it is written."""
    command = [sys.executable, "-c", CHILD, "full", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "trials-1-1000.nc could not be saved; nothing saved before is lost" in done.stderr
    one = store(tmp_path)
    assert names(one) == ["trials-0-0.nc"]
    assert_holds(one.read(), [0])


def test_a_reader_that_others_overtake_lists_again(tmp_path, monkeypatch):
    """Files are merged away after they were listed, again and again, and right before one of them is read."""
    one, other = store(tmp_path), store(tmp_path)
    for trial in range(4):
        one.add([trial], values([trial]))
    load, overtaken = Results.load.__func__, []

    def overtaking(cls, path):
        if len(overtaken) < 3:
            overtaken.append(path)
            with monkeypatch.context() as patch:
                patch.setattr(Results, "load", classmethod(load))
                trial = 3 + len(overtaken)
                other.merge()
                other.add([trial], values([trial]))
        return load(cls, path)

    monkeypatch.setattr(Results, "load", classmethod(overtaking))
    assert_holds(one.read(), range(7))
    assert len(overtaken) == 3


def test_a_listing_that_misses_a_file_is_not_the_last(tmp_path, monkeypatch):
    """Systems list a large folder in pieces: what is renamed meanwhile may appear in none of them."""
    one = store(tmp_path)
    for trial in range(3):
        one.add([trial], values([trial]))
    scandir, listings = os.scandir, []

    def in_pieces(path):
        listings.append(path)
        entries = list(scandir(path))
        return nullcontext(entries if len(listings) > 1 else [e for e in entries if e.name != "trials-1-1.nc"])

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", in_pieces)
        assert_holds(one.read(), range(3))
    assert len(listings) == 3


def test_a_file_that_is_never_there_is_an_error(tmp_path):
    one = store(tmp_path)
    one.add([0], values([0]))
    (one.path / "trials-1-1.nc").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"trials-1-1\.nc"):
        one.read()


# What other processes do, by their first argument.  The trials are those of the tests.
CHILD = """
import os, random, resource, signal, sys, time
sys.path.insert(0, TESTS)
from test_store import store, values

what, folder, *more = sys.argv[1:]
assert "jax" not in sys.modules
one = store(folder)

def work(first, random_seed, report):
    # adds overlapping runs of trials from `first` on and merges now and then, for ever; reports what is added
    chance = random.Random(random_seed)
    while True:
        trials = [first + i for i in range(chance.randint(1, 4))]
        one.add(trials, values(trials))
        report(trials)
        first += chance.randint(1, len(trials))
        if chance.random() < 0.4:
            one.merge()

if what == "hold":
    with one.claim(5) as held:
        print("held", flush=True)
        time.sleep(60)
elif what == "full":
    one.add([0], values([0]))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    one.add(range(1, 1001), values(range(1, 1001)))
elif what == "killed":  # workers one after the other, or two at once, each killed at a random moment
    import scipy.io  # once for all workers

    num_kills, at_once, seed = map(int, more)
    chance = random.Random(seed)
    receive, send = os.pipe()
    added = set()
    for kill in range(num_kills):
        workers = []
        for number in range(at_once):
            first = max(added, default=-1) + 1 if number == 0 else chance.randint(0, max(added, default=0))
            worker = os.fork()
            if worker == 0:
                signal.alarm(60)  # should the parent end
                work(first, chance.random(), lambda trials: os.write(send, b"".join(b"%d\\n" % t for t in trials)))
            workers.append(worker)
        time.sleep(chance.uniform(0, 0.08))
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
            assert os.waitpid(worker, 0)[1] == signal.SIGKILL, "a worker failed"
        os.write(send, b"end\\n")
        report = b""
        while not report.endswith(b"end\\n"):
            report += os.read(receive, 1 << 16)
        added.update(map(int, report.split()[:-1]))
        found = store(folder).read()
        assert added <= set(found["trial"].tolist()), (kill, added - set(found["trial"].tolist()))
        for name, expected in values(found["trial"]).items():
            assert found[name].tobytes() == expected.tobytes(), (kill, name)
        added |= set(found["trial"].tolist())  # some were added and not reported
    print(len(added))
""".replace("TESTS", repr(os.path.dirname(__file__)))  # noqa: PTH120 (text)


@pytest.mark.parametrize(("num_kills", "at_once"), [(40, 1), (25, 2)])
def test_killed_at_any_moment_nothing_is_lost(tmp_path, num_kills, at_once):
    """What was reported as added is readable after each kill, bit for bit; what came after can be added again."""
    command = [sys.executable, "-c", CHILD, "killed", tmp_path, str(num_kills), str(at_once), "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    num_trials = int(done.stdout)
    assert num_trials > num_kills
    one = store(tmp_path)
    one.add(range(num_trials), values(range(num_trials)))
    one.merge()
    assert_holds(one.read(), range(num_trials))
    for path in one.path.glob(".*.partial"):
        path.unlink()
    assert names(one) == [f"trials-0-{num_trials - 1}.nc"]


@pytest.mark.parametrize("what", ["processes", "threads"])
def test_several_add_merge_and_read_at_once(tmp_path, what):
    """Readers, meanwhile, see all that was added before they began to read."""
    one = store(tmp_path)
    last, failures = 60, []

    def work(offset):
        try:
            mine = store(tmp_path) if what == "threads" else one
            for first in range(offset, last, 2):
                mine.add([first, first + 1, first + 5], values([first, first + 1, first + 5]))
                found = mine.read()
                assert {first, first + 1, first + 5} <= set(found["trial"].tolist())
                assert_holds(found, found["trial"])
                if first % 6 < 2:
                    mine.merge()
        except BaseException as error:
            failures.append(error)
            raise

    if what == "threads":
        threads = [threading.Thread(target=work, args=(offset,)) for offset in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
    else:
        code = CHILD + (
            "if what == 'share':\n"
            "    offset = int(more[0])\n"
            "    before = set()\n"
            f"    for first in range(offset, {last}, 2):\n"
            "        one.add([first, first + 1, first + 5], values([first, first + 1, first + 5]))\n"
            "        found = one.read()\n"
            "        before |= {first, first + 1, first + 5}\n"
            "        assert before <= set(found['trial'].tolist()), before - set(found['trial'].tolist())\n"
            "        before = set(found['trial'].tolist())\n"
            "        for name, expected in values(found['trial']).items():\n"
            "            assert found[name].tobytes() == expected.tobytes()\n"
            "        if first % 6 < 2:\n"
            "            one.merge()\n"
        )
        workers = [subprocess.Popen([sys.executable, "-c", code, "share", tmp_path, str(i)]) for i in range(2)]
        assert [worker.wait() for worker in workers] == [0, 0]
    assert_holds(one.read(), {first + i for first in range(last) for i in (0, 1, 5)})
    one.merge()
    assert len(names(one)) == 1
