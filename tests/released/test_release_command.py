"""A release: what is refused, what is built from a commit, and what is left to say; nothing is tagged or uploaded."""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from data_pruning.records.version import VERSION
from release.__main__ import cli, next_steps
from release.distributions import Distributions, build, check_contents, committed_files
from release.installation import JOBS, WRITTEN, run_main_job
from release.readiness import ready_version
from release.result_files import KINDS, write_result_files

ROOT = Path(__file__).parents[2]


def git(folder, *words):
    settings = ["-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *settings, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def change(tree, name, before, after):
    path = tree / name
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))


@pytest.fixture
def tree(tmp_path):
    """A checkout of version 1.2.3 that may be released."""
    tree = tmp_path / "tree"
    (tree / "data_pruning" / "records").mkdir(parents=True)
    (tree / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.2.3"\n')
    (tree / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.3\n")
    (tree / "data_pruning" / "records" / "version.py").write_text('VERSION = "1.2.3"  # and elsewhere\n')
    (tree / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 (2026-02-28)\n\n- New.\n\n## 1.2.2 (2026-01-01)\n")
    git(tree, "init", "--quiet")
    commit(tree)
    return tree


def commit(tree):
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "x")


def test_a_clean_tree_with_a_dated_section_is_ready(tree):
    git(tree, "tag", "v1.2.2")
    assert ready_version(tree) == "1.2.3"


@pytest.mark.parametrize(
    ("name", "before", "after", "message"),
    [
        ("pyproject.toml", "1.2.3", "1.2", r"the version in pyproject.toml must be like 1.2.3, got '1.2'"),
        ("pyproject.toml", "1.2.3", "1.2.4", r"the version in CITATION.cff must be 1.2.4, .*got 1.2.3"),
        ("CITATION.cff", "version: 1.2.3", "", "the version in CITATION.cff must be 1.2.3, .*got none"),
        (
            "data_pruning/records/version.py",
            "1.2.3",
            "1.2.2",
            r"in data_pruning/records/version.py must be 1.2.3, .*1.2.2",
        ),
        ("CHANGELOG.md", "(2026-02-28)", "(unreleased)", r"must be dated YYYY-MM-DD, got '## 1.2.3 \(unreleased\)'"),
        ("CHANGELOG.md", "02-28", "02-30", r"must be dated YYYY-MM-DD, got '## 1.2.3 \(2026-02-30\)'"),
        (
            "CHANGELOG.md",
            "## 1.2.3",
            "## 1.3.0",
            r"the section '## 1.2.3 \(YYYY-MM-DD\)', got '## 1.3.0",
        ),
        ("CHANGELOG.md", "## 1.2.3 (2026-02-28)\n", "", r"must begin with the section .*, got '## 1.2.2"),
    ],
)
def test_what_is_not_ready_is_refused(tree, name, before, after, message):
    change(tree, name, before, after)
    with pytest.raises(ValueError, match="the tree must be clean, but M "):
        ready_version(tree)
    commit(tree)
    with pytest.raises(ValueError, match=message):
        ready_version(tree)


def test_files_that_git_does_not_know_and_tags_that_are_there_are_refused(tree, tmp_path):
    for number in range(3):
        (tree / f"new-{number}").touch()
    with pytest.raises(ValueError, match=r"the tree must be clean, but \?\? new-0 and 2 more: commit or remove it"):
        ready_version(tree)
    commit(tree)
    git(tree, "tag", "v1.2.3")
    with pytest.raises(ValueError, match=r"version 1.2.3 is tagged v1.2.3 already"):
        ready_version(tree)
    with pytest.raises(ValueError, match="git status --porcelain failed in"):
        ready_version(tmp_path)


def test_distributions_are_what_is_committed(tmp_path):
    """Of this project: the source distribution has every file of the commit and no other, the wheel the licence."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout: there is no commit to compare with")
    tree = tmp_path / "tree"
    for name in filter(None, git(ROOT, "ls-files", "-z", "--cached").split("\0")):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    git(tree, "init", "--quiet")
    commit(tree)
    (tree / "tests" / "test_not_committed.py").touch()
    (tmp_path / "workplace").mkdir()
    made = build(tree, tmp_path / "dist", tmp_path / "workplace")
    committed = committed_files(tree)
    assert {"CHANGELOG.md", "LICENSE", "tests/conftest.py", "tests/released/0.1.0/laws/law.nc"} <= committed
    check_contents(made, VERSION, committed)
    with pytest.raises(ValueError, match=r"the source distribution lacks 1 files: missing\.py"):
        check_contents(made, VERSION, committed | {"missing.py"})
    with pytest.raises(ValueError, match=r"the source distribution has beyond what is committed 1 files: LICENSE"):
        check_contents(made, VERSION, committed - {"LICENSE"})
    with pytest.raises(ValueError, match=r"distributions must be of version 9\.9\.9, got data_pruning_theory-"):
        check_contents(made, "9.9.9", committed)
    with pytest.raises(ValueError, match=r"out must be a folder without other distributions, but .* has data_pruning_"):
        build(tree, tmp_path / "dist", tmp_path / "workplace")


def made_up(folder, wheel_files):
    source, wheel = folder / "data_pruning_theory-1.2.3.tar.gz", folder / "data_pruning_theory-1.2.3-py3-none-any.whl"
    with tarfile.open(source, "w:gz") as archive:
        for name in ("a.py", "PKG-INFO"):
            archive.addfile(tarfile.TarInfo(f"data_pruning_theory-1.2.3/{name}"), io.BytesIO())
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in wheel_files:
            archive.writestr(name, "")
    return Distributions(source, wheel)


def test_a_wheel_without_licence_or_with_tests_is_refused(tmp_path):
    licence = "data_pruning_theory-1.2.3.dist-info/licenses/LICENSE"
    check_contents(made_up(tmp_path, ["a.py", licence]), "1.2.3", {"a.py"})
    with pytest.raises(ValueError, match="the wheel lacks the licence"):
        check_contents(made_up(tmp_path, ["a.py"]), "1.2.3", {"a.py"})
    with pytest.raises(ValueError, match="the wheel has docs, tests, which are not for users"):
        check_contents(made_up(tmp_path, ["tests/a.py", "docs/b.md", licence]), "1.2.3", {"a.py"})


@pytest.fixture
def environment(tmp_path):
    """A Python that finds a package ``figures`` of its own beside it, whose main job writes what it is told."""
    place = tmp_path / "environment"
    (place / "bin").mkdir(parents=True)
    package = place / "packages" / "figures"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import os, pathlib, sys\n"
        "assert sys.argv[1:] == ['reproduce', '--num-features', '20', '--num-trials', '4', '--out', 'results']\n"
        "assert 'JAX_COMPILATION_CACHE_DIR' not in os.environ\n"
        "pathlib.Path('results').mkdir()\n"
        f"for name in {WRITTEN!r}:\n"
        "    pathlib.Path('results', name).write_text('x')\n"
    )
    python = place / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={place / "packages"} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def test_the_main_job_is_run_from_the_environment_in_an_empty_folder(environment, tmp_path):
    run_main_job(environment, tmp_path / "empty", "small")
    assert [path.name for path in (tmp_path / "empty").iterdir()] == ["results"]
    with pytest.raises(FileExistsError):
        run_main_job(environment, tmp_path / "empty", "small")
    with pytest.raises(ValueError, match=r"-m figures reproduce --out results ended with code 1; see above"):
        run_main_job(environment, tmp_path / "whole", "whole")  # other options than the package wants
    program = environment.parent.parent / "packages" / "figures" / "__main__.py"
    program.write_text(program.read_text() + "pathlib.Path('results/fig2.pdf').unlink()\n")
    with pytest.raises(ValueError, match=r"missing or empty: \['fig2.pdf'\]"):
        run_main_job(environment, tmp_path / "less", "small")
    environment.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} "$@"\n')
    with pytest.raises(ValueError, match="the package must be that of the environment"):
        run_main_job(environment, tmp_path / "other", "small")
    assert JOBS.keys() == {"whole", "small"}


def test_what_is_left_to_do_is_said():
    text = next_steps("1.2.3", ["dist/a.tar.gz", "dist/a.whl"], "tests/released/1.2.3")
    for command in (
        "git tag -a v1.2.3 -m 'Version 1.2.3'",
        "git push origin v1.2.3",
        "python -m twine upload dist/a.tar.gz dist/a.whl",
        "git add tests/released/1.2.3",
    ):
        assert f"\n  {command}\n" in text
    assert "git add" not in next_steps("1.2.3", [], None)


def test_result_files_of_a_kind_are_written_once(tmp_path):
    write_result_files(tmp_path, ["laws"])
    kept = ROOT / "tests" / "released"
    newest = max((path for path in kept.iterdir() if path.name[0].isdigit()), key=os.path.basename)
    assert {path.name for path in (tmp_path / "laws").iterdir()} >= {path.name for path in (newest / "laws").iterdir()}
    assert {path.name for path in newest.iterdir()} <= KINDS.keys()
    with pytest.raises(FileExistsError):
        write_result_files(tmp_path, ["laws"])


def test_mistakes_on_the_command_line_are_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    for words, message in (
        (["result-files", str(tmp_path)], "folder must be a new one"),
        (["result-files", str(tmp_path / "file" / "x")], "folder must be a folder, but"),
        (["build", "--job", "large"], "invalid choice"),
        (["build", "--out", str(tmp_path)], "--out must be a new or empty folder"),
        (["check"], "the tree must be clean"),
    ):
        if words[0] == "build":
            monkeypatch.setattr("release.readiness.ready_version", lambda root: "1.2.3")
        if words == ["check"]:

            def refused(root):
                raise ValueError("the tree must be clean")

            monkeypatch.setattr("release.readiness.ready_version", refused)
        with pytest.raises(SystemExit) as stop:
            cli.main(words)
        complaint = capsys.readouterr().err.strip().splitlines()
        assert stop.value.code == 2
        assert len(complaint) == 1
        assert complaint[0].startswith("python -m release: ")
        assert message in complaint[0]
