"""Files from the web, whole or not at all: a transfer that was cut goes on where it stopped, also in a later run.

What has arrived is in ``<name>.part`` beside the file, and ``<name>.part.json`` says what it is a part of. The server
is asked for the rest of that very file (RFC 9110, sections 13.1.5 and 14.2); one that does not give parts, or has
another file by now, makes it start afresh.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from utils.atomic import atomic_file
from utils.errors import UserError

_CHUNK = 1 << 20
_TRIES = 5  # in a row that bring nothing new
_TIMEOUT_S = 60.0
_LONGEST_PAUSE_S = 60.0
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
_DIGEST = re.compile(r"(md5|sha1|sha256|sha512):([0-9a-f]+)")


def fetch(url: str, path: Path, size: int = 0, digest: str = "", pause: float = 1.0) -> str:
    """Fetch a file, with a bar of its progress, and check it.

    Parameters
    ----------
    url : str
        http or https; redirections are followed, but not from https to http.
    path : Path
        Where it goes; its folder exists. The name appears once the file is whole and right.
    size : int
        Its bytes, if known.
    digest : str
        ``md5:...``, ``sha256:...`` in lower-case hexadecimal digits, if known. A file that differs is thrown away.
    pause : float
        Seconds to the second try; each further pause is twice as long.

    Returns
    -------
    str
        The file's ``sha256:...``.

    Raises
    ------
    UserError
        The file is not there, is another one, or there is no room for it; or the connection is too bad: what has
        arrived then stays for the next call.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url}: expected a URL that begins with https:// or http://")
    if digest and not _DIGEST.fullmatch(digest):
        raise UserError(f"{url}: the digest '{digest}' is not understood; expected md5:... or sha256:...")
    part = path.with_name(f"{path.name}.part")
    idle, most = 0, _length(part)
    while True:
        why, wait = "the connection was cut", 0.0
        try:
            if _transfer(url, part, size):
                break
        except urllib.error.HTTPError as error:
            if error.code not in _TEMPORARY:
                raise UserError(f"{url}: the server says {error.code} {error.reason}; see its page for where the file "
                                "has gone") from None  # fmt: skip
            why, wait = f"the server says {error.code} {error.reason}", _seconds(error.headers.get("Retry-After"))
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            why = str(getattr(error, "reason", error) or type(error).__name__)
        idle = idle + 1 if _length(part) <= most else 0
        most = max(most, _length(part))
        if idle == _TRIES:
            raise UserError(f"{url}: {why}; {_length(part):,} bytes have arrived, and the same command goes on there")
        print(f"{path.name}: {why}; trying again", file=sys.stderr)
        time.sleep(min(max(wait, pause * 2**idle), _LONGEST_PAUSE_S))
    found = digest_of(part, "sha256")
    if digest and (other := digest_of(part, digest.partition(":")[0])) != digest:
        _forget(part)
        raise UserError(f"{url}: what has arrived is {other}, expected {digest}, and was thrown away; try again, "
                        "and if that does not help, the file has changed: see its page")  # fmt: skip
    os.replace(part, path)
    _forget(part)
    return found


def digest_of(path: Path, algorithm: str) -> str:
    """Hash a file: ``algorithm:hexadecimal digits``."""
    with open(path, "rb") as file:
        hashed = hashlib.new(algorithm, usedforsecurity=False)
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return f"{algorithm}:{hashed.hexdigest()}"


def _transfer(url: str, part: Path, size: int) -> bool:
    """Make one request and append what comes; say whether the file is whole now."""
    have, known = _length(part), _notes(part)
    if have and known.get("url") != url:
        _forget(part)
        have = 0
    request = urllib.request.Request(url, headers={"User-Agent": "xser", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if known.get("validator"):
            request.add_header("If-Range", known["validator"])
    try:
        response = urllib.request.build_opener(_Redirect).open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # Nothing is left to be sent: the part is whole, or is no part of what is there now.
        if have and re.fullmatch(rf"bytes \*/{have}", error.headers.get("Content-Range", "")) and size in (0, have):
            return True
        _forget(part)
        return False
    with response:
        start, total = _extent(response)
        if size and total and total != size:
            raise UserError(f"{url}: the server has a file of {total:,} bytes, expected {size:,}; see its page")
        other = total != known["total"] if known.get("total") else not known.get("validator")
        if start and (start != have or other):
            _forget(part)
            return False
        if total - start > shutil.disk_usage(part.parent).free:
            raise UserError(f"{part.parent}: there is no room for the {total - start:,} bytes to come; free some")
        if not start:
            if have:
                print(f"{part.stem}: the server does not go on at byte {have:,}; starting afresh", file=sys.stderr)
            _note(part, {"url": url, "validator": _validator(response), "total": total})
        length = _append(response, part, start, total, size)
    return length == (total or size or length)


def _append(response: Any, part: Path, start: int, total: int, size: int) -> int:
    """Write what comes behind the first ``start`` bytes of the part, and tell how long it is then."""
    from tqdm import tqdm

    often = 0.5 if sys.stderr.isatty() else 30.0
    with (
        open(part, "ab" if start else "wb") as file,
        tqdm(total=total or None, initial=start, unit="B", unit_scale=True, desc=part.stem, mininterval=often) as bar,
    ):
        try:
            while chunk := response.read1(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if size and file.tell() > size:
                    raise UserError(f"{part}: more than the expected {size:,} bytes came; remove it and try again")
        finally:
            file.flush()
            os.fsync(file.fileno())
        return file.tell()


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Follows redirections on the web, and none that gives encryption up."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """Make the next request, the Range header included."""
        old, new = (urllib.parse.urlsplit(url).scheme for url in (req.full_url, newurl))
        if new not in ("http", "https") or (old, new) == ("https", "http"):
            raise UserError(f"{req.full_url}: leads to {newurl}, which is not followed; see its page")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _extent(response: Any) -> tuple[int, int]:
    """Tell where what comes begins in the file, and how long the file is; 0 where the server does not say."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    if response.status == 206 and found:
        return int(found[1]), int(found[2])
    return 0, int(response.headers.get("Content-Length") or 0)


def _validator(response: Any) -> str:
    """Give what names this version of the file; a weak tag does not vouch for its bytes."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _seconds(word: str | None) -> float:
    return float(word) if word and word.isdecimal() else 0.0


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _notes(part: Path) -> dict[str, Any]:
    try:
        return json.loads(part.with_name(f"{part.name}.json").read_bytes())
    except (OSError, ValueError):
        return {}


def _note(part: Path, notes: dict[str, Any]) -> None:
    _forget(part)
    with atomic_file(part.with_name(f"{part.name}.json")) as file:
        json.dump(notes, file)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)
