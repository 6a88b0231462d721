# The lock is a symbolic link whose target is its owner: made in one step, read in one step, on
# NFS too. It saves bandwidth; nothing wrong happens where it does not work.
take_lock() {
  [ -z "$LOCKED" ] || return 0
  local waited=0 still=0 absent=0 seen='' now owner
  until ln -s -- "$ME" "$LOCK" 2>/dev/null; do
    owner="$(readlink "$LOCK" 2>/dev/null)"
    if [ -z "$owner" ] && [ ! -e "$LOCK" ]; then
      absent=$((absent + 1))
      [ "$absent" -lt 5 ] || return 0 # no symbolic links on this filesystem
      continue                        # given back a moment ago
    fi
    now="$owner $(cat -- "./.$NAME.$owner.work/beat" 2>/dev/null)"
    if [ "$now" = "$seen" ]; then still=$((still + 1)); else still=0; fi
    seen="$now"
    if dead "$owner" || [ "$still" -ge "$LOCK_STILL" ]; then
      break_lock "$owner"
      still=0
      continue
    fi
    [ "$waited" -lt "$LOCK_WAIT" ] ||
      fail 16 "$NAME is locked by another process: $(who_is "$owner"). Next: run again later, or remove $LOCK"
    [ "$waited" -gt 0 ] || say "Waiting: $NAME is being fetched by $(who_is "$owner")"
    waited=$((waited + 1))
    pause 1
  done
  LOCKED=1
  # While we waited, other downloads have taken our place in the line.
  if [ "$waited" -gt 0 ] && [ -n "$ASKING" ]; then ask "Waited: $NAME"; fi
}

who_is() {
  local who=''
  read -r who 2>/dev/null <"./.$NAME.$1.work/who"
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
  rm -rf -- "$LOCK.$ME"
}

dead() { [ "${1%.*}" = "$WHERE" ] && ! lives "${1##*.}"; }

# A sign of life several times in a lease, also while a large file is being hashed; and the clock of
# a large download, which looks at its connections four times a second. What comes after such a look
# is fetched again if we are killed before the next.
beat() {
  local count=0 nap='' seconds=$((LOCK_STILL / 6)) each=1
  trap 'kill "$nap" 2>/dev/null; exit' TERM
  [ "$seconds" -ge 1 ] || seconds=1
  if [ -n "$EVENTS" ]; then
    each=$((seconds * 4)) seconds=0.25
    sleep 0.01 2>/dev/null || each=$((each / 4)) seconds=1
  fi
  while kill -0 "$$" 2>/dev/null; do
    [ $((count % each)) != 0 ] || printf '%s' "$count" >"$WORK/beat" || exit
    [ -z "$EVENTS" ] || printf 'tick\n' >&7
    count=$((count + 1))
    sleep "$seconds" &
    nap=$!
    wait "$nap"
  done
}

# The script of a dead run may be gone and its curl live on: end it, if it really is the one.
end_workers() {
  local note worker
  for note in "./.$NAME.$1.work"/*.pid; do
    worker="$(cat -- "$note" 2>/dev/null)"
    case "$(ps -o args= -p "${worker:-0}" 2>/dev/null)" in *"./.$NAME.$1.work/"* | *"./$NAME."*) kill -9 "$worker" ;; esac
  done
}

# What is tried at once leaves no note of its process.
end_first_try() {
  local worker words
  while read -r worker words; do
    case "$words" in *" ./$NAME.$KIND.$1.part "*) kill -9 "$worker" ;; esac
  done < <(ps -A -ww -o pid= -o args= 2>/dev/null)
}

# Removes what dead runs have left. With `adopt`, under the lock, it takes over the largest part
# first, and counts what other machines have left as dead too: the lock is ours, not theirs.
clear_up() {
  local mode="${1:-}" old owner
  for old in "./$NAME".*.part; do
    [ -e "$old" ] || [ -L "$old" ] || continue
    owner="${old#"./$NAME".*.}"
    owner="${owner%.part}"
    if [ "${owner%.*}" != "$WHERE" ]; then
      [ "$mode" = adopt ] || continue
    else
      dead "$owner" || continue
      end_workers "$owner"
      end_first_try "$owner"
    fi
    [ "$mode" != adopt ] || adopt "$old"
    rm -rf -- "$old" "${old%.part}.have" "./.$NAME.$owner.work"
  done
  for old in "./.$NAME.$WHERE".*.work; do
    [ -d "$old" ] || continue
    owner="${old#"./.$NAME."}"
    owner="${owner%.work}"
    dead "$owner" || continue
    end_workers "$owner" # it may not have begun its part file yet
    rm -rf -- "$old" "./$NAME.$KIND.$owner.part" "./$NAME.$KIND.$owner.have"
  done
  for old in "./$NAME.$KIND.$WHERE".*.have; do # its part is adopted, or was never begun
    [ -e "$old" ] || continue
    owner="${old#"./$NAME".*.}"
    ! dead "${owner%.have}" || [ -e "${old%.have}.part" ] || rm -f -- "$old"
  done
  for old in "$LOCK.$WHERE".*; do # of one that died while it broke a lock
    [ -L "$old" ] || continue
    ! dead "${old#"$LOCK."}" || rm -rf -- "$old"
  done
  if [ -z "$LOCKED" ] && [ -L "$LOCK" ]; then
    owner="$(readlink "$LOCK" 2>/dev/null)"
    ! dead "$owner" || break_lock "$owner"
  fi
}

# Without a hash only the server's own mark of the object tells that a part belongs to it.
adopt() {
  local old="$1" have="${1%.part}.have"
  [ -f "$old" ] && [ ! -L "$old" ] && [ "$(size_of "$old")" -gt "$(size_of "$PART")" ] || return 0
  if [ -z "$SHA256" ]; then
    case "$(head -n 1 -- "$have" 2>/dev/null)" in 'etag '?*) ;; *) return 0 ;; esac
  fi
  rm -f -- "$HAVE"
  case "$old" in
  "./$NAME.$KIND.$WHERE".*)
    [ ! -f "$have" ] || [ -L "$have" ] || mv -f -- "$have" "$HAVE"
    mv -f -- "$old" "$PART"
    ;;
  # A writer on another machine may wake up: what it writes then must not be our file.
  "./$NAME.$KIND".*)
    [ ! -f "$have" ] || [ -L "$have" ] || cp -- "$have" "$HAVE"
    work cp -- "$old" "$PART"
    ;;
  esac
}
