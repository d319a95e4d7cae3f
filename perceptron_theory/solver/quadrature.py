"""Averages over the kept examples of the perceptron, reduced to one integral each.

Everything the theory needs is an average over kept examples of a function of the student's field t = (A p + B q)/r
times a power of a second field, where (p, q) are the example's teacher coordinates and r = |(A, B)|.  With
v = (A q - B p)/r, (t, v) are again two independent standard normals.  On a line of constant t, "label +1" (p > 0) and
"probe margin z in the strip a < z < b" cut out one interval of v, so the integral over v is elementary:

    z = t cos(psi) + v sin(psi)          psi = theta - omega     omega = atan2(B, A)
    p = t cos(omega) - v sin(omega)

What remains is an integral over t, smooth except where an end of the interval sweeps across the Gaussian (a step of
width tan(psi) or tan(omega); for a thin strip a peak) or changes from one edge to the other (a corner of the strip
on p = 0).  Gauss-Legendre panels end exactly there.  At theta = 0 the student lies on the teacher's axis, the steps are
sharp, and the strip is simply an interval of t.

Two precautions keep all digits at extreme parameters.  Margins are measured from ``origin``, the lowest |z| kept:
for a student that keeps easy examples only, margin and field are both huge and their difference d is what counts.
And where strips may be thin the second field is z itself, with moments taken about the middle of the interval.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import erfc

from perceptron_theory.solver.evaluation import once

__all__ = [
    "KeptLines",
    "Panels",
    "Strips",
    "kept_lines",
    "kept_panels",
    "lines_on",
    "normal_cdf",
    "normal_cdf_and_pdf",
    "normal_pdf",
]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(28)
REACH = 8.5  # standard deviations: beyond it a Gaussian factor is below 1e-16 of its peak
TAIL = 14.0  # the same for rare examples deep inside the margin, which the square of a margin up to 1e9 multiplies
STEP = 8.7  # half-width of the two panels over a step or a peak; what is left outside is below 1e-17
FAR = 40.0  # stands for infinity: exp(-FAR**2 / 2) is zero in double precision
TINY = 1e-150  # stands for zero in a denominator: its inverse square is still finite
NARROW = 0.3  # intervals of half-width h about v with h (1 + |v|) below this are integrated by series


class Strips(NamedTuple):
    """Strips of probe margin kept: lower < z < upper with density ``weight``, on the side p > 0 of the teacher.

    Examples at p < 0 are the mirror images (-x, -y) of those.

    Attributes:
        lower, upper: edges, shape (num_strips,); FAR stands for an infinite edge.
        weight: keep probability times probability of the label divided by the fraction kept, so that the Gaussian
            measure of the strips adds up to 1; shape (num_strips,).
        flipped: whether the strip's examples carry the wrong label, -1; shape (num_strips,), or None if none does.
        origin: lowest |z| kept, scalar; 0 where labels are flipped.
        importance: weight of the loss of the strip's examples, of mean 1 over what is kept; shape (num_strips,), or
            None where all weigh the same.
    """

    lower: Any
    upper: Any
    weight: Any
    flipped: Any
    origin: Any
    importance: Any = None


class KeptLines(NamedTuple):
    """Lines of constant student field t that cross the kept examples; arrays of shape (num_lines,).

    Attributes:
        t: student field of the line times label, minus that of the origin, t - origin cos(psi), in standard
            deviations.
        weight: quadrature weight, Gaussian density of t and keep density included.
        u0, u1, u2: moments 0, 1, 2 of the second field times label over the kept part of the line.  The second
            field is z - origin where ``Frame.probe``, else v.
    """

    t: Array
    weight: Array
    u0: Array
    u1: Array
    u2: Array


class Frame(NamedTuple):
    """Where the student points (scalars): what ``kept_lines`` and its callers need to know of the angles."""

    cos_psi: Array
    sin_psi: Array
    probe: Array  # whether the second field is the probe's (z - origin) rather than v

    @classmethod
    def of(cls, theta: Array, omega: Array) -> Frame:
        """The frame of the student at angle omega to the teacher, the probe at angle theta."""
        sin_psi = jnp.sin(theta - omega)
        return cls(jnp.cos(theta - omega), sin_psi, jnp.abs(sin_psi) > 0.1)


def normal_pdf(x: Array) -> Array:
    """Density of the standard normal."""
    return jnp.exp(-0.5 * x * x) * (1 / np.sqrt(2 * np.pi))


def normal_cdf(x: Array) -> Array:
    """Distribution function of the standard normal, with full relative accuracy in the lower tail."""
    return 0.5 * erfc(x * (-1 / np.sqrt(2)))


def _cdf_and_pdf(x: Array) -> tuple[Array, Array]:
    return normal_cdf(x), normal_pdf(x)


@jax.custom_jvp
def normal_cdf_and_pdf(x: Array) -> tuple[Array, Array]:
    """Distribution function and density of the standard normal, each evaluated ``once``; differentiable."""
    return once(_cdf_and_pdf, x)


@normal_cdf_and_pdf.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> Any:
    (x,), (moved,) = primals, tangents
    cdf, pdf = normal_cdf_and_pdf(x)
    return (cdf, pdf), (pdf * moved, -x * pdf * moved)


class Panels(NamedTuple):
    """Pieces of the axis of t on which everything is smooth; arrays of shape (num_panels,), one strip after the other.

    Attributes:
        left, right: where they begin and end, in ``KeptLines.t``, or minus that where the label is wrong.
        strip: the strip that each belongs to, with the fields of ``Strips`` (``origin`` stays a scalar).
        crossed: whether kept examples lie on it; on the others nothing does that double precision sees.
    """

    left: Array
    right: Array
    strip: Strips
    crossed: Array

    def at(self, places: Array) -> Panels:
        """Some of them."""
        left, right, strip, crossed = jax.tree.map(
            lambda a: a[places], self._replace(strip=self.strip._replace(origin=None))
        )
        return Panels(left, right, strip._replace(origin=self.strip.origin), crossed)


def kept_lines(
    strips: Strips,
    theta: Array,
    omega: Array,
    steps: Array,
    top: Array,
    *,
    aligned: bool,
) -> KeptLines:
    """Lines that carry the kept examples; the arguments of ``kept_panels``."""
    panels = kept_panels(strips, theta, omega, steps, top, aligned=aligned)
    return lines_on(panels, theta, omega, aligned=aligned)


def kept_panels(
    strips: Strips,
    theta: Array,
    omega: Array,
    steps: Array,
    top: Array,
    *,
    aligned: bool,
) -> Panels:
    """Panels that cover the kept examples, as many for each strip.

    Args:
        strips: what is kept; ``num_strips`` strips.
        theta: angle between probe and teacher in radians, scalar.
        omega: angle of the student to the teacher in the teacher-probe plane in radians, scalar.
        steps: values of ``KeptLines.t`` between which the function to be averaged is smooth, shape (num_steps,), or
            (num_strips, num_steps) where they differ from strip to strip.
        top: value of ``KeptLines.t`` above which that function is zero to double precision, scalar.
        aligned: theta = omega = 0 exactly; a cheaper quadrature.  The strips are then those at z > 0.
    """
    if strips.flipped is not None:
        # field times label runs backwards where the label is wrong
        steps = jnp.where(strips.flipped, -1.0, 1.0)[:, None] * steps
        top = jnp.where(strips.flipped, FAR, top)
    ends_of = _aligned_ends if aligned else _oblique_ends
    axes = (0, 0, 0 if steps.ndim == 2 else None, 0 if top.ndim == 1 else None)
    ends, crossed = jax.vmap(
        lambda lower, upper, steps, top: ends_of(lower, upper, strips.origin, theta, omega, steps, top), in_axes=axes
    )(strips.lower, strips.upper, steps, top)
    count = crossed.shape[1]
    by_panel = jax.tree.map(lambda a: jnp.repeat(a, count), strips._replace(origin=None))
    return Panels(ends[:, :-1].ravel(), ends[:, 1:].ravel(), by_panel._replace(origin=strips.origin), crossed.ravel())


def lines_on(panels: Panels, theta: Array, omega: Array, *, aligned: bool) -> KeptLines:
    """Lines at the Gauss-Legendre nodes of panels, one panel after the other; angles as in ``kept_panels``."""
    left, right = panels.left[:, None], panels.right[:, None]
    half = 0.5 * (right - left)
    t, weight = left + half * (1 + NODES), half * WEIGHTS
    lines = (_aligned_lines if aligned else _oblique_lines)(panels.strip, theta, omega, t, weight)
    if panels.strip.flipped is not None:
        sign = jnp.where(panels.strip.flipped, -1.0, 1.0)[:, None]
        lines = lines._replace(t=sign * lines.t, u1=sign * lines.u1)
    lines = lines._replace(weight=lines.weight * panels.strip.weight[:, None])
    return KeptLines(*(field.ravel() for field in lines))


def _aligned_ends(
    lower: Array, upper: Array, origin: Array, theta: Array, omega: Array, steps: Array, top: Array
) -> tuple[Array, Array]:
    top = jnp.minimum(top, REACH - origin)
    first = jnp.clip(jnp.maximum(lower, 0.0) - origin, -origin, top)
    last = jnp.clip(upper - origin, first, top)
    ends = jnp.concatenate([first[None], jnp.clip(steps, first, last), last[None]])
    ends = ends if steps.shape[0] == 1 else jnp.sort(ends)
    return ends, ends[1:] > ends[:-1]


def _aligned_lines(strip: Strips, theta: Array, omega: Array, t: Array, weight: Array) -> KeptLines:
    one = jnp.ones_like(t)
    return KeptLines(t, 2 * weight * normal_pdf(strip.origin + t), one, 0 * one, one)


def _oblique_ends(
    lower: Array, upper: Array, origin: Array, theta: Array, omega: Array, steps: Array, top: Array
) -> tuple[Array, Array]:
    frame = Frame.of(theta, omega)
    sin_omega, sin_theta = _nonzero(jnp.sin(omega)), _nonzero(jnp.sin(theta))
    cos_psi, sin_psi = _nonzero(frame.cos_psi), _nonzero(frame.sin_psi)
    shift = origin * cos_psi
    width = jnp.abs(jnp.tan(omega))  # of the step where p changes sign, at t = 0
    bottom = jnp.where(jnp.cos(omega) > 0, -TAIL * jnp.minimum(width, 1.0), -TAIL) - shift
    top = jnp.maximum(jnp.minimum(top, REACH - shift), bottom)
    ends = [jnp.stack([bottom, top, -STEP * width - shift, -shift, STEP * width - shift]), steps]
    for edge in (lower, upper):
        # the edge passes v = 0 at t = edge / cos(psi); written so that nothing cancels for edge = origin
        centre, sweep = edge - origin + origin * sin_psi**2, STEP * jnp.abs(sin_psi)
        corner = sin_omega * edge / sin_theta - shift
        ends.append(jnp.stack([(centre - sweep) / cos_psi, centre / cos_psi, (centre + sweep) / cos_psi, corner]))
    t = jnp.sort(jnp.clip(jnp.concatenate(ends), bottom, top))
    # between two ends the kept interval of v has straight edges: where it is empty at both, or far out on the same
    # side, it is so all along
    start, stop = _v_interval(lower, upper, origin, sin_omega, jnp.cos(omega), sin_psi, cos_psi, t)
    low, high = jnp.minimum(start[:-1], start[1:]), jnp.maximum(stop[:-1], stop[1:])
    some = (stop[:-1] > start[:-1]) | (stop[1:] > start[1:])
    return t, (t[1:] > t[:-1]) & some & (low < TAIL) & (high > -TAIL)


def _v_interval(
    lower: Array,
    upper: Array,
    origin: Array,
    sin_omega: Array,
    cos_omega: Array,
    sin_psi: Array,
    cos_psi: Array,
    t: Array,
) -> tuple[Array, Array]:
    """The kept part of each line, in the field v across the student: its ends."""
    rising = t * cos_psi - origin * sin_psi**2  # z - origin at v = 0
    v_ends = (lower - origin - rising) / sin_psi, (upper - origin - rising) / sin_psi
    v_teacher = (t + origin * cos_psi) * cos_omega / sin_omega
    return _cut(jnp.minimum(*v_ends), jnp.maximum(*v_ends), v_teacher, sin_omega > 0)


def _oblique_lines(strip: Strips, theta: Array, omega: Array, t: Array, weight: Array) -> KeptLines:
    frame, origin = Frame.of(theta, omega), strip.origin
    lower, upper = strip.lower[:, None], strip.upper[:, None]
    sin_omega, sin_theta = _nonzero(jnp.sin(omega)), _nonzero(jnp.sin(theta))
    cos_psi, sin_psi = _nonzero(frame.cos_psi), _nonzero(frame.sin_psi)
    shift = origin * cos_psi

    # the kept part of each line is an interval ended by the strip's edges and by p = 0; its middle and half-width
    # are taken in z where the student is far from the probe's axis (strips may be thin), in v where it is near
    v_start, v_stop = _v_interval(lower, upper, origin, sin_omega, jnp.cos(omega), sin_psi, cos_psi, t)
    rising = t * cos_psi - origin * sin_psi**2
    z_teacher = (t + shift) * sin_theta / sin_omega - origin
    limit = FAR * jnp.abs(sin_psi)
    z_start = jnp.maximum(lower - origin, rising - limit)
    z_stop = jnp.minimum(upper - origin, rising + limit)
    z_start, z_stop = _cut(z_start, z_stop, z_teacher, (sin_omega > 0) == (sin_psi > 0))

    z_middle = 0.5 * (z_start + z_stop)
    v = jnp.where(frame.probe, (z_middle - rising) / sin_psi, 0.5 * (v_start + v_stop))
    half = jnp.where(frame.probe, 0.5 * (z_stop - z_start) / jnp.abs(sin_psi), 0.5 * (v_stop - v_start))
    m0, m1, m2 = _interval_moments(v, half)
    base = jnp.where(frame.probe, z_middle, v)
    scale = jnp.where(frame.probe, sin_psi, 1.0)
    return KeptLines(
        t=t,
        weight=2 * weight * normal_pdf(t + shift),
        u0=m0,
        u1=base * m0 + scale * m1,
        u2=base * base * m0 + 2 * base * scale * m1 + scale * scale * m2,
    )


def _cut(start: Array, stop: Array, crossing: Array, below: Array) -> tuple[Array, Array]:
    """The part of [start, stop] on one side of ``crossing``, within [-FAR, FAR] and never reversed."""
    start = jnp.clip(jnp.where(below, start, jnp.maximum(start, crossing)), -FAR, FAR)
    stop = jnp.clip(jnp.where(below, jnp.minimum(stop, crossing), stop), start, FAR)
    return start, stop


def _nonzero(x: Array) -> Array:
    return jnp.where(x == 0, TINY, x)


def _interval_moments(v: Array, h: Array) -> tuple[Array, Array, Array]:
    """Integrals of 1, s, s^2 times normal_pdf(v + s) over s in [-h, h], without loss of digits for small h."""
    return _moments_and_ends(v, h)[:3]


@jax.custom_jvp
def _moments_and_ends(v: Array, h: Array) -> tuple[Array, Array, Array, Array, Array]:
    """The moments, and the densities normal_pdf(v - h) and normal_pdf(v + h), of which their derivatives are made."""
    v, h = once(_same, v, h)
    densities = once(_densities, v, h)
    return *once(_moments, v, h, *densities), densities[0], densities[1]


@_moments_and_ends.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> Any:
    (v, h), (v_moved, h_moved) = primals, tangents
    found = _moments_and_ends(v, h)
    m0, m1, m2, at_start, at_stop = found
    # by h the integrand at both ends; by v the integral of its derivative, - s^n (v + s) normal_pdf(v + s)
    both = (at_start + at_stop) * h_moved
    slope = jnp.where(_narrow(v, h), v * m0 + m1, at_start - at_stop)  # equal, but for what cancels
    m3 = h * h * slope + 2 * m1 - v * m2
    return found, (
        both - slope * v_moved,
        -h * slope * h_moved - (v * m1 + m2) * v_moved,
        h * h * both - (v * m2 + m3) * v_moved,
        (v - h) * at_start * (h_moved - v_moved),
        -(v + h) * at_stop * (h_moved + v_moved),
    )


def _same(*arrays: Array) -> tuple[Array, ...]:
    return arrays


def _densities(v: Array, h: Array) -> tuple[Array, ...]:
    """Densities at v - h, v + h and v, and tails on the side where their difference loses nothing."""
    start, stop = v - h, v + h
    sign = jnp.where(v > 0, -1.0, 1.0)  # differences of lower tails only
    tails = normal_cdf(sign * start), normal_cdf(sign * stop)
    return normal_pdf(start), normal_pdf(stop), normal_pdf(v), *tails


def _narrow(v: Array, h: Array) -> Array:
    return h * (1 + jnp.abs(v)) < NARROW


def _moments(
    v: Array, h: Array, at_start: Array, at_stop: Array, at_middle: Array, tail_start: Array, tail_stop: Array
) -> tuple[Array, Array, Array]:
    m0 = jnp.abs(tail_stop - tail_start)
    first = at_start - at_stop
    m1 = first - v * m0
    m2 = m0 - h * (at_start + at_stop) - v * m1

    # Taylor: normal_pdf(v + s) = normal_pdf(v) sum_n (-1)^n He_n(v) s^n / n!
    narrow = _narrow(v, h)
    h = jnp.where(narrow, h, 0.0)
    odd_power, even_power = -2 * at_middle * h * h, 2 * at_middle * h
    term, previous = jnp.ones_like(v), jnp.zeros_like(v)  # He_n(v) h^n / n! and the one before
    s0, s1, s2 = jnp.zeros_like(v), jnp.zeros_like(v), jnp.zeros_like(v)
    for n in range(14):
        if n % 2 == 0:
            s0, s2 = s0 + term / (n + 1), s2 + term / (n + 3)
        else:
            s1 = s1 + term / (n + 2)
        term, previous = (v * h * term - h * h * previous) / (n + 1), term
    series = even_power * s0, odd_power * s1, even_power * h * h * s2
    m0, m1, m2 = (jnp.where(narrow, a, b) for a, b in zip(series, (m0, m1, m2), strict=True))
    return m0, m1, m2
