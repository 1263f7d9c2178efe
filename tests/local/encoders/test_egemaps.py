"""openSMILE's functionals, and what is said where it is not installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from local import encoders
from tests.local.encoders.test_logmel import noise
from utils.errors import UserError


def test_egemaps_are_opensmiles_functionals() -> None:
    opensmile = pytest.importorskip("opensmile")
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    encoder = encoders.load(encoders.spec("egemaps"))
    waves = [noise(16000), noise(9000, 1), noise(encoder.min_samples, 2)]
    got = encoder.pooled(waves)
    assert got.shape == (3, 1, 88) and np.isfinite(got).all()
    for wave, row in zip(waves, got, strict=True):
        np.testing.assert_array_equal(row[0], smile.process_signal(wave, 16000).to_numpy(dtype=np.float32)[0])


def test_egemaps_without_opensmile_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(UserError, match="utils/install.sh --extra egemaps"):
        encoders.load(encoders.spec("egemaps"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "opensmile" in encoders.unavailable(encoders.spec("egemaps"))
    assert encoders.unavailable(encoders.spec("logmel")) is None
