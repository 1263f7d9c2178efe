"""A real web server on this machine, which can be told to misbehave."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Web:
    """What the server has and how it behaves; ``asked`` lists what it was asked for: path and Range."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)  # after so many bytes of an answer, the next ones are cut
    failures: list[int] = field(default_factory=list)  # statuses of the next answers
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True  # whether it gives parts
    tag: str = '"1"'
    chunked: bool = False


@contextlib.contextmanager
def serve() -> Iterator[Web]:
    """Run a server on a free port of this machine."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Answer."""
            wanted = self.headers.get("Range", "")
            web.asked.append((self.path, wanted))
            self.close_connection = True
            if web.failures:
                self.send_error(web.failures.pop(0))
            elif self.path in web.redirects:
                self.send_response(302)
                self.send_header("Location", web.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path not in web.files:
                self.send_error(404)
            else:
                self.give(web.files[self.path], wanted)

        def give(self, content: bytes, wanted: str) -> None:
            """Send a file, or what is asked for of it."""
            start, total = 0, len(content)
            if wanted and web.ranges and self.headers.get("If-Range", web.tag) == web.tag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= total:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{total}")
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            else:
                self.send_response(200)
            if web.tag:
                self.send_header("ETag", web.tag)
            rest = content[start:]
            if web.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            cut = web.cut.pop(0) if web.cut else len(rest) + 1
            answer = rest[:cut]
            if web.chunked:
                answer = b"%x\r\n%s" % (len(rest), answer) + (b"\r\n0\r\n\r\n" if cut > len(rest) else b"")
            # The other end may have given up.
            with contextlib.suppress(ConnectionError):
                self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
