#!/usr/bin/env bash
# Put a run's results into one archive with checksums, or check such an archive. --help says how; utils/pack.py does it.
set -euo pipefail
# shellcheck source=path.sh
. "$(dirname "$0")/../path.sh"
exec python3 -m utils.pack "$@"
