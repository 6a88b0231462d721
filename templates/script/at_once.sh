# A small file mostly comes at the first try. This is that try, made before bash has even looked at
# what follows: all that is needed where it fails, where something lies there, or where others are
# at it. A file of a size or hash that is not known, or of a stranger's address, is not for it.
at_once() {
  local line
  [ -z "$LOCAL$NEAR$OFFLINE$MIRRORS" ] && [ -n "$ENDPOINT" ] && [ -n "$SHA256" ] && is_number "$SIZE" || return
  [ "$SIZE" -gt 0 ] && [ "$SIZE" -lt "$MIB" ] || return
  [ ! -e "$DEST" ] && [ ! -L "$DEST" ] && [ ! -e "$DEST.unsafe" ] && command -v curl >/dev/null || return
  is_plain "$URL" || return
  case "$BASH_VERSION" in 3.* | 4.0*) return ;; esac # these can't do what follows
  enter_folder
  for line in "./$NAME".*.part "./.$NAME."*; do
    [ ! -e "$line" ] && [ ! -L "$line" ] || return
  done
  catch_signals
  TARGET="$URL"
  begin_curl || return
  bring_at_once
  exec 4<&- 5>&- # one that has been asked for nothing ends
  WORKER=''
}

bring_at_once() {
  # The loop above has seen that nothing of this name is there, so no link to a folder either.
  ln -s -- "$ME" "$LOCK" 2>/dev/null && LOCKED=1 || return
  # Another may have brought it and given the lock back, since we looked.
  [ ! -e "$FILE" ] || return
  free_space
  [ -z "$FREE" ] || [ $((FREE * 1024)) -ge $((SIZE + RESERVE)) ] || return
  read_token
  TRIED=1
  for HOPS in 0 1 2; do # with a repository that has got another name, and the storage
    [ "$HOPS" = 0 ] || begin_curl || return
    ask_curl
    leads_on || break
  done
  [ -s "$PART" ] || return
  is_settled "$PART" && [ ! -e "$FILE" ] && [ ! -L "$FILE" ] || return
  # The second name takes nothing's place; the first one goes with the lock, in one process.
  if ln -- "$PART" "$FILE" 2>/dev/null && [ "$FILE" -ef "$PART" ]; then
    NAMED="$PART"
  else
    [ ! -e "$FILE" ] && mv -f -- "$PART" "$FILE" 2>/dev/null || return
  fi
  tell brought
  say "Done: $DEST" # a name that is lost with the machine's power is there again with the next run
  exit 0
}

# Curl takes longer to begin than all that is looked at before it may ask for anything. So it begins
# first, and waits at fd 5 for what to ask for; where we end before, or are killed, it reads nothing
# and ends too. Fd 4 has what is answered to it, or what it says.
begin_curl() {
  same_server
  eval 'coproc CURLING { be_curl; }' # written like this, since bash 3.2 could not even read it
  WORKER="${CURLING_PID:-}"
  [ -n "$WORKER" ] && exec 4<&"${CURLING[0]:-}"- 5>&"${CURLING[1]:-}"-
} 2>/dev/null # it may have ended

# shellcheck disable=SC2317
be_curl() {
  exec 2>&1 3>&-
  ulimit -c 0
  ulimit -f $((SIZE / 1024 + 5)) 2>/dev/null
  # More than the file may have, so that what a redirect says besides ends nothing. It ends in time for
  # our first sign of life, also if we are killed then.
  exec "${CURL[@]}" "${SAME[@]}" --max-filesize $((SIZE + 4096)) --max-time $((LOCK_STILL / 6 + 1)) \
    --dump-header - --output "$PART" --config -
}

# One request, and what it leads to on the same server.
ask_curl() {
  trap '' PIPE # it may have ended
  # What nobody has read may stay with a shell, and be printed later: so no token in this one.
  if [ -z "$TOKEN" ]; then request 0 >&5; else (request 0 >&5); fi 2>/dev/null
  trap - PIPE
  exec 5>&-
  hear
  exec 4<&-
  wait "$WORKER"
  WORKER=''
}

# Curl follows by itself where that is to the same server: every other one lies, as it is told, at a
# port that nobody can have. A proxy would be asked for that, so there we follow.
same_server() {
  local host="${TARGET#*://}"
  host="${host%%[/?#]*}"
  SAME=(--no-location)
  [ -z "${http_proxy:-}${https_proxy:-}${HTTPS_PROXY:-}${all_proxy:-}${ALL_PROXY:-}" ] || return 0
  case "${host##*]}" in
  *:*) ;;
  *) case "$TARGET" in https:*) host="$host:443" ;; *) host="$host:80" ;; esac ;;
  esac
  SAME=(--max-redirs 2 --connect-to "$host:$host" --connect-to ::127.0.0.1:0)
}

# Does the answer lead to the same server, or to where the Hub keeps its files? No stranger has a
# certificate for one of these names. What is at any other host has to be looked at first.
leads_on() {
  local line status='' to='' host="${TARGET#*://}" IFS=$'\n'
  NEXT=''
  set -f
  for line in $SAID; do
    case "$line" in
    HTTP/*)
      [ -z "$to" ] || LED=1 # and curl has gone there
      status="${line%$'\r'}" to=''
      ;;
    [Ll]ocation:*) to="${line#*:}" ;;
    esac
  done
  set +f
  case "${status#* }" in 30[12378] | 30[12378]\ *) ;; *) return 1 ;; esac
  to="${to%$'\r'}"
  to="${to#"${to%%[! ]*}"}"
  case "$to" in //*) return 1 ;; /*) to="${TARGET%%"$host"}${host%%[/?#]*}$to" ;; esac
  is_plain "$to" || return 1
  NEXT="$to"
  host="${to#https://}"
  host="${host%%[/?#]*}"
  case "$to" in
  "$ORIGIN"/*) ;;
  https://*)
    case "$ENDPOINT:$host" in
    *:*[!A-Za-z0-9.-]*) return 1 ;;
    huggingface:hf.co | huggingface:*.hf.co | huggingface:huggingface.co | huggingface:*.huggingface.co) ;;
    *) return 1 ;;
    esac
    STRAYED=1
    ;;
  *) return 1 ;;
  esac
  TARGET="$to" LED=1
}

# Reads on until curl has ended, since it waits for ever for who does not read; many bytes at a time,
# where a line at a time would be a byte at a time.
hear() {
  IFS= read -r -N 65537 SAID <&4
  [ "${#SAID}" -gt 65536 ] || return 0
  kill "$WORKER" 2>/dev/null
  cat <&4 >/dev/null # until it is dead: it writes to the part
  SAID="the head of the answer has no end"$'\n'
}

at_once
