"""Experiments on executors, on a cluster whose worker is killed, by two processes at once, and on a full disk."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tiny_experiment import NAMES, TINY, run

from data_pruning.records.settings import to_json
from perceptron_theory import Results
from real_data import TrainingConfig
from real_data.experiments.execution import executor_named, finished_in_turn


def test_executors_give_the_same_and_failures_do_not_stop_the_others(tmp_path):
    here = run(TINY, tmp_path / "here")
    with ThreadPoolExecutor(2) as pool:
        there = run(TINY, tmp_path / "there", executor=pool)
        for name in NAMES:
            np.testing.assert_array_equal(here[name], there[name])
        done = []

        def work(i):
            if i == 1:
                raise ValueError("one failed")
            done.append(i)

        with pytest.raises(ValueError, match="one failed") as caught:
            list(finished_in_turn(pool, work, [(i,) for i in range(4)]))
        assert sorted(done) == [0, 2, 3]
        assert caught.value.__notes__ == ["1 of 4 tasks failed; what the others found is saved"]
    with pytest.raises(ValueError, match="an executor needs out"):
        run(TINY, executor=pool)
    with (
        pytest.raises(ValueError, match=r"executor must be here, processes:N, .*got 'processes:0'"),
        executor_named("processes:0", tmp_path),
    ):
        pass


CLUSTER = """
import os, signal, sys, threading, time, pathlib, warnings
os.environ["OPENBLAS_NUM_THREADS"] = "1"

def main(folder):
    from distributed import Client, LocalCluster
    from real_data import run_experiment
    from real_data.experiments.config import Experiment
    from data_pruning.records.settings import from_json
    import json
    config = from_json(Experiment, json.loads(sys.argv[2]))
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        def kill_one():
            while not list((folder / "cells").glob("*.nc")):  # one task has ended, the next has begun
                time.sleep(0.02)
            time.sleep(0.1)
            (pid,) = client.run(os.getpid).values()
            os.kill(pid, signal.SIGKILL)
            print("killed", flush=True)
        killer = threading.Thread(target=kill_one)
        killer.start()
        run_experiment(config, out=folder, executor=client.get_executor(), progress=False)
        killer.join()

if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
"""


def test_on_a_dask_cluster_a_killed_worker_loses_nothing(tmp_path):
    """The worker is killed by SIGKILL while it works on a task; its files show that no cell was trained twice."""
    pytest.importorskip("distributed")
    config = replace(TINY, num_seeds=4, retraining=TrainingConfig(num_steps=400))
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "there", json.dumps(to_json(config))],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "killed" in done.stdout
    here = run(config)
    there = Results.load(tmp_path / "there" / "digits.nc")
    for name in NAMES:
        np.testing.assert_array_equal(here[name], there[name])
    files = list((tmp_path / "there" / "cells").iterdir())
    keys = [key for path in files for key in Results.load(path)["key"]]
    assert len(keys) == len(set(keys)) == 16


def test_two_processes_and_a_kill_share_a_folder(tmp_path):
    """Two commands at once on one folder, one of them killed: every cell is there, and once."""
    config = replace(TINY, num_seeds=6, retraining=TrainingConfig(num_steps=400))
    (tmp_path / "digits.json").write_text(json.dumps(to_json(config)))
    command = [sys.executable, "-m", "real_data", "rerun", str(tmp_path / "digits.json"), "--quiet"]
    first, second = (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("cells/*.nc")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    _, complaint = second.communicate(timeout=200)
    assert second.returncode == 0, complaint
    keys = [key for path in (tmp_path / "cells").iterdir() for key in Results.load(path)["key"]]
    assert len(keys) == len(set(keys)) == 24
    np.testing.assert_array_equal(Results.load(tmp_path / "digits.nc")["errors"], run(config)["errors"])


def test_full_disk_is_a_clear_error(tmp_path):
    """A limit on the size of files stands in for the full disk: what was saved before stays, and is taken over."""
    config = replace(TINY, num_seeds=3)
    interrupted = (
        "import json, resource, signal, sys\n"
        "from real_data import run_experiment\n"
        "from real_data.experiments import task_run\n"
        "from real_data.experiments.config import Experiment\n"
        "from data_pruning.records.settings import from_json\n"
        "add = task_run.CellFolder.add\n"
        "def full(self, stem, cells, outcomes, config):\n"
        "    if stem.endswith('seed-1'):\n"
        "        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "    return add(self, stem, cells, outcomes, config)\n"
        "task_run.CellFolder.add = full\n"
        "run_experiment(from_json(Experiment, json.loads(sys.argv[2])), out=sys.argv[1], progress=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupted, tmp_path, json.dumps(to_json(config))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the disk is full: 4 cells just trained could not be saved in" in done.stderr
    (saved,) = (tmp_path / "cells").glob("*")
    assert "seed-0" in saved.name
    assert not list((tmp_path / "cells").glob(".*"))  # no partial file is left
    np.testing.assert_array_equal(run(config, tmp_path)["errors"], run(config)["errors"])
