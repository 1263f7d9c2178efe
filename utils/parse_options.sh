# shellcheck shell=bash
# Command-line options in Kaldi's style, for a script to source:
#
#   stage=1 dry_run=false set=()                  # the options, with their defaults
#   help_message="Usage: ..."
#   . utils/parse_options.sh
#
# The variables set beforehand are the options: --stop-stage N or --stop-stage=N sets stop_stage. Lower-case
# names only; readonly variables, those that begin with _, and help_message and allow_args are no options.
#   true/false   A variable that holds true or false takes only those: --dry-run true, --dry-run=false; the
#                bare --dry-run is --dry-run true.
#   declare -i   The option takes a whole number.
#   array        The option may be repeated, every value is appended. The option has the array's name, or
#                that without its plural s: set=() and sets=() are both --set V.
#   otherwise    The option takes one value, which may be empty; one that begins with -- must be written with =.
# --help and -h print $help_message and exit 0. -- ends the options. What is left over is an error, unless the
# script has set allow_args=true: it is then in "$@". Errors exit 2 with a line on standard error.
#
# Values are assigned, never evaluated. Needs bash 4.4; works under set -eu.

_po_fail() {
  echo "${0##*/}: error: $*" >&2
  exit 2
}

_po_kind() { # the kind of option that the variable $1 is: value, flag, array, or none
  case $1 in help_message | allow_args) return 1 ;; esac
  [[ $1 =~ ^[a-z][a-z0-9_]*$ ]] || return 1
  local attributes
  attributes=$(declare -p "$1" 2> /dev/null) || return 1
  read -r _ attributes _ <<< "$attributes"
  case $attributes in
    *[rAn]* | *a*i*) return 1 ;;
    *a*) echo array ;;
    *i*) echo integer ;;
    *) case ${!1-} in true | false) echo flag ;; *) echo value ;; esac ;;
  esac
}

_po_options() { # all options, one a line, as one types them
  local name kind
  for name in $(compgen -v | grep '^[a-z]'); do
    kind=$(_po_kind "$name") || continue
    # Variables that a user's environment brought along are no suggestion.
    [[ $(declare -p "$name") != "declare -x"* ]] || continue
    [ "$kind" = array ] && name=${name%s}
    echo "--${name//_/-}"
  done
}

_po_nearest() { # the option nearest to $1 by edit distance, if it is near
  local word=$1 option best="" least=$((${#1} / 4 + 1)) i j cost above diagonal
  local -a row
  for option in $(_po_options); do
    row=()
    for ((j = 0; j <= ${#option}; j++)); do row[j]=$j; done
    for ((i = 1; i <= ${#word}; i++)); do
      diagonal=$((i - 1)) row[0]=$i
      for ((j = 1; j <= ${#option}; j++)); do
        above=${row[j]} cost=1
        [ "${word:i-1:1}" = "${option:j-1:1}" ] && cost=0
        row[j]=$((diagonal + cost))
        ((above + 1 < row[j])) && row[j]=$((above + 1))
        ((row[j - 1] + 1 < row[j])) && row[j]=$((row[j - 1] + 1))
        diagonal=$above
      done
    done
    if ((row[${#option}] <= least)); then least=$((row[${#option}] - 1)) best=$option; fi
  done
  echo "$best"
}

_po_unknown() {
  local near
  near=$(_po_nearest "$1")
  _po_fail "unknown option $1; ${near:+did you mean $near? }see --help"
}

_po_parse() { # leaves what is no option in the array _po_rest
  local _po_word _po_name _po_kind_ _po_value _po_given
  _po_rest=()
  while [ $# -gt 0 ]; do
    _po_word=$1
    shift
    case $_po_word in
      --help | -h)
        echo "${help_message:-${0##*/}: no help}"
        exit 0
        ;;
      --)
        _po_rest+=("$@")
        break
        ;;
      --*) ;;
      -[a-zA-Z]*) _po_unknown "$_po_word" ;;
      *)
        _po_rest+=("$_po_word")
        continue
        ;;
    esac
    _po_value=${_po_word#*=} _po_given=false
    [[ $_po_word == *=* ]] && _po_given=true
    _po_word=${_po_word%%=*}
    _po_name=${_po_word#--}
    _po_name=${_po_name//-/_}
    _po_kind_=$(_po_kind "$_po_name") || {
      _po_name=${_po_name}s
      _po_kind_=$(_po_kind "$_po_name") || _po_kind_=none
      [ "$_po_kind_" = array ] || _po_unknown "$_po_word"
    }
    if ! $_po_given; then
      case $_po_kind_,${1-} in
        flag,true | flag,false)
          _po_value=$1
          shift
          ;;
        flag,*) _po_value=true ;;
        *)
          [ $# -gt 0 ] || _po_fail "option $_po_word needs a value"
          [[ $1 != --* ]] || _po_fail "option $_po_word needs a value (if it is '$1': $_po_word=$1)"
          _po_value=$1
          shift
          ;;
      esac
    fi
    case $_po_kind_ in
      flag) [[ $_po_value =~ ^(true|false)$ ]] || _po_fail "option $_po_word: '$_po_value' is not true or false" ;;
      # Bash would evaluate anything else as an arithmetic expression.
      integer) [[ $_po_value =~ ^-?(0|[1-9][0-9]*)$ ]] || _po_fail "option $_po_word: '$_po_value' is not a whole number" ;;
      array)
        local -n _po_array=$_po_name
        _po_array+=("$_po_value")
        unset -n _po_array
        continue
        ;;
    esac
    printf -v "$_po_name" %s "$_po_value"
  done
}

_po_parse "$@"
set -- "${_po_rest[@]}"
if [ $# -gt 0 ] && [ "${allow_args:-false}" != true ]; then
  _po_fail "unexpected argument '$1'; see --help"
fi
unset _po_rest
unset -f _po_fail _po_kind _po_options _po_nearest _po_unknown _po_parse
