#!/usr/bin/env bash
# THAI SER (Thai) on its own.  Needs --db-root DIR with the corpus at DIR/thai_ser.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe thai_ser "$@"
