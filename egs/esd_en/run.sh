#!/usr/bin/env bash
# ESD, English half, on its own.  Needs --db-root DIR with the corpus at DIR/esd_en.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe esd_en "$@"
