#!/usr/bin/env bash
# The driver: every recipe's stages live here, once. egs/<recipe>/run.sh calls it.
set -euo pipefail

XSER_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly called=("$0" "$@") called_in=$PWD

# number | name | reads -> writes.  This table drives --help, --list-stages, the headings, the
# stage ranges and the resume hint; a test holds the README to it.
stage_table='0|download|URLs, where licences permit it -> <db-root>/<corpus>/ (optional: only if asked for)
1|data|corpus roots -> data/<corpus>/{wav.scp,utt2emo,...}, folds, audit.json
2|features|data -> dump/<encoder>/<corpus>/feats.scp, one (layers x dim) matrix an utterance
3|probe|folds, feats -> exp/probe/<condition>/
4|finetune|folds, wav -> exp/finetune/<condition>/
5|score|exp/<stage>/<condition>/ -> exp/results.csv, exp/significance.csv
6|sed|data -> exp/sed/<condition>/{hyp.rttm,eder.json}
7|listen|data, answers -> exp/listen/
8|report|exp -> RESULTS.md, results/*.csv, exp/report/{index.html,*.svg,*.pdf}'

recipe=mini              # which egs/<recipe>
stage=1                  # first stage, by number or name
stop_stage=              # last stage; the table's last where none is named
nj=1                     # parallel jobs a sharded stage is cut into
ngpu=0                   # GPUs; 0 runs on the CPU
precision=               # of the encoders in stage 2: fp32 (the default) or bf16
db_root=                 # corpus c is at <db-root>/c
accept_licence=          # of these corpora, c,d, which stage 0 then downloads
config=conf/experiment.yaml # of the recipe
set=()                   # overrides of the configuration
tag=                     # keeps this run's results apart
expdir=                  # where they go
wait=false               # for a run that is in this recipe's folder already
list_stages=false
list_fields=false
plan=false
verify=false
allow_pipes=false
doctor=false
dry_run=false

help_message="Usage: ./run.sh [options]        (in the root or in egs/<recipe>)

Runs a recipe's stages in order; what is already made and still valid is skipped.

Options:
  --stage N|NAME       first stage (default: 1)
  --stop-stage N|NAME  last stage (default: the last; but --stage listen alone serves the listening test)
  --db-root DIR        where the corpora are: corpus c at DIR/c
  --accept-licence C,D  of corpora that --stage download is to fetch (default: show them, and ask)
  --nj N               parallel jobs (default: 1, which uses all cores)
  --ngpu N             number of GPUs (default: 0)
  --precision fp32|bf16  of the encoders in stage 2 (features.precision of the experiment)
  --set KEY.PATH=VALUE set any field of the experiment; may be repeated
  --config FILE        the experiment, relative to the recipe (default: $config)
  --tag NAME           keep results apart: exp_NAME, RESULTS.NAME.md, results.NAME (default: the name of FILE, if another)
  --expdir DIR         put results into DIR (default: exp or exp_NAME)
  --wait               wait for another run in the recipe's folder to end (default: refuse)
  --recipe NAME        which egs/NAME to run (default: $recipe)
  --list-stages        print the stages and exit
  --list-fields        print every field that --set knows, its value in this recipe and its meaning, and exit
                       (python3 -m local.experiment; without values in docs/configuration.md)
  --plan               print what is to be made, what it costs in hours, memory and disk, and how small a difference
                       its tests could show (after stage 1), and exit; makes nothing (python3 -m local.plan)
  --doctor             look at what a run needs (versions, devices, disk, encoders, corpora), say what to mend, and
                       exit; makes nothing (python3 -m local.doctor)
  --verify             compare audio, features, conditions and models with the checksums that were taken when they were
                       made, name what is damaged, and exit; makes nothing (python3 -m local.verify)
  --allow-pipes        run the commands that a wav.scp of yours may hold in place of files (default: refuse)
  --dry-run            print the commands without running them
  --help               print this and exit

Stages:
$(awk -F'|' '{ printf "  %s %-9s %s\n", $1, $2, $3 }' <<< "$stage_table")"

. "$XSER_ROOT/utils/parse_options.sh"

fail() { echo "run.sh: error: $*" >&2; exit 2; }

stage_field() { awk -F'|' -v n="$1" -v f="$2" '$1 == n { print $f }' <<< "$stage_table"; }

stage_number() { # option value: turns a stage's number or name into its number
  local number
  number=$(awk -F'|' -v s="$2" '$1 == s || $2 == s { print $1 }' <<< "$stage_table")
  [ -n "$number" ] || fail "$1 '$2' is no stage; stages: $(awk -F'|' '{ printf "%s%s %s", sep, $1, $2; sep = ", " }' <<< "$stage_table")"
  echo "$number"
}

if $list_stages; then
  tr '|' '\t' <<< "$stage_table"
  exit 0
fi

first=$(stage_number --stage "$stage")
serve=false
if [ -z "$stop_stage" ] && [ "$(stage_field "$first" 2)" = listen ]; then serve=true stop_stage=listen; fi
last=$(stage_number --stop-stage "${stop_stage:-$(awk -F"|" 'END { print $1 }' <<< "$stage_table")}")
[ "$first" -le "$last" ] || fail "--stage $stage comes after --stop-stage $stop_stage: nothing to run"
[[ $nj =~ ^[1-9][0-9]*$ ]] || fail "--nj '$nj': expected a number of jobs, 1 or more"
[[ $ngpu =~ ^[0-9]+$ ]] || fail "--ngpu '$ngpu': expected a number of GPUs, 0 or more"
[ -z "$db_root" ] || [ -d "$db_root" ] || fail "--db-root '$db_root': no such directory"
[ -z "$db_root" ] || db_root=$(cd "$db_root" && pwd)
recipe_dir=$XSER_ROOT/egs/$recipe
[ -d "$recipe_dir/conf" ] || fail "--recipe '$recipe': no such recipe; recipes: $(cd "$XSER_ROOT/egs" && echo */)"

$dry_run || $doctor || XSER_PYTHON=$("$XSER_ROOT/utils/install.sh" --print)
. "$XSER_ROOT/path.sh"
. "$XSER_ROOT/cmd.sh"
cd "$recipe_dir"
[ -f "$config" ] || fail "--config '$config': no such file in $recipe_dir"

# One run at a time writes to data, dump and exp. All that it starts holds its lock, descriptor 8, and ends with it.
lock_file=.lock
lock() {
  { : >> "$lock_file"; } 2> /dev/null || fail "$PWD cannot be written: make it writable, or run a copy of the repository that is"
  exec 8>> "$lock_file"
  local options=(--fd 8)
  if $wait; then options+=(--wait); fi
  python3 -m utils.lock "${options[@]}" -- "$lock_file" "${called[@]}" || exit
  trap hint EXIT
  export XSER_DRIVER=$$ XSER_LOCK_FD=8
  python3 -m utils.lock --beat $$ "$lock_file" 8>&- > /dev/null 2>&1 &
  # Kaldi's own scripts source it on the node, where nothing but PATH may have come.
  case "$train_cmd $feature_cmd" in
    *.pl*) printf 'XSER_PYTHON=%q\n. %q\n' "$XSER_PYTHON" "$XSER_ROOT/path.sh" > path.sh ;;
  esac
  # What a run that was killed has left half written; results/ and RESULTS.md are made beside the other folders.
  local half=(\( -name '.*.????????.tmp' -o -name '.*.????????.old' \) -prune -exec rm -rf {} +)
  find . -maxdepth 1 "${half[@]}"
  find -H data dump "$exp" exp "${half[@]}" 2> /dev/null || true
}

options=(--config "$config")
[ -z "$precision" ] || options+=(--set "features.precision=$precision")
[ -z "$tag" ] || options+=(--set "tag=$tag")
[ -z "$expdir" ] || options+=(--set "expdir=$expdir")
for override in ${set[@]+"${set[@]}"}; do options+=(--set "$override"); done

if $allow_pipes; then export XSER_ALLOW_PIPES=true; fi # jobs inherit it
if $verify; then exec python3 -m local.verify "${options[@]}"; fi
if $doctor; then exec python3 -m local.doctor "${options[@]}" ${db_root:+--db-root "$db_root"} --ngpu "$ngpu"; fi
if $plan; then exec python3 -m local.plan "${options[@]}" --ngpu "$ngpu"; fi
if $list_fields; then exec python3 -m local.experiment "${options[@]}"; fi

if $dry_run; then
  exp=${expdir:-exp${tag:+_$tag}} pretrained=(ENCODERS) tuned=(ENCODERS) outside=SYSTEMS
else
  told=$(python3 -m local.experiment "${options[@]}" --get exp --get prepared --get pretrained \
    --get tuned --get outside)
  { read -r exp; read -ra prepared; read -ra pretrained; read -ra tuned; read -r outside; } <<< "$told" || true
fi

run() { # run a command, or show it
  if $dry_run; then printf '%q ' "$@"; echo; else "$@"; fi
}

provenance() { # say in $exp what made it; after stage 1, which makes the data that it names
  $dry_run || $serve || python3 -m utils.provenance --exp "$exp" --root "$XSER_ROOT" --data "${prepared[@]/#/data/}" \
    --cwd "$called_in" -- "${called[@]:1}"
}

stage_download() {
  run python3 -m local.corpora.download "${options[@]}" ${db_root:+--db-root "$db_root"} \
    ${accept_licence:+--accept-licence "$accept_licence"}
}

stage_data() {
  run python3 -m local.splits.run "${options[@]}" ${db_root:+--db-root "$db_root"}
}

in_jobs() { # package log: run a package's plan, and what it has to do, if anything, in up to $nj jobs
  local package=$1 log=$2 units=1 jobs=$nj
  if $dry_run; then
    run python3 -m "local.$package.plan" "${options[@]}"
  else
    units=$(python3 -m "local.$package.plan" "${options[@]}" | tail -n 1)
    [ "$units" -ge "$nj" ] || jobs=$units
  fi
  [ "$units" -gt 0 ] || return 0
  # shellcheck disable=SC2086 # a job command is several words
  run $train_cmd JOB=1:"$jobs" "$log" \
    python3 -m "local.$package.train" "${options[@]}" --job JOB --nj "$jobs" --ngpu "$ngpu"
}

stage_features() {
  local names log encoders
  [ ${#pretrained[@]} -eq 0 ] || in_jobs pretrain exp/pretrain/log/pretrain.JOB.log
  if $dry_run; then
    run python3 -m local.features.plan "${options[@]}"
    encoders=ENCODERS
  else
    encoders=$(python3 -m local.features.plan "${options[@]}")
  fi
  for names in $encoders; do
    log=${names%%,*} # a file's name does not hold any number of them
    [ "$log" = "$names" ] || log+=,etc
    # shellcheck disable=SC2086 # a job command is several words
    run $feature_cmd JOB=1:"$nj" "dump/log/$log.JOB.log" \
      python3 -m local.features.extract "${options[@]}" --encoder "$names" --job JOB --nj "$nj" --ngpu "$ngpu"
    run python3 -m local.features.merge "${options[@]}" --encoder "$names" --nj "$nj"
  done
}

stage_probe() { in_jobs probe "$exp/probe/log/probe.JOB.log"; }

# Nobody asks for it: an earlier run's manifest may still.
unasked() { [ -z "$2" ] && [ ! -e "$exp/$1/manifest.jsonl" ]; }

stage_finetune() {
  if unasked finetune "${tuned[*]}"; then
    echo "finetune: no encoder is to be tuned (finetune.encoders)"
    return 0
  fi
  in_jobs finetune "$exp/finetune/log/train.JOB.log"
}

stage_score() {
  unasked outside "$outside" || run python3 -m local.outside.make "${options[@]}"
  run python3 -m local.score.collect "${options[@]}"
}

stage_sed() {
  run python3 -m local.sed.make "${options[@]}"
  in_jobs sed "$exp/sed/log/train.JOB.log"
  run python3 -m local.sed.collect "${options[@]}"
}

stage_listen() { # serves the test if it is asked for alone; else works with the answers that are there
  if $serve; then
    run python3 -m local.listen.clips "${options[@]}"
    run python3 -m local.listen.server "${options[@]}"
  else
    run python3 -m local.listen.run "${options[@]}"
  fi
}

stage_report() { run python3 -m local.report.make "${options[@]}"; }

current=
hint() {
  local status=$?
  : > "$lock_file" # nobody's, for who looks from another host
  [ "$status" -eq 0 ] || [ -z "$current" ] ||
    echo "run.sh: stage $current ($(stage_field "$current" 2)) of $recipe failed; mend it, then go on with: --stage $current" >&2
}
$dry_run || lock

[ "$first" -le 1 ] || provenance
for ((current = first; current <= last; current++)); do
  name=$(stage_field "$current" 2)
  echo "== $recipe, stage $current $name: $(stage_field "$current" 3)"
  "stage_$name"
  [ "$current" -ne 1 ] || provenance
done
current=
