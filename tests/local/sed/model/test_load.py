"""A model is known by what its folder holds, or by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.sed.model import published
from local.sed.model.load import PUBLISHED, load
from utils.errors import UserError


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match=rf"^{folder}: neither a folder with a model of stage 6"):
            load(str(folder))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config.json: damaged"):
        load(str(tmp_path))


def test_a_published_checkpoint_is_known_by_its_name_or_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "load", lambda source, device: (source, device))
    assert load(PUBLISHED, "cuda:0") == (PUBLISHED, "cuda:0")
    # The hub's own config.json beside them is not a model of ours.
    for name in ("hyperparams.yaml", "config.json"):
        (tmp_path / name).write_text("{}")
    assert load(str(tmp_path)) == (str(tmp_path), "cpu")
