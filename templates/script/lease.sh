# The lock is a symbolic link whose target is its owner: made in one step, read in one step, on
# NFS too. It saves bandwidth; nothing wrong happens where it does not work.
take_lock() {
  [ -z "$LOCKED" ] || return 0
  local waited=0 still=0 absent=0 seen='' now owner
  until lock_as "$LOCK"; do
    owner="$(readlink "$LOCK" 2>/dev/null)"
    if [ -z "$owner" ] && [ ! -e "$LOCK" ]; then
      absent=$((absent + 1))
      [ "$absent" -lt 5 ] || return 0 # no symbolic links on this filesystem
      continue                        # given back a moment ago
    fi
    is_owner "$owner" || return 0 # a file, a folder or a link of somebody's: no lock of ours
    now="$owner $(read_note "./.$NAME.$owner.work/beat")"
    if [ "$now" = "$seen" ]; then still=$((still + 1)); else still=0; fi
    seen="$now"
    if dead "$owner" || [ "$still" -ge "$LOCK_STILL" ]; then
      break_lock "$owner"
      still=0
      continue
    fi
    [ "$waited" -lt "$LOCK_WAIT" ] ||
      fail 16 "$NAME is locked by another process: $(who_is "$owner")" "run again later, or remove $DIR/${LOCK#./}"
    if [ "$waited" = 0 ]; then
      tell waiting "$NAME is being fetched by $(who_is "$owner")"
      say "Waiting: $NAME is being fetched by $(who_is "$owner")"
    fi
    waited=$((waited + 1))
    pause 1
  done
  LOCKED=1
  # While we waited, other downloads have taken our place in the line.
  if [ "$waited" -gt 0 ] && [ -n "$ASKING" ]; then ask waited; fi
}

# Without following a link to a folder, or the lock would be made inside it.
lock_as() { [ ! -d "$1" ] && ln -sn -- "$ME" "$1" 2>/dev/null; }

# A line that another process has left. It may be anything by now: a pipe would never end.
read_note() {
  if [ -f "$1" ] && [ ! -L "$1" ]; then head -c 200 -- "$1" 2>/dev/null | head -n 1; fi
}

who_is() {
  local who
  who="$(read_note "./.$NAME.$1.work/who")"
  case "$who" in '' | *[!A-Za-z0-9._@\ -]* | ?????????????????????????????????????????????????????????????????*) who="$1" ;; esac
  printf '%s' "$who"
}

# Of several that find the lock dead one renames it; a lock that is not the dead one goes back.
break_lock() {
  ! dead "$1" || end_first_try "$1"
  mv -- "$LOCK" "$LOCK.$ME" 2>/dev/null || return 0
  local taken
  taken="$(readlink "$LOCK.$ME")"
  [ "$taken" = "$1" ] || ln -s -- "$taken" "$LOCK" 2>/dev/null
  rm -f -- "$LOCK.$ME"
}

# Of this boot of this machine, or of this container.
is_here() {
  case "${1%.*}" in
  "$WHERE"t | "$WHERE"t*[!0-9]*) return 1 ;;
  "$WHERE" | "$WHERE"t* | "$WHERE"d[A-Z]*) ;;
  *) return 1 ;;
  esac
}

# Where both tell in one way when they began, one that has got its number is not taken for it.
dead() {
  local told="${1%.*}"
  is_here "$1" || return
  lives "${1##*.}" || return 0
  told="${told#"$WHERE"}"
  began "${1##*.}"
  [ "${told:0:1}" = "${BEGAN:0:1}" ] && [ "$told" != "$BEGAN" ]
}

# A sign of life several times in a lease, also while a large file is being hashed; and the clock of
# a large download, which looks at its connections four times a second. What comes after such a look
# is fetched again if we are killed before the next. No sign is given for one who has ended.
beat() {
  local count=0 nap='' seconds=$((LOCK_STILL / 6)) each=1
  trap 'kill "$nap" 2>/dev/null; exit' TERM
  [ "$seconds" -ge 1 ] || seconds=1
  if [ -n "$EVENTS" ]; then
    each=$((seconds * 4)) seconds=0.25
    sleep 0.01 2>/dev/null || each=$((each / 4)) seconds=1
  fi
  while kill -0 "$$" 2>/dev/null; do
    [ $((count % each)) != 0 ] || { lives "$$" && printf '%s' "$count" >"$WORK/beat"; } || exit
    [ -z "$EVENTS" ] || printf 'tick\n' >&7
    count=$((count + 1))
    sleep "$seconds" &
    nap=$!
    wait "$nap"
  done
}
