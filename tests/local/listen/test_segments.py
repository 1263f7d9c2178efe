"""EDER of what listeners mark, by hand."""

from __future__ import annotations

import pytest

from local.grid import manifest
from local.listen import segments
from local.listen.answers import Answer
from utils.rttm import Segment


def mark(listener: str, utt: str, said: str, start: float, end: float, truth: str = "sad") -> Answer:
    return Answer(listener, "g", "segment", 1, utt, "en", truth, said, start=start, end=end)


def test_against_the_corpus_and_among_listeners():
    marked = [
        mark("a", "u1", "sad", 1, 3), mark("a", "u2", "sad", 0, 4), mark("b", "u1", "angry", 1, 3),
        mark("b", "u2", "sad", 0, 9), mark("c", "unknown", "sad", 0, 1),
    ]  # fmt: skip
    reference = {"u1": [Segment("u1", 1, 3, "sad")], "u2": [Segment("u2", 0, 2, "sad")]}
    rows = list(segments.table(marked, reference, {"u1": 4.0, "u2": 4.0}))
    found = {(row["reference"], row["emotion"]): row for row in rows}
    # a: 0 and 2 of 4 s; b: 2 of 4 s confused, and to the end of the clip, 2 of 4 s.
    assert float(found["corpus", "sad"]["eder"]) == pytest.approx((0 + 0.5 + 0.5 + 0.5) / 4)
    # Of each other: u1 by half, both ways; u2 not at all.
    assert float(found["leave one out", "all"]["eder"]) == pytest.approx(0.25)
    assert (found["corpus", "sad"]["listeners"], found["corpus", "sad"]["clips"]) == (2, 2)
    assert float(found["corpus", "sad"]["eder_lo"]) < 0.375 < float(found["corpus", "sad"]["eder_hi"])


def test_without_a_reference_listeners_are_scored_against_each_other_alone():
    rows = list(segments.table([mark("a", "u", "sad", 0, 1), mark("b", "u", "sad", 0, 1)], {}, {"u": 2.0}))
    assert [(row["reference"], row["emotion"], row["eder"]) for row in rows] == [
        ("leave one out", "sad", "0"), ("leave one out", "all", "0"),
    ]  # fmt: skip
    assert not list(segments.table([mark("a", "u", "sad", 0, 1)], {}, {"u": 2.0}))


def test_diarizers_stand_beside_who_were_tested_on_every_clip(tmp_path):
    marked = [mark("a", f"u{place}", "sad", 0, 1) for place in range(4)]
    entries = [manifest.Entry(tmp_path / "sed" / name, {}, "") for name in ("whole", "part")]
    for entry, number in zip(entries, (4, 3), strict=True):
        entry.path.mkdir(parents=True)
        rows = [f"u{place},{seed},{0.1 * place + 0.1 * seed}" for place in range(number) for seed in (0, 1)]
        (entry.path / "eder.csv").write_text("\n".join(["utterance,seed,eder", *rows, "other,0,1"]) + "\n")
    manifest.write(tmp_path / "sed", entries)
    rows = list(segments.models(tmp_path, marked))
    assert [(row["who"], row["emotion"], row["clips"]) for row in rows] == [("whole", "sad", 4), ("whole", "all", 4)]
    assert float(rows[1]["eder"]) == pytest.approx(0.2) and float(rows[1]["eder_lo"]) < 0.2 < float(rows[1]["eder_hi"])
    assert not list(segments.models(tmp_path, [])) and not list(segments.models(tmp_path / "none", marked))
