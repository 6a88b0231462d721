# Connections write straight into the part file, each at its own place. `FROM[slot]` to
# `TO[slot]` is what was asked (TO empty: to the end), `AT[slot]` how far it is, `FITS[slot]` set
# once the head of its answer has shown that it is that.

connect() {
  local slot="$1" from="$2" to="$3"
  FROM[slot]="$from" TO[slot]="$to" AT[slot]="$from" FITS[slot]='' AIM[slot]="$TARGET" LEVEL[slot]="$COUNT"
  set -- "${CURL[@]}" --no-buffer --max-redirs 0 --dump-header "$WORK/$slot.headers" \
    --write-out '%{stderr}\nanswer %{size_download} %{time_starttransfer} %{time_total} %{redirect_url}\n'
  if [ "$from" != 0 ] || { [ -n "$to" ] && [ "$to" != "$LENGTH" ]; }; then
    set -- "$@" --range "$from-${to:+$((to - 1))}"
    # A whole file in place of a piece must not run into its neighbours.
    [ "$from" = 0 ] || [ -z "$to" ] || set -- "$@" --max-filesize "$((to - from))"
  fi
  : >"$WORK/$slot.headers"
  (
    trap - INT TERM HUP
    [ "$from" = 0 ] || dd bs=1 seek="$from" count=0 conv=notrunc </dev/null 2>/dev/null
    # From the beginning the whole file may come, where a server knows of no pieces.
    if [ "$from" = 0 ]; then no_more_than "${LENGTH:-$ROOM}"; else no_more_than "${to:-$ROOM}"; fi
    [ -n "$EVENTS" ] || noted "$WORK/$slot.pid" "$@" --config <(request "$from")
    (noted "$WORK/$slot.pid" "$@" --config <(request "$from"))
    printf '%s %s\n' "$slot" "$?" >&7
  ) 1<>"$PART" 2>"$WORK/$slot.errors" 3>&- 8>&- &
  WORKER=$!
  BUSY=$((BUSY + 1))
  [ -n "$LOCATED" ] || SEEKING="$slot"
}

# Whatever a server sends, what we start writes no further in a file: not every curl stops at a
# length that it was told, if the server tells none.
no_more_than() {
  ulimit -c 0
  [ -z "$1" ] || ulimit -f $(($1 / 1024 + 1)) 2>/dev/null # yours may be lower
}

# Reads the head of an answer and says whether its body is what was asked for: 0 yes, 1 it is not
# there yet or is no body, 2 no. Learns the length, and the mark of the object.
judge() {
  local slot="$1" start length
  read_answer "$WORK/$slot.headers"
  [ -n "$A_WHOLE" ] || return 1
  case "$STATUS" in
  200)
    [ "${FROM[slot]}" = 0 ] || return 2
    is_number "$A_LENGTH" && length="$A_LENGTH" || length=''
    TO[slot]="$length" GAPS=''
    settle_count 1
    ;;
  206)
    start="${A_RANGE#[Bb]ytes }"
    length="${A_RANGE##*/}"
    start="${start%%-*}"
    [ "$start" = "${FROM[slot]}" ] && is_number "$length" || return 2
    [ -n "${TO[slot]}" ] && [ "${TO[slot]}" -le "$length" ] || TO[slot]="$length"
    ;;
  *) return 1 ;;
  esac
  [ -z "$A_PACKED" ] || return 2
  [ -z "$length" ] || [ -z "$LENGTH" ] || [ "$length" = "$LENGTH" ] || return 2
  [ -z "$length" ] || [ -z "$NEEDED" ] || [ -z "$ROOM" ] || [ "$length" -le "$ROOM" ] || return 2
  [ -z "$ETAG" ] || [ "$A_ETAG" = "$ETAG" ] || return 2
  ETAG="$A_ETAG"
  if [ -n "$length" ] && [ -z "$LENGTH" ]; then
    LENGTH="$length"
    [ "$STATUS" = 200 ] || gaps_to_end
  fi
  FITS[slot]=1
  [ "${AIM[slot]}" != "$TARGET" ] || LOCATED=1
}

# The last gap ends where the file does, now that this is known.
gaps_to_end() {
  local from="${GAPS%- }"
  [ "$from" != "$GAPS" ] || return 0
  from="${from##* }"
  GAPS="${GAPS%"$from- "}"
  [ "$from" -ge "$LENGTH" ] || GAPS="$GAPS$from-$LENGTH "
}

# How far a connection has written: the kernel knows where it does, elsewhere only the last one
# can be told, by the end of the file.
look_at() {
  local slot="$1" child='' at=''
  if [ -z "${FITS[slot]}" ]; then
    judge "$slot"
    case $? in
    0) ;;
    1) return 0 ;;
    2) end_connection "$slot" && return ;;
    esac
  fi
  [ ! -r "$WORK/$slot.pid" ] || read -r child <"$WORK/$slot.pid"
  if [ -r "/proc/$child/fdinfo/1" ]; then
    { read -r _ at; } 2>/dev/null <"/proc/$child/fdinfo/1"
  elif [ "$BUSY" = 1 ] && [ -z "$GAPS" ]; then
    at="$(size_of "$PART")"
  fi
  if is_number "$at" && [ "$at" -gt "${AT[slot]}" ]; then AT[slot]="$at"; fi
}

# Its end is an event like any other.
end_connection() {
  local child=''
  [ ! -r "$WORK/$1.pid" ] || read -r child <"$WORK/$1.pid"
  [ -z "$child" ] || kill "$child" 2>/dev/null
}
