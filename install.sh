#!/usr/bin/env bash
# Sets up Hearth in this clone and shows that it answers.
#
#   ./install.sh              check the machine, install, doctor, one chat
#   ./install.sh --dry-run    check the machine, say what would be done, change nothing
#   ./install.sh --uninstall  remove what an install put into this clone
#
# Everything it installs lies in this folder (node_modules, .cache, dist), so it may be run again at
# any time: what is there and current is left alone. Your configuration and state are never touched.
# Exit: 0 done, 1 this machine or a step failed, 2 wrong usage.
set -euo pipefail
cd "$(dirname "$0")"

readonly NODE_MIN=18 RAM_MIN_GB=4 RAM_GOOD_GB=8 CHAT_LIMIT_S=300
dry_run=no

say() { printf '%s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

usage() {
  say 'usage: ./install.sh [--dry-run | --uninstall]'
  say '  --dry-run    check the machine, say what would be done, change nothing'
  say '  --uninstall  remove what an install put into this clone'
}

check_machine() {
  local os chip ram_gb
  os="$(uname -s)-$(uname -m)"
  case "$os" in
    Darwin-arm64)
      chip=$(sysctl -n machdep.cpu.brand_string)
      ram_gb=$(($(sysctl -n hw.memsize) / 1073741824))
      ;;
    Linux-x86_64 | Linux-aarch64)
      chip=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
      # The kernel keeps some memory for itself: 8 GB show as 7.7.
      ram_gb=$((($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) + 524288) / 1048576))
      ;;
    Darwin-x86_64)
      fail 'this Mac has an Intel chip, or the shell runs under Rosetta. Hearth needs Apple Silicon; in a Rosetta shell try: arch -arm64 ./install.sh'
      ;;
    *) fail "Hearth runs on macOS with Apple Silicon and on Linux (x86_64, aarch64), not on $os." ;;
  esac
  say "system   $os"
  say "chip     ${chip:-unknown}"
  say "memory   $ram_gb GB"
  if [ "$ram_gb" -lt "$RAM_MIN_GB" ]; then
    fail "$ram_gb GB of memory are too little: Hearth and its smallest model need $RAM_MIN_GB GB."
  elif [ "$ram_gb" -lt "$RAM_GOOD_GB" ]; then
    say "         enough for small models; from $RAM_GOOD_GB GB on it gets comfortable"
  fi
}

check_node() {
  local version
  command -v node >/dev/null || fail "no Node was found on PATH. Install Node $NODE_MIN or newer (26 is best) and run this again."
  command -v npm >/dev/null || fail 'no npm was found on PATH. It comes with Node; install both and run this again.'
  version=$(node -p process.versions.node)
  [ "${version%%.*}" -ge "$NODE_MIN" ] || fail "Node $version is too old to start from. Install Node $NODE_MIN or newer and run this again."
  say "node     $version"
  [ "${version%%.*}" -ge 26 ] || say '         older than 26: npm brings Node 26 into this folder, yours stays as it is'
}

# Runs a command with a limit in seconds. macOS has no `timeout`.
limited() { # seconds, stdin, command …
  local seconds=$1 input=$2 pid watch status=0
  shift 2
  "$@" <"$input" &
  pid=$!
  (
    # The limit's own sleep must not outlive it, nor hold our output open.
    trap 'kill "$nap" 2>/dev/null; exit' TERM
    sleep "$seconds" >/dev/null 2>&1 &
    nap=$!
    wait "$nap"
    kill "$pid" 2>/dev/null
  ) &
  watch=$!
  wait "$pid" || status=$?
  kill "$watch" 2>/dev/null || true
  wait "$watch" 2>/dev/null || true
  return "$status"
}

smoke_chat() {
  local question answer=''
  question=$(mktemp)
  say 'Who are you?' >"$question"
  answer=$(limited "$CHAT_LIMIT_S" "$question" node bin/hearth.js chat) || {
    rm -f "$question"
    fail 'Hearth is installed, but the smoke chat failed. What stands above says why; see also: node bin/hearth.js doctor'
  }
  rm -f "$question"
  [ -n "$(printf '%s' "$answer" | tr -d '[:space:]')" ] || fail 'Hearth is installed, but the model gave an empty answer. Try: node bin/hearth.js chat'
  printf '%s\n' "$answer" | sed 's/^/  /'
}

install_all() {
  check_machine
  check_node
  if [ "$dry_run" = yes ]; then
    say ''
    say 'would run: npm ci (only when node_modules is not what package-lock.json says)'
    say 'would run: node bin/hearth.js doctor'
    say 'would run: node bin/hearth.js chat, with one question to the model that ships inside'
    say 'nothing was changed'
    return
  fi
  say ''
  # The launcher runs npm ci when it is needed, and only then.
  node bin/hearth.js --version >/dev/null || fail 'the set-up failed. What stands above says why.'
  node bin/hearth.js doctor || fail 'doctor found something that must be mended first (see above).'
  say ''
  say 'one chat with the model that ships inside, to see it work:'
  smoke_chat
  say ''
  say 'Hearth is ready. Start it with: npm start'
}

uninstall() {
  local item
  for item in node_modules dist .cache; do
    if [ ! -e "$item" ]; then
      say "not there  $item"
    elif [ "$dry_run" = yes ]; then
      say "would go   $item"
    else
      rm -rf "./$item"
      say "removed    $item"
    fi
  done
  say 'Configuration and state are kept; delete this folder, and those that "hearth doctor" names, to lose everything.'
}

grep -q '"name": "hearth"' package.json 2>/dev/null || fail 'this script belongs in a clone of Hearth; there is none in its folder.'

action=install_all
for argument in "$@"; do
  case "$argument" in
    --dry-run) dry_run=yes ;;
    --uninstall) action=uninstall ;;
    --help | -h) usage; exit 0 ;;
    *) printf 'install: unknown argument %s\n' "$argument" >&2; usage >&2; exit 2 ;;
  esac
done
"$action"
