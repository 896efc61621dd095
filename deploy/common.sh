# shellcheck shell=bash
# What the launchers share. Sourced.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
set -a
# shellcheck source=deploy/settings.env
. "$here/settings.env"
set +a
dry_run=''

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Take --dry-run and --help out of the arguments; $arguments keeps the others.
read_arguments() {
  arguments=()
  local argument
  for argument; do
    case $argument in
      --dry-run) dry_run=yes ;;
      -h | --help)
        sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"
        exit
        ;;
      *) arguments+=("$argument") ;;
    esac
  done
}

# Stop if a setting is still as it was delivered. A dry run shows what would be done all the same.
need() {
  [[ ! $dry_run ]] || return 0
  local name
  for name; do
    case ${!name:-} in
      '' | *my-project* | *000000000000*)
        die "deploy/settings.env: $name is '${!name:-}'; fill it in first" ;;
    esac
  done
}

# Run a command, or with --dry-run print it.
run() {
  if [[ $dry_run ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

# exists COMMAND …: does what it describes exist? With --dry-run nothing does.
exists() {
  [[ ! $dry_run ]] && "$@" >/dev/null 2>&1
}

# Print a file with its ${NAMES} filled in from the settings; an unknown one is an error.
render() {
  python3 -c 'import os, string, sys
print(string.Template(open(sys.argv[1], encoding="utf-8").read()).substitute(os.environ), end="")' "$1"
}
