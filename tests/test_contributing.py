"""The ways to check a change run the same commands: make, the hooks of git, the hosts' CI, on every Python allowed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def recipe(target):
    """Lines of a target of the Makefile, with its variables put in."""
    text = (ROOT / "Makefile").read_text()
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in found[1].splitlines()]


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


@pytest.fixture(scope="module")
def job(workflow):
    (job,) = workflow["jobs"].values()
    return job


def called(lines):
    return [line for line in lines if line.startswith("make ")]


def test_hooks_of_git_are_what_make_lint_runs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert [hook["entry"] for hook in hooks] == recipe("lint")
    for hook in hooks:  # on everything, with the tools of the project
        assert (hook["language"], hook["pass_filenames"], hook["always_run"]) == ("system", False, True)
    assert [repository["repo"] for repository in config["repos"]] == ["local"]


def test_hooks_of_git_are_such_that_pre_commit_understands_them():
    command = [sys.executable, "-m", "pre_commit", "validate-config", ROOT / ".pre-commit-config.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hosts_run_what_ci_runs(job):
    ours = called((ROOT / ".ci" / "run").read_text().splitlines())
    assert ours == ["make lint", "make test", "make docs"]
    assert called(line for step in job["steps"] for line in step.get("run", "").splitlines()) == ours
    assert all("if" not in step for step in job["steps"] if step.get("run", "").startswith("make "))


def test_hosts_run_every_python_that_is_allowed(job):
    allowed = SpecifierSet(PROJECT["requires-python"])
    minors = [f"3.{minor}" for minor in range(40) if f"3.{minor}.0" in allowed]
    assert job["strategy"]["matrix"]["python"] == minors
    named = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert named == minors
    assert "${{ matrix.python }}" in job["container"]


def test_hosts_install_the_same_packages_and_keep_the_same_things(workflow, job):
    script = (ROOT / ".ci" / "run").read_text()
    packages = set(re.findall(r"missing\+=\(([a-z-]+)\)", script))
    assert packages == {"chromium", "dataset-fashion-mnist"}
    (install,) = [step["run"] for step in job["steps"] if "apt-get install" in step.get("run", "")]
    assert packages <= set(install.split())
    uses = {step["uses"].split("@")[0]: step for step in job["steps"] if "uses" in step}
    kept = {step["with"]["path"] for step in job["steps"] if step.get("uses", "").startswith("actions/cache@")}
    assert kept == {job["env"]["PIP_CACHE_DIR"], ".jax_cache"}
    assert uses["actions/upload-pages-artifact"]["with"]["path"] in recipe("docs")[0]
    assert workflow[True].keys() == {"push", "pull_request", "workflow_dispatch"}  # YAML reads "on" as true
    assert workflow["permissions"] == {"contents": "read"}


def test_scripts_are_understood_by_the_shell(job):
    scripts = [(ROOT / ".ci" / "run").read_text(), *(step["run"] for step in job["steps"] if "run" in step)]
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_page_on_contributing_names_what_there_is():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`([\w./]+\.(?:py|toml|md|cff|yml)|[\w./]+/)`", text):
        places = [ROOT / name, *ROOT.glob(f"*/{name}"), *ROOT.glob(f"*/*/{name}")]
        assert any(place.exists() for place in places), name
    for target in re.findall(r"\bmake ([a-z]+)", text):
        assert recipe(target)
