catch_signals() {
  trap finish EXIT
  trap 'stop 130' INT
  trap 'stop 143' TERM HUP
}

# Called by a trap.
# shellcheck disable=SC2317
finish() {
  local code=$?
  if [ -d "$WORK" ]; then end_children; elif [ -n "$WORKER" ]; then kill "$WORKER" 2>/dev/null; fi
  if [ -e "$PART" ] && [ ! -s "$PART" ]; then rm -f -- "$PART" "$HAVE"; fi
  if [ -e "$MIRROR_PART" ] && [ ! -s "$MIRROR_PART" ]; then rm -f -- "$MIRROR_PART" "${MIRROR_PART%.part}.have"; fi
  # It may have been taken from us, but not in so short a time.
  [ "$SECONDS" -lt $((LOCK_STILL / 2)) ] || [ "$(readlink "$LOCK" 2>/dev/null)" = "$ME" ] || LOCKED=''
  [ -L "$LOCK" ] || LOCKED=''
  if [ -e "$WORK" ]; then
    rm -rf -- "$WORK" ${LOCKED:+"$LOCK"} 2>/dev/null
  elif [ -n "$LOCKED$NAMED" ]; then
    set -- ${NAMED:+"$NAMED"} ${LOCKED:+"$LOCK"}
    [ "$code" != 0 ] || exec rm -f -- "$@" # in our place, for one process less
    rm -f -- "$@"
  fi
}

# Called by a trap.
# shellcheck disable=SC2317
stop() {
  trap - INT TERM HUP
  [ -z "$KEEPING" ] || keep_ranges
  say "Stopped. What has arrived is kept; run this script again to go on."
  exit "$1" # the EXIT trap ends the children and gives the lock back
}
