"""A new kind of encoder is a module and a line: stages ask the kind and do not know it (features/test_stage.py too)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local import encoders
from local.encoders import kinds
from tests.local.encoders.checkpoints import spec_of, write_checkpoint
from utils.errors import UserError


def test_the_stages_that_need_blocks_say_why_they_cannot_use_it(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.KINDS, "levels", "tests.local.encoders.made_up")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/encoders.yaml").write_text("loud: {kind: levels, layers: 2, dim: 3}\n")
    spec = encoders.spec("loud", tmp_path)
    assert (encoders.unavailable(spec), spec.files(), spec.folder) == (None, [], None)
    assert encoders.untunable(spec) == "kind levels has no transformer blocks"
    with pytest.raises(UserError, match="loud can be neither tuned nor read frame by frame: kind levels has no"):
        encoders.load_tunable(spec)


def test_a_checkpoint_on_the_hub_may_turn_out_to_have_no_blocks(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for name, variant in (("whisper", "whisper"), ("sat", "unispeech-sat-base")):
        write_checkpoint(tmp_path / f"models--owner--{name}/snapshots/{'a' * 40}", variant)
        assert encoders.untunable(spec_of(f"owner/{name}")) is None
    with pytest.raises(UserError, match="small can be neither .* it is a whisper model; only wav2vec2, .* have such"):
        encoders.load_tunable(spec_of("owner/whisper", revision="a" * 40))
    assert encoders.load_tunable(spec_of("owner/sat", revision="a" * 40)).untunable is None


@pytest.mark.parametrize("name", kinds.KINDS)
def test_what_a_plan_asks_for_needs_no_heavy_package(name: str) -> None:
    code = (
        f"import sys; from local.encoders import kinds; kinds.of('{name}'); "
        "print(sorted({'torch', 'transformers', 'opensmile', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
