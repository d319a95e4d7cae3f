"""What a user gets who installs the package: a wheel with every room, whose faces load where no source tree is."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parent.parent
FACES = ("data_pruning", "perceptron_theory", "scaling_laws", "simulations", "real_data", "figures")
BESIDE = ("tests", "benchmarks")
SUFFIXES = {".py", ".pyi", ".toml"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy, so that the tree stays clean and no old build folder gets in; no network needed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in FACES + BESIDE:
        copytree(ROOT / folder, source / folder, ignore=ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        copy(ROOT / file, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--wheel-dir", target]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("*.whl")
    return built


def test_the_wheel_holds_every_source_file_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = [path for face in FACES for path in (ROOT / face).rglob("*") if "__pycache__" not in path.parts]
    ours = {path.relative_to(ROOT).as_posix() for path in files if path.suffix in SUFFIXES or path.name == "py.typed"}
    ours |= {path.relative_to(ROOT).as_posix() for path in files if path.parent.name == "assets" and path.is_file()}
    assert packed == ours
    assert {f"{face}/py.typed" for face in FACES} <= packed


def test_every_folder_of_sources_is_a_package():
    folders = {path.parent for face in FACES for path in (ROOT / face).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_every_face_of_an_unpacked_wheel_is_light_until_it_is_asked_and_has_every_name(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "unpacked")
    program = f"""
import importlib, pathlib, sys
faces = [importlib.import_module(name) for name in {FACES}]
for face in faces:
    assert pathlib.Path(face.__file__).is_relative_to({str(tmp_path)!r}), face.__file__
heavy = {{"jax", "flax", "optax", "orbax", "scipy", "sklearn", "matplotlib", "xarray", "PIL", "dask"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
for face in faces:
    assert len(face.__all__) == len(set(face.__all__)) > 0
    assert set(face.__all__) <= set(dir(face))
    for name in face.__all__:
        assert getattr(face, name) is not None, (face, name)
print(sum(len(face.__all__) for face in faces), "names")
"""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=elsewhere,
        env={"PYTHONPATH": str(tmp_path / "unpacked"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith(" names\n"), done.stderr


def test_the_extra_of_development_has_what_the_others_need():
    """So that one environment runs, builds and tests everything."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    (own,) = [line for line in extras["dev"] if line.startswith(f"{project['project']['name']}[")]
    ours = set(own.partition("[")[2].rstrip("]").split(","))
    assert ours == extras.keys() - {"dev", "efficientnet", "cuda", "tpu"}  # weights in a file, and accelerators
    assert set(project["build-system"]["requires"]) <= set(extras["dev"])
