"""Linear mixed models with crossed random effects: a mean over speakers, sentences and corpora that could be others.

The model is y = X b + sum_k Z_k u_k + e, where every observation has one level of each factor k (its speaker, its
sentence, its corpus; or none), levels differ with variance v_k and observations with v_e. Variances are estimated by
restricted maximum likelihood; an effect c'b gets the standard error that follows from them and Satterthwaite's degrees
of freedom, 2 var^2 / (variance of var), from the expected information of the variances. With one factor and levels of
one size this is the t-interval over levels, with levels - 1 degrees of freedom. A variance that is estimated as 0 may
be none or not have shown: degrees of freedom are the geometric mean of those with the doubt about it and without.
docs/statistics.md says what the intervals cover.

Nothing here grows with the observations but sums: Woodbury's identity leaves matrices as large as there are levels, and
the largest factor's part of these is diagonal.

Source: H. O. Hartley, J. N. K. Rao, "Maximum-likelihood estimation for the mixed analysis of variance model",
Biometrika 54, 1967; D. A. Harville, "Maximum likelihood approaches to variance component estimation", Journal of the
American Statistical Association 72, 1977; F. G. Giesbrecht, J. C. Burns, "Two-stage analysis based on a mixed model",
Biometrics 41, 1985 (degrees of freedom); R. H. Baayen, D. J. Davidson, D. M. Bates, "Mixed-effects modeling with
crossed random effects for subjects and items", Journal of Memory and Language 59, 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_NOTHING = 0.01  # a standard deviation between levels, in those of the residual, that is taken for 0


@dataclass(frozen=True)
class Mixed:
    """A fitted model.

    Attributes
    ----------
    effects : ndarray, shape (columns,)
        b.
    covariance : ndarray, shape (columns, columns)
        Of b.
    variances : ndarray, shape (factors,)
        v_k.
    residual : float
        v_e.
    pulls : ndarray, shape (levels, columns)
        What a unit of each level's effect adds to the estimate of b.
    owner : ndarray of int, shape (levels,)
        Factor of each level.
    information : ndarray, shape (factors + 1, factors + 1)
        Of the variances, the residual's last.
    """

    effects: np.ndarray
    covariance: np.ndarray
    variances: np.ndarray
    residual: float
    pulls: np.ndarray
    owner: np.ndarray
    information: np.ndarray

    def contrast(self, weights: np.ndarray) -> tuple[float, float, float]:
        """Give a weighted sum of effects, its standard error and its degrees of freedom."""
        weights = np.asarray(weights, dtype=float)
        variance = float(weights @ self.covariance @ weights)
        slopes = np.bincount(self.owner, (self.pulls @ weights) ** 2, minlength=len(self.variances))
        # The variance is a sum of variances, each times its slope.
        slopes = np.append(slopes, (variance - slopes @ self.variances) / self.residual)
        df = 1.0
        for known in (np.append(self.variances > 0, True), np.ones(len(slopes), dtype=bool)):
            inverse = np.linalg.pinv(self.information[np.ix_(known, known)], hermitian=True)
            df *= 2 * variance**2 / float(slopes[known] @ inverse @ slopes[known])
        return float(weights @ self.effects), variance**0.5, df**0.5


def fit(y: np.ndarray, design: np.ndarray, factors: Sequence[np.ndarray]) -> Mixed:
    """Fit a model by restricted maximum likelihood.

    Parameters
    ----------
    y : ndarray, shape (observations,)
        What is explained.
    design : ndarray, shape (observations, columns)
        X, of full rank, with more rows than columns.
    factors : sequence of ndarray of int, shape (observations,)
        Of every factor each observation's level from 0; -1 for one that has none.

    Returns
    -------
    Mixed

    Raises
    ------
    ValueError
        The design explains all observations, so that there is no variance to share out.

    Examples
    --------
    >>> y, block = np.array([0.0, 1.0, 4.0, 5.0, 5.0, 6.0]), np.array([0, 0, 1, 1, 2, 2])
    >>> value, se, df = fit(y, np.ones((6, 1)), [block]).contrast([1])
    >>> round(value, 3), round(se, 3), round(df, 2)  # of the means 0.5, 4.5, 5.5
    (3.5, 1.528, 2.0)
    """
    from scipy import optimize

    sums = _Sums.of(np.asarray(y, dtype=float), np.asarray(design, dtype=float), factors)
    if sums.fit(np.zeros(len(factors))).rss <= 1e-10 * len(y):
        raise ValueError("the design explains all observations")
    # The likelihood is flat where a standard deviation is 0, and slopes would stop there: no slopes, and either sign.
    start = np.vstack([np.full(len(factors), 0.2), 0.2 + 0.2 * np.eye(len(factors))])
    found = optimize.minimize(
        lambda spread: sums.fit(np.abs(spread)).deviance, start[0], method="Nelder-Mead",
        options={"initial_simplex": start, "xatol": 1e-4, "fatol": 1e-7},
    )  # fmt: skip
    spread = np.abs(found.x)
    return sums.result(np.where(spread < _NOTHING, 0.0, spread))


@dataclass(frozen=True)
class _Fit:
    deviance: float  # -2 log of the restricted likelihood, but for a constant
    rss: float
    inner: np.ndarray  # [X y]' V^-1 [X y], where V is in units of the residual variance


@dataclass(frozen=True)
class _Sums:
    """All that the likelihood needs: sums over observations.

    ``inner`` is [X y]'[X y], ``cross`` Z'[X y] and ``counts`` Z'Z; ``large`` marks the levels of the largest factor.
    """

    n: int
    inner: np.ndarray
    cross: np.ndarray
    counts: np.ndarray
    owner: np.ndarray
    large: np.ndarray

    @staticmethod
    def of(y: np.ndarray, design: np.ndarray, factors: Sequence[np.ndarray]) -> _Sums:
        columns = np.column_stack([design, y])
        sizes = [int(factor.max()) + 1 for factor in factors]
        owner = np.repeat(np.arange(len(factors)), sizes)
        cross = np.vstack([
            np.stack([np.bincount(f[f >= 0], column[f >= 0], size) for column in columns.T], axis=1)
            for f, size in zip(factors, sizes, strict=True)
        ])  # fmt: skip
        counts = np.block([[_together(f, m, g, n) for g, n in zip(factors, sizes, strict=True)]
                           for f, m in zip(factors, sizes, strict=True)])  # fmt: skip
        return _Sums(len(y), columns.T @ columns, cross, counts, owner, owner == int(np.argmax(sizes)))

    def fit(self, spread: np.ndarray) -> _Fit:
        """Profile the likelihood at the factors' standard deviations, in those of the residual."""
        root, large = spread[self.owner], self.large
        cross = root[:, None] * self.cross
        diagonal = 1 + root[large] ** 2 * self.counts.diagonal()[large]
        mixed = root[~large, None] * self.counts[np.ix_(~large, large)] * root[large]
        rest = np.eye((~large).sum()) + root[~large, None] * self.counts[np.ix_(~large, ~large)] * root[~large]
        rest -= (mixed / diagonal) @ mixed.T
        reduced = cross[~large] - (mixed / diagonal) @ cross[large]
        inner = self.inner - cross[large].T @ (cross[large] / diagonal[:, None])
        inner = inner - reduced.T @ np.linalg.solve(rest, reduced)
        x, free = inner[:-1, :-1], self.n - len(inner) + 1
        rss = float(inner[-1, -1] - inner[-1, :-1] @ np.linalg.solve(x, inner[:-1, -1]))
        deviance = np.log(diagonal).sum() + np.linalg.slogdet(rest)[1] + np.linalg.slogdet(x)[1]
        return _Fit(float(deviance + free * np.log(max(rss, 1e-300))), rss, inner)

    def result(self, spread: np.ndarray) -> Mixed:
        """Work out effects and the information of the variances."""
        found, root, k = self.fit(spread), spread[self.owner], len(spread)
        free = self.n - len(found.inner) + 1
        residual = found.rss / free
        unit = np.linalg.inv(found.inner[:-1, :-1])
        # Z' V^-1 Z and Z' V^-1 X, then Z' P Z with P = V^-1 - V^-1 X (X' V^-1 X)^-1 X' V^-1.
        whole = np.eye(len(root)) + root[:, None] * self.counts * root
        right = np.linalg.solve(whole, root[:, None] * np.hstack([self.counts, self.cross[:, :-1]]))
        left = self.counts * root
        levels, design = np.split(np.hstack([self.counts, self.cross[:, :-1]]) - left @ right, [len(root)], axis=1)
        pulls = design @ unit
        projected = levels - pulls @ design.T
        share = spread**2
        squares = np.array([
            [(projected[np.ix_(self.owner == i, self.owner == j)] ** 2).sum() for j in range(k)] for i in range(k)
        ]).reshape(k, k)  # fmt: skip
        traces = np.bincount(self.owner, projected.diagonal(), minlength=k)
        # P V P = P gives the terms of the residual from those of the factors.
        beside = traces - squares @ share
        alone = free - share @ traces - share @ beside
        information = np.block([[squares, beside[:, None]], [beside[None], np.array([[alone]])]]) / 2 / residual**2
        effects = unit @ found.inner[:-1, -1]
        return Mixed(effects, residual * unit, residual * share, residual, pulls, self.owner, information)


def _together(first: np.ndarray, size: int, second: np.ndarray, other: int) -> np.ndarray:
    """Count observations by the levels of two factors."""
    has = (first >= 0) & (second >= 0)
    return np.bincount(first[has] * other + second[has], minlength=size * other).reshape(size, other).astype(float)
