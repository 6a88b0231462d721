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
