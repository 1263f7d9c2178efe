"""An exported folder needs nothing but transformers (or onnxruntime), and gives the scores that predict gives."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from local.finetune import export, onnx_file
from local.finetune.model import EmotionClassifier
from local.finetune.predict import predict
from local.finetune.strategies import STRATEGIES, Design, Strategy
from tests.conftest import REPO
from tests.local.encoders.checkpoints import DIM, LAYERS, VARIANTS, spec_of, write_checkpoint
from tests.local.encoders.test_transformer import speech
from tests.local.finetune.conftest import EMOTIONS, Save, Trained
from utils.errors import UserError

# torch's, of how transformers masks WavLM's attention.
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")
FILES = ["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]
OWN = "modeling_emotion.py"
MERGEABLE = [name for name, strategy in STRATEGIES.items() if not strategy.unmergeable]
# Of every kind of block, positional embedding and attention.
KINDS = ["wav2vec2-large-with-adapters", "hubert-with-batch-norm", "wavlm-base", "wavlm-large", "data2vec-audio"]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two recordings of different length, rate and number of channels."""
    soundfile.write(tmp_path / "a.wav", speech(17000), 16000)
    soundfile.write(tmp_path / "b.flac", np.stack([speech(30000, 1), speech(30000, 2)], axis=1), 44100)
    return [str(tmp_path / "a.wav"), str(tmp_path / "b.flac")]


def read(path: str) -> dict[str, object]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return {"raw": samples.mean(axis=1), "sampling_rate": rate}


@pytest.fixture(autouse=True, scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep transformers from copying model classes to the user's cache."""
    folder = tmp_path_factory.mktemp("modules")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder))
        patch.setattr(sys, "path", [*sys.path])
        yield folder


def by_pipeline(folder: Path, files: list[str], **options) -> np.ndarray:
    """Classify as the model card says; shape (files, emotions)."""
    from transformers import pipeline

    code = {"trust_remote_code": True} if (folder / OWN).exists() else {}
    classify = pipeline("audio-classification", model=str(folder), top_k=None, device="cpu", **code)
    found = classify([read(path) for path in files], **options)
    scores = [{entry["label"]: entry["score"] for entry in entries} for entries in found]
    return np.array([[own[emotion] for emotion in EMOTIONS] for own in scores])


def assert_equal(made: EmotionClassifier, files: list[str], folder: Path) -> None:
    """Export a classifier and compare the scores of both."""
    made.save(folder / "model")
    export.export(folder / "model", folder / "out")
    want = np.stack([result.posteriors for result in predict(made, files)])
    assert np.ptp(want, axis=0).max() > 1e-3 and np.ptp(want, axis=1).max() > 0.01
    np.testing.assert_allclose(by_pipeline(folder / "out", files), want, rtol=0, atol=1e-5)
    own = not export.is_plain(made.design)
    assert (folder / "out" / OWN).exists() is own is ("trust_remote_code" in (folder / "out/README.md").read_text())


@pytest.mark.parametrize(("variant", "pooling"), zip(KINDS, itertools.cycle(["mean", "weighted"]), strict=False))
@pytest.mark.parametrize("strategy", MERGEABLE)
def test_strategies(
    trained: Trained, files: list[str], variant: str, strategy: str, pooling: str, tmp_path: Path
) -> None:
    assert_equal(trained(variant, strategy=strategy, pooling=pooling), files, tmp_path)


@pytest.mark.parametrize(
    ("variant", "design"),
    [
        ("wav2vec2-base", {"strategy": "lora+ba+wg", "head": "mlp"}),
        ("wavlm-large", {"strategy": "ba+wg+prompt", "pooling": "weighted"}),
        ("wav2vec2-large-with-adapters", {"strategy": "ba+wg", "published_init": True}),
        ("data2vec-audio", {"strategy": "ia3+prompt", "pooling": "weighted", "head": "mlp"}),
        ("hubert-with-batch-norm", {"layer": 0, "head": "mlp"}),
        ("unispeech-sat-large", {"strategy": "bitfit+wg", "layer": LAYERS - 1, "pooling": "weighted"}),
    ],
)  # fmt: skip
def test_what_transformers_has_no_class_for(
    trained: Trained, files: list[str], variant: str, design: dict, tmp_path: Path
) -> None:
    assert_equal(trained(variant, **design), files, tmp_path)


SCORE = """
import importlib.util, json, sys
import numpy, onnxruntime
from transformers import pipeline
assert not [name for name in ("local", "utils") if importlib.util.find_spec(name)]
folder, *files = sys.argv[1:]
waves = [numpy.load(name) for name in files]
classify = pipeline("audio-classification", model=folder, top_k=None, device="cpu", trust_remote_code=True)
found = [{entry["label"]: entry["score"] for entry in classify(wave)} for wave in waves]
session = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
by_onnx = [session.run(None, {"samples": wave[None]})[0][0].tolist() for wave in waves]
emotions = session.get_modelmeta().custom_metadata_map["emotions"].split()
print(json.dumps([found, [dict(zip(emotions, one)) for one in by_onnx]]))
"""


@pytest.mark.integration
def test_scores_are_equal_where_this_repository_is_not(trained: Trained, modules: Path, tmp_path: Path) -> None:
    """Of the hardest encoder with all that can be added to it; at three lengths, by both ways."""
    pytest.importorskip("onnxruntime")
    made = trained("wavlm-large", strategy="lora+ba+wg+prompt", head="mlp", pooling="weighted", layer=1)
    made.save(tmp_path / "model")
    export.export(tmp_path / "model", tmp_path / "out", onnx=True)
    waves = [speech(length, length) for length in (400, 16000, 70001)]
    for place, wave in enumerate(waves):
        np.save(tmp_path / f"{place}.npy", wave.astype(np.float32))
    environment = {"HF_MODULES_CACHE": str(modules), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-I", "-W", "ignore", "-c", SCORE, tmp_path / "out", *sorted(tmp_path.glob("*.npy"))]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    want = made.posteriors(waves)
    for found in json.loads(done.stdout):
        scores = np.array([[own[emotion] for emotion in EMOTIONS] for own in found])
        np.testing.assert_allclose(scores, want, rtol=0, atol=1e-5)
    assert np.ptp(want, axis=0).max() > 1e-3
    # Nothing says where it was made.
    written = [path.read_bytes() for path in (tmp_path / "out").iterdir()]
    assert not any(str(path).encode() in own for own in written for path in (tmp_path, REPO, Path.home()))


def test_what_onnx_needs_is_named_before_anything_is_loaded(save: Save, monkeypatch, tmp_path: Path) -> None:
    model = save()
    monkeypatch.setattr(onnx_file, "_NEEDED", ("onnx", "no_such_package"))
    monkeypatch.setattr(EmotionClassifier, "load", lambda *arguments: pytest.fail("loaded"))
    command = ["export", "--model", str(model), "--out", str(tmp_path / "x" / "out"), "--onnx"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(UserError, match="^--onnx: no_such_package missing; run utils/install.sh --extra onnx$"):
        export.main()
    assert not (tmp_path / "x").exists()


def test_what_torch_cannot_write_is_one_line(save: Save, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*arguments, **named):
        raise RuntimeError("no such operator\nand much more")

    model = save(strategy="ba")
    monkeypatch.setattr(torch.onnx, "export", fail)
    said = r"^--onnx: torch \S+ cannot write a hubert encoder tuned by ba with .* as ONNX \(no such operator\)"
    with pytest.raises(UserError, match=said + "; leave --onnx out$"):
        export.export(model, tmp_path / "x" / "out", onnx=True)
    assert os.listdir(tmp_path / "x") == []


@pytest.mark.parametrize(("layer", "pooling"), [(0, "weighted"), (LAYERS - 1, "mean")])
@pytest.mark.parametrize("variant", VARIANTS)
def test_layers(trained: Trained, files: list[str], variant: str, layer: int, pooling: str, tmp_path: Path) -> None:
    assert_equal(trained(variant, layer=layer, pooling=pooling), files, tmp_path)


@pytest.mark.parametrize("pooling", ["mean", "weighted"])
@pytest.mark.parametrize("variant", ["hubert-large", "wavlm-large"])
def test_the_last_hidden_state_has_no_say_where_it_may_be_normalised(
    save: Save, files: list[str], variant: str, pooling: str, tmp_path: Path
) -> None:
    export.export(save(variant, pooling=pooling), tmp_path / "out")
    want = by_pipeline(tmp_path / "out", files)
    from safetensors.torch import load_file, save_file

    weights = load_file(tmp_path / "out/model.safetensors")
    assert torch.softmax(weights["layer_weights"], dim=0)[-1] == 0
    # Whatever this block and the normalisation behind it do.
    for name in [name for name in weights if re.search(r"encoder\.(layers\.2|layer_norm)\.", name)]:
        weights[name] = torch.randn(weights[name].shape, generator=torch.Generator().manual_seed(0))
    save_file(weights, tmp_path / "out/model.safetensors", metadata={"format": "pt"})
    np.testing.assert_allclose(by_pipeline(tmp_path / "out", files), want, rtol=0, atol=1e-7)


@pytest.mark.parametrize("variant", [*KINDS, "hubert-base"])
def test_batches_are_as_the_card_says(save: Save, files: list[str], variant: str, tmp_path: Path) -> None:
    export.export(save(variant), tmp_path / "out")
    alone, together = by_pipeline(tmp_path / "out", files), by_pipeline(tmp_path / "out", files, batch_size=2)
    masked = "Padding is masked" in (tmp_path / "out/README.md").read_text()
    assert masked == (variant in ("wav2vec2-large-with-adapters", "wavlm-large"))
    if masked:
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    else:
        assert "one at a time" in (tmp_path / "out/README.md").read_text()


def test_the_folder_is_plain(save: Save, tmp_path: Path) -> None:
    model = save("wavlm-large", strategy="lora", trained_on=[["emodb"]])
    export.export(model, tmp_path / "x" / "out")
    out = tmp_path / "x" / "out"
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert os.listdir(tmp_path / "x") == ["out"]
    (tmp_path / "new").touch()
    assert {path.stat().st_mode for path in out.iterdir()} == {(tmp_path / "new").stat().st_mode}
    assert not any(str(tmp_path.parent).encode() in (out / name).read_bytes() for name in FILES)
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == ["WavLMForSequenceClassification"]
    assert config["id2label"] == {str(index): emotion for index, emotion in enumerate(EMOTIONS)}
    assert config["label2id"] == {emotion: index for index, emotion in enumerate(EMOTIONS)}
    assert (config["num_hidden_layers"], config["classifier_proj_size"]) == (3, DIM)
    extractor = json.loads((out / "preprocessor_config.json").read_text())
    assert extractor["do_normalize"] is True and extractor["sampling_rate"] == 16000
    from safetensors.torch import load_file

    weights = load_file(out / "model.safetensors")
    assert not any("lora" in name for name in weights)
    assert all(value.dtype == torch.float32 for value in weights.values())


def test_normalisation_is_the_checkpoints(checkpoint, files: list[str], tmp_path: Path) -> None:
    for wanted in (True, False):
        encoder = write_checkpoint(tmp_path / f"encoder-{wanted}", "wav2vec2-large", normalise=wanted)
        EmotionClassifier(spec_of(encoder), EMOTIONS, Design(2)).save(tmp_path / f"model-{wanted}")
        export.export(tmp_path / f"model-{wanted}", tmp_path / f"out-{wanted}")
        extractor = json.loads((tmp_path / f"out-{wanted}/preprocessor_config.json").read_text())
        assert extractor["do_normalize"] is wanted


def test_a_strategy_that_nothing_can_carry_is_refused(save: Save, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(
        STRATEGIES, "odd", Strategy("odd things", "local.finetune.strategies.bitfit", unmergeable="it is odd")
    )
    model = save(strategy="odd")
    with pytest.raises(UserError, match=rf"^{model}: cannot be exported: .* no module for what odd adds, .*it is odd"):
        export.export(model, tmp_path / "x" / "out")
    assert not (tmp_path / "x").exists()


def test_what_is_there_is_left_alone(save: Save, tmp_path: Path) -> None:
    model = save()
    (tmp_path / "file").write_text("mine")
    for out in (model, tmp_path / "file"):
        with pytest.raises(UserError, match=f"^{out}: is there already; remove it, or give --out another name"):
            export.export(model, out)
    assert EmotionClassifier.load(model) and (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    export.export(model, tmp_path / "empty")
    assert sorted(os.listdir(tmp_path / "empty")) == FILES


def test_a_folder_with_other_scores_is_not_written(save: Save, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model, convert = save(), export.convert

    def wrong(classifier: EmotionClassifier):
        made = convert(classifier)
        made.classifier.bias.data[0] += 0.1
        return made

    monkeypatch.setattr(export, "convert", wrong)
    with pytest.raises(UserError, match=r"model: transformers reads what was exported, but its scores differ by 0.0\d"):
        export.export(model, tmp_path / "x" / "out")
    assert os.listdir(tmp_path / "x") == []


def test_damage_is_named(save: Save, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    model = save()
    monkeypatch.setattr(sys, "argv", ["export", "--model", str(model), "--out", str(tmp_path / "out")])
    export.main()
    assert capsys.readouterr().out == f"{tmp_path}/out\n"
    (model / "config.json").write_text("{}")
    for folder, message in ((model, "config.json: damaged"), (tmp_path / "none", "config.json: no such file")):
        with pytest.raises(UserError, match=message):
            export.export(folder, tmp_path / "again")
        assert not (tmp_path / "again").exists()
