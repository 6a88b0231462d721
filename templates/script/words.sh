# Fd 3 is where people read, also inside a function whose output goes to a file.
exec 3>&1
say() { printf '%s\n' "$*" >&3; }

fail() {
  local code="$1"
  shift
  say "$*"
  exit "$code"
}

# Where comfyfix has started this script it reads along and answers. By hand nobody is asked.
ask() {
  REPLY=''
  say "$*"
  read -r REPLY
}

size_of() {
  local bytes=0
  [ ! -f "$1" ] || bytes="$(wc -c <"$1")"
  printf '%s' "$((bytes))"
}

is_number() {
  case "$1" in '' | *[!0-9]* | ???????????????????*) return 1 ;; esac # 19 digits may not fit
}

catch_signals() {
  trap finish EXIT
  trap 'stop 130' INT
  trap 'stop 143' TERM HUP
}

# Called by a trap.
# shellcheck disable=SC2317
finish() {
  if [ -d "$WORK" ]; then end_children; elif [ -n "$WORKER" ]; then kill "$WORKER" 2>/dev/null; fi
  if [ -e "$PART" ] && [ ! -s "$PART" ]; then rm -f -- "$PART" "$HAVE"; fi
  # It may have been taken from us, but not in so short a time.
  [ "$SECONDS" -lt $((LOCK_STILL / 2)) ] || [ "$(readlink "$LOCK" 2>/dev/null)" = "$ME" ] || LOCKED=''
  rm -rf -- "$WORK" ${LOCKED:+"$LOCK"}
}

# Called by a trap.
# shellcheck disable=SC2317
stop() {
  trap - INT TERM HUP
  [ -z "$KEEPING" ] || keep_ranges
  say "Stopped. What has arrived is kept; run this script again to go on."
  exit "$1" # the EXIT trap ends the children and gives the lock back
}
