#!/usr/bin/env bash
# ESD, Mandarin half, on its own.  Needs --db-root DIR with the corpus at DIR/esd.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe esd "$@"
