"""The head that contrasts and adversaries shape: against torch's own modules, and on planted shortcuts and shifts."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from local.experiment import Losses, Probe
from local.losses import candidates, parse
from local.probe.aligned import Hidden, Scene, choose, fit
from tests.local.probe import tree
from tests.local.probe.written import meta, scores
from utils import metrics
from utils.errors import UserError

PROBE = Probe(lr=5e-3, epochs=30, patience=30)
BRIEF = Probe(lr=5e-3, epochs=8, patience=8)  # where only bits are compared


def scene(seed: int, n: int = 240, shift: float = 0.0, noise: float = 0.7) -> Scene:
    """Emotions as clusters, in two languages that may lie apart."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    languages, labels = np.arange(n) % 2, rng.integers(0, 4, n)
    centres, apart = fixed.standard_normal((4, 12)), fixed.standard_normal((2, 12))
    x = centres[labels] + shift * apart[languages] + noise * rng.standard_normal((n, 12))
    return Scene(_tensor(x), labels, languages * 4 + rng.integers(0, 4, n), languages)


def habits(seed: int, share: float, n: int = 480, voices: int = 16) -> Scene:
    """Voices of four kinds, which two dimensions tell; a share of what each says has the emotion of its kind."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    languages = np.arange(n) % 2
    speakers = languages * voices // 2 + rng.integers(0, voices // 2, n)
    kind = rng.permutation(voices) % 4
    labels = np.where(rng.random(n) < share, kind[speakers], rng.integers(0, 4, n))
    told = fixed.standard_normal((4, 6))[labels] + 0.8 * rng.standard_normal((n, 6))
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    voice = (corners[kind] + 0.3 * rng.standard_normal((voices, 2)))[speakers] + 0.24 * rng.standard_normal((n, 2))
    return Scene(_tensor(np.hstack([told, voice])), labels, speakers, languages)


def _tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.astype(np.float32))[None]


def reach(weights: list[torch.Tensor], other: Scene) -> float:
    said = Hidden.logits(weights, other.x)[0].argmax(0).numpy()
    return float(metrics.unweighted_accuracy(metrics.confusion(other.labels, said, 4)))


def train(
    own: Scene, losses: Losses, seed: int = 0, left_out: Scene | None = None, probe: Probe = PROBE
) -> list[torch.Tensor]:
    kind, other = Hidden(own.x.shape[2], 4, losses.hidden), left_out or own
    chosen = choose(kind, [(own, other.x, other.labels)], probe, losses, [(seed, seed)])
    return fit(kind, own, chosen, probe, losses, (seed, seed))


@functools.cache
def plain() -> list[torch.Tensor]:
    return train(scene(1), Losses(), probe=BRIEF)


def test_cross_entropy_alone_is_what_torch_trains() -> None:
    own, losses = scene(0), Losses(sampler="plain", hidden=8)
    weights = train(own, losses)
    generator = torch.Generator().manual_seed(0)
    shapes, fans = [(12, 8), (1, 8), (8, 4), (1, 4)], (12, 12, 8, 8)
    first, second = nn.Linear(12, 8), nn.Linear(8, 4)
    drawn = [torch.empty(s).uniform_(-1, 1, generator=generator) * f**-0.5 for s, f in zip(shapes, fans, strict=True)]
    with torch.no_grad():
        for layer, (matrix, bias) in ((first, drawn[:2]), (second, drawn[2:])):
            layer.weight.copy_(matrix.T)
            layer.bias.copy_(bias[0])
    model = nn.Sequential(first, nn.ReLU(), second)
    optimiser = torch.optim.AdamW(model.parameters(), lr=PROBE.lr, eps=PROBE.eps, weight_decay=PROBE.weight_decay)
    y, best, kept = torch.from_numpy(own.labels), (-1.0, -np.inf), None
    for epoch in range(PROBE.epochs):
        order = np.random.default_rng([0, epoch]).permutation(240)
        for rows in np.array_split(order, round(240 / 32)):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(own.x[0, rows]), y[rows]).backward()
            optimiser.step()
        scores = model(own.x[0]).detach()
        said = metrics.confusion(own.labels, scores.argmax(1).numpy(), 4)
        now = float(metrics.unweighted_accuracy(said)), -float(nn.functional.cross_entropy(scores, y))
        if now > best:
            best, kept = now, [first.weight.T.detach().clone(), second.weight.T.detach().clone()]
    assert torch.allclose(weights[0][0], kept[0], atol=1e-4) and torch.allclose(weights[2][0], kept[1], atol=1e-4)


@pytest.mark.parametrize("loss", ["supcon", "grl", "dann", "supcon+grl+dann"])
def test_at_weight_0_it_is_cross_entropy_to_the_bit(loss: str) -> None:
    own = scene(1)
    beside = train(own, Losses(loss=loss, weights=[0.0], reversals=[0.0], temperatures=[0.1]), probe=BRIEF)
    assert all(torch.equal(a, b) for a, b in zip(plain(), beside, strict=True))
    other = train(own, Losses(loss=loss, weights=[1.0], reversals=[1.0], temperatures=[0.1]), probe=BRIEF)
    assert not torch.equal(plain()[0], other[0])


def test_the_focal_loss_is_cross_entropy_at_gamma_0_to_the_bit() -> None:
    none, focal = (train(scene(1), Losses(loss="focal", gammas=[gamma]), probe=BRIEF) for gamma in (0.0, 2.0))
    assert all(torch.equal(a, b) for a, b in zip(plain(), none, strict=True))
    assert not torch.equal(plain()[0], focal[0]) and len(candidates(Losses(loss="focal", gammas=[1.0, 2.0]))) == 2


def test_weighted_by_class_a_rare_emotion_is_found_more_often() -> None:
    own, other = scene(7, noise=3.0), scene(8, noise=3.0)
    rare = np.flatnonzero(own.labels == 3)[8:]
    kept = np.setdiff1d(np.arange(len(own.labels)), rare)
    few = Scene(own.x[:, kept], own.labels[kept], own.speakers[kept], own.languages[kept])

    def found(loss: str) -> float:
        said = Hidden.logits(train(few, Losses(loss=loss, hidden=8), left_out=other), other.x)[0].argmax(0).numpy()
        return float(np.mean(said[other.labels == 3] == 3))

    assert found("weighted") > found("ce") + 0.1


@pytest.mark.integration
def test_candidates_and_layers_do_not_see_each_other() -> None:
    two = scene(2)
    both = Scene(torch.cat([two.x, scene(3).x]), two.labels, two.speakers, two.languages)
    losses = Losses(loss="supcon+grl", weights=[0.3], temperatures=[0.2], reversals=[0.5])
    alone, together = train(two, losses), train(both, losses)
    assert all(torch.allclose(a[0], b[0], atol=1e-5) for a, b in zip(alone, together, strict=True))
    more = Losses(loss="supcon+grl", weights=[0.3, 0.9], temperatures=[0.2], reversals=[0.5])
    kind = Hidden(12, 4, 128)
    chosen = choose(kind, [(two, two.x, two.labels)], PROBE, more, [(0, 0)])
    assert len(candidates(more)) == 2 and candidates(more)[int(chosen.candidate[0])].supcon in (0.3, 0.9)


@pytest.mark.integration
def test_a_speaker_adversary_takes_a_planted_shortcut_away() -> None:
    """Trained on voices whose kind tells the emotion; tested on other voices, whose kind does not."""
    gains = []
    for seed in range(4):
        own, left_out, other = habits(seed, 0.8), habits(200 + seed, 0.0), habits(100 + seed, 0.0)
        plain = train(own, Losses(), seed, left_out)
        against = train(own, Losses(loss="grl", reversals=[3.0]), seed, left_out)
        gains.append(reach(against, other) - reach(plain, other))
    assert np.mean(gains) > 0.04 and min(gains) > 0


def test_contrast_aligns_emotions_across_a_planted_shift() -> None:
    own = scene(5, shift=3.0)

    def alignment(weights: list[torch.Tensor]) -> float:
        z = Hidden.represent(weights, own.x)[0]
        middle = torch.stack([
            torch.stack([z[(own.labels == k) & (own.languages == n)].mean(0) for k in range(4)]) for n in range(2)
        ])  # fmt: skip
        middle = middle - middle.mean(dim=(0, 1))
        return float(torch.cosine_similarity(middle[0], middle[1]).mean())

    losses = Losses(loss="supcon", weights=[1.0], temperatures=[0.2], across=3.0)
    assert alignment(train(own, losses)) > alignment(train(own, Losses())) + 0.1


def test_losses_are_named_by_their_parts() -> None:
    assert parse("ce") == [] and parse("grl+supcon") == ["supcon", "grl"] and parse("ce+supcon") == ["supcon"]
    assert len(candidates(Losses(loss="supcon+grl"))) == 8 and len(candidates(Losses())) == 1
    for loss, said in (("supcn", "no loss.*supcon"), ("grl+grl", "twice")):
        with pytest.raises(UserError, match=said):
            parse(loss)


@pytest.mark.integration
def test_the_stage_trains_it_by_leaving_languages_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, language in (("aa", "de"), ("bb", "ur"), ("cc", "pl")):
        tree.write_corpus(tmp_path, name, language=language, separation=[0.0, 1.5])
    tree.run(
        "aa", "bb", "cc", pairs=["others"], heads=["logreg", "aligned"], select="languages", seeds=[0, 1], lr=3e-3,
        epochs=8, vary={"loss": ["ce", "supcon+grl"], "sampler": ["cells"]},
    )  # fmt: skip
    made = sorted(path.name for path in Path("exp/probe").glob("enc.*"))
    ends = [f"{pair}.select=languages{loss}.sampler=cells" for pair in ("aa+bb-cc", "aa+cc-bb", "bb+cc-aa")
            for loss in ("", ".loss=supcon+grl")]  # fmt: skip
    assert made == sorted(f"enc.aligned.{end}" for end in ends)
    name = f"enc.aligned.{ends[1]}"
    rows = scores(name)
    assert len(rows) == 3 * 2 * 2 and {row["supcon"] for row in rows} <= {"0.1", "1"}
    assert meta(name)["inner"] == "languages" and meta(name)["words"]["loss"] == "with supcon+grl"
    best = [float(row["ua"]) for row in rows if row["selected"] == "1"]
    assert min(best) > 0.5
    # Another seed draws other weights; what is chosen is chosen once.
    first, second = ([row for row in rows if row["seed"] == seed] for seed in ("0", "1"))
    assert [row["epoch"] for row in first] == [row["epoch"] for row in second]


def test_leaving_languages_out_needs_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tree.write_corpus(tmp_path, "aa")
    with pytest.raises(UserError, match="languages leaves out one training language after the other, and aa is of one"):
        tree.run("aa", heads=["logreg"], select="languages")


def test_nothing_of_the_target_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other labels and features of the target's train and dev lists change no bit of what it is tested with."""
    monkeypatch.chdir(tmp_path)
    corpora = {}
    for name, language in (("aa", "de"), ("bb", "ur"), ("cc", "pl")):
        corpora[name] = tree.write_corpus(tmp_path, name, language=language, separation=[0.0, 1.5])
    settings = {
        "pairs": ["aa+bb:cc"], "heads": ["aligned"], "select": "languages", "seeds": [0], "lr": 3e-3, "epochs": 4,
        "vary": {"loss": ["supcon+grl"]},
    }  # fmt: skip
    tree.run("aa", "bb", "cc", **settings)
    (name,) = [path.name for path in Path("exp/probe").glob("enc.*")]
    before = scores(name)
    other = corpora["cc"].features.copy()
    tested = set(Path("data/cc/folds/speaker/0/test").read_text().split())
    elsewhere = [place for place, utt in enumerate(corpora["cc"].utts) if utt not in tested]
    other[elsewhere] += 5
    tree.write_features(tmp_path, "cc", "enc", corpora["cc"].utts, other)
    shutil.rmtree("exp")
    tree.run("aa", "bb", "cc", **settings)
    first, again = ([row for row in rows if row["fold"] == "0"] for rows in (before, scores(name)))
    assert first == again and len(first) == 2 and before != scores(name)
