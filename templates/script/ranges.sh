# What of the part file has arrived. GAPS holds what no connection is at, as `FROM-TO …`, the
# lowest first; TO is empty where the end is not known yet. ARRIVED[FROM]=TO are ranges that are
# there, LOW is up to where there is no gap. Bytes count only after the head of their answer has
# shown that they are what was asked for.

begin_ranges() {
  local from to
  LOW=0 GAPS='0- ' ARRIVED=() ETAG='' LENGTH="$SIZE"
  if [ -f "$HAVE" ] && [ -f "$PART" ]; then
    while read -r from to; do
      if [ "$from" = etag ]; then
        ! is_mark "$to" || ETAG="$to"
      elif is_number "$from" && is_number "$to" && [ "$to" -gt "$from" ]; then
        ARRIVED[from]="$to"
      fi
    done <"$HAVE"
  elif [ -n "$SHA256" ] && [ -z "$EVENTS" ]; then # of a large one the size tells nothing
    LOW="$(size_of "$PART")"
  fi
  [ -n "$SHA256$ETAG" ] || ARRIVED=()
  raise_low
  gaps_between
  [ ! -e "$PART" ] || cut_at "$(highest)"
}

raise_low() {
  while [ -n "${ARRIVED[LOW]:-}" ]; do LOW="${ARRIVED[LOW]}"; done
}

gaps_between() {
  local from at="$LOW"
  GAPS=''
  if [ "${#ARRIVED[@]}" -gt 0 ]; then # an empty list is an error to bash 3.2
    for from in "${!ARRIVED[@]}"; do
      [ "$from" -ge "$LOW" ] || continue
      [ "$from" -le "$at" ] || GAPS="$GAPS$at-$from "
      [ "${ARRIVED[from]}" -le "$at" ] || at="${ARRIVED[from]}"
    done
  fi
  if [ -z "$LENGTH" ]; then GAPS="$GAPS$at- "; elif [ "$at" -lt "$LENGTH" ]; then GAPS="$GAPS$at-$LENGTH "; fi
}

highest() {
  local from most="$LOW"
  if [ "${#ARRIVED[@]}" -gt 0 ]; then
    for from in "${!ARRIVED[@]}"; do
      [ "${ARRIVED[from]}" -le "$most" ] || most="${ARRIVED[from]}"
    done
  fi
  printf '%s' "$most"
}

# Bytes behind the last range that counts are of nobody: what is asked next writes over them, and
# what is not must not lengthen the file.
cut_at() {
  [ "$(size_of "$PART")" -le "$1" ] || dd if=/dev/null of="$PART" bs=1 seek="$1" count=0 2>/dev/null
}

# Something did not fit: nothing of what is there may count.
start_over() {
  rm -f -- "$PART" "$HAVE"
  LOW=0 GAPS='0- ' ARRIVED=() ETAG='' LENGTH="$SIZE"
  [ -z "$HASHER" ] || begin_hash
}

# Bytes FROM to TO are there. What is left of a connection's range becomes a gap again.
arrived() {
  local from="$1" to="$2" end="$3"
  if [ "$to" -gt "$from" ]; then
    ARRIVED[from]="$to"
    raise_low
  fi
  if [ -z "$end" ] || [ "$to" -lt "$end" ]; then GAPS="$to-$end $GAPS"; fi
}

# For the next run, and for whoever draws how far this one is.
keep_ranges() {
  local from slot
  {
    [ -z "$ETAG" ] || printf 'etag %s\n' "$ETAG"
    printf '0 %s\n' "$LOW"
    [ "${#ARRIVED[@]}" = 0 ] || for from in "${!ARRIVED[@]}"; do
      [ "$from" -lt "$LOW" ] || printf '%s %s\n' "$from" "${ARRIVED[from]}"
    done
    [ "$BUSY" = 0 ] || for slot in "${!FROM[@]}"; do
      [ -z "${FITS[slot]}" ] || [ "${AT[slot]}" -le "${FROM[slot]}" ] ||
        printf '%s %s\n' "${FROM[slot]}" "${AT[slot]}"
    done
  } >"$WORK/have" 2>/dev/null && mv -f -- "$WORK/have" "$HAVE"
}
