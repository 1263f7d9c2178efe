#!/usr/bin/env bash
# Write a data directory with some of another's utterances. --help says how; utils/data_dir_tools.py does the work.
set -euo pipefail
# shellcheck source=path.sh
. "$(dirname "$0")/../path.sh"
exec python3 -m utils.data_dir_tools subset "$@"
