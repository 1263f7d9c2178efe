"""People beside models on the same clips: worked numbers, a model that errs as people do, and one that does not."""

from __future__ import annotations

import numpy as np
import pytest

from local.listen.items import People, compare
from local.listen.models import Model

EMOTIONS = ["angry", "happy"]


def model(name: str, belief: np.ndarray, reference: np.ndarray, test: str = "one") -> Model:
    both = np.where(reference[:, None] == np.arange(2), belief[:, None], 1 - belief[:, None])
    utts = [f"u{index:03d}" for index in range(len(reference))]
    said = (both > 0.5).astype(float)
    return Model("probe", name, f"{name}.linear", "one", test, EMOTIONS, utts, reference, said, both, 1)


def planted(clips: int = 120) -> tuple[People, dict[str, str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    reference, ease = np.arange(clips) % 2, rng.uniform(0.4, 1, clips)
    share = rng.binomial(20, ease) / 20
    utts = [f"u{index:03d}" for index in range(clips)]
    people = People("people", "one", dict(zip(utts, share, strict=True)), dict.fromkeys(utts, 20))
    return people, {utt: f"s{index % 8}" for index, utt in enumerate(utts)}, reference, ease


def test_a_model_that_finds_the_same_clips_hard_and_one_that_does_not():
    people, speakers, reference, ease = planted()
    other = np.random.default_rng(1).uniform(0.4, 1, len(ease))
    beside, items = compare(people, [model("alike", ease, reference), model("unlike", other, reference)], speakers)
    alike, unlike = beside
    assert float(alike["within"]) > 0.6 and float(alike["within_p_holm"]) < 0.001
    assert float(alike["within"]) < float(alike["ceiling"]) + 0.1
    assert float(unlike["within_p"]) > 0.05 and float(unlike["within_lo"]) < 0 < float(unlike["within_hi"])
    assert len(items) == 2 * len(ease) and items[0]["model_posterior"] == f"{ease[0]:.6g}"


def test_ua_of_both_and_the_difference_by_hand():
    reference = np.array([0, 0, 0, 1, 1, 1])
    belief = np.array([0.9, 0.9, 0.1, 0.9, 0.1, 0.1])
    shares = dict(zip((f"u{index:03d}" for index in range(6)), (1, 1, 1, 0.5, 0.5, 0.5), strict=True))
    speakers = {utt: f"s{index % 3}" for index, utt in enumerate(shares)}
    (row,), _ = compare(
        People("people", "one", shares, dict.fromkeys(shares, 20)), [model("m", belief, reference)], speakers
    )
    assert (float(row["ua"]), float(row["people_ua"])) == pytest.approx((0.5, 0.75), abs=1e-6)
    assert float(row["difference"]) == pytest.approx(-0.25, abs=1e-6)
    assert row["within"] == "" and row["within_p_holm"] == "1"  # people do not differ within an emotion


def test_only_what_both_heard_counts():
    people, speakers, reference, ease = planted(40)
    fewer = People(people.name, "one", {utt: people.recognised[utt] for utt in list(people.recognised)[:20]},
                   people.listeners)  # fmt: skip
    beside, items = compare(fewer, [model("m", ease, reference), model("m", ease, reference, "two")], speakers)
    assert [row["n"] for row in beside] == [20] and len(items) == 20
