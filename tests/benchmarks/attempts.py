"""What limits a diarizer whose encoder stays frozen, and what was tried about it (docs/diarizer.md).

    cd egs/zed && ./run.sh --config conf/open.yaml --db-root DIR   # the recordings, and their folds
    python3 -m tests.benchmarks.attempts [ATTEMPT...]

Every attempt is trained once a fold on what was made of emodb, ravdess and nemo together and tested on ``single``
recordings of other speakers. Epoch, smoothing, threshold, layer and weight are chosen on dev. A row each: EDER on dev
and on test, in percent, means over recordings; test by kind of error and by corpus. Then, of the last attempt that was
named, where its errors lie. It takes minutes an attempt, and 3 GB of memory.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from local import encoders
from local.results.eder import score_all
from local.results.eder_names import NEUTRAL
from local.sed.data import sets
from local.sed.model import decode
from local.sed.model.context import DROPOUT, HIDDEN, STEP, WIDTH
from local.sed.model.diarizer import Diarizer
from utils.feature_cache import InputCache
from utils.rttm import Segment

CORPORA, FOLDS = ("emodb", "ravdess", "nemo"), 4
EMOTIONS = ["angry", "happy", "neutral", "sad"]
AT = EMOTIONS.index(NEUTRAL)
RATES = {"linear": 5e-3, "recurrent": 2e-3}
EPOCHS, PATIENCE, BATCH = 25, 6, 24
THRESHOLDS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)  # added to the log posterior of neutral
SMOOTHING = [("median", value) for value in (1, 3, 5, 7, 9, 11, 15)]
SMOOTHING += [("minimum", value) for value in (1, 2, 3, 5, 8, 10, 15)]  # both in steps of 0.1 s
FAR = (0.1, 0.25, 0.5, 1.0, np.inf)  # from the nearest change of the reference, in seconds


@dataclass(frozen=True)
class Recording:
    """A recording in steps of 0.1 s: states (steps, layers, dim) in 16 bits, labels (steps,)."""

    id: str
    corpus: str
    order: str
    states: np.ndarray
    labels: np.ndarray
    reference: list[Segment]
    duration: float
    emotion: int


@dataclass(frozen=True)
class Attempt:
    """What is tried."""

    encoder: str = "mini"
    head: str = "recurrent"
    mean: bool = True  # each step's difference from the recording's mean is heard too
    utterance: float = 0.0  # weight of the cross entropy of the recording's emotion
    kinds: tuple[str, ...] = ("single",)  # what is trained on
    threshold: bool = False
    spans: bool = False  # a second pass names the spans that the first has found


ATTEMPTS = {
    "a linear classifier": Attempt(head="linear", mean=False),
    "its threshold": Attempt(head="linear", mean=False, threshold=True),
    "context": Attempt(mean=False),
    "context and the mean": Attempt(),
    "the same, random encoder": Attempt(encoder="mini_random"),
    "the recording's emotion": Attempt(utterance=0.5),
    "double too": Attempt(kinds=("single", "double")),
    "double and noisy too": Attempt(kinds=("single", "double", "noisy")),
    "threshold": Attempt(threshold=True),
    "a second pass": Attempt(spans=True),
}


def read(encoder: str, kinds: Iterable[str]) -> dict[tuple[int, str, str], list[Recording]]:
    """Read recordings, by fold, part and kind; what the recipe has not run the encoder on is run now."""
    spec = encoders.spec(encoder)
    diarizer = Diarizer(encoders.load_tunable(spec, "cpu"), EMOTIONS, "frozen")
    cache, found = InputCache(Path("dump", encoder, "sed"), diarizer.input_kind()), {}
    for corpus, kind in itertools.product(CORPORA, kinds):
        data = sets.read(f"{corpus}.{kind}", "speaker", EMOTIONS)
        own = {}
        for name, utterance in data.utterances.items():
            inputs, reference = cache.get(utterance, diarizer.cached_input), data.reference[name]
            steps = len(inputs) // STEP
            states = inputs[: steps * STEP].reshape(steps, STEP, *inputs.shape[1:]).mean(1, dtype=np.float32)
            labels = sets.frame_labels(reference, len(inputs), EMOTIONS)[STEP // 2 :: STEP][:steps]
            order = name.removesuffix("_noisy").rsplit("_", 1)[-1]
            own[name] = Recording(name, corpus, order, states.astype(np.float16), labels, reference,
                                  data.duration[name], EMOTIONS.index(data.emotion[name]))  # fmt: skip
        for fold, part in itertools.product(range(FOLDS), ("train", "dev", "test")):
            found.setdefault((fold, part, kind), []).extend(own[name] for name in data.folds[fold][part])
    return found


class Network(nn.Module):
    """The classifiers of an attempt, on padded recordings; the recurrent one is local/sed/model/context.py's."""

    def __init__(self, attempt: Attempt, layers: int, dim: int):
        super().__init__()
        self.attempt, self.layer_weights = attempt, nn.Parameter(torch.zeros(layers))
        inputs = dim * (2 if attempt.mean else 1)
        self.dropout = nn.Dropout(DROPOUT)
        if attempt.head == "linear":
            self.out = nn.Linear(inputs, len(EMOTIONS))
            return
        self.narrow = nn.Linear(inputs, WIDTH)
        self.recurrent = nn.GRU(WIDTH, HIDDEN, batch_first=True, bidirectional=True)
        self.out, self.attention = nn.Linear(2 * HIDDEN, len(EMOTIONS)), nn.Linear(2 * HIDDEN, 1)
        self.of_recording = nn.Linear(2 * HIDDEN, len(EMOTIONS))

    def forward(self, batch: Sequence[Recording]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Score steps, shape (steps of all recordings, emotions), and recordings where that is asked for."""
        weights = torch.softmax(self.layer_weights, 0)
        rows = [torch.einsum("l,tld->td", weights, torch.from_numpy(own.states).float()) for own in batch]
        if self.attempt.mean:
            rows = [torch.cat([own, own - own.mean(0)], 1) for own in rows]
        if self.attempt.head == "linear":
            return self.out(torch.cat(rows)), None
        narrow = functional.gelu(self.narrow(self.dropout(torch.cat(rows)))).split([len(own) for own in rows])
        packed = self.recurrent(nn.utils.rnn.pack_sequence(narrow, enforce_sorted=False))[0]
        heard = [self.dropout(own) for own in nn.utils.rnn.unpack_sequence(packed)]
        pooled = [(torch.softmax(self.attention(own), 0) * own).sum(0) for own in heard]
        return self.out(torch.cat(heard)), self.of_recording(torch.stack(pooled))


def fit(attempt: Attempt, train: list[Recording], dev: list[Recording]) -> Network:
    """Train, and keep the epoch with the lowest dev loss."""
    torch.manual_seed(0)
    rng, network = np.random.default_rng(0), Network(attempt, *train[0].states.shape[1:])
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATES[attempt.head], weight_decay=1e-4)
    best, kept, waited = np.inf, {}, 0
    for _ in range(EPOCHS):
        network.train()
        lengths = np.array([len(own.labels) for own in train]) + 8 * rng.random(len(train))
        cuts = np.array_split(np.argsort(lengths), -(-len(train) // BATCH))
        for cut in rng.permutation(len(cuts)):
            batch = [train[place] for place in cuts[cut]]
            scores, recordings = network(batch)
            loss = functional.cross_entropy(scores, torch.from_numpy(np.concatenate([own.labels for own in batch])))
            if attempt.utterance:
                said = torch.tensor([own.emotion for own in batch])
                loss = loss + attempt.utterance * functional.cross_entropy(recordings, said)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        right = [np.log(own[np.arange(len(own)), one.labels]) for own, one in zip(run(network, dev), dev, strict=True)]
        loss, waited = -np.mean(np.concatenate(right)), waited + 1
        if loss < best:
            best, kept, waited = loss, {name: own.clone() for name, own in network.state_dict().items()}, 0
        if waited == PATIENCE:
            break
    network.load_state_dict(kept)
    return network


def run(network: Network, recordings: list[Recording]) -> list[np.ndarray]:
    """Posteriors of every recording."""
    network.eval()
    found = []
    with torch.inference_mode():
        for begin in range(0, len(recordings), BATCH):
            batch = recordings[begin : begin + BATCH]
            posteriors = torch.softmax(network(batch)[0], 1) + 1e-9
            found += [own.numpy() for own in posteriors.split([len(own.labels) for own in batch])]
    return found


def label(posteriors: np.ndarray, how: tuple[str, float, float]) -> np.ndarray:
    """Smooth posteriors and choose labels; ``how``: method, value in steps, and what neutral is given beforehand."""
    method, value, threshold = how
    raised = posteriors * np.exp(threshold * (np.arange(len(EMOTIONS)) == AT))
    value = value * sets.HOP if method == "minimum" else value
    return decode.smooth(raised / raised.sum(1, keepdims=True), decode.Decoder(method, value))


def score(recordings: list[Recording], labels: list[np.ndarray]) -> np.ndarray:
    """EDER of each recording, and its missed, false alarm and confusion: (recordings, 4), in percent."""
    said = {own.id: segments(own, one) for own, one in zip(recordings, labels, strict=True)}
    durations = {own.id: own.duration for own in recordings}
    found = score_all({own.id: own.reference for own in recordings}, said, durations)
    scores = [found[own.id] for own in recordings]
    rows = [(one.rate * one.duration, one.missed, one.false_alarm, one.confusion) for one in scores]
    return 100 * np.array(rows) / np.array([[one.duration] for one in scores])


def segments(recording: Recording, labels: np.ndarray) -> list[Segment]:
    """Turn the labels of steps into segments."""
    changes = (np.flatnonzero(np.diff(labels)) + 1).tolist()
    times = [0.0, *(change * STEP * sets.HOP for change in changes), recording.duration]
    return [Segment(recording.id, begin, end, EMOTIONS[labels[place]])
            for begin, end, place in zip(times, times[1:], [0, *changes], strict=False)]  # fmt: skip


def spans(labels: np.ndarray) -> list[tuple[int, int]]:
    """First steps and ends of the stretches that are not neutral."""
    edges = np.flatnonzero(np.diff(np.r_[False, labels != AT, False].astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


class Second:
    """The second pass: a classifier of spans, trained on true ones, by mean, deviation and difference from the rest."""

    def __init__(self, train: list[Recording], dev: list[Recording]):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        def examples(recordings: list[Recording], layer: int) -> tuple[list[np.ndarray], list[int]]:
            cut = [(own, *span) for own in recordings for span in spans(own.labels)]
            return [self._features(*one, layer) for one in cut], [one.labels[begin] for one, begin, _ in cut]

        best = 0.0
        for layer in range(train[0].states.shape[1]):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, class_weight="balanced"))
            right = model.fit(*examples(train, layer)).score(*examples(dev, layer))
            if right > best:
                best, self.layer, self.model = right, layer, model

    @staticmethod
    def _features(recording: Recording, begin: int, end: int, layer: int) -> np.ndarray:
        states = recording.states[:, layer].astype(np.float32)
        inside = states[begin:end]
        return np.concatenate([inside.mean(0), inside.std(0), inside.mean(0) - states.mean(0)])

    def label(self, recording: Recording, labels: np.ndarray, posteriors: np.ndarray, weight: float) -> np.ndarray:
        """Name spans anew: ``weight`` of the second pass's log posteriors, the rest of the first one's."""
        labels, named = labels.copy(), [place for place in range(len(EMOTIONS)) if place != AT]
        for begin, end in spans(labels):
            own = self.model.predict_log_proba([self._features(recording, begin, end, self.layer)])[0]
            first = np.log(posteriors[begin:end]).mean(0)[named]
            labels[begin:end] = named[int(np.argmax(weight * own + (1 - weight) * first))]
        return labels


def one_fold(attempt: Attempt, data: dict, fold: int, trained: dict) -> tuple[float, list[Recording], list[np.ndarray]]:
    """Train and choose; give the dev EDER, the test recordings and their labels. ``trained``: networks by attempt."""
    train = [own for kind in attempt.kinds for own in data[fold, "train", kind]]
    dev, test = data[fold, "dev", "single"], data[fold, "test", "single"]
    same = dataclasses.replace(attempt, threshold=False, spans=False), fold  # as far as training goes
    if same not in trained:
        trained[same] = fit(attempt, train, dev)
    heard, tested = run(trained[same], dev), run(trained[same], test)

    def best(choices: Iterable, labels: Callable) -> tuple:
        rates = {choice: score(dev, labels(choice))[:, 0].mean() for choice in choices}
        return min(rates.items(), key=lambda found: found[1])

    ways = [(*own, one) for own in SMOOTHING for one in (THRESHOLDS if attempt.threshold else (0.0,))]
    how, rate = best(ways, lambda how: [label(own, how) for own in heard])
    labels = [label(own, how) for own in tested]
    if attempt.spans:
        second = Second(data[fold, "train", "single"], dev)

        def again(recordings: list[Recording], first: list[np.ndarray], weight: float) -> list[np.ndarray]:
            return [second.label(own, label(one, how), one, weight)
                    for own, one in zip(recordings, first, strict=True)]  # fmt: skip

        weight, rate = best((0.0, 0.25, 0.5, 0.75, 1.0), lambda weight: again(dev, heard, weight))
        labels = again(test, tested, weight)
    return rate, test, labels


def show(name: str, recordings: list[Recording], rates: np.ndarray, dev: float = np.nan) -> None:
    """Print a row."""
    corpus = np.array([own.corpus for own in recordings])
    numbers = [dev, *rates.mean(0), *(rates[corpus == own, 0].mean() for own in CORPORA)]
    print(f"{name:<28}" + "".join(f"{number:8.1f}" for number in numbers), flush=True)


def errors(recordings: list[Recording], labels: list[np.ndarray]) -> None:
    """Print where errors lie: by kind of recording, by distance from a change, and what two answers would mend."""
    told = [np.where(one != AT, own.emotion, AT) for own, one in zip(recordings, labels, strict=True)]
    show("told which emotion", recordings, score(recordings, told))
    named = []
    for own, one in zip(recordings, labels, strict=True):
        emotional = one[(one != AT) & (own.labels != AT)]
        guess = np.bincount(emotional).argmax() if len(emotional) else AT
        named.append(np.where(own.labels != AT, guess, AT))
    show("told when", recordings, score(recordings, named))
    rates, order = score(recordings, labels), np.array([own.order for own in recordings])
    for kind in sorted(set(order)):
        print(f"recordings {kind:<4} ({(order == kind).sum():4}) EDER {rates[order == kind, 0].mean():5.1f}")
    wrong = np.concatenate([own.labels != one for own, one in zip(recordings, labels, strict=True)])
    far = np.concatenate([_far(own.labels) for own in recordings])
    for near, limit in zip((0.0, *FAR), FAR, strict=False):
        own = (far >= near) & (far < limit)
        share = f"{own.mean():6.1%} of the time, wrong {wrong[own].mean():6.1%}"
        print(f"{near:4.2f} to {limit:4.2f} s from a change: {share}")


def _far(labels: np.ndarray) -> np.ndarray:
    """Seconds from each step to the nearest change."""
    changes = np.flatnonzero(np.diff(labels)) + 1
    if not len(changes):
        return np.full(len(labels), 1e3)
    return np.abs(np.arange(len(labels))[:, None] + 0.5 - changes).min(1) * STEP * sets.HOP


def main() -> None:
    """Run the attempts that are named, or all."""
    names = sys.argv[1:] or list(ATTEMPTS)
    torch.set_num_threads(1)
    print(f"{'':<28}" + "".join(f"{word:>8}" for word in ("dev", "test", "missed", "alarm", "confus.", *CORPORA)))
    data, trained, shown = {}, {}, False
    for name in names:
        attempt = ATTEMPTS[name]
        if attempt.encoder not in data:
            data = {attempt.encoder: read(attempt.encoder, dict.fromkeys(k for n in names for k in ATTEMPTS[n].kinds))}
        folds = [one_fold(attempt, data[attempt.encoder], fold, trained) for fold in range(FOLDS)]
        recordings = [own for _, test, _ in folds for own in test]
        labels = [own for _, _, found in folds for own in found]
        if not shown:
            told = [np.full(len(own.labels), own.emotion) for own in recordings]
            show("told the emotion", recordings, score(recordings, told))
            shown = True
        show(name, recordings, score(recordings, labels), float(np.mean([rate for rate, _, _ in folds])))
    errors(recordings, labels)


if __name__ == "__main__":
    main()
