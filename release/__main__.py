"""Command line of releases, run from a checkout: ``make release``, or ``python -m release --help``."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tyro

from data_pruning.command_line import CommandLine

cli = CommandLine("python -m release", __doc__)

ROOT = Path(__file__).parent.parent
RESULT_FILES = Path("tests/released")


@cli.command
def check() -> None:
    """Say whether the version that stands in the sources may be released: seconds."""
    from release.readiness import ready_version

    print(f"Version {ready_version(ROOT)} may be released.")


@cli.command
def build(out: Path = Path("dist"), job: Literal["whole", "small", "none"] = "whole") -> None:
    """Build and try a release: about ten minutes on two cores; nothing is tagged or uploaded.

    Builds source distribution and wheel from the last commit, checks them, installs the wheel with its requirements in
    an environment of its own, and runs the main job there.  Then writes small result files of every kind into
    tests/released/VERSION, if they are not there, for the tests of later versions; and says what is left to do.

    Args:
        out: folder of the distributions; it must have no others.
        job: how much of the main job is run from the wheel.
    """
    from release.distributions import build as build_both
    from release.distributions import check_contents, committed_files
    from release.installation import install, run_main_job
    from release.readiness import ready_version
    from release.result_files import write_result_files

    version = ready_version(ROOT)
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"--out must be a new or empty folder, but there is something in {out}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "sources").mkdir()
        made = build_both(ROOT, out, folder / "sources")
        check_contents(made, version, committed_files(ROOT))
        print(f"The source distribution has every file of the commit; twine has no complaint about {made.wheel.name}.")
        if job != "none":
            python = install(made.wheel, folder / "environment")
            run_main_job(python, folder / "empty", job)
            print("The wheel was installed in an environment of its own, and the main job ran from it.")
    kept = RESULT_FILES / version
    new = not (ROOT / kept).exists()
    if new:
        write_result_files(ROOT / kept)
    print(next_steps(version, [str(path) for path in made], str(kept) if new else None))


@cli.command
def result_files(folder: tyro.conf.Positional[Path]) -> None:
    """Write small result files of every kind, as tests/released keeps them: about five minutes on one core.

    Args:
        folder: a new folder.
    """
    from data_pruning.records.writable import check_folder
    from release.result_files import write_result_files

    check_folder("folder", folder)
    if folder.exists():
        raise ValueError(f"folder must be a new one, but {folder} is there: files of a release are never replaced")
    write_result_files(folder)


def next_steps(version: str, files: Sequence[str], result_files: str | None) -> str:
    """What is left to do by hand, as commands.

    Args:
        version: the version.
        files: the distributions.
        result_files: folder of the result files that were written, None where there were some.
    """
    lines = [
        f"\nVersion {version} is ready. Nothing has been tagged or uploaded; to do so:",
        f"  git tag -a v{version} -m 'Version {version}'",
        f"  git push origin v{version}",
        f"  python -m twine upload {' '.join(files)}",
        "Then give pyproject.toml, CITATION.cff and data_pruning/records/version.py the next version, CHANGELOG.md a",
        "section for it, and commit.",
    ]
    if result_files is not None:
        lines.insert(4, f"For the tests of later versions:\n  git add {result_files}")
    return "\n".join(lines)


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    cli.main()


if __name__ == "__main__":
    main()
