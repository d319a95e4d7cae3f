"""A transfer study as text: what pruning the source costs on the target, and what failed."""

from __future__ import annotations

import numpy as np

from data_pruning import Results
from data_pruning.command_line import table
from real_data.transfer.summary import of_pretrainings

__all__ = ["transfer_table"]

LAYERS = {"all": "all layers fine-tuned", "head": "linear probe"}
BUDGETS = {"steps": "equal steps", "epochs": "equal epochs"}


def transfer_table(results: Results) -> str:
    """The tables of a transfer study; what no conclusion can be drawn from is called failed.

    Args:
        results: of :func:`real_data.transfer.measurement.measure_transfer`.
    """
    parts = [_whole(results)]
    for t in range(results.sizes["target"]):
        for layer in range(results.sizes["layers"]):
            parts += [_differences(results, name, layer, t) for name in ("difference", "difference_to_random")]
    parts.append(_found(results))
    failures = _failures(results)
    if failures:
        parts.append(failures)
    return "\n\n".join([*parts, *(f"Remark: {remark}." for remark in results.config.get("remarks", ()))])


def _percent(value: float, half_width: float) -> str:
    if np.isnan(value):
        return "failed "
    beyond = abs(value) > half_width
    return f"{100 * value:+.2f} +- {100 * half_width:.2f}{'*' if beyond else ' '}"


def _name(results: Results, curve: int) -> str:
    rule = str(results["curve_rule"][curve])
    return rule if rule == "random" else f"{rule} by {results['curve_metric'][curve]}"


def _whole(results: Results) -> str:
    """Pretrained on the whole source, and from random weights."""
    errors, learned = of_pretrainings(results, "_all")
    scratch, scratch_learned = of_pretrainings(results, "_scratch")
    entries = []
    for t, size in enumerate(results["target_size"]):
        for layer, layers in enumerate(results["layers"]):
            gain = _percent(results["gain"][layer, t], results["gain_half_width"][layer, t])
            compared = learned[layer, t] & scratch_learned[t]  # as for the difference
            both = errors[layer, t][compared], scratch[t][compared]
            means = (f"{100 * values.mean():.2f}" if values.size else "failed" for values in both)
            entries.append([f"{size}", LAYERS[str(layers)], *means, gain])
    of_source = results["source_errors_all"]
    known = of_source[np.isfinite(of_source)]
    said = f"{100 * known.mean():.1f} %" if known.size else "unknown"
    if known.size < of_source.size:
        said += f", {of_source.size - known.size} of {of_source.size} diverged"
    heads = ["target images", "trained", "pretrained", "from scratch", "difference "]
    return (
        f"Pretrained on the whole source (its test error {said}), and from random weights: test error on the "
        f"target in %, with 95 % intervals over {results.sizes['pretraining']} pretrainings; * beyond it\n"
        f"{table(heads, entries)}"
    )


def _differences(results: Results, name: str, layer: int, t: int) -> str:
    entries = []
    for b, budget in enumerate(results["budget"]):
        for curve, rule in enumerate(results["curve_rule"]):
            if name == "difference_to_random" and rule == "random":
                continue
            values, widths = (results[each][curve, b, :, layer, t] for each in (name, f"{name}_half_width"))
            cells = [_percent(value, width) for value, width in zip(values, widths, strict=True)]
            entries.append([BUDGETS[str(budget)], _name(results, curve), *cells])
    reference = "the whole source" if name == "difference" else "random images, as many"
    head = (
        f"{results['target_size'][t]} target images, {LAYERS[str(results['layers'][layer])]}: test error less that of "
        f"{reference}, in points"
    )
    if not entries:
        return f"{head}: no rule but random"
    return f"{head}\n{table(['pretraining', 'kept', *(f'f = {f:g} ' for f in results['fraction'])], entries)}"


def _found(results: Results) -> str:
    """How many differences there are beyond their intervals, and how many there would be by chance."""
    lines = []
    for name, reference in (("difference", "the whole source"), ("difference_to_random", "random images")):
        values, widths = results[name], results[f"{name}_half_width"]
        if name == "difference_to_random":
            values, widths = values[1:], widths[1:]
        known = np.isfinite(values)
        number, beyond = int(known.sum()), int(np.sum(np.abs(values[known]) > widths[known]))
        if not number:
            lines.append(f"To {reference}: nothing can be compared.")
            continue
        better = int(np.sum(values[known] < -widths[known]))
        said = (
            f"{beyond} of {number} differences to {reference} lie beyond their interval ({better} of them better); "
            f"where there were none, {0.05 * number:.1f} would be expected"
        )
        lines.append(f"{said}." if beyond else f"{said}: nothing was found.")
    lines.append("An interval that holds 0 says that no difference was found, not that there is none.")
    return "\n".join(lines)


def _failures(results: Results) -> str:
    entries = []
    number = results.sizes["pretraining"]
    for place in np.argwhere(results["num_failed"] > 0):
        curve, b, k, layer, t = place
        entries.append(
            [
                _name(results, curve),
                BUDGETS[str(results["budget"][b])],
                f"{results['fraction'][k]:g}",
                LAYERS[str(results["layers"][layer])],
                f"{results['target_size'][t]}",
                f"{results['num_failed'][tuple(place)]} of {number}",
            ]
        )
    for layer, t in np.argwhere(results["num_failed_all"] > 0):
        failed = f"{results['num_failed_all'][layer, t]} of {number}"
        entries.append(["all", "", "1", LAYERS[str(results["layers"][layer])], f"{results['target_size'][t]}", failed])
    _, scratch_learned = of_pretrainings(results, "_scratch")
    for t, lost in enumerate((~scratch_learned).sum(axis=-1)):
        if lost:
            size = f"{results['target_size'][t]}"
            entries.append(["from scratch", "", "", LAYERS["all"], size, f"{lost} of {number}"])
    if not entries:
        return ""
    heads = ["kept", "pretraining", "f", "trained", "target images", "pretrainings"]
    return (
        "Failed: the pretraining, or a fine-tuning of it, diverged or is no better than the most frequent class; such "
        f"pretrainings take no part in the differences\n{table(heads, entries)}"
    )
