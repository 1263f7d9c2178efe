"""Stage 5 on make-believe conditions: its tables against numbers worked out in the plainest way."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from local.score import collect
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, small_world, where
from utils import stamp
from utils.errors import UserError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "toy"
    small_world(root, heads=["linear", "mlp"], seeds=[0, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        collect.main([])
    return root


def run(root: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> list[dict[str, str]]:
    monkeypatch.chdir(root)
    collect.main(list(options))
    return read_csv(root / "exp/results.csv")


def test_the_header_is_the_contract(made: Path) -> None:
    header = (made / "exp/results.csv").read_text().splitlines()[0]
    assert header.startswith(
        "recipe,stage,method,setting,encoder,layer,train,dev,test,fold,seed,n_train,n_test,ua,wa,macro_f1,ua_lo,ua_hi,"
        "recall_angry,recall_happy,recall_neutral,recall_sad,selected,labels,split,cross_dev,normalise,contaminated,"
        "voices_seen,params"
    )
    header = (made / "exp/significance.csv").read_text().splitlines()[0]
    assert header == (
        "recipe,stage,train,test,setting,a,b,ua_a,ua_b,diff,lo,hi,se,df,no_interval,n,speakers,resampled,p,family,"
        "family_size,p_holm,q,p_smallest,p_holm_smallest,detectable,detectable_family,margin,p_equivalent,"
        "p_equivalent_holm,equivalent,labels,split,cross_dev,normalise,"
        "contaminated_a,contaminated_b"
    )


def test_rows_are_all_there_once(made: Path) -> None:
    rows = read_csv(made / "exp/results.csv")
    keys = [tuple(row[k] for k in ("encoder", "method", "train", "test", "fold", "seed", "layer")) for row in rows]
    assert len(set(keys)) == len(keys)
    # 4 pairs x 2 heads x (4 folds x 2 seeds x layers, then each layer and dev pooled)
    assert len(rows) == 4 * 2 * ((8 * 5 + 6) + (8 * 1 + 2))
    assert {row["recipe"] for row in rows} == {"toy"}


def test_pooled_scores_are_those_of_scikit_learn(made: Path) -> None:
    for path in sorted(path.parent for path in made.glob("exp/probe/*/meta.json")):
        arrays = np.load(path / "layers.npz")
        meta = json.loads((path / "meta.json").read_text())
        factors = meta["factors"]
        names = {name: factors[name] for name in ("encoder", "method", "test")} | {"train": factors["train"][0]}
        rows = where(read_csv(made / "exp/results.csv"), fold="all", **names)
        hyp = [line.split() for line in (path / "hyp").read_text().splitlines()[1:]]
        index = {utt: i for i, utt in enumerate(arrays["utts"].tolist())}
        chosen = np.zeros(arrays["pred"][:, 0].shape, int)
        for utt, _, seed, emotion, *_ in hyp:
            chosen[int(seed), index[utt]] = factors["emotions"].index(emotion)
        for row in rows:
            pred = chosen if row["layer"] == "dev" else arrays["pred"][:, int(row["layer"])]
            score = {
                "ua": balanced_accuracy_score, "wa": accuracy_score,
                "macro_f1": lambda a, b: f1_score(a, b, average="macro"),
            }  # fmt: skip
            for key, function in score.items():
                assert float(row[key]) == pytest.approx(np.mean([function(arrays["ref"], p) for p in pred]), abs=1e-6)
            assert float(row["ua_lo"]) < float(row["ua"]) < float(row["ua_hi"])
            assert int(row["n_test"]) == len(arrays["utts"])
            assert row["speakers"] == {"uno": "8", "zwei": "10"}[factors["test"]]


def test_fold_rows_repeat_what_the_probe_wrote(made: Path) -> None:
    written = read_csv(made / "exp/probe/big.mlp.uno-zwei/scores.csv")
    rows = where(read_csv(made / "exp/results.csv"), encoder="big", method="mlp", train="uno", test="zwei")
    for old, new in zip(written, [row for row in rows if row["fold"] != "all"], strict=True):
        for key in ("fold", "seed", "layer", "n_train", "n_test", "selected"):
            assert old[key] == new[key]
        assert float(old["ua"]) == pytest.approx(float(new["ua"]), abs=1e-6)
        assert not new["ua_lo"]


def test_selected_counts_the_runs_of_each_layer(made: Path) -> None:
    rows = read_csv(made / "exp/results.csv")
    rows = where(rows, fold="all", encoder="big", method="linear", train="uno", test="uno")
    counts = {row["layer"]: int(row["selected"]) for row in rows}
    assert counts.pop("dev") == 8 == sum(counts.values())


def test_confusions_hold_every_headline_hypothesis(made: Path) -> None:
    found = json.loads((made / "exp/confusion.json").read_text())
    for condition in found["conditions"]:
        counts = np.array(condition["counts"])
        size = {"uno": 8, "zwei": 10}[condition["meta"]["factors"]["test"]] * 5 * 2
        assert (counts.sum(axis=1) == size).all()


def test_means_are_means_over_conditions(made: Path) -> None:
    results = where(read_csv(made / "exp/results.csv"), fold="all", layer="dev", encoder="big", method="linear")
    ua = {(row["train"], row["test"]): float(row["ua"]) for row in results}
    summary = where(read_csv(made / "exp/summary.csv"), encoder="big", method="linear", layer="dev")
    means = {row["group"]: float(row["ua"]) for row in summary}
    within, across = (ua["uno", "uno"] + ua["zwei", "zwei"]) / 2, (ua["uno", "zwei"] + ua["zwei", "uno"]) / 2
    assert means["within"] == pytest.approx(within, abs=1e-6)
    assert means["across"] == pytest.approx(across, abs=1e-6)
    assert means["drop"] == pytest.approx(within - across, abs=2e-6)
    # Mono, cross and trans are of different corpora: a mean of each would compare these.
    assert set(means) == {"within", "across", "drop"}
    assert {row["group"]: row["speakers"] for row in summary}["within"] == "18"
    assert all(float(row["ua_lo"]) < float(row["ua"]) < float(row["ua_hi"]) for row in summary)


def test_comparisons_are_encoders_under_a_head_and_heads_on_an_encoder(made: Path) -> None:
    rows = read_csv(made / "exp/significance.csv")
    single = where(rows, train="uno", test="uno")
    assert {(row["a"], row["b"]) for row in single} == {
        ("big.linear", "flat.linear"), ("big.mlp", "flat.mlp"), ("big.linear", "big.mlp"), ("flat.linear", "flat.mlp"),
    }  # fmt: skip
    headlines = where(read_csv(made / "exp/results.csv"), fold="all", layer="dev", train="uno", test="uno")
    ua = {f"{row['encoder']}.{row['method']}": row["ua"] for row in headlines}
    for row in single:
        assert (row["ua_a"], row["ua_b"]) == (ua[row["a"]], ua[row["b"]])
        assert float(row["diff"]) == pytest.approx(float(row["ua_a"]) - float(row["ua_b"]), abs=2e-6)
        assert float(row["lo"]) <= float(row["diff"]) <= float(row["hi"])
        assert 2 / 2**8 == float(row["p_smallest"]) <= float(row["p"]) <= float(row["p_holm"]) <= 1
    means = where(rows, train="*")
    assert {row["setting"] for row in means} == {"within", "across"} and len(means) == 8
    clear = where(means, a="big.linear", b="flat.linear", setting="within")[0]
    assert float(clear["diff"]) > 0.05 and float(clear["p"]) < 0.05 and int(clear["speakers"]) == 18


def test_a_rerun_does_nothing_and_a_lost_table_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    small_world(tmp_path)
    run(tmp_path, monkeypatch)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "exp").glob("*.*")}
    content = {path: path.read_bytes() for path in before}
    capsys.readouterr()
    run(tmp_path, monkeypatch)
    assert "up to date (8 conditions)" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in before}
    (tmp_path / "exp/summary.csv").unlink()
    run(tmp_path, monkeypatch)
    assert content == {path: path.read_bytes() for path in content}
    run(tmp_path, monkeypatch, "--set", "score.seed=1")
    assert "score.seed changed from 0 to 1" in capsys.readouterr().out


def test_only_finished_conditions_that_are_asked_for_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    world = small_world(tmp_path)
    world.ask(lambda entry: entry.factors["encoder"] == "flat")
    (tmp_path / "exp/probe/flat.linear.uno-zwei/.done").unlink()
    rows = run(tmp_path, monkeypatch)
    headlines = where(rows, fold="all", layer="dev")
    assert [(row["train"], row["test"]) for row in headlines] == [("uno", "uno"), ("zwei", "uno"), ("zwei", "zwei")]
    assert {row["encoder"] for row in rows} == {"flat"}
    warning = capsys.readouterr().err
    assert "flat.linear.uno-zwei left out: is not finished; run the probe stage again" in warning
    assert warning.count("\n") == 1


def test_conditions_of_other_settings_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    world = small_world(tmp_path)
    world.asked = {path: dataclasses.replace(entry, settings="other") for path, entry in world.asked.items()}
    world.ask(lambda entry: True)
    with pytest.raises(UserError, match="run the probe stage"):
        run(tmp_path, monkeypatch)
    reason = "left out: was made with other settings; run the probe stage again"
    assert capsys.readouterr().err == f"warning: exp/probe/big.linear.uno-uno (and 7 more) {reason}\n"


def test_a_condition_made_from_other_inputs_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    small_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "exp/probe/flat.linear.uno-uno/.done"
    made_from = json.loads(path.read_text()) | stamp.make({}, [], ["data/uno/utt2emo"])
    stamp.write(path.parent, made_from | {"config": json.loads(path.read_text())["config"]})
    assert where(run(tmp_path, monkeypatch), encoder="flat", train="uno", test="uno")
    (tmp_path / "data/uno/utt2emo").write_text("changed\n")
    assert not where(run(tmp_path, monkeypatch), encoder="flat", train="uno", test="uno")
    assert "was made from another data/uno/utt2emo; run the probe stage again" in capsys.readouterr().err


def test_one_speaker_is_resampled_by_utterance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    World(tmp_path, [Corpus("solo", "de", speakers=1, each=20)], [Encoder("big"), Encoder("bad", 1)]).write()
    for row in where(run(tmp_path, monkeypatch), fold="all"):
        assert row["resampled"] == "utterance" and row["speakers"] == "1"
        assert float(row["ua_lo"]) < float(row["ua"]) < float(row["ua_hi"])
    assert {row["speakers"] for row in read_csv(tmp_path / "exp/significance.csv")} == {"1"}


def test_adding_an_encoder_leaves_the_others_intervals_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path)
    world.ask(lambda entry: entry.factors["encoder"] == "flat")
    alone = run(tmp_path, monkeypatch)
    world.ask(lambda entry: True)
    both = run(tmp_path, monkeypatch)
    assert [row for row in both if row["encoder"] == "flat"] == alone


def rescore(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Make the UA in scores.csv fit changed arrays."""

    def change(rows: list[list[str]]) -> list[list[str]]:
        for row in rows[1:]:
            tested = arrays["fold"] == int(row[0])
            row[10] = str(balanced_accuracy_score(arrays["ref"][tested], arrays["pred"][0, int(row[2]), tested]))
        return rows

    edit(path / "scores.csv", change, ",")


def test_encoders_that_lost_different_utterances_are_compared_on_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small_world(tmp_path, pairs=[(["uno"], "uno")])
    path = tmp_path / "exp/probe/big.linear.uno-uno"
    arrays = dict(np.load(path / "layers.npz"))
    lost = arrays["utts"][-3:].tolist()
    for key in ("utts", "fold", "ref"):
        arrays[key] = arrays[key][:-3]
    arrays["pred"] = arrays["pred"][:, :, :-3]
    np.savez(path / "layers.npz", **arrays)
    lines = (path / "hyp").read_text().splitlines(keepends=True)
    (path / "hyp").write_text("".join(line for line in lines if line.split()[0] not in lost))
    with pytest.raises(UserError, match=r"scores.csv: fold \d, seed 0, layer \d: UA is"):
        run(tmp_path, monkeypatch)
    rescore(path, arrays)
    run(tmp_path, monkeypatch)
    row = read_csv(tmp_path / "exp/significance.csv")[0]
    assert int(row["n"]) == len(world.corpora[0].utterances) - 3


def edit(path: Path, change: Callable[[list[list[str]]], list[list[str]]], separator: str) -> None:
    """Rewrite a table of fields."""
    lines = change([line.split(separator) for line in path.read_text().splitlines()])
    path.write_text("".join(separator.join(fields) + "\n" for fields in lines))


def select_first_layer(rows: list[list[str]]) -> list[list[str]]:
    """As if layer 0 had been picked on test."""
    return rows[:1] + [[*row[:6], str(int(row[2] == "0")), *row[7:]] for row in rows[1:]]


def other_emotion(rows: list[list[str]]) -> list[list[str]]:
    rows[1][3] = "sad" if rows[1][3] != "sad" else "angry"
    return rows


FAULTS = {
    "not one layer selected, or not dev's choice": ("scores.csv", select_first_layer),
    "a fold of seed 0 is missing": ("scores.csv", lambda rows: [row for row in rows if row[0] != "2"]),
    "but layers.npz gives": ("scores.csv", lambda rows: [rows[0], [*rows[1][:10], "0.99", *rows[1][11:]], *rows[2:]]),
    "is not the selected layers' part": ("hyp", other_emotion),
    "hypotheses are missing": ("hyp", lambda rows: rows[:5] + rows[6:]),
    "is there twice": ("hyp", lambda rows: [*rows, rows[5]]),
    "not in layers.npz": ("hyp", lambda rows: [*rows, ["x", *rows[5][1:]]]),
    "utt2spk: lacks": ("../../../data/uno/utt2spk", lambda rows: rows[1:]),
}


@pytest.mark.parametrize("message", FAULTS)
def test_planted_faults_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    small_world(tmp_path, pairs=[(["uno"], "uno")])
    name, change = FAULTS[message]
    edit(tmp_path / "exp/probe/big.linear.uno-uno" / name, change, "," if name.endswith("csv") else " ")
    with pytest.raises(UserError, match=message):
        run(tmp_path, monkeypatch)


def test_nothing_to_score_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_world(tmp_path)
    shutil.rmtree(tmp_path / "exp")
    with pytest.raises(UserError, match="run the probe stage first"):
        run(tmp_path, monkeypatch)


def test_published_folds_may_test_an_utterance_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    World(tmp_path, [Corpus("solo", "de", 1, 10)], [Encoder("flat", 1)]).write()
    path = tmp_path / "exp/probe/flat.linear.solo-solo"
    arrays = dict(np.load(path / "layers.npz"))
    first = {key: arrays[key][:1] for key in ("utts", "fold", "ref")}
    first["fold"] = (first["fold"] + 1) % 4
    for key, value in first.items():
        arrays[key] = np.concatenate([arrays[key], value])
    arrays["pred"] = np.concatenate([arrays["pred"], arrays["pred"][:, :, :1]], axis=2)
    np.savez(path / "layers.npz", **arrays)
    hyp = (path / "hyp").read_text().splitlines()
    fields = hyp[1].split()
    fields[1] = str(first["fold"][0])
    (path / "hyp").write_text("\n".join([*hyp, " ".join(fields)]) + "\n")
    rescore(path, arrays)
    row = where(run(tmp_path, monkeypatch), fold="all", layer="dev")[0]
    assert int(row["n_test"]) == 40
