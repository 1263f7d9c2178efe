"""Archives of results: what is in them, and that --verify finds every planted fault."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from utils import pack
from utils.errors import UserError


@pytest.fixture
def exp(tmp_path: Path) -> Path:
    """Results of two conditions, as a recipe leaves them."""
    recipe = tmp_path / "egs/mine"
    exp = recipe / "exp_b"
    files = {
        "conf/experiment.yaml": "corpora: [a]\n", "run.sh": "true\n", "RESULTS.b.md": "70\n", "RESULTS.md": "other\n",
        "results.b/headlines.csv": "system,ua\nx,0.7\n", "results.b/sed_results.csv": "system,eder\n",
        "exp_b/results.csv": "system,ua\nx,0.7\nx,0.6\n", "exp_b/env.json": '{"git": null, "data": {"a": "0f"}}',
        "exp_b/run.sh": "true\n", "exp_b/sed/results.csv": "system,eder\n", "exp_b/report/index.html": "<p>\n",
        "exp_b/probe/manifest.jsonl": "".join(json.dumps({"name": name}) + "\n" for name in ("one", "two")),
        "exp_b/finetune/models/one/model.safetensors": "large", "exp_b/probe/log/probe.1.log": "log",
        "exp_b/probe/.one.abcdefgh.tmp/scores.csv": "half", "dump/feats.ark": "large",
    }  # fmt: skip
    for name in ("one", "two"):
        files |= {f"exp_b/probe/{name}/{file}": file for file in ("meta.json", "scores.csv", ".done", "model.npz")}
    for name, text in files.items():
        (recipe / name).parent.mkdir(parents=True, exist_ok=True)
        (recipe / name).write_text(text)
    return exp


def rewrite(archive: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Unpack, change, and pack again as tar does it."""
    with tarfile.open(archive) as file:
        content = {entry.name: file.extractfile(entry).read() for entry in file}
    change(content)
    with tarfile.open(archive, "w:gz") as file:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))


def test_what_is_packed_is_whole_and_the_same_every_time(exp: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "1.tar.gz", tmp_path / "2.tar.gz"
    count = pack.pack(exp, out)
    shutil.copytree(exp.parent, tmp_path / "later/egs/mine")
    pack.pack(tmp_path / "later/egs/mine" / exp.name, again)
    assert out.read_bytes() == again.read_bytes()
    with tarfile.open(out) as file:
        names = file.getnames()
        file.extractall(tmp_path / "unpacked", filter="data")
    assert len(names) == count + 1
    assert {"conf/encoders.yaml", "egs/mine/RESULTS.b.md", "egs/mine/exp_b/probe/two/.done"} <= {*names}
    assert not [name for name in names if name.endswith(("RESULTS.md", ".safetensors", ".npz", ".ark", ".log"))]
    assert not [name for name in names if ".tmp" in name]
    assert pack.verify(out)[0].endswith(f"{count} files are whole, 2 conditions have their scores")
    checked = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "unpacked", check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files.update({"egs/mine/exp_b/results.csv": b"system,ua\nx,0.9\n"}), "results.csv: not as"),
        (lambda files: files.pop("egs/mine/exp_b/probe/one/meta.json"), "meta.json: missing"),
        (lambda files: files.update({"egs/mine/more.csv": b""}), "more.csv: not in SHA256SUMS"),
        (lambda files: files.update({"../outside": b""}), "holds '../outside'"),
        (lambda files: files.update({"/outside": b""}), "holds '/outside'"),
        (lambda files: files.pop("SHA256SUMS"), "no SHA256SUMS"),
    ],
)
def test_a_changed_archive_is_found_out(exp: Path, tmp_path: Path, change: Callable, said: str) -> None:
    out = tmp_path / "x.tar.gz"
    pack.pack(exp, out)
    rewrite(out, change)
    with pytest.raises(UserError, match="(?s).*" + said.replace(".", r"\.")):
        pack.verify(out)


@pytest.mark.parametrize("what", ["half", "flipped", "other"])
def test_a_damaged_archive_is_found_out(exp: Path, tmp_path: Path, what: str) -> None:
    out = tmp_path / "x.tar.gz"
    pack.pack(exp, out)
    data = bytearray(out.read_bytes())
    if what == "half":
        del data[len(data) // 2 :]
    elif what == "flipped":
        data[len(data) // 2] ^= 1
    else:
        data[:] = b"no archive"
    out.write_bytes(data)
    with pytest.raises(UserError, match="anew"):
        pack.verify(out)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("exp_b/probe/two/scores.csv", None, "egs/mine/exp_b/probe/two: asked for in .* without scores"),
        ("exp_b/probe/two/.done", None, "without scores"),
        ("results.b/headlines.csv", "system,ua\nx,0.9\n", "headlines.csv: has rows that .*exp_b/results.csv has not"),
        ("results.b/sed_results.csv", "system,ua\n", "sed_results.csv: has rows that .*exp_b/sed/results.csv has not"),
    ],
)
def test_results_that_do_not_agree_are_found_out(exp: Path, tmp_path: Path, name: str, text: str, said: str) -> None:
    path = exp.parent / name
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    pack.pack(exp, tmp_path / "x.tar.gz")
    with pytest.raises(UserError, match=said):
        pack.verify(tmp_path / "x.tar.gz")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no env\.json"):
        pack.pack(tmp_path, tmp_path / "x.tar.gz")
    assert not (tmp_path / "x.tar.gz").exists()
