"""Serve a listening test: clips of exp/listen -> links for listeners, and their sessions in exp/listen/sessions/.

    cd egs/<recipe> && python3 -m local.listen.server          (./run.sh --stage listen makes the clips first)

Prints a link for each listener and serves until it is interrupted, on 127.0.0.1. Whoever opens a link first keeps it: a
cookie binds it to that browser. Clips go by names that differ between listeners, and what they are labelled never
leaves this machine. An answer is on the disk before the browser is told that it is saved. Nothing logs who asks.
"""

from __future__ import annotations

import argparse
import logging

from local import experiment
from local.listen import sessions
from local.listen.served import Served
from utils.errors import UserError, run_main


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s, this machine)")
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    if not (settings.listen.corpora or settings.listen.segments):
        raise UserError(f"{arguments.config}: listen.corpora and listen.segments are empty: name corpora to hear")
    try:
        import waitress

        from local.listen.routes import MOST_BYTES, create_app
    except ImportError:
        raise UserError("waitress and flask are not installed; run: utils/install.sh --extra listen") from None
    folder = settings.exp / "listen"
    with sessions.alone(folder):
        test = Served(folder, settings)
        listen = settings.listen
        try:
            server = waitress.create_server(
                create_app(test), host=arguments.host, port=listen.port, ident=None, threads=32, connection_limit=2000,
                backlog=2048, asyncore_use_poll=True, max_request_body_size=MOST_BYTES,
                clear_untrusted_proxy_headers=True,
            )  # fmt: skip
        except OSError as error:
            place = f"{arguments.host}:{listen.port}"
            raise UserError(f"{place}: {error.strerror}; choose another port: --set listen.port=N") from None
        before = listen.address.rstrip("/") or f"http://{arguments.host}:{listen.port}"
        print(f"{len(test.clips)} clips; a link opens once, in one browser; answers go to {folder}/{sessions.SESSIONS}")
        for one in test.invited.values():
            print(f"{one.listener}\t{before}/t/{one.token}")
        # A line for every request that waits would hold up all of them where nobody reads the lines.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        print("serving until it is interrupted (Ctrl-C)", flush=True)
        server.run()


if __name__ == "__main__":
    run_main(main)
