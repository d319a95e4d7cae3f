"""What the joint law fits say, as text, and whether a law holds."""

from __future__ import annotations

import math

from data_pruning import Results
from data_pruning.command_line import table
from real_data.studies.joint_law import selection_names

__all__ = ["GOOD", "joint_law_table"]

GOOD = 0.05
"""Mean and standard deviation of the relative deviation, outside the fit, below which a law is said to hold."""
MOST_GAIN = 2.0
"""How many times closer to the errors a law must be than errors that stay those of the nearest small points."""


def joint_law_table(law: Results) -> str:
    """What :func:`joint_law` found, as text, in per cent: mean and standard deviation of the relative deviation."""
    lines = [f"LEFT OUT OF ALL FITS, DID NOT LEARN: {name}" for name in law.config["failed"]]
    header = ["size", "form", "small: mu", "sigma", "large: mu", "sigma", "worst", "all: mu", "sigma", "holds"]
    for i, name in enumerate(selection_names(law)):
        used = law["learned"][i] == 1
        fitted = used & (law["small"][i] == 1)
        lines.append(
            f"\n{name}: {fitted.sum()} small points fitted, {used.sum() - fitted.sum()} large ones judged; "
            f"seeds leave {100 * law['noise'][i]:.1f} % of noise; errors that stay those of the nearest small point: "
            f"{100 * law['unchanged_mean'][i]:+.1f} +- {100 * law['unchanged_std'][i]:.1f} %"
        )
        rows = []
        for j, measure in enumerate(law["measure"].tolist()):
            for k, form in enumerate(law["form"].tolist()):
                at = (i, j, k)
                inside, outside = (_told(law, at, part) for part in ("inside", "outside"))
                size = measure.replace("phi", f"{law['phi'][at]:.2f}") if law["fitted"][at] else measure
                worst = f"{100 * law['worst_outside'][at]:.1f}" if law["fitted"][at] else "-"
                rows.append([size, form, *inside, *outside, worst, *_told(law, at, "all"), _verdict(law, at)])
        lines.append(table(header, rows))
    lines += law.config["remarks"]
    lines.append(
        f"holds: mu and sigma of the large part are below {100 * GOOD:g} %; flat: they are, but errors change so "
        f"little that those of the nearest small points are off by at most {MOST_GAIN:g} times as much"
    )
    return "\n".join(lines).lstrip("\n")


def _told(law: Results, at: tuple[int, int, int], part: str) -> list[str]:
    if not law["fitted_all" if part == "all" else "fitted"][at]:
        return ["-", "-"]
    return [f"{100 * law[f'mean_{part}'][at]:+.1f}", f"{100 * law[f'std_{part}'][at]:.1f}"]


def _verdict(law: Results, at: tuple[int, int, int]) -> str:
    if not law["fitted"][at]:
        return "no fit"
    mean, spread = (float(law[f"{name}_outside"][at]) for name in ("mean", "std"))
    if max(abs(mean), spread) >= GOOD:
        return "no"
    unchanged = math.hypot(law["unchanged_mean"][at[0]], law["unchanged_std"][at[0]])
    return "yes" if unchanged > MOST_GAIN * math.hypot(mean, spread) else "flat"
