"""A small recipe folder for tests of the probes: data/ and dump/ as stages 1 and 2 leave them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from local.experiment import Experiment, Probe, Split
from local.grid import plan
from local.probe import run as probe
from local.probe.conditions import STAGE
from utils import ark
from utils.data_dir import write_data_dir

EMOTIONS = ["angry", "happy", "neutral", "sad"]
QUICK = {"lr": 1e-2, "epochs": 12, "patience": 4, "batch_size": 8, "seeds": [0]}


@dataclasses.dataclass
class Corpus:
    """What :func:`write_corpus` wrote: utterances, their emotions and features (utterances, layers, dim)."""

    utts: list[str]
    emotions: list[str]
    features: np.ndarray


def write_corpus(
    root: Path, name: str, *, n: int = 120, folds: int = 3, separation: Sequence[float] = (0.0, 1.0, 0.5), dim: int = 6,
    encoder: str = "enc", language: str = "de", encoder_languages: Sequence[str] = ("de",),
    pretrained_on: Sequence[str] = (), speakers: int = 60, seed: int = 0, shift: float = 0.0,
) -> Corpus:  # fmt: skip
    """Write data/<name>, its folds (scheme ``speaker``) and dump/<encoder>/<name>.

    Emotions are Gaussian clusters whose centres all corpora share, ``separation[layer]`` apart in units of the
    spread; layer 1 is the telling one. Utterance i is tested in fold i % folds, and is dev in the fold before. Of three
    folds, 60 speakers leave 40 in train and dev, so many that the dev list chooses.
    """
    rng = np.random.default_rng([seed, *name.encode()])
    centres = np.random.default_rng(7).standard_normal((len(separation), len(EMOTIONS), dim)) * 2
    utts = [f"{name}_{i % speakers:02d}-{i:04d}" for i in range(n)]
    labels = np.arange(n) // folds % len(EMOTIONS)
    noise = rng.standard_normal((n, len(separation), dim))
    features = centres[:, labels].transpose(1, 0, 2) * np.array(separation)[:, None] + noise + shift
    features = features.astype(np.float32)
    emotions = [EMOTIONS[label] for label in labels]
    tables = {
        "utt2spk": {utt: utt.split("-")[0] for utt in utts},
        "utt2emo": dict(zip(utts, emotions, strict=True)),
        "utt2lang": dict.fromkeys(utts, language),
        "wav.scp": dict.fromkeys(utts, "/none.wav"),
    }
    write_data_dir(root / "data" / name, tables)
    for k in range(folds):
        parts = {"test": [k], "dev": [(k + 1) % folds], "train": [(k + j) % folds for j in range(2, folds)]}
        for part, residues in parts.items():
            write_list(root, name, k, part, [utt for i, utt in enumerate(utts) if i % folds in residues])
    (root / "data" / name / "folds" / "speaker" / ".done").write_text("{}")
    write_features(root, name, encoder, utts, features)
    info = {"languages": list(encoder_languages), "pretrained_on": list(pretrained_on)}
    (root / "dump" / encoder / name / "info.json").write_text(json.dumps(info))
    return Corpus(utts, emotions, features)


def write_list(root: Path, name: str, fold: int, part: str, utts: Sequence[str]) -> None:
    """Write one fold list."""
    path = root / "data" / name / "folds" / "speaker" / str(fold) / part
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{utt}\n" for utt in sorted(utts)))


def permute_labels(recipe: Path, name: str, which: set[str]) -> None:
    """Shuffle the emotions of some utterances among them."""
    path = recipe / "data" / name / "utt2emo"
    table = dict(line.split() for line in path.read_text().splitlines())
    chosen = sorted(which)
    shuffled = np.random.default_rng(0).permutation([table[utt] for utt in chosen])
    table.update(zip(chosen, shuffled, strict=True))
    path.write_text("".join(f"{utt} {emotion}\n" for utt, emotion in table.items()))


def write_features(root: Path, name: str, encoder: str, utts: Sequence[str], features: np.ndarray) -> None:
    """Write features and their stamp; paths in feats.scp are relative to the recipe folder."""
    dump = root / "dump" / encoder / name
    for old in dump.glob("feats*"):
        old.unlink()
    with ark.ArkWriter(dump / "feats") as writer:
        for utt, matrix in zip(utts, features, strict=True):
            writer.write(utt, matrix)
    registry = root / "conf" / "encoders.yaml"
    registry.parent.mkdir(exist_ok=True)
    known = yaml.safe_load(registry.read_text()) if registry.exists() else {}
    known[encoder] = {"source": f"nobody/{encoder}", "layers": features.shape[1], "dim": features.shape[2]}
    registry.write_text(yaml.safe_dump(known))
    index = dump / "feats.scp"
    index.write_text(index.read_text().replace(f"{root}/", ""))
    (dump / ".done").write_text("{}")


def experiment(
    corpora: Sequence[str], encoders: Sequence[str] = ("enc",), folds: int = 3,
    vary: Mapping[str, list] | None = None, **probe: object,
) -> Experiment:  # fmt: skip
    """Settings that train a small head in a fraction of a second."""
    return Experiment(
        corpora=list(corpora), encoders=list(encoders), split=Split(folds=folds), vary=dict(vary or {}),
        probe=Probe(**{**QUICK, **probe}),
    )  # fmt: skip


def run(*corpora: str, **settings: object) -> None:
    """Make what is not up to date of :func:`experiment`, in the working directory."""
    make(experiment(corpora, **settings))


def make(config: Experiment) -> None:
    """Make what is not up to date, as the stage's jobs do."""
    for group in STAGE.groups(config):
        work = plan.work(STAGE, group)
        if work.conditions:
            probe.run(group.only(work.conditions))


def write_experiment(config: Experiment) -> None:
    """Write ``conf/experiment.yaml`` of the working directory."""
    shown = dataclasses.asdict(config)
    names = ("corpora", "encoders", "emotions", "vary", "split", "probe")
    Path("conf/experiment.yaml").write_text(yaml.safe_dump({name: shown[name] for name in names}))
