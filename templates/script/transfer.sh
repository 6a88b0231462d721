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
  if [ -n "$FAILED" ]; then consider_first_try; fi
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

# The try that was made at once has failed. What it has brought may be the beginning.
weigh_first_try() {
  printf '%s' "$SAID" >"$WORK/0.headers"
  read_answer "$WORK/0.headers"
  case "$STATUS" in
  2??)
    if [ -z "$A_PACKED" ] && [ "$A_LENGTH" = "$SIZE" ]; then
      [ "$(size_of "$PART")" != "$SIZE" ] || wrong_content "What arrived is not $NAME: size or sha256 differ"
      [ ! -s "$PART" ] || return 0
      FAILED=1
    fi
    ;;
  3??) ;; # to an address that has to be looked at first
  *) FAILED=1 ;;
  esac
  rm -f -- "$PART"
}

# It counts as a try, and what the server has said then is heeded.
consider_first_try() {
  local aim="$URL"
  case "$SAID" in *$'\nHTTP/'*) aim=elsewhere TARGET=elsewhere ;; esac # there had been a redirect
  FAILED='' MESSAGE="${SAID%$'\n'}"
  MESSAGE="${MESSAGE##*$'\n'}"
  consider 22 "$aim"
  from_the_start
}

# One connection finds the way to where the file lies; the others go there at once.
may_connect() { [ "$BUSY" -lt "$COUNT" ] && { [ -n "$LOCATED" ] || [ -z "$SEEKING" ]; }; }

# Signed addresses expire: what began at the address of the script may begin there again.
from_the_start() {
  HOPS=0 STRAYED='' LOCATED=''
  visit "$URL" || fail 1 "The address of $NAME is refused. Next: give another one under models: in manifest.yaml."
}

# Cuts the range of the next connection from the first gap: small pieces while speeds are compared,
# large enough that the connections go side by side; then smaller and smaller ones, so that all
# end at about the same time. Each piece costs the start of a curl.
take() {
  local gap="${GAPS%% *}" size
  [ -n "$GAPS" ] || return 1
  GAPS="${GAPS#* }"
  BEGIN="${gap%-*}" END="${gap#*-}"
  if [ "$PROBES" -gt 0 ]; then
    PROBES=$((PROBES - 1))
    size="$PROBE"
    [ "$COUNT" = 1 ] || size="$(between "$PROBE" $(((LENGTH - BEGIN) / (2 * COUNT))) $((16 * MIB)))"
  elif [ "$COUNT" = 1 ] || [ -z "$LENGTH" ]; then
    return 0
  else
    size="$(between $((16 * MIB)) $(((LENGTH - BEGIN) * 2 / (3 * COUNT))) $((64 * MIB)))"
  fi
  if [ -z "$END" ] || [ $((END - BEGIN)) -gt $((size + MIB)) ]; then
    GAPS="$((BEGIN + size))-$END $GAPS"
    END=$((BEGIN + size))
  fi
}

between() {
  local size="$2"
  [ "$size" -ge "$1" ] || size="$1"
  [ "$size" -le "$3" ] || size="$3"
  printf '%s' $((size / MIB * MIB))
}

settle_count() { COUNT="$1" PROBES=0 SETTLED=1; }

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
  local slot="$1" code="$2" from="${FROM[$1]}" aim="${AIM[$1]}" end at fit line bytes='' start=0 total=0 next=''
  MESSAGE=''
  while read -r line; do
    case "$line" in
    'answer '*) read -r _ bytes start total next <<<"$line" ;;
    ?*) MESSAGE="$line" ;;
    esac
  done <"$WORK/$slot.errors"
  [ -n "$bytes" ] || [ "$code" != 0 ] || fail 1 "curl is too old. Next: install curl 7.63 or newer."
  judge "$slot"
  fit=$?
  [ "$code" != 63 ] || fit=2 # larger than the piece that was asked for
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
    if [ "$at" -gt "$from" ] && [ "$MISFITS" = 0 ]; then TRIES=0 RENEWED=0; fi
    arrived "$from" "$at" "$end"
    consider "$code" "$aim"
  fi
}

hop() {
  HOPS=$((HOPS + 1))
  [ "$HOPS" -le 10 ] || fail 15 "$NAME is redirected for ever. Next: run again later."
  visit "$1" || fail 1 "The server of $NAME sends us to an address that is refused: it is not https, or not public. Next: give another address under models: in manifest.yaml."
}

# Is it the server that limits each connection? Then more of them bring more.
measure() {
  local slot="$1" bytes="$2" span rate count
  span=$((10#${4//[!0-9]/} - 10#${3//[!0-9]/})) # microseconds
  [ "$span" -gt 0 ] || span=1
  rate=$((bytes * 1000 / span + 1)) # kB/s
  if [ -n "$SETTLED" ]; then
    # As fast as one alone was: the line has room, since another download has ended.
    [ "$COUNT" = 1 ] || [ "$COUNT" -ge "$MOST" ] || [ $((rate * 10)) -lt $((ALONE * 9)) ] || COUNT=$((COUNT + 1))
    return
  fi
  [ "${LEVEL[slot]}" = "$COUNT" ] || return
  SUM=$((SUM + rate))
  SEEN=$((SEEN + 1))
  [ "$SEEN" -ge "$COUNT" ] || return
  if [ "$COUNT" = 1 ]; then
    ALONE="$SUM"
    MOST=$(((${LENGTH:-0} - LOW) / (2 * PROBE)))
    [ "$MOST" -le 16 ] || MOST=16
    if [ "$ALONE" -lt "$FAST" ] && [ "$MOST" -gt 1 ]; then COUNT="$MOST" PROBES="$MOST"; else settle_count 1; fi
  elif [ $((SUM * 10)) -lt $((ALONE * 12)) ]; then
    settle_count 1
  else
    count=$(((SUM + ALONE - 1) / ALONE + 2))
    [ "$count" -le "$MOST" ] || count="$MOST"
    settle_count "$count"
  fi
  SUM=0 SEEN=0
}

# An answer that is not the object or not the place that was asked for: nothing of it counts, and
# what it may have written over does not either. From now on, the whole file on one connection.
misfit() {
  local slot code
  MISFITS=$((MISFITS + 1))
  [ -z "$A_PACKED" ] || [ "$MISFITS" -le "$RETRIES" ] || fail 15 "The server packs $NAME ($A_PACKED) though it was not asked to. Next: run again later."
  [ -n "$A_PACKED" ] || [ "$1" != 0 ] || wrong_content "What arrived is not $NAME: the server has another size"
  [ "$MISFITS" -le "$RETRIES" ] || fail 15 "The answers of the server do not fit together for $NAME. Next: run again later."
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

# Decides what a failed try means: ends the script, or returns to try again.
consider() {
  local code="$1" seconds
  # Without a token the Hub answers 401 for what does not exist, as for what is private.
  case "$A_ERROR" in *NotFound) STATUS=404 ;; esac
  case "$STATUS" in
  401 | 403)
    if [ "$STATUS" = 403 ] && [ "$2" != "$URL" ]; then # a signed address that has expired
      [ "$2" = "$TARGET" ] || return 0 # another connection has found that out before
      RENEWED=$((RENEWED + 1))
      [ "$RENEWED" -le 1 ] ||
        fail 15 "The storage of $NAME refuses a new address too. Next: run again later."
      from_the_start
      return
    fi
    [ "$STATUS" = 403 ] || fail 10 "$NAME needs a token. Next: ${PAGE:+accept the licence on $PAGE, then }set ${TOKEN_VARIABLE:-a token} and run again."
    [ "$A_ERROR" != GatedRepo ] || fail 11 "The licence of $NAME is not accepted. Next: accept it on $PAGE and run again."
    fail 10 "Access to $NAME is refused. Next: check ${TOKEN_VARIABLE:-the address}."
    ;;
  404 | 410 | 451) fail 12 "$NAME is not there any more (status $STATUS). Next: run doit, it searches again." ;;
  416)
    if [ "${A_RANGE##*/}" = "$LOW" ] && [ -z "$LENGTH" ]; then
      LENGTH="$LOW"
      return
    fi
    start_over
    ;;
  esac
  case "$code" in
  23)
    rm -f -- "$PART" "$HAVE" # half a file would keep the room that others need
    fail 13 "Can't write $NAME in $DIR: the disk is full or failing. Next: make room and run again."
    ;;
  60 | 77) fail 15 "The certificate of the server is not trusted. Next: name your own authority in CURL_CA_BUNDLE." ;;
  esac
  # Without a hash or a mark of the object nothing shows that the rest would belong to it.
  if [ "$MISFITS" -gt 0 ] || [ -z "$SHA256$ETAG" ]; then start_over; fi
  TRIES=$((TRIES + 1))
  ALL_TRIES=$((ALL_TRIES + 1))
  if [ "$TRIES" -ge "$RETRIES" ] || [ "$ALL_TRIES" -gt 1000 ]; then
    fail 15 "The network gave up on $NAME: ${MESSAGE#curl: }. Next: run again, what has arrived is kept."
  fi
  if [ "$COUNT" -gt 1 ]; then # it may be too many for this server
    MOST=$((COUNT / 2))
    settle_count "$MOST"
  fi
  seconds="$(asked_to_wait)"
  [ -n "$seconds" ] || seconds=$((PAUSE * (1 << (TRIES < 6 ? TRIES - 1 : 5))))
  seconds=$((seconds + RANDOM % (seconds / 4 + 1))) # not all at the same moment
  if [ "$seconds" -gt 300 ]; then seconds=300; fi
  say "Trying again in $seconds s (${MESSAGE#curl: })"
  [ "$seconds" = 0 ] || pause "$seconds"
}
