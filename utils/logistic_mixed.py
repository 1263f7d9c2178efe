"""Logistic regression with two crossed random intercepts: right or wrong, of people who judge the same items.

The model is logit P(y = 1) = X b + u[person] + v[item], with normal u and v. Their standard deviations maximise the
likelihood by Laplace's approximation, with b at its most likely value together with u and v for each pair of them (what
lme4 calls nAGQ = 0); covariances of b are from the information about b, u and v together. tests/utils compares with
statsmodels' variational fit, whose standard errors are too small for few people, since it takes b, u and v for
independent given the data; its fit by Laplace's approximation of everything runs off to standard deviations of 0.

Source: N. E. Breslow, D. G. Clayton, "Approximate inference in generalized linear mixed models", Journal of the
American Statistical Association 88, 1993; R. H. Baayen, D. J. Davidson, D. M. Bates, "Mixed-effects modeling with
crossed random effects for subjects and items", Journal of Memory and Language 59, 2008.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Of b: a prior with a standard deviation of 10, so that a cell without a mistake has finite log odds.
_RIDGE = 1 / 100
_STEPS, _NEAR = 60, 1e-8
_LARGEST = 5.0  # standard deviation on the scale of log odds


@dataclass(frozen=True)
class LogisticMixed:
    """A fitted model.

    Attributes
    ----------
    effects : ndarray, shape (columns,)
        b, in log odds.
    covariance : ndarray, shape (columns, columns)
        Of b.
    spread : ndarray, shape (2,)
        Standard deviations of people and of items.
    """

    effects: np.ndarray
    covariance: np.ndarray
    spread: np.ndarray

    def contrast(self, weights: np.ndarray) -> tuple[float, float]:
        """Give a weighted sum of effects and its standard error."""
        weights = np.asarray(weights, dtype=float)
        return float(weights @ self.effects), float(np.sqrt(weights @ self.covariance @ weights))


def fit(right: np.ndarray, design: np.ndarray, person: np.ndarray, item: np.ndarray) -> LogisticMixed:
    """Fit the model.

    Parameters
    ----------
    right : ndarray of 0 and 1, shape (answers,)
        What is explained.
    design : ndarray, shape (answers, columns)
        X.
    person, item : ndarray of int, shape (answers,)
        From 0.

    Returns
    -------
    LogisticMixed
    """
    from scipy import optimize

    right, design = np.asarray(right, dtype=float), np.asarray(design, dtype=float)
    sizes = (int(np.max(person)) + 1, int(np.max(item)) + 1)
    found = {}

    def deviance(logs: np.ndarray) -> float:
        spread = np.minimum(np.exp(logs), _LARGEST)
        found["beta"], information, value = _inner(right, design, (person, item), sizes, spread, found.get("beta"))
        found["last"] = found["beta"], information, spread
        return value

    best = optimize.minimize(
        deviance, np.log([0.5, 0.8]), method="Nelder-Mead", bounds=[(np.log(1e-3), np.log(_LARGEST))] * 2,
        options={"xatol": 1e-3, "fatol": 1e-5, "maxiter": 200},
    )  # fmt: skip
    deviance(best.x)
    values, information, spread = found["last"]
    columns = design.shape[1]
    return LogisticMixed(values[:columns], np.linalg.inv(information)[:columns, :columns], spread)


def _inner(
    right: np.ndarray, design: np.ndarray, owners: tuple[np.ndarray, np.ndarray], sizes: tuple[int, int],
    spread: np.ndarray, start: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, float]:  # fmt: skip
    """Find b and the standardised u and v by Newton's method; give them, their information, and the deviance."""
    columns = design.shape[1]
    penalty = np.concatenate([np.full(columns, _RIDGE), np.ones(sum(sizes))])
    values = np.zeros(len(penalty)) if start is None else start.copy()
    previous = np.inf
    for _ in range(_STEPS):
        eta = design @ values[:columns] + spread[0] * values[columns + owners[0]]
        eta += spread[1] * values[columns + sizes[0] + owners[1]]
        p = 1 / (1 + np.exp(-np.clip(eta, -35, 35)))
        loss = 2 * (np.logaddexp(0, eta) - right * eta).sum() + (penalty * values**2).sum()
        information = _information(p * (1 - p), design, owners, sizes, spread) + np.diag(penalty)
        if previous - loss < _NEAR * (1 + abs(loss)) and np.isfinite(previous):
            break
        previous = loss
        rest = right - p
        slope = np.concatenate([
            design.T @ rest, *(s * np.bincount(o, rest, n) for s, o, n in zip(spread, owners, sizes, strict=True))
        ])  # fmt: skip
        values = values + np.linalg.solve(information, slope - penalty * values)
    determinant = np.linalg.slogdet(information[columns:, columns:])[1]
    return values, information, float(loss + determinant)


def _information(
    weight: np.ndarray, design: np.ndarray, owners: tuple[np.ndarray, np.ndarray], sizes: tuple[int, int],
    spread: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Second derivatives: what Z and X are made of is never written out."""
    columns, (people, items) = design.shape[1], sizes
    whole = np.zeros((columns + people + items,) * 2)
    whole[:columns, :columns] = design.T @ (design * weight[:, None])
    first, second = slice(columns, columns + people), slice(columns + people, None)
    for place, scale, owner, size in ((first, spread[0], owners[0], people), (second, spread[1], owners[1], items)):
        crossed = np.array([np.bincount(owner, weight * column, size) for column in design.T]) * scale
        whole[:columns, place], whole[place, :columns] = crossed, crossed.T
        whole[place, place] = np.diag(scale**2 * np.bincount(owner, weight, size))
    both = np.bincount(owners[0] * items + owners[1], weight, people * items).reshape(people, items)
    whole[first, second], whole[second, first] = spread.prod() * both, spread.prod() * both.T
    return whole
