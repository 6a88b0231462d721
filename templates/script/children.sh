# Who has ended is dead, also before its parent has asked how it ended: the first process of a
# machine may be late with that, and that of a container may never do it. The kernel tells the state;
# where it tells nobody, `ps` may know; where that doesn't either, what can be signalled lives.
lives() {
  local key state=''
  case "$1" in '' | 0* | *[!0-9]*) return 1 ;; esac
  if ! kill -0 "$1" 2>/dev/null; then # another user's can't be signalled, and lives all the same
    case "$(kill -0 "$1" 2>&1)" in *'not permitted'*) ;; *) return 1 ;; esac
  fi
  while read -r key state _ && [ "$key" != State: ]; do state=''; done 2>/dev/null <"/proc/$1/status"
  [ -n "$state" ] || read -r state _ < <(exec ps -o stat= -p "$1" 2>/dev/null)
  case "$state" in [ZXx]*) return 1 ;; esac
}

# Runs a command as a child that a signal can end at once, and that notes its process id first:
# whoever finds the part file of a dead script knows whether a download still writes to it.
# It begins only if the note is written and we still live: else no one would know of it.
noted() {
  local note="$1" me="${BASHPID:-}"
  shift
  [ -n "$me" ] || me="$(exec sh -c 'echo "$PPID"')" # bash 3.2 can't tell
  printf '%s\n' "$me" >"$note" && lives "$$" && [ ! -e "$WORK/stopping" ] || exit 1
  exec "$@"
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
