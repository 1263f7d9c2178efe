#!/usr/bin/env bash
# IEMOCAP (English).  Needs --db-root DIR with the corpus at DIR/iemocap.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe iemocap "$@"
