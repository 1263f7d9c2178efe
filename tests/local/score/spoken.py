"""Make-believe conditions whose data directories say who is a woman, what is said and what was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.local.score.synthetic import EMOTIONS, Corpus, World, small_world
from utils.folds import write_folds

LACKING = "zwei"  # the corpus of which the sad utterances say sentences of their own, which nobody trains on


def sentence(utt: str) -> str:
    """Sentence 0 to 4; of sad utterances of one corpus, one that is said with nothing else."""
    corpus = utt.split("_")[0]
    return f"{corpus}_sad" if corpus == LACKING and "-sad" in utt else f"{corpus}_{utt[-1]}"


def gender(speaker: str) -> str:
    """Every second speaker is a woman, and the last one's gender is not known."""
    return "f" if int(speaker[-2:]) % 2 else "m"


def trained(utt: str) -> bool:
    """Sentences 0 and 1 are in no train list, nor are those that sad utterances alone say."""
    return sentence(utt)[-1] in "234"


def spoken_world(root: Path, **options) -> World:
    """Write a small world with such tables, and posteriors that go with what is said."""
    world = small_world(root, **options)
    for corpus in world.corpora:
        _write_tables(root / "data" / corpus.name, corpus, world.folds)
    for path in sorted(root.glob("exp/probe/*/hyp")):
        rng = np.random.default_rng(len(path.parent.name))
        lines = path.read_text().splitlines()
        for place, line in enumerate(lines[1:], 1):
            utt, fold, seed, emotion, *_ = line.split()
            shares = rng.dirichlet(np.ones(4))
            top, own = shares.argmax(), EMOTIONS.index(emotion)
            shares[[top, own]] = shares[[own, top]]
            lines[place] = " ".join([utt, fold, seed, emotion, *(f"{share:.5f}" for share in shares)])
        path.write_text("\n".join(lines) + "\n")
    return world


def _write_tables(data: Path, corpus: Corpus, folds: int) -> None:
    utts = [utt for utt, _, _ in corpus.utterances]
    speakers = sorted({speaker for _, speaker, _ in corpus.utterances})
    (data / "utt2sent").write_text("".join(f"{utt} {sentence(utt)}\n" for utt in utts))
    (data / "spk2gender").write_text("".join(f"{speaker} {gender(speaker)}\n" for speaker in speakers[:-1]))
    place = {speaker: number % folds for number, speaker in enumerate(speakers)}
    lists = [{"train": [], "dev": [], "test": []} for _ in range(folds)]
    for utt, speaker, _ in corpus.utterances:
        for k, own in enumerate(lists):
            distance = (place[speaker] - k) % folds
            part = "test" if distance == 0 else "dev" if distance == 1 else "train"
            if part != "train" or trained(utt):
                own[part].append(utt)
    (data / "folds").mkdir()
    write_folds(data / "folds/speaker", lists)
