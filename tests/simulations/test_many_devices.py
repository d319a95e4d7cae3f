"""Trials shared out among devices and hosts: the same numbers whoever computes them."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from perceptron_theory import KeepHard
from simulations import simulate
from simulations.trials import devices as trials_of_devices
from simulations.trials.devices import USABLE, Devices, Footprint, TrialProgram, _free_host_memory

GIB = 2**30
EXPERIMENTS = """
    import hashlib
    import jax, numpy as np
    from jax.sharding import Mesh
    from perceptron_theory import KeepByLabel, KeepHard, KeepRandom, Labels, SquareLoss
    from simulations.simulation import simulate
    from simulations.probe import PerceptronRule, TrainedProbe

    def digest(found):
        arrays = (found.errors, found.gaps, found.margins, found.kept, found.probe_angles)
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()

    def run(name, **options):
        if name == "trained probe":
            found = simulate(2.0, KeepRandom(0.4), TrainedProbe(2.0, PerceptronRule(2)), 40, 85, seed=3, **options)
        else:
            rule = KeepByLabel(KeepRandom(0.3), KeepHard(0.3))
            found = simulate(3.0, rule, 0.3, 20, 85, seed=3, student=SquareLoss(0.1), labels=Labels(0.1), **options)
        return digest(found)
"""


def start(code: str, **environment: str) -> subprocess.Popen:
    clean = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")}
    script = textwrap.dedent(EXPERIMENTS) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return out


def test_results_do_not_depend_on_the_number_of_devices():
    code = """
        devices = jax.devices()
        assert len(devices) == 4
        for name in ("trained probe", "labels"):
            meshes = [Mesh(np.array(devices[:n]), ("x",)) for n in (1, 3)]
            meshes.append(Mesh(np.array(devices).reshape(2, 2), ("x", "y")))
            digests = {run(name, mesh=mesh) for mesh in (*meshes, None)}
            print(name, len(digests))
    """
    out = finish(start(code, XLA_FLAGS="--xla_force_host_platform_device_count=4"))
    assert out.split("\n")[:-1] == ["trained probe 1", "labels 1"]


def test_all_devices_take_part():
    code = """
        from simulations import pruned_students
        used, run_on = set(), pruned_students.PrunedStudents.run
        def watched(self, numbers, device):
            used.add(device)
            return run_on(self, numbers, device)
        pruned_students.PrunedStudents.run = watched
        run("labels")
        print(len(used))
    """
    assert finish(start(code, XLA_FLAGS="--xla_force_host_platform_device_count=4")) == "4\n"


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("localhost", 0))
        return opened.getsockname()[1]


@pytest.mark.parametrize("shared_folder", [True, False])
def test_two_hosts_share_the_trials(tmp_path, shared_folder):
    code = """
        import json, sys
        from simulations import pruned_students
        jax.distributed.initialize("localhost:{port}", num_processes=2, process_id={host})
        assert (len(jax.devices()), len(jax.local_devices())) == (2, 1)
        ran, run_on = [], pruned_students.PrunedStudents.run
        def watched(self, numbers, device):
            ran.append(sorted(set(numbers.tolist())))
            return run_on(self, numbers, device)
        pruned_students.PrunedStudents.run = watched
        first = run("labels", out={out!r})
        again = run("labels", out={out!r})  # from the files, which need not be the same for both
        print(json.dumps([first, again, sum(ran, [])]))
    """
    port, folders = free_port(), [tmp_path / ("both" if shared_folder else name) for name in ("first", "second")]
    hosts = [start(code.format(port=port, host=host, out=str(folders[host]))) for host in (0, 1)]
    (first, again, ran), (second, again_there, ran_there) = [
        json.loads(finish(host).splitlines()[-1]) for host in hosts
    ]
    alone = finish(start("print(run('labels'))")).strip()
    assert {first, again, second, again_there} == {alone}
    assert sorted(ran + ran_there) == list(range(85))  # each trial once
    assert abs(len(ran) - len(ran_there)) <= 10  # a fair share, to a batch


def test_what_is_no_mesh_is_named():
    with pytest.raises(TypeError, match=r"mesh must be a jax\.sharding\.Mesh, got 'gpu'"):
        Devices("gpu")


def test_a_mesh_without_a_device_of_this_host_is_refused(monkeypatch):
    mesh = Mesh(np.array(jax.devices()[:1]), ("x",))
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with pytest.raises(ValueError, match="mesh has no device of this host, number 1"):
        Devices(mesh)


def test_a_trial_that_does_not_fit_is_refused_before_it_starts(monkeypatch):
    monkeypatch.setattr("simulations.trials.devices._free_host_memory", lambda: 10**7)
    with pytest.raises(MemoryError, match=r"one trial at a time needs .* GiB.*num_features"):
        simulate(30.0, KeepHard(0.5), 0.3, 200, 10)


def test_batches_fit_in_memory(monkeypatch):
    devices, trial = Devices(), Footprint(data=20 * 2**20, work=60 * 2**20)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    plenty = devices.plan(trial, 100)
    assert (plenty.batch, plenty.calls_at_once, plenty.bytes) == (10, 4, 4 * (2 * 10 * trial.data + trial.work))
    for free in (int(1e9), int(5e8), int(2e8), int(1.5e8)):
        monkeypatch.setattr("simulations.trials.devices._free_host_memory", lambda free=free: free)
        plan = devices.plan(trial, 100)
        assert plan.bytes <= 0.8 * free
        assert plan.bytes == plan.calls_at_once * (2 * plan.batch * trial.data + trial.work)
        assert plan.batch < 10
    assert (plan.batch, plan.calls_at_once) == (1, 1)
    # unknown: as if there were plenty
    monkeypatch.setattr("simulations.trials.devices._free_host_memory", lambda: None)
    assert devices.plan(trial, 100) == plenty._replace(free=None)


MEASURED = """
import threading, time
from perceptron_theory import KeepHard, SquareLoss
from simulations import simulate
from simulations.pruned_students import PrunedStudents
from simulations.trials.devices import Devices

def resident():
    with open("/proc/self/statm") as file:
        return 4096 * int(file.read().split()[1])

setting = 20.0, KeepHard(0.5), 0.3, 300
simulate(*setting, 2, student=SquareLoss(0.1))  # what the compiler takes is not counted
before, seen, done = resident(), [], []

def watch():
    while not done:
        seen.append(resident())
        time.sleep(0.002)

thread = threading.Thread(target=watch)
thread.start()
simulate(*setting, 20, student=SquareLoss(0.1))
done.append(True)
thread.join()
plan = Devices().plan(PrunedStudents(*setting, SquareLoss(0.1)).footprint(), 20)
assert plan.batch > 1
print((max(seen) - before) / plan.bytes)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_what_is_planned_is_not_exceeded():
    """Resident memory of a process: 0.7 to 1.01 of the plan when this was written, 1.3 to 1.5 without the copy.

    The system does not get back at once what is freed; plans leave a fifth of the free memory for that.
    """
    found = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    assert 0.2 < float(found.stdout) < 1 / USABLE


def test_few_trials_are_spread_over_the_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert Devices().plan(Footprint(data=1000, work=1000), 8).batch == 2


def test_large_data_come_one_trial_at_a_time():
    assert Devices().plan(Footprint(data=2**28, work=2**28), 100).batch == 1


def test_the_memory_that_is_free_is_known_on_linux():
    free = _free_host_memory()
    assert free is None or GIB / 100 < free < 10**5 * GIB


def test_an_accelerator_gets_few_sizes_of_batches(monkeypatch):
    devices = Devices()
    devices.on_cpu = False
    monkeypatch.setattr(devices, "free_memory", lambda: 80 * 2**30)
    small, large = Footprint(data=2**18, work=2**20), Footprint(data=2**23, work=2**26)
    plans = {count: devices.plan(small, count) for count in (1, 30, 32, 33, 1000, 2048, 2049, 10**5)}
    assert [plan.batch for plan in plans.values()] == [4, 32, 32, 256, 2048, 2048, 4096, 4096]
    assert [plan.calls_at_once for plan in plans.values()] == [1, 1, 1, 1, 1, 1, 1, 2]
    assert devices.plan(large, 10**5)[:3] == (256, 2, 2 * 256 * (large.data + large.work))
    monkeypatch.setattr(devices, "free_memory", lambda: 30 * 2**30)
    plan = devices.plan(large, 10**5)
    assert (plan.batch, plan.calls_at_once) == (128, 2)
    assert plan.bytes <= USABLE * 30 * 2**30


def test_side_by_side_a_second_program_serves_all_that_some_trials_need(monkeypatch):
    """As on an accelerator: how many are left over differs from call to call, the size of their groups does not."""
    monkeypatch.setattr(trials_of_devices, "_in_turn", lambda device: False)
    program = TrialProgram(lambda trial, shift: {"square": trial**2 + shift})
    trials = jax.device_put(np.arange(40.0, dtype=np.float32))
    for chosen in ([7], [0, 3, 39], list(range(5, 25))):
        found = program.of_some(np.array(chosen), trials, np.float32(0.5))
        np.testing.assert_array_equal(found["square"], np.array(chosen, np.float32) ** 2 + 0.5)
    np.testing.assert_array_equal(program(trials, np.float32(0.5))["square"], np.arange(40.0) ** 2 + 0.5)
    assert len(program._compiled) == 2
