"""The typed shape of a pre-training configuration (``conf/pretrain.yaml``)."""

from __future__ import annotations

from dataclasses import dataclass, field

SAMPLE_RATE = 16000
HOP = 320  # samples between two frames of the convolutions
WINDOW = 400  # samples that a frame sees


@dataclass
class Model:
    """A transformers HuBERT; kernel sizes and strides of its seven convolutions are HuBERT's own (20 ms a frame)."""

    layers: int = 6
    dim: int = 256
    heads: int = 4
    feed_forward: int = 1024
    conv_dim: list[int] = field(default_factory=lambda: [64, 128, 128, 128, 128, 128, 128])
    position_width: int = 64  # frames that the convolutional position embedding sees
    position_groups: int = 16
    norm: str = "group"  # of the convolutions: group (HuBERT base's) | layer (twice the time on CPU)
    dropout: float = 0.05

    def __post_init__(self) -> None:
        if self.norm not in ("group", "layer"):
            raise ValueError(f"model.norm: '{self.norm}' is not one of group, layer")
        if len(self.conv_dim) != 7:
            raise ValueError(f"model.conv_dim needs 7 values, got {len(self.conv_dim)}")
        if self.dim % self.heads or self.dim % self.position_groups:
            raise ValueError("model.dim must be a multiple of model.heads and of model.position_groups")


@dataclass
class Targets:
    """What the masked frames must be told apart by: clusters of MFCCs, then of the model's own features."""

    clusters: int = 100
    rounds: int = 1  # 1: MFCCs; more: a further round on a layer of the round before
    layer: int = 4  # whose features a further round clusters
    fit_frames: int = 100_000  # at most so many frames, drawn at random, are clustered

    def __post_init__(self) -> None:
        if min(self.clusters - 1, self.rounds, self.layer + 1) < 1:
            raise ValueError("targets: needs clusters > 1, rounds > 0, layer >= 0")
        if self.fit_frames < self.clusters:
            raise ValueError("targets.fit_frames must not be below targets.clusters")


@dataclass
class Augment:
    """How the model's input is varied; targets are those of the clean audio at the same speed."""

    speeds: list[float] = field(default_factory=lambda: [0.9, 1.0, 1.1])  # copies of the data, played at these speeds
    noise_probability: float = 0.25  # of white to brown noise, of a crop
    noise_snr: list[float] = field(default_factory=lambda: [10.0, 40.0])  # dB, lowest and highest

    def __post_init__(self) -> None:
        if not self.speeds or min(self.speeds) <= 0:
            raise ValueError("augment.speeds must be one or more positive factors")
        if len(self.noise_snr) != 2:
            raise ValueError("augment.noise_snr must be the lowest and the highest ratio")


@dataclass
class Train:
    """The optimisation of one round."""

    steps: int = 1500
    batch_size: int = 8
    crop_seconds: float = 2.0
    peak_lr: float = 5e-4  # at 1e-3 (batches of 16) the loss climbed again after 150 steps
    warmup: float = 0.08  # share of the steps in which the learning rate rises
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    mask_probability: float = 0.65  # share of frames in masked spans, before overlaps
    mask_length: int = 10  # frames
    unmasked_weight: float = 0.5  # of the other frames' loss: 0 in HuBERT, some helps short runs
    temperature: float = 0.1  # of the cosine logits
    held_out: float = 0.03  # end of every data directory that is not trained on: the curve's dev loss
    threads: int = 2  # on the CPU, whatever the number of jobs and cores: with another, weights are other ones
    precision: str = "fp32"  # fp32 | bf16 (autocast: faster only where the hardware has bfloat16)
    log_every: int = 25  # steps a row of the loss curve
    save_every: int = 50  # steps a checkpoint

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"train.precision: '{self.precision}' is not one of fp32, bf16")
        if min(self.steps, self.batch_size, self.log_every, self.save_every, self.threads) < 1:
            raise ValueError("train: steps, batch_size, log_every, save_every and threads must be positive")
        if self.crop_frames <= self.mask_length:
            raise ValueError("train.crop_seconds must be longer than a masked span")
        if not 0 < self.held_out < 1:
            raise ValueError("train.held_out must lie between 0 and 1")

    @property
    def crop_frames(self) -> int:
        """Frames that the model makes of a crop."""
        return frames_of(round(self.crop_seconds * SAMPLE_RATE))


@dataclass
class PretrainConfig:
    """All settings of a pre-training run."""

    seed: int = 0
    licence: str = "as its training data"  # of the weights, for the model card
    note: str = ""  # for the model card
    model: Model = field(default_factory=Model)
    targets: Targets = field(default_factory=Targets)
    augment: Augment = field(default_factory=Augment)
    train: Train = field(default_factory=Train)


def frames_of(samples: int) -> int:
    """Tell how many frames the convolutions make of so many samples."""
    return max(0, 1 + (samples - WINDOW) // HOP)


def samples_of(frames: int) -> int:
    """Tell how many samples so many frames need at least."""
    return WINDOW + (frames - 1) * HOP
