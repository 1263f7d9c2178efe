"""The losses of many small networks at once, of one batch: cross entropy and what stands beside it.

A run is a candidate (strengths of the losses) on a layer. All runs see the same batch. What stands beside the cross
entropy has weights of its own, drawn apart, which are given up after training; at strength 0 it changes no bit of the
classifier.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def classify(scores: torch.Tensor, labels: torch.Tensor, soft: torch.Tensor | None = None) -> torch.Tensor:
    """Compute the mean cross entropy of each run.

    Parameters
    ----------
    scores : Tensor, shape (..., utterances, classes)
        Before the softmax.
    labels : Tensor of int64, shape (utterances,)
        Classes.
    soft : Tensor, shape (utterances, classes), optional
        Shares of the classes, in the place of labels.

    Returns
    -------
    Tensor, shape (...)
    """
    logs = torch.log_softmax(scores, dim=-1)
    if soft is None:
        soft = functional.one_hot(labels, scores.shape[-1]).to(logs.dtype)
    return -(logs * soft).sum(dim=-1).mean(dim=-1)
