"""Executors: GPUs shared out over processes, SLURM options, workers that die."""

import math
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from real_data.experiments.execution import executor_named, finished_in_turn, slurm_parameters, visible_gpus

GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_PREALLOCATE")


def environment_of_worker(number):
    time.sleep(0.5)  # so that every worker gets a call
    return os.getpid(), *map(os.environ.get, GPU_VARIABLES)


def environments(name, folder, calls):
    with executor_named(name, folder) as pool:
        found = set(finished_in_turn(pool, environment_of_worker, [(i,) for i in range(calls)]))
    return sorted(tuple(values) for _, *values in found)


@pytest.fixture
def no_gpu_variables(monkeypatch):
    for name in GPU_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_each_process_has_a_gpu_of_its_own(no_gpu_variables, tmp_path):
    no_gpu_variables.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    assert environments("processes:2", tmp_path, 2) == [("4", None), ("GPU-7", None)]


def test_processes_that_share_a_gpu_do_not_take_its_memory_in_advance(no_gpu_variables, tmp_path):
    no_gpu_variables.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert environments("processes:3", tmp_path, 3) == [("4", "false"), ("4", "false"), ("5", "false")]
    no_gpu_variables.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")  # the user's word
    assert {preallocate for _, preallocate in environments("processes:3", tmp_path, 3)} == {"true"}


@pytest.mark.parametrize(("listed", "gpus"), [("", []), ("-1", []), ("1, 0", ["1", "0"]), ("2,-1,3", ["2"])])
def test_the_environment_says_which_gpus_are_visible(no_gpu_variables, listed, gpus):
    no_gpu_variables.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'GPU 0: NVIDIA H100 (UUID: GPU-a)'; echo 'GPU 1: NVIDIA H100 (UUID: GPU-b)'", ["GPU-a", "GPU-b"]),
        (
            "echo 'GPU 0: A100 (UUID: GPU-a)'; echo '  MIG 1g.5gb  Device  0: (UUID: MIG-c)'; "
            "echo '  MIG 1g.5gb  Device  1: (UUID: MIG-d)'; echo 'GPU 1: A100 (UUID: GPU-b)'",
            ["MIG-c", "MIG-d", "GPU-b"],
        ),
        ("echo 'NVIDIA-SMI has failed'; exit 9", []),
    ],
)
def test_nvidia_smi_says_which_gpus_there_are(no_gpu_variables, tmp_path, script, gpus):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    no_gpu_variables.setenv("PATH", str(tmp_path))
    assert visible_gpus() == gpus


def test_without_gpus_the_environment_stays(no_gpu_variables, tmp_path):
    no_gpu_variables.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    assert set(environments("processes:2", tmp_path, 2)) == {(None, None)}


@pytest.mark.parametrize(
    ("detail", "parameters"),
    [
        ("long", {"slurm_partition": "long", "timeout_min": 1440}),
        (
            "gpu,gpus=1,cpus=8,hours=1.51,memory_gb=64",
            # 1.51 h = 90.6 min, rounded up
            {"slurm_partition": "gpu", "gpus_per_node": 1, "cpus_per_task": 8, "timeout_min": 91, "mem_gb": 64},
        ),
    ],
)
def test_slurm_options(detail, parameters):
    assert slurm_parameters(detail) == parameters


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        ("p,gpu=1", "slurm:p takes gpus, cpus, hours, memory_gb as NAME=VALUE, got 'gpu=1'"),
        ("p,q", "slurm:p takes gpus, cpus, hours, memory_gb as NAME=VALUE, got 'q'"),
        ("p,gpus=1,gpus=2", "slurm:p: gpus is given twice"),
        ("p,gpus=-1", "gpus must be an integer, at least 0, got '-1'"),
        ("p,cpus=1.5", "cpus must be an integer, at least 1, got '1.5'"),
        ("p,hours=0", "hours must be a number above 0, got '0'"),
        ("p,memory_gb=nan", "memory_gb must be a number above 0, got 'nan'"),
        ("gpus=1", "needs a partition first"),
    ],
)
def test_wrong_slurm_options_are_named(tmp_path, detail, message):
    with pytest.raises(ValueError, match=re.escape(message)), executor_named(f"slurm:{detail}", tmp_path):
        pass


def test_a_job_of_submitit(tmp_path):
    pytest.importorskip("submitit")
    with executor_named("submitit-local", tmp_path) as executor:
        assert list(finished_in_turn(executor, math.factorial, [(5,)])) == [120]


KILLED = r"a worker process was killed.*what had been saved stays; run the same again"


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_named(tmp_path):
    with (
        pytest.raises(RuntimeError, match=KILLED),
        executor_named("processes:1", tmp_path) as pool,
    ):
        list(finished_in_turn(pool, die, [(0,), (1,)]))
    with (
        pytest.raises(RuntimeError, match=KILLED),
        executor_named("processes:1", tmp_path) as pool,
    ):
        pool.submit(die, 0).result()


WORKERS = """
import os, sys, time
from pathlib import Path
from real_data.experiments.execution import executor_named

def wait(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    with executor_named("processes:2", Path(sys.argv[1])) as pool:
        for _ in range(2):
            pool.submit(wait, sys.argv[1])
        time.sleep(600)
"""


def test_workers_end_when_their_parent_is_killed(tmp_path):
    (tmp_path / "workers.py").write_text(WORKERS)
    (tmp_path / "out").mkdir()
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, tmp_path / "workers.py", tmp_path / "out"], env=os.environ | {"PYTHONPATH": root}
    ) as parent:
        try:
            within(60, lambda: len(list((tmp_path / "out").iterdir())) == 2)
        finally:
            parent.kill()
    workers = [int(path.name) for path in (tmp_path / "out").iterdir()]
    within(60, lambda: not any(Path(f"/proc/{worker}/exe").exists() for worker in workers))


def within(seconds, condition):
    """Wait until a condition holds; it must in the time that the slowest machine needs."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
