# Room for a file is taken before its first byte comes, so that no other download counts on it too.
# Where that can't be done, the look at what is free has to do.
need_space() {
  local needed="$NEEDED" taken=''
  if [ -z "$NEEDED" ]; then # it may take all but the reserve
    free_space
    [ -n "$FREE" ] || return 0
    ROOM=$((LOW + FREE * 1024 - RESERVE))
    [ "$ROOM" -gt "$LOW" ] || no_space "$FREE" 0
    return 0
  fi
  [ -n "$SIZE" ] || ROOM=$((2 * NEEDED + MIB)) # its size has been rounded, but never by as much
  if [ "$NEEDED" -ge "$MIB" ] && [ -z "$LOCAL$WHOLE" ]; then
    : >>"$PART"
    taken="$(fallocate --keep-size --length "$NEEDED" -- "$PART" 2>&1)" && needed=0
  fi
  free_space
  [ -n "$FREE" ] || return 0
  case "$taken" in *'No space'*) no_space "$FREE" "$NEEDED" ;; esac
  if [ "$needed" != 0 ] && [ -f "$PART" ]; then
    needed=$((needed - $(du -k -- "$PART" | cut -f 1) * 1024))
  fi
  if [ $((FREE * 1024)) -lt $((needed + RESERVE)) ]; then no_space "$FREE" "$NEEDED"; fi
}

no_space() {
  [ "$LOW" -gt 0 ] || rm -f -- "$PART"
  fail 13 "Not enough space in $DIR for $NAME: $(($1 / 1024)) MB free, $([ "$2" = 0 ] && echo more || echo "$(($2 / 1048576)) MB") needed and $((RESERVE / 1048576)) MB kept in reserve" "make room, or set download.reserve"
}
