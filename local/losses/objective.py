"""The losses of many small networks at once, of one batch: cross entropy in its forms, and what stands beside it.

A run is a candidate (strengths of the losses) on a layer. All runs see the same batch. What stands beside the cross
entropy has weights of its own, drawn apart, which are given up after training; at strength 0 it changes no bit of the
classifier.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from local.losses import Strength
from local.losses.reversal import ramp, reverse
from local.losses.supcon import supcon


class Objective(nn.Module):
    """What is minimised beside the cross entropy.

    Parameters
    ----------
    parts : sequence of str
        Of :data:`local.losses.LOSSES`.
    candidates : sequence of Strength
    layers, hidden, projection : int
        Of the representations and of what is contrasted.
    speakers, languages : int
        How many the adversaries are to tell.
    across : float
        See :func:`local.losses.supcon.supcon`.
    seed : int
        Of its own weights.
    """

    def __init__(
        self, parts: Sequence[str], candidates: Sequence[Strength], layers: int, hidden: int, projection: int,
        speakers: int, languages: int, across: float, seed: int,
    ):  # fmt: skip
        super().__init__()
        self._across = across
        self._of = {
            name: torch.tensor([[getattr(one, name)] for one in candidates]).expand(-1, layers)
            for name in ("supcon", "temperature", "grl", "dann")
        }
        shapes = {"supcon": [(hidden, projection)]}
        told = {"grl": speakers, "dann": languages}
        shapes |= {name: [(hidden, hidden), (hidden, number)] for name, number in told.items()}
        generator = torch.Generator().manual_seed(seed)
        self._own = nn.ModuleDict()
        for name, wanted in shapes.items():
            drawn = [torch.empty(shape).uniform_(-1, 1, generator=generator) * shape[0] ** -0.5 for shape in wanted]
            if name in parts:
                size = (len(candidates), layers, 1, 1)
                self._own[name] = nn.ParameterList(one.repeat(size) for one in drawn)

    def forward(
        self, z: torch.Tensor, labels: torch.Tensor, speakers: torch.Tensor, languages: torch.Tensor, progress: float
    ) -> torch.Tensor:
        """Compute all but the cross entropy, shape (candidates, layers).

        Parameters
        ----------
        z : Tensor of float32, shape (candidates, layers, utterances, hidden)
            Representations of a batch.
        labels, speakers, languages : Tensor of int64, shape (utterances,)
            Emotion, speaker and language of each.
        progress : float
            Share of the training that is over.
        """
        total = z.new_zeros(z.shape[:2])
        if "supcon" in self._own:
            (matrix,) = self._own["supcon"]
            weight, temperature = (self._of[key].to(z.device) for key in ("supcon", "temperature"))
            total = total + weight * supcon(z @ matrix, labels, languages, temperature, self._across)
        for name, wanted in (("grl", speakers), ("dann", languages)):
            if name in self._own:
                first, second = self._own[name]
                strength = (ramp(progress) * self._of[name].to(z.device))[..., None, None]
                scores = torch.relu(reverse(z, strength) @ first) @ second
                total = total + classify(scores, wanted)
        return total


def classify(
    scores: torch.Tensor, labels: torch.Tensor, soft: torch.Tensor | None = None,
    gamma: torch.Tensor | float | None = None, weight: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """Compute the mean cross entropy of each run, or its focal form.

    Parameters
    ----------
    scores : Tensor, shape (..., utterances, classes)
        Before the softmax.
    labels : Tensor of int64, shape (utterances,)
        Classes.
    soft : Tensor, shape (utterances, classes), optional
        Shares of the classes, in the place of labels.
    gamma : Tensor or float, shape (...), optional
        What has probability p counts (1 - p) to the power of gamma times: Lin et al., "Focal Loss for Dense Object
        Detection", ICCV 2017, equation 4, over classes. At 0 it is the cross entropy, to the bit.
    weight : Tensor, shape (classes,), optional
        How much each class counts (:func:`balanced`). The mean is that over utterances, whatever they weigh.

    Returns
    -------
    Tensor, shape (...)
    """
    logs = torch.log_softmax(scores, dim=-1)
    if soft is None:
        soft = functional.one_hot(labels, scores.shape[-1]).to(logs.dtype)
    if weight is not None:
        soft = soft * weight.to(soft)
    if gamma is not None:
        # Where p rounds to 1, the power's slope would be infinite below a gamma of 1.
        missed = (-torch.expm1(logs)).clamp_min(torch.finfo(logs.dtype).tiny)
        logs = logs * missed ** torch.as_tensor(gamma, dtype=logs.dtype, device=logs.device)[..., None, None]
    return -(logs * soft).sum(dim=-1).mean(dim=-1)


def balanced(labels: np.ndarray, classes: int) -> torch.Tensor:
    """Weigh every class by the inverse of its share of some utterances, which then weigh 1 on average.

    Examples
    --------
    >>> balanced(np.array([0, 0, 0, 2]), 3).tolist()
    [0.6666666865348816, 0.0, 2.0]
    """
    counts = np.bincount(labels, minlength=classes)
    there = counts > 0
    weights = np.divide(len(labels), there.sum() * counts, out=np.zeros(classes), where=there)
    return torch.from_numpy(weights.astype(np.float32))
