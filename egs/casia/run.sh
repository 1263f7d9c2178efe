#!/usr/bin/env bash
# CASIA (Mandarin) on its own.  Needs --db-root DIR with the corpus at DIR/casia.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe casia "$@"
