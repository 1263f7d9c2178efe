"""Make-believe conditions, written as the probe stage writes them: for the tests of score and report."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from local.encoders import EncoderSpec
from local.grid import manifest
from local.results import heard
from local.results.languages import setting
from utils import stamp

EMOTIONS = ["angry", "happy", "neutral", "sad"]


@dataclass
class Corpus:
    """A make-believe corpus: every speaker says the same number of utterances of every emotion."""

    name: str
    language: str
    speakers: int = 8
    each: int = 5  # utterances a speaker and emotion
    synthetic: bool = False

    @property
    def utterances(self) -> list[tuple[str, str, int]]:
        """(utterance, speaker, emotion index) in C order."""
        return sorted(
            (f"{self.name}_s{s:02d}-{EMOTIONS[e]}{n}", f"{self.name}_s{s:02d}", e)
            for s in range(self.speakers) for e in range(len(EMOTIONS)) for n in range(self.each)
        )  # fmt: skip


@dataclass
class Encoder:
    """A make-believe encoder: its skill is the chance to be right, best in the upper middle layers."""

    name: str
    layers: int = 5
    skill: float = 0.8
    languages: list[str] = field(default_factory=list)
    pretrained_on: list[str] = field(default_factory=list)
    init: str = "pretrained"
    finetuned_on: list[str] = field(default_factory=list)
    unlisted: bool = False

    @property
    def provenance(self) -> dict:
        """What its training heard, as its entry says."""
        return {key: getattr(self, key) for key in ("pretrained_on", "finetuned_on", "unlisted")}


@dataclass
class World:
    """A recipe folder with data/, conf/ and exp/probe/ of make-believe conditions.

    ``changes`` overrides factors and other fields of meta.json, e.g. ``{"cross_dev": "target"}``.
    """

    root: Path
    corpora: list[Corpus]
    encoders: list[Encoder]
    heads: list[str] = field(default_factory=lambda: ["linear"])
    score: dict = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    folds: int = 4
    pairs: list[tuple[list[str], str]] | None = None
    changes: dict = field(default_factory=dict)
    asked: dict[Path, manifest.Entry] = field(default_factory=dict)

    def write(self) -> World:
        """Write everything; returns self."""
        (self.root / "conf").mkdir(parents=True, exist_ok=True)
        config = {
            "corpora": [c.name for c in self.corpora], "encoders": [e.name for e in self.encoders],
            "split": {"folds": max(self.folds, 3), "scheme": self.changes.get("split", "speaker")},
            "probe": {"heads": self.heads, "seeds": self.seeds, "cross_dev": self.changes.get("cross_dev", "source"),
                      "normalise": self.changes.get("normalise", "train")},
            "score": {"resamples": 200, "permutations": 500} | self.score,
        }  # fmt: skip
        (self.root / "conf/experiment.yaml").write_text(yaml.safe_dump(config))
        registry = {
            c.name: {"module": "table", "language": c.language, "synthetic": c.synthetic, "title": f"Corpus {c.name}"}
            for c in self.corpora
        }
        (self.root / "conf/corpora.yaml").write_text(yaml.safe_dump(registry))
        registry = {
            e.name: {"source": f"nobody/{e.name}", "layers": e.layers, "dim": 768, "languages": e.languages,
                     **e.provenance, "init": e.init, "note": f"note on {e.name}"}
            for e in self.encoders
        }  # fmt: skip
        (self.root / "conf/encoders.yaml").write_text(yaml.safe_dump(registry))
        for corpus in self.corpora:
            _write_data(self.root / "data" / corpus.name, corpus)
        for encoder in self.encoders:
            for head in self.heads:
                for train, test in self.all_pairs():
                    self.write_condition(encoder, head, train, test)
        return self

    def all_pairs(self) -> list[tuple[list[str], str]]:
        """Pairs of training corpora and test corpus."""
        names = [c.name for c in self.corpora]
        return self.pairs or [([train], test) for train in names for test in names]

    def write_tuned(
        self, encoder: Encoder, strategy: str, train: list[str], test: str, source: Sequence[str] = (),
        gain: float = 0.0, params: int = 5000, **factors: object,
    ) -> Path:  # fmt: skip
        """Write one condition of a tuned encoder, whose chance to be right is so much higher than a probe's.

        ``factors`` are further ones that are not as usual.
        """
        path = self.write_condition(encoder, strategy, train, test)
        meta = json.loads((path / "meta.json").read_text())
        del self.asked[path]
        spoken = sorted({c.language for c in self.corpora if c.name in {*source, *train}})
        kind = setting(encoder.languages, spoken, meta["test_language"])
        del meta["factors"]["normalise"]
        meta["factors"] |= {"source": list(source), "layer": "probe", "pooling": "mean", "head": "linear"}
        meta["factors"] |= factors
        name, more = f"{encoder.name}.{strategy}.{'+'.join(train)}", _named({"source": source, **factors})
        meta |= {
            "stage": "finetune", "setting": kind, "train_languages": spoken, "params": params, "models": name + more,
            "words": {"method": f"what {strategy} trains"},
        }  # fmt: skip
        target = self.root / "exp/finetune" / f"{name}-{test}{more}"
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        (target / "meta.json").write_text(json.dumps(meta))
        corpus = next(c for c in self.corpora if c.name == test)
        # Dev knows nothing of the test corpus: what was trained once chose once.
        rng = _draws(target.name), _draws(f"{name}{more}")
        _write_predictions(target, corpus, 1, self.seeds, self.folds, encoder.skill + gain, rng, cut=3)
        self._finish(target, meta["factors"], {"finetune": {"lr": 1e-4}})
        return target

    def write_condition(self, encoder: Encoder, head: str, train: list[str], test: str, **own: object) -> Path:
        """Write one condition directory; ``own``: factors that are not as usual."""
        by_name = {c.name: c for c in self.corpora}
        languages = sorted({by_name[name].language for name in train})
        kind = setting(encoder.languages, languages, by_name[test].language)
        path = self.root / "exp/probe" / f"{encoder.name}.{head}.{'+'.join(train)}-{test}{_named(own)}"
        path.mkdir(parents=True, exist_ok=True)
        factors = {
            "encoder": encoder.name, "method": head, "train": train, "test": test, "emotions": EMOTIONS, "labels": [],
            "split": "speaker", "cross_dev": "source", "normalise": "train",
        }  # fmt: skip
        factors |= {name: value for name, value in self.changes.items() if name in factors} | own
        dev = [test] if factors["cross_dev"] == "target" and test not in train else train
        meta = {
            "stage": "probe", "factors": factors, "words": {"method": f"what {head} is"}, "setting": kind,
            "encoder_languages": encoder.languages, "dev": dev, "train_languages": languages,
            "test_language": by_name[test].language, "params": 3076,
            "contaminated": heard.say(EncoderSpec(encoder.name, **encoder.provenance), sorted({*train, test})),
            "voices_seen": 0, "one_speaker": any(by_name[name].speakers == 1 for name in {*train, test}),
        }  # fmt: skip
        meta |= {name: value for name, value in self.changes.items() if name not in factors}
        (path / "meta.json").write_text(json.dumps(meta))
        rng = _draws(path.name), _draws(path.name.replace(f"-{test}", "" if dev == train else test))
        skill = encoder.skill - {"mono": 0, "trans": 0.05, "cross": 0.25, "cross-trans": 0.3}[kind]
        _write_predictions(path, by_name[test], encoder.layers, self.seeds, self.folds, skill, rng)
        self._finish(path, factors, {"probe": {"seeds": self.seeds, "lr": 1e-4}})
        return path

    def _finish(self, path: Path, factors: dict, config: dict) -> None:
        """Stamp a condition, and ask for it."""
        made_from = stamp.make(config | {"condition": factors}, [], [])
        stamp.write(path, made_from)
        self.asked[path] = manifest.Entry(path, factors, manifest.digest(made_from["config"]))
        self.ask(lambda entry: True)

    def ask(self, wanted: Callable[[manifest.Entry], bool]) -> None:
        """Write the stages' manifests, of the conditions that are wanted."""
        for stage in ("probe", "finetune"):
            own = [entry for path, entry in self.asked.items() if path.parent.name == stage]
            if own:
                manifest.write(self.root / "exp" / stage, [entry for entry in own if wanted(entry)])


def _draws(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _named(factors: dict) -> str:
    """Name factors as directories do."""
    shown = {name: value if isinstance(value, str) else "+".join(value) for name, value in factors.items()}
    return "".join(f".{name}={value}" for name, value in shown.items() if value)


def _write_data(path: Path, corpus: Corpus) -> None:
    path.mkdir(parents=True, exist_ok=True)
    (path / "utt2spk").write_text("".join(f"{utt} {speaker}\n" for utt, speaker, _ in corpus.utterances))
    (path / "utt2emo").write_text("".join(f"{utt} {EMOTIONS[e]}\n" for utt, _, e in corpus.utterances))
    (path / "utt2lang").write_text("".join(f"{utt} {corpus.language}\n" for utt, _, _ in corpus.utterances))


def _write_predictions(
    path: Path, corpus: Corpus, layers: int, seeds: list[int], folds: int, skill: float,
    draws: tuple[np.random.Generator, np.random.Generator], cut: int | None = None,
) -> None:  # fmt: skip
    rng, dev_rng = draws
    utts, speakers, reference = (np.array(column) for column in zip(*corpus.utterances, strict=True))
    fold = (np.unique(speakers, return_inverse=True)[1] if corpus.speakers > 1 else np.arange(len(utts))) % folds
    depth = np.linspace(0, 1, layers) if layers > 1 else np.array([0.7])
    chance = 1 / len(EMOTIONS)
    curve = chance + (max(skill, chance) - chance) * (1 - 1.2 * (depth - 0.7) ** 2 / 0.49)
    ease = rng.normal(0, 0.08, corpus.speakers)[np.unique(speakers, return_inverse=True)[1]]
    right = rng.random((len(seeds), layers, len(utts))) < np.clip(curve[:, None] + ease, 0.02, 0.98)
    near = np.array([1, 0, 3, 2])[reference]  # angry and happy, neutral and sad are taken for each other
    wrong = np.where(rng.random(right.shape) < 0.6, near, rng.integers(0, 4, right.shape))
    pred = np.where(right, reference, wrong).astype(np.int8)
    dev = np.round(curve + dev_rng.normal(0, 0.02, (folds, len(seeds), layers)), 6)
    chosen = dev.argmax(axis=2)
    # Stage 4 names the one layer of encoders that are not all cut behind the same so.
    names = np.arange(layers) if cut is None else np.array([-1])
    np.savez(
        path / "layers.npz", utts=utts, fold=fold.astype(np.int16), ref=reference.astype(np.int8),
        emotions=np.array(EMOTIONS), seeds=np.array(seeds), layers=names, pred=pred,
    )  # fmt: skip
    with open(path / "hyp", "w", encoding="utf-8") as file:
        file.write("# utt fold seed emo " + " ".join(f"p_{emotion}" for emotion in EMOTIONS) + "\n")
        for s, seed in enumerate(seeds):
            for u, utt in enumerate(utts):
                emotion = EMOTIONS[pred[s, chosen[fold[u], s], u]]
                file.write(f"{utt} {fold[u]} {seed} {emotion} 0.25 0.25 0.25 0.25\n")
    header = "fold,seed,layer,epoch,dev_loss,dev_ua,selected,n_train,n_dev,n_test,ua,wa,macro_f1".split(",")  # noqa: SIM905
    with open(path / "scores.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header + [f"recall_{emotion}" for emotion in EMOTIONS] + ["cut"] * (cut is not None))
        for k in range(folds):
            for s, seed in enumerate(seeds):
                for layer in range(layers):
                    tested = fold == k
                    hit = pred[s, layer, tested] == reference[tested]
                    recalls = [hit[reference[tested] == e].mean() for e in range(len(EMOTIONS))]
                    counts = [len(utts) - 2 * tested.sum(), tested.sum(), tested.sum()]
                    scores = [np.mean(recalls), hit.mean(), 0.0, *recalls]
                    values = [k, seed, names[layer], 12, 0.7, dev[k, s, layer], int(layer == chosen[k, s]), *counts]
                    writer.writerow(
                        [*values, *(f"{score:.6f}" for score in scores), *([] if cut is None else [cut + k % 2])]
                    )


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a table that a stage wrote."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def small_world(root: Path, **options) -> World:
    """Two corpora, a layered encoder and a flat one: every kind of condition in little time."""
    corpora = [Corpus("uno", "it"), Corpus("zwei", "de", speakers=10)]
    encoders = [Encoder("big", 5, 0.85, ["it"]), Encoder("flat", 1, 0.7)]
    return World(root, options.pop("corpora", corpora), options.pop("encoders", encoders), **options).write()


def where(rows: Iterable[dict[str, str]], **wanted: str) -> list[dict[str, str]]:
    """Keep the rows with given values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]
