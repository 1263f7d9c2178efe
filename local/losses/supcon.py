"""Supervised contrastive loss: utterances of one emotion together, whatever their language; all others apart.

Source: P. Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2 (the sum over positives outside
the logarithm). Positives of another language than the anchor's may weigh more: that pulls emotions together across
languages, and not within them alone.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def supcon(
    z: torch.Tensor, labels: torch.Tensor, languages: torch.Tensor, temperature: torch.Tensor | float,
    across: float = 1.0,
) -> torch.Tensor:  # fmt: skip
    """Contrast every utterance of a batch with all others.

    Parameters
    ----------
    z : Tensor of float32, shape (..., utterances, dim)
        Representations; they are brought to length 1.
    labels, languages : Tensor of int64, shape (..., utterances)
        Emotion and language of each.
    temperature : Tensor or float, shape (...)
        By which similarities are divided.
    across : float
        Weight of a positive of another language than the anchor's; one of the same weighs 1.

    Returns
    -------
    Tensor, shape (...)
        The mean over anchors that have a positive, in nats; 0 where none has.
    """
    z = functional.normalize(z, dim=-1)
    scale = torch.as_tensor(temperature, dtype=z.dtype, device=z.device)[..., None, None]
    alike = z @ z.transpose(-1, -2) / scale
    itself = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    logs = alike - torch.logsumexp(alike.masked_fill(itself, -torch.inf), dim=-1, keepdim=True)
    positive = (labels[..., :, None] == labels[..., None, :]) & ~itself
    foreign = languages[..., :, None] != languages[..., None, :]
    weight = positive.to(z.dtype) * (1 + (across - 1) * foreign)
    total = weight.sum(dim=-1)
    anchors = total > 0
    each = -(weight * logs).sum(dim=-1) / torch.where(anchors, total, 1)
    return (each * anchors).sum(dim=-1) / anchors.sum(dim=-1).clamp_min(1)
