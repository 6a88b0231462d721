# Fetches until nothing is missing. One connection first; more of them while each is as fast as
# the first was, because then it is the server that limits a connection, and not the line.
transfer() {
  local slot code
  TRIES=0 ALL_TRIES=0 MISFITS=0 RENEWED=0 BUSY=0 SEEKING='' FLUSH=''
  COUNT=1 SETTLED='' PROBES=1 ALONE=0 MOST=1 SUM=0 SEEN=0
  FROM=() TO=() AT=() FITS=() AIM=() LEVEL=()
  if [ -n "$EVENTS" ]; then
    KEEPING=1
    keep_ranges
  else
    settle_count 1
  fi
  from_the_start
  if [ -n "$FAILED" ]; then consider_first_try; elif [ -n "$NEXT" ]; then hop "$NEXT"; fi
  NEXT=''
  [ "$LOW" = 0 ] || say "Going on at byte $LOW"
  until [ -n "$LENGTH" ] && [ "$LOW" -ge "$LENGTH" ]; do
    while may_connect && take; do
      slot=0
      while [ -n "${FROM[slot]+taken}" ]; do slot=$((slot + 1)); done
      connect "$slot" "$BEGIN" "$END"
    done
    if [ -z "$EVENTS" ]; then
      wait "$WORKER"
      code=$?
      WORKER=''
      settle 0 "$code"
    elif read -r slot code <&7; then
      if [ "$slot" = tick ]; then tick; else settle "$slot" "$code"; fi
    fi
  done
}

# One connection finds the way to where the file lies; the others go there at once.
may_connect() { [ "$BUSY" -lt "$COUNT" ] && { [ -n "$LOCATED" ] || [ -z "$SEEKING" ]; }; }

# Signed addresses expire: what began at the address of the script may begin there again.
from_the_start() {
  HOPS=0 STRAYED='' LOCATED=''
  visit "$URL" || fail 1 "The address of $NAME is refused" "give another one under models: in manifest.yaml"
}

tick() {
  local slot safe="$LOW"
  [ "$BUSY" -gt 0 ] || return 0
  for slot in "${!FROM[@]}"; do
    look_at "$slot"
    [ -z "${FITS[slot]}" ] || [ "${FROM[slot]}" != "$LOW" ] || safe="${AT[slot]}"
  done
  mark_hash "$safe"
  # What goes to the disk now does not have to at the end.
  if [ -d /proc/self ] && ! kill -0 "$FLUSH" 2>/dev/null; then
    sync -d -- "$PART" >/dev/null 2>&1 3>&- 7>&- 8>&- &
    FLUSH=$!
  fi
  keep_ranges
}

# A connection has ended.
settle() {
  local slot="$1" code="$2" from="${FROM[$1]}" aim="${AIM[$1]}" end end_of at fit line bytes='' start=0 total=0 next=''
  MESSAGE=''
  while read -r line; do
    case "$line" in
    'answer '*) read -r _ bytes start total next <<<"$line" ;;
    ?*) MESSAGE="$line" ;;
    esac
  done <"$WORK/$slot.errors"
  [ -d "$WORK" ] || fail 1 "$DIR has vanished, or another process has taken $NAME over" "see that the store is there, then run again" store
  [ -n "$bytes" ] || [ "$code" != 0 ] || fail 1 "curl is too old" "install curl 7.63 or newer" tool
  [ -n "$bytes$MESSAGE" ] || [ "$code" = 0 ] || look_for_room
  judge "$slot"
  fit=$?
  case "$code" in
  63) fit=2 ;; # larger than the piece that was asked for
  153)         # ended by the limit of its file
    if [ "$fit" = 1 ]; then # that of what is noted of its head: nothing else has been written
      MESSAGE='the head of the answer has no end'
    else
      if [ -z "${TO[slot]}$LENGTH$NEEDED" ]; then
        free_space
        no_space "$FREE" 0
      fi
      fit=2
    fi
    ;;
  esac
  end="${TO[slot]}" at="$from"
  if [ "$fit" = 0 ]; then
    is_number "$bytes" && at=$((from + bytes)) || at="${AT[slot]}"
  fi
  : >"$WORK/$slot.pid" # the number may be another's by now
  unset "FROM[$slot]" "TO[$slot]" "AT[$slot]" "FITS[$slot]"
  BUSY=$((BUSY - 1))
  [ "$SEEKING" != "$slot" ] || SEEKING=''
  if [ "$code" = 47 ] && [ -n "$next" ]; then
    GAPS="$from-$end $GAPS"
    hop "$next"
  elif [ "$fit" = 2 ]; then
    misfit "$from"
  elif [ "$code" = 0 ] && [ "$fit" = 0 ] && { [ -z "$end" ] || [ "$at" -gt "$from" ]; }; then
    [ -n "$end" ] || LENGTH="$at" end="$at"
    arrived "$from" "$at" "$end"
    TRIES=0 RENEWED=0
    measure "$slot" "$((at - from))" "$start" "$total"
    mark_hash "$LOW"
  else
    # A few bytes are no progress: a server that gives some at each try would go on for ever. Many
    # are none either where all begins anew.
    end_of="${end:-0}"
    if [ "$MISFITS" = 0 ] && [ -n "$SHA256$ETAG" ] &&
      { [ $((at - from)) -ge "$BLOCK" ] || [ $(((at - from) * 64)) -gt $((end_of - from)) ]; }; then
      [ "$at" = "$from" ] || TRIES=0 RENEWED=0
    fi
    arrived "$from" "$at" "$end"
    # A page that came in place of the file is no beginning of it.
    [ "$fit" = 0 ] || [ "$BUSY" != 0 ] || [ ! -e "$PART" ] || cut_at "$(highest)"
    [ "$code" != 22 ] || ask_for_head "$from" "$aim"
    consider "$code" "$aim"
  fi
}

# It could not even begin: is there no room for what it writes down?
look_for_room() {
  local said
  said="$({ : >"$WORK/room"; } 2>&1)" || cant_write "${said#*room: }"
  rm -f -- "$WORK/room"
}

hop() {
  HOPS=$((HOPS + 1))
  [ "$HOPS" -le 10 ] || fail 15 "$NAME is redirected for ever" "run again later"
  visit "$1" || fail 1 "The server of $NAME sends us to an address that is refused: it is not https, or not public" "give another address under models: in manifest.yaml"
}

# An answer that is not the object or not the place that was asked for: nothing of it counts, and
# what it may have written over does not either. From now on, the whole file on one connection.
misfit() {
  local slot code
  rm -f -- "$PART" "$HAVE"
  MISFITS=$((MISFITS + 1))
  [ -z "$A_PACKED" ] || [ "$MISFITS" -le "$RETRIES" ] || fail 15 "The server packs $NAME ($A_PACKED) though it was not asked to" "run again later"
  # The Hub answers with no page when a file is asked for; a network in between may.
  [ "$A_PAGE" != html ] || [ "$ENDPOINT$STRAYED" != huggingface ] || tell_unreached page
  if [ -n "$A_PAGE" ] && [ "$1" = 0 ]; then wrong_content "A web page or an error message came in place of $NAME" page; fi
  [ -n "$A_PACKED" ] || [ "$1" != 0 ] || wrong_content "What arrived is not $NAME: the server has another size"
  [ "$MISFITS" -le "$RETRIES" ] || fail 15 "The answers of the server do not fit together for $NAME" "run again later"
  [ "$BUSY" = 0 ] || for slot in "${!FROM[@]}"; do end_connection "$slot"; done
  while [ "$BUSY" -gt 0 ]; do
    read -r slot code <&7
    [ "$slot" = tick ] || BUSY=$((BUSY - 1))
  done
  FROM=() TO=() AT=() FITS=()
  SEEKING=''
  settle_count 1
  start_over
}
