"""Nyquist learners: where a finite number of examples leaves no error, and where it does not.

Rosenfeld's thesis (Scaling Laws for Deep Learning, MIT 2021) ends with a conjecture: if data are limited in bandwidth,
a learner that knows it, a Nyquist learner, can reach the lower limit of the error, zero where there is no noise, with
finitely many examples.  This room measures that where it can be settled, and what is found is this.

It holds for labels that are real numbers without noise, of a function in a known space of D dimensions: D examples
that determine its coefficients leave no error but rounding, and below that minimum-norm least squares leaves
E error^2 = 1 - n/D of isotropic coefficients, whatever the points, as long as they are independent conditions
(``laws``).  That is the sampling theorem (Shannon 1949), or linear algebra.  On the torus a grid needs D points and
random points need somewhat more in finite precision (``learners``, ``experiment``).  A perceptron told the field T.x
of its teacher is such a learner, with one kept example per parameter, whatever rule has kept it (``told_fields``).

It does not hold without these conditions.  The space must be known: one that is assumed too large costs as many
examples as it has dimensions (fewer on a grid), and kernels that know only that the function is smooth have no
threshold.  Noise, or a part of the function outside of the space, turns the threshold into the peak of double descent;
a ridge of its size removes the peak, and the error then falls as noise sqrt(D/n), not to zero.  And labels must be
values: a class says one bit at most.  The sign of a band-limited function is not band-limited, and a perceptron told
sign(T.x) errs at every finite density: by 0.44/alpha at best on random examples (Bayes), exponentially little at best
where examples are chosen (Sorscher et al. 2022; n bits tell no more than 2^n teachers apart).  Soft labels, as in
distillation, are values: where their link to T.x is known and not saturated they have a Nyquist density.

This is about finite-dimensional linear spaces.  Whether those of deep networks are such is not answered.
"""
