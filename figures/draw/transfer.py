"""Networks pretrained on pruned data: their error on another data set, and what the pruning costs."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data_pruning import Results
from data_pruning.arguments import check_choice
from figures.draw.curve_panels import CurvePanel, Line, draw_panels, panels_size
from figures.draw.error_panels import mean_of_known, student_half_width
from figures.draw.looks import curve_looks, metric_name, rule_label
from figures.draw.style import new_figure, style

__all__ = ["transfer_curves", "transfer_differences", "transfer_legend", "transfer_panels"]

BUDGETS = {"steps": "equal steps", "epochs": "equal epochs"}
LAYERS = {"all": "all layers fine-tuned", "head": "head alone fine-tuned"}
SOURCE_LABEL = "pretraining images kept, f"
ALL_LABEL = "pretrained on all"
SCRATCH_LABEL = "not pretrained"
LONGEST = 18  # characters of the name of a data set
SCRATCH_LOOK: dict[str, Any] = {"color": "#8c510a", "linestyle": (0, (6, 2))}

DIMENSIONS = ("curve", "budget", "fraction", "layers", "target", "pretraining", "fine_tuning")

Floats = NDArray[np.float64]


def transfer_differences(transfer: Results, reference: Literal["all", "random"] = "all") -> Figure:
    """What pruning the pretraining set costs: error less that of a reference, on the target and on the source.

    Args:
        transfer: the file transfer.nc of ``python -m real_data transfer``.
        reference: ``all``, networks pretrained on all images, or ``random``, on as many random ones.

    Returns:
        A matplotlib figure: a row for the layers that are fine-tuned and a column for each target set and length of
        pretraining; in the last row the same of the data set that the networks were pretrained on.  Points below zero
        are better than the reference; intervals of 95 % are over pretrainings, paired by their seed; crosses where a
        network did not learn.

    Raises:
        ValueError: results of something else, an unknown reference, or no random examples among the results.
    """
    check_choice("reference", reference, ("all", "random"))
    rules = [str(rule) for rule in transfer["curve_rule"]]
    if reference == "random" and "random" not in rules:
        raise ValueError("reference = 'random' needs random examples among the curves of the results")
    shown = [c for c, rule in enumerate(rules) if reference == "all" or rule != "random"]
    name = "difference" if reference == "all" else "difference_to_random"
    mean = _ordered(transfer, name, DIMENSIONS[:5])
    width = _ordered(transfer, f"{name}_half_width", DIMENSIONS[:5])
    fine = _learned(transfer) & np.isfinite(mean)
    if reference == "random":  # nothing is compared with networks that did not learn
        fine = fine & fine[[rules.index("random")]]
    of_source, source_width = _source_differences(transfer, rules.index("random") if reference == "random" else None)
    zero = Line(0.0, np.nan, ALL_LABEL if reference == "all" else "random", {"color": "black"})
    ylabel = "error less that of all, points" if reference == "all" else "error less random's, points"
    panels = [
        CurvePanel(
            row=row,
            column=column,
            title="" if row else _title(transfer, b, t),
            group=t,
            ylabel=f"{_layers(transfer, layer)}\n{ylabel}",
            fractions=transfer["fraction"],
            mean=mean[shown, b, :, layer, t],
            half_width=width[shown, b, :, layer, t],
            fine=fine[shown, b, :, layer, t],
            lines=[zero],
        )
        for row, layer in enumerate(_rows(transfer))
        for column, (t, b) in enumerate(_columns(transfer))
    ]
    panels += [
        CurvePanel(
            row=transfer["layers"].size,
            column=b,
            title=f"{_dataset(transfer, 'source') or 'pretraining data'}\n{_budget(transfer, b)}",
            group="source",
            ylabel=f"pretraining data\n{ylabel}",
            fractions=transfer["fraction"],
            mean=of_source[shown, b],
            half_width=source_width[shown, b],
            fine=np.isfinite(of_source[shown, b]),
            lines=[zero],
        )
        for b in range(transfer["budget"].size)
    ]
    names, looks = transfer_curves(transfer)
    with style():
        figure = new_figure(*panels_size(panels))
        draw_panels(
            figure,
            panels,
            [names[c] for c in shown],
            [looks[c] for c in shown],
            xlabel=SOURCE_LABEL,
            title=transfer_legend(transfer),
            errors=False,
        )
        return figure


def transfer_panels(transfer: Results) -> list[CurvePanel]:
    """Error on the target against the fraction of the pretraining set, for part (b) of figure 4.

    Raises:
        ValueError: results of something else.
    """
    errors = mean_of_known(_ordered(transfer, "errors", DIMENSIONS))
    mean, width, fine = mean_of_known(errors), student_half_width(errors), _learned(transfer)
    whole = mean_of_known(_ordered(transfer, "errors_all", DIMENSIONS[3:]))
    whole = _where_learned(transfer, whole, "learned_all", DIMENSIONS[3:], axis=-1)
    scratch = None
    if "errors_scratch" in transfer.variables:
        scratch = mean_of_known(_ordered(transfer, "errors_scratch", DIMENSIONS[4:]))
        scratch = _where_learned(transfer, scratch, "learned_scratch", DIMENSIONS[4:], axis=-1)
    found = []
    for row, layer in enumerate(_rows(transfer)):
        for column, (t, b) in enumerate(_columns(transfer)):
            lines = _line(whole[layer, t], ALL_LABEL, {"color": "black"})
            if scratch is not None and transfer["layers"][layer] == "all":  # all of its layers are trained
                lines += _line(scratch[t], SCRATCH_LABEL, SCRATCH_LOOK)
            found.append(
                CurvePanel(
                    row=row,
                    column=column,
                    title="" if row else _title(transfer, b, t),
                    group=t,
                    ylabel=f"{_layers(transfer, layer)}\ntest error  (%)",
                    fractions=transfer["fraction"],
                    mean=mean[:, b, :, layer, t],
                    half_width=width[:, b, :, layer, t],
                    fine=fine[:, b, :, layer, t],
                    lines=lines,
                )
            )
    return found


def transfer_curves(transfer: Results) -> tuple[list[str], list[dict[str, Any]]]:
    """Names and looks of the curves."""
    curves = [(str(m), str(r)) for m, r in zip(transfer["curve_metric"], transfer["curve_rule"], strict=True)]
    names = ["random" if rule == "random" else f"{metric_name(metric)}, {rule_label(rule)}" for metric, rule in curves]
    return names, curve_looks(curves)


def transfer_legend(transfer: Results) -> str:
    """Title of the legend: how many networks there are, and what the intervals are over."""
    pretrainings = transfer.sizes["pretraining"]
    counts = {transfer.sizes["fine_tuning"]}
    if "num_fine_tunings" in transfer.variables:
        counts = set(map(int, np.atleast_1d(transfer["num_fine_tunings"])))
    number = " or ".join(map(str, sorted(counts)))
    each = f"{number} fine-tuning{'' if number == '1' else 's'}"
    source = _dataset(transfer, "source")
    of_source = f" on {source}" if source else ""
    if pretrainings == 1:
        return f"one pretraining{of_source},\n{each}; no intervals"
    return f"{pretrainings} pretrainings{of_source},\n{each} of each;\n95 % intervals over pretrainings"


def _source_differences(transfer: Results, at_random: int | None) -> tuple[Floats, Floats]:
    """Error on the pretraining data less that of a reference, paired by pretraining: mean, half width.

    NaN where a network did not learn, but for those on all images: pretrainings without these are left out.
    """
    dims = ("curve", "budget", "fraction", "pretraining")
    errors = _where_learned(transfer, _ordered(transfer, "source_errors", dims), "source_learned", dims)
    whole = _ordered(transfer, "source_errors_all", dims[3:])
    whole = _where_learned(transfer, whole, "source_learned_all", dims[3:])
    differences = errors - (whole if at_random is None else errors[[at_random]])
    fine: NDArray[np.bool_] = np.asarray(np.isfinite(errors).all(axis=-1))
    if at_random is not None:
        fine = fine & fine[[at_random]]
    return np.where(fine, mean_of_known(differences), np.nan), student_half_width(differences)


def _learned(transfer: Results) -> NDArray[np.bool_]:
    """Whether all networks of a cell (curve, budget, fraction, layers, target) learned, and their errors are known."""
    known = np.isfinite(mean_of_known(_ordered(transfer, "errors", DIMENSIONS))).all(axis=-1)
    return known & np.all(_ordered(transfer, "learned", DIMENSIONS) != 0, axis=(-2, -1))


def _where_learned(
    transfer: Results, errors: Floats, learned: str, dims: tuple[str, ...], axis: tuple[int, ...] | int = ()
) -> Floats:
    """Errors, NaN where a network, one of those along the axis, did not learn: the file has the errors of these too."""
    if learned not in transfer.variables:
        return errors
    return np.where(np.all(_ordered(transfer, learned, dims) != 0, axis=axis), errors, np.nan)


def _ordered(transfer: Results, name: str, dims: tuple[str, ...]) -> Floats:
    """The values of a variable with its axes in this order.

    Raises:
        ValueError: it is missing, or of other dimensions.
    """
    values, found = transfer[name], transfer.variables[name].dims
    if sorted(found) != sorted(dims):
        raise ValueError(f"{name} must be over {', '.join(dims)}, got {', '.join(found)}: {transfer.title}")
    return np.transpose(values, [found.index(dim) for dim in dims]).astype(np.float64)


def _line(values: Floats, label: str, look: dict[str, Any]) -> list[Line]:
    """The line of networks of all pretrainings, without those that did not learn, which is said; none of none."""
    known = np.isfinite(values)
    if not known.any():
        return []
    label = label if known.all() else f"{label} (failed left out)"
    return [Line(float(mean_of_known(values)), float(student_half_width(values)), label, look)]


def _rows(transfer: Results) -> list[int]:
    """Layers of each row: all above the head."""
    names = [str(name) for name in transfer["layers"]]
    return sorted(range(len(names)), key=lambda n: names[n] != "all")


def _columns(transfer: Results) -> list[tuple[int, int]]:
    """Target and budget of each column."""
    return [(t, b) for t in range(transfer["target_size"].size) for b in range(transfer["budget"].size)]


def _title(transfer: Results, b: int, t: int) -> str:
    name = _dataset(transfer, "target")
    images = f"images of {name}" if name else "target images"
    return f"{int(transfer['target_size'][t]):,} {images}\n{_budget(transfer, b)}"


def _dataset(transfer: Results, part: str) -> str:
    """Name of the source or target, shortened; nothing where it is not known."""
    about = transfer.config.get(part)
    name = str(about.get("name", "")) if isinstance(about, dict) else ""
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}..."


def _budget(transfer: Results, b: int) -> str:
    name = str(transfer["budget"][b])
    return BUDGETS.get(name, name)


def _layers(transfer: Results, layer: int) -> str:
    name = str(transfer["layers"][layer])
    return LAYERS.get(name, name)
