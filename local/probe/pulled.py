"""Logistic regressions on a few utterances, pulled towards weights that are known already: many at once.

Of ``k`` utterances x with labels y, and weights W0 that a source has taught (or zeros, where there is none), a head is

    W = argmin  C sum_i cross_entropy(y_i, W x_i)  +  |W - W0|^2 / 2

so that a source says where a head starts, C how far the utterances may take it from there, and nothing else about the
source has to be at hand. W0 is what was taught times a number, which gives its scores of the k utterances, less their
means over classes, a root mean square of 1: a source is surer of itself than it can be elsewhere, and all the harder to
move; what it holds most likely stays what it was. As W - W0 lies in what the k utterances span, it is found in k
dimensions: those of the eigenvectors of their products, which also say how long a step may be. The steps are
Nesterov's, begun anew wherever they no longer descend; all strengths C, all folds that choose among them, and all heads
of one size go together. The bias is the weight of a further input, as long as a standardised utterance is, so that it
is hardly held back.

Sources: F. Orabona et al., "Model adaptation with least-squares SVM for adaptive hand prosthetics", ICRA 2009, and I.
Kuzborskij, F. Orabona, "Stability and hypothesis transfer learning", ICML 2013 (the pull); D. Boehning, "Multinomial
logistic regression algorithm", Annals of the Institute of Statistical Mathematics 44, 1992 (the bound of the steps); B.
O'Donoghue, E. Candes, "Adaptive restart for accelerated gradient schemes", Foundations of Computational Mathematics 15,
2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

MOST = 5  # folds among the k, at most
ITERATIONS = 5000
TOLERANCE = 1e-3  # of the gradient, in the steps' metric, as a share of that at the start
_EVERY = 5  # iterations between two looks at what has converged
_AT_ONCE = 2**18  # numbers of an array, at most: more would not fit a core's cache


@dataclass(frozen=True)
class Pulled:
    """Heads for every strength.

    Attributes
    ----------
    matrix : Tensor of float32, shape (strengths, heads, classes, dim)
    bias : Tensor of float32, shape (strengths, heads, classes, 1)
    left_out : Tensor of float32, shape (strengths, heads, classes, k) or None
        Scores of each utterance by the head that is fitted to the other folds; None where there are no folds.
    """

    matrix: torch.Tensor
    bias: torch.Tensor
    left_out: torch.Tensor | None


def folds(k: int, classes: int) -> int:
    """How many folds choose among k utterances: as many as the rarest class has, :data:`MOST` at most; none of one."""
    number = min(MOST, k // classes)
    return number if number > 1 else 0


def fit(
    x: torch.Tensor, y: torch.Tensor, start: tuple[torch.Tensor, torch.Tensor] | None, strengths: Sequence[float],
    classes: int,
) -> Pulled:  # fmt: skip
    """Fit heads to k utterances, and to all but a fold of them.

    Parameters
    ----------
    x : Tensor of float32, shape (heads, k, dim)
        Standardised features. In rounds of one utterance a class, the last of which may be short: utterances of the
        same round are left out together.
    y : Tensor of int64, shape (heads, k)
        Class indices.
    start : (Tensor, Tensor) or None
        What was taught: matrix (heads, classes, dim) and bias (heads, classes, 1); None for zeros.
    strengths : sequence of float
        C.
    classes : int
        How many.

    Returns
    -------
    Pulled

    Raises
    ------
    ArithmeticError
        A head does not converge.
    """
    heads, k, dim = x.shape
    number = folds(k, classes)
    part = torch.arange(k) // classes % max(number, 1)
    # A row a fold that is left out, and one for all.
    kept = torch.cat([part != torch.arange(number)[:, None], torch.ones(1, k, dtype=torch.bool)]).float()
    offset = x.new_zeros(heads, k, classes)
    if start:
        offset = torch.baddbmm(start[1].transpose(1, 2), x, start[0].transpose(1, 2))
        spread = (offset - offset.mean(2, keepdim=True)).square().mean((1, 2), keepdim=True).sqrt()
        offset, *start = (part / spread.clamp(min=1e-6) for part in (offset, *start))
    target = torch.nn.functional.one_hot(y, classes).to(x.dtype)
    weight = torch.tensor(strengths, dtype=x.dtype)[:, None, None] * kept  # (strengths, folds + 1, k)
    inner = torch.baddbmm(x.new_full((1, 1, 1), dim), x, x.transpose(1, 2))
    solved = torch.empty(heads, k, classes, *weight.shape[:2], dtype=x.dtype)
    scores = torch.empty_like(solved)
    size = max(1, _AT_ONCE // solved[0].numel())
    for which in torch.arange(heads).split(size):
        pulls, said = _solve(inner[which], offset[which], target[which], weight.flatten(0, 1))
        solved[which], scores[which] = (part.unflatten(3, weight.shape[:2]) for part in (pulls, said))
    final = solved[..., -1].permute(3, 0, 2, 1)  # (strengths, heads, classes, k)
    matrix, bias = final @ x, dim * final.sum(3, keepdim=True)
    if start:
        matrix, bias = matrix + start[0], bias + start[1]
    left_out = scores.gather(4, part.view(1, k, 1, 1, 1).expand(*scores.shape[:4], 1))[..., 0] if number else None
    return Pulled(matrix, bias, None if left_out is None else left_out.permute(3, 0, 2, 1))


@dataclass(frozen=True)
class _Problems:
    """Problems that share their utterances, in the coordinates of the eigenvectors of their products.

    Attributes
    ----------
    z : Tensor, shape (heads, k, k)
        Coordinates of each utterance.
    offset, target : Tensor, shape (heads, k, classes, 1)
        Scores to start from; one-hot labels.
    weight : Tensor, shape (k, 1, problems)
        Of each utterance.
    step : Tensor, shape (heads, k, 1, problems)
        By the bound of Boehning: the second derivative along each eigenvector is at most one over it.
    """

    z: torch.Tensor
    offset: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor
    step: torch.Tensor

    def scores(self, at: torch.Tensor) -> torch.Tensor:
        """Score utterances, shape (heads, k, classes, problems), by weights of the same shape."""
        return self.offset + (self.z @ at.flatten(2)).view(at.shape)

    def gradient(self, at: torch.Tensor) -> torch.Tensor:
        """Derive the objective by the weights."""
        errors = torch.softmax(self.scores(at), 2).sub_(self.target).mul_(self.weight)
        return (self.z.transpose(1, 2) @ errors.flatten(2)).view(at.shape).add_(at)

    def size(self, gradient: torch.Tensor) -> torch.Tensor:
        """Measure a gradient in the metric of the steps: its square, shape (heads, problems)."""
        return (gradient.square() * self.step).sum((1, 2))

    def only(self, which: torch.Tensor) -> _Problems:
        """Give some of them."""
        return replace(self, weight=self.weight[..., which], step=self.step[..., which])


def _solve(
    inner: torch.Tensor, offset: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve problems that share their utterances.

    Parameters
    ----------
    inner : Tensor, shape (heads, k, k)
        Products of utterances.
    offset, target : Tensor, shape (heads, k, classes)
        Scores to start from; one-hot labels.
    weight : Tensor, shape (problems, k)
        Of every utterance in every problem.

    Returns
    -------
    pulls, scores : Tensor, shape (heads, k, classes, problems)
        How much of each utterance is in W - W0, and what the utterances are then scored.
    """
    length, vectors = torch.linalg.eigh(inner)
    length = length.clamp(min=0)
    step = 1 / (length[..., None] * weight.amax(1) / 2 + 1)[:, :, None]
    z = vectors * length.sqrt()[:, None]
    problems = _Problems(z, offset[..., None], target[..., None], weight.T[:, None].contiguous(), step)
    weights = _minimise(problems, torch.zeros(*offset.shape, len(weight), dtype=z.dtype))
    # What is not among the utterances' directions but for rounding has no part in any weights.
    back = torch.where(length > 1e-6 * length.amax(1, keepdim=True), length.rsqrt(), 0)
    pulls = (vectors * back[:, None]) @ weights.flatten(2)
    return pulls.view(weights.shape), problems.scores(weights)


def _minimise(problems: _Problems, found: torch.Tensor) -> torch.Tensor:
    """Minimise from weights on, which are written over, and returned."""
    left, at, before = torch.arange(found.shape[3]), found.clone(), found.clone()
    momentum = found.new_ones(len(found), 1, 1, len(left))
    first = problems.size(problems.gradient(at))
    for number in range(1, ITERATIONS + 1):
        gradient = problems.gradient(at)
        now = at - problems.step * gradient
        moved = now - before
        # Where steps no longer descend, their momentum is given up.
        rising = (gradient * moved).sum((1, 2), keepdim=True) > 0
        momentum = torch.where(rising, 1.0, momentum)
        grown = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        at = now + torch.where(rising, 0.0, (momentum - 1) / grown) * moved
        momentum, before = grown, now
        if number % _EVERY == 0:
            going_on = (problems.size(gradient) > TOLERANCE**2 * first).any(0)
            if not going_on.all():
                found[..., left[~going_on]] = now[..., ~going_on]
                if not going_on.any():
                    return found
                left, first, problems = left[going_on], first[:, going_on], problems.only(going_on)
                at, before, momentum = (part[..., going_on].contiguous() for part in (at, before, momentum))
    raise ArithmeticError(f"not converged after {ITERATIONS} iterations")
