#!/usr/bin/env bash
# Zaion Emotion Dataset (English, not acted) on its own.  Needs --db-root DIR with the corpus at DIR/zed.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe zed "$@"
