lives() {
  [ -n "$1" ] && { kill -0 "$1" 2>/dev/null || [ -e "/proc/$1" ] || ps -p "$1" >/dev/null 2>&1; }
}

# Runs a command as a child that a signal can end at once, and that notes its process id first:
# whoever finds the part file of a dead script knows whether a download still writes to it.
# It begins only if the note is written and we still live: else no one would know of it.
noted() {
  local note="$1"
  shift
  if [ -n "${BASHPID:-}" ]; then # bash 3.2 can't tell
    printf '%s\n' "$BASHPID" >"$note" && kill -0 "$$" && [ ! -e "$WORK/stopping" ] || exit 1
    exec "$@"
  fi
  exec sh -c 'echo $$ >"$1" && kill -0 "$2" && [ ! -e "$3" ] || exit 1; shift 3; exec "$@"' \
    sh "$note" "$$" "$WORK/stopping" "$@"
}

work() {
  (noted "$WORK/work.pid" "$@") 3>&- &
  WORKER=$!
  wait "$WORKER"
  local code=$?
  WORKER=''
  return "$code"
}

pause() {
  sleep "$1" 3>&- &
  WORKER=$!
  wait "$WORKER"
  WORKER=''
}

# Ends what we have started; who has not begun yet does not begin. Called by a trap.
# shellcheck disable=SC2317
end_children() {
  local note child
  : >"$WORK/stopping"
  for note in "$WORK"/*.pid; do
    child=''
    [ ! -s "$note" ] || read -r child <"$note"
    [ -z "$child" ] || kill "$child" 2>/dev/null
  done
  for child in $WORKER $BEAT; do kill "$child" 2>/dev/null; done
  [ -z "$HASHER" ] || printf 'quit\n' >&8
  BEAT='' HASHER='' WORKER=''
  wait
}
