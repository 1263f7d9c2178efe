"""Whether an environment satisfies, and torchaudio beside whatever torch."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from utils import environment

# Stands in for torchaudio's own loading: every library must find what it is linked against in torch.
TORCHAUDIO = """
from pathlib import Path
here = Path(__file__).parent
for library in here.glob("lib/*.so"):
    if b"libc10_cuda.so" in library.read_bytes() and not (here.parent / "torch/lib/libc10_cuda.so").exists():
        raise OSError(f"Could not load this library: {library}")
    if b"cuda 12" in library.read_bytes():
        raise RuntimeError("Detected that PyTorch and TorchAudio were compiled with different CUDA versions.")
"""


class Site:
    """A site-packages folder with a torch and a torchaudio that only pretend."""

    def __init__(self, root: Path, repo: Path):
        self.root, self.repo = root, repo
        self.libraries = root / "torchaudio" / "lib"
        self.libraries.mkdir(parents=True)
        (root / "torchaudio" / "__init__.py").write_text(TORCHAUDIO)
        self.torchaudio()

    def torchaudio(self, linked: bytes = b"libc10_cuda.so") -> None:
        for name in ("_torchaudio.abi3.so", "libtorchaudio.abi3.so"):
            (self.libraries / name).write_bytes(b"\x7fELF..." + linked)

    def torch(self, version: str, *, cuda: bool) -> None:
        for old in self.root.glob("torch-*.dist-info/METADATA"):
            old.unlink()
            old.parent.rmdir()
        folder = self.root / f"torch-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        (self.root / "torch" / "lib").mkdir(parents=True, exist_ok=True)
        (self.root / "torch" / "__init__.py").touch()
        library = self.root / "torch" / "lib" / "libc10_cuda.so"
        library.touch() if cuda else library.unlink(missing_ok=True)

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *words], cwd=self.repo, env=os.environ | {"PYTHONPATH": str(self.root)},
            capture_output=True, text=True,
        )  # fmt: skip

    def mend(self) -> str:
        result = self.run("-m", "utils.environment", "mend-torchaudio")
        assert result.returncode == 0, result.stderr
        return result.stdout

    def imports(self) -> bool:
        return self.run("-c", "import torchaudio").returncode == 0

    def names(self) -> list[str]:
        return sorted(path.name for path in self.libraries.iterdir())


@pytest.fixture
def site(tmp_path, repo):
    return Site(tmp_path, repo)


WHOLE = ["_torchaudio.abi3.so", "libtorchaudio.abi3.so"]


def aside(version: str) -> list[str]:
    return [f"{name}.unused-with-torch-{version}" for name in WHOLE]


def test_a_torch_without_cuda(site):
    site.torch("2.13.0+cpu", cuda=False)
    assert not site.imports()
    assert "set aside" in site.mend()
    assert site.names() == aside("2.13.0+cpu")
    assert site.imports()
    assert site.mend() == ""


def test_a_torch_with_cuda_keeps_the_extension(site):
    site.torch("2.13.0", cuda=True)
    assert site.mend() == ""
    assert site.names() == WHOLE


def test_a_torch_with_cuda_that_replaces_one_without_gets_the_extension_back(site):
    site.torch("2.13.0+cpu", cuda=False)
    site.mend()
    site.torch("2.13.0", cuda=True)
    site.mend()
    assert site.names() == WHOLE
    assert site.imports()
    site.torch("2.14.0+cpu", cuda=False)
    site.mend()
    assert site.names() == aside("2.14.0+cpu")


def test_another_cuda(site):
    site.torch("2.13.0", cuda=True)
    site.torchaudio(b"libc10_cuda.so cuda 12")
    assert not site.imports()
    site.mend()
    assert site.names() == aside("2.13.0")
    assert site.imports()


def test_a_reinstalled_torchaudio(site):
    site.torch("2.13.0+cpu", cuda=False)
    site.mend()
    site.torchaudio()
    assert not site.imports()
    site.mend()
    assert site.names() == aside("2.13.0+cpu")
    assert site.imports()
    site.torchaudio(b"no cuda")
    assert site.mend() == ""
    assert site.names() == WHOLE


def test_a_torchaudio_that_is_broken_otherwise_is_an_error(site):
    site.torch("2.13.0+cpu", cuda=False)
    (site.root / "torchaudio" / "__init__.py").write_text("raise ImportError('broken')")
    result = site.run("-m", "utils.environment", "mend-torchaudio")
    assert result.returncode == 1
    assert result.stderr == "error: torchaudio: ImportError: broken\n"


def test_the_check_sees_what_needs_mending_without_importing(site, tmp_path):
    empty = tmp_path / "requirements.txt"
    empty.write_text("")

    def check() -> str:
        result = site.run("-X", "importtime", "-m", "utils.environment", "check", str(empty))
        assert "torch" not in {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
        assert result.returncode == (1 if result.stdout else 0)
        return result.stdout

    site.torch("2.13.0+cpu", cuda=False)
    assert "linked against CUDA" in check()
    site.mend()
    assert check() == ""
    site.torch("2.13.0", cuda=True)
    assert "for another torch" in check()
    site.mend()
    assert check() == ""


def test_requirements(tmp_path):
    (tmp_path / "more.txt").write_text("no-such-distribution-here>=1\n")
    (tmp_path / "requirements.txt").write_text(
        "# a comment\n\npackaging>=20  # there\nPyTest<1\n-r more.txt\n"
        "no-such-either; python_version < '3'\nno_such_extra[x]==2.*\n"
    )
    assert environment.unmet([tmp_path / "requirements.txt"]) == [
        f"PyTest<1 ({metadata.version('pytest')})",
        "no-such-distribution-here>=1 (not installed)",
        "no_such_extra[x]==2.* (not installed)",
    ]


def test_a_local_version_satisfies_its_release(site, tmp_path):
    (tmp_path / "requirements.txt").write_text("torch==2.13.0\n")
    (tmp_path / "newer.txt").write_text("torch>=2.13.1\n")
    site.torch("2.13.0+cpu", cuda=False)
    site.mend()
    assert site.run("-m", "utils.environment", "check", str(tmp_path / "requirements.txt")).stdout == ""
    assert site.run("-m", "utils.environment", "check", str(tmp_path / "newer.txt")).returncode == 1
    assert site.run("-m", "utils.environment", "version", "torch").stdout == "2.13.0+cpu\n"


def test_the_repositorys_files_name_what_is_here(repo):
    files = sorted(repo.glob("requirements*.txt"))
    assert environment.unmet(files) == []


@pytest.mark.integration
def test_torchaudio_and_speechbrain_work_in_this_environment():
    script = """
import math, warnings
warnings.simplefilter("ignore")
import torch, torchaudio, torchaudio.compliance.kaldi as kaldi
import speechbrain
from speechbrain.utils import EDER
tone = torch.sin(2 * math.pi * 1000 * torch.arange(48000) / 48000)[None]
low = torchaudio.functional.resample(tone, 48000, 16000)
assert low.shape == (1, 16000)
expected = torch.sin(2 * math.pi * 1000 * torch.arange(16000) / 16000)
assert (low[0] - expected)[200:-200].abs().max() < 0.01
mel = torchaudio.transforms.MelSpectrogram(16000, n_fft=400, n_mels=80)(low)
assert mel.shape == (1, 80, 81) and mel.isfinite().all()
banks = kaldi.fbank(low, num_mel_bins=80)
assert banks.shape == (98, 80) and banks.isfinite().all()
peak = 1127 * math.log(1 + 1000 / 700)
edges = torch.linspace(1127 * math.log(1 + 20 / 700), 1127 * math.log(1 + 8000 / 700), 82)
assert abs(int(banks.mean(0).argmax()) + 1 - int((edges - peak).abs().argmin())) <= 1
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
