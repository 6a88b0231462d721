# The try that was made at once has failed. What it has brought may be the beginning.
weigh_first_try() {
  MESSAGE="${SAID%$'\n'}"
  MESSAGE="${MESSAGE##*$'\n'}"
  printf '%s' "$SAID" >"$WORK/0.headers"
  read_answer "$WORK/0.headers"
  ask_for_head 0 "$TARGET"
  case "$STATUS" in
  2??)
    if [ -z "$A_PACKED" ] && [ "$A_LENGTH" = "$SIZE" ]; then
      [ "$(size_of "$PART")" != "$SIZE" ] || is_right "$PART" ||
        wrong_bytes "What arrived"
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
  [ -z "$LED" ] || aim=elsewhere TARGET=elsewhere
  FAILED=''
  consider 22 "$aim"
  from_the_start
}

# Curl before 7.75 tells only the status of an answer that is an error, and what helps stands in its
# head: so that is asked for alone. What is answered then is what counts.
ask_for_head() {
  local from="$1" status="${MESSAGE##*returned error: }"
  [ "$status" != "$MESSAGE" ] && [ "${status:0:3}" != "$STATUS" ] || return 0
  STATUS="${status:0:3}"
  case "$STATUS" in 404 | 410 | 451) return ;; esac # all is said
  [ "$2" = "$TARGET" ] || return 0
  : >"$WORK/head.headers"
  (
    trap - INT TERM HUP
    no_more_than 65536
    noted "$WORK/head.pid" "${CURL[@]}" --no-fail --max-redirs 0 --max-time 20 --range "$from-$from" \
      --dump-header "$WORK/head.headers" --output /dev/null --config <(request "$from")
  ) </dev/null >/dev/null 2>&1 3>&- 7>&- 8>&- &
  WORKER=$!
  wait "$WORKER"
  WORKER=''
  read_answer "$WORK/head.headers"
  [ -n "$STATUS" ] || STATUS="${status:0:3}"
}

# Decides what a failed try means: ends the script, or returns to try again.
consider() {
  local code="$1" seconds
  # Without a token the Hub answers 401 for what does not exist, as for what is private.
  case "$A_ERROR$A_SAID" in *NotFound | *'Invalid username or password'*) STATUS=404 ;; esac
  case "$STATUS" in
  401 | 403)
    if [ "$STATUS" = 403 ] && [ "$2" != "$URL" ]; then # a signed address that has expired
      [ "$2" = "$TARGET" ] || return 0 # another connection has found that out before
      RENEWED=$((RENEWED + 1))
      [ "$RENEWED" -le 1 ] ||
        fail 15 "The storage of $NAME refuses a new address too" "run again later"
      from_the_start
      return
    fi
    gate
    ;;
  404 | 410 | 451) fail 12 "$NAME is not there any more (status $STATUS)" "run \`doit\`, it searches again" ;;
  400) bridge_refuses "$2" ;;
  407) who_asks ;;
  511) sign_in_first ;;
  416)
    if [ "${A_RANGE##*/}" = "$LOW" ] && [ -z "$LENGTH" ]; then
      LENGTH="$LOW"
      return
    fi
    start_over
    ;;
  esac
  case "$MESSAGE" in *' 407 from proxy'* | *'tunnel failed, response 407'* | *'error: 407') who_asks ;; esac
  case "$MESSAGE" in # the relay has no way to a server; its last digit is what curl would have said
  *' 59'[567]' from proxy'* | *' response 59'[567] | *'error: 59'[567])
    code="${MESSAGE##*59}" STATUS=''
    code="${code%%[!0-9]*}" MESSAGE='there is no connection'
    ;;
  esac
  case "$code" in
  23)
    rm -f -- "$PART" "$HAVE" # half a file would keep the room that others need
    fail 13 "Can't write $NAME in $DIR: the disk is full or failing" "make room and run again"
    ;;
  60 | 77) unreachable "$code" "The certificate of the server is not trusted" "name your own authority in CURL_CA_BUNDLE" ;;
  esac
  # Without a hash or a mark of the object nothing shows that the rest would belong to it.
  if [ "$MISFITS" -gt 0 ] || [ -z "$SHA256$ETAG" ]; then start_over; fi
  [ -n "$MESSAGE" ] || MESSAGE="the answer $STATUS holds no file"
  TRIES=$((TRIES + 1))
  ALL_TRIES=$((ALL_TRIES + 1))
  [ -z "$STATUS" ] || REACHED=1
  # No way to the server at all: nothing but time is lost by trying on.
  case "$code" in 5 | 6 | 7) [ -n "$REACHED" ] || [ "$ALL_TRIES" -lt 2 ] ||
    unreachable "$code" ;; esac
  if [ "$TRIES" -ge "$RETRIES" ] || [ "$ALL_TRIES" -gt 1000 ]; then
    fail 15 "The network gave up on $NAME: ${MESSAGE#curl: }" "run again, what has arrived is kept"
  fi
  if [ "$COUNT" -gt 1 ]; then # it may be too many for this server
    MOST=$((COUNT / 2))
    settle_count "$MOST"
  fi
  seconds="$(asked_to_wait)"
  [ -n "$seconds" ] || seconds=$((PAUSE * (1 << (TRIES < 6 ? TRIES - 1 : 5))))
  seconds=$((seconds + RANDOM % (seconds / 4 + 1))) # not all at the same moment
  if [ "$seconds" -gt 300 ]; then seconds=300; fi
  note "Trying again in $seconds s (${MESSAGE#curl: })"
  [ "$seconds" = 0 ] || pause "$seconds"
}

sign_in_first() {
  MESSAGE='this network wants you to sign in first'
  unreachable 511
}

who_asks() {
  MESSAGE='the proxy wants to know who asks (http://user:password@host:port)'
  unreachable 407
}

# No other script needs to try that server, for a while.
tell_unreached() {
  [ "$TARGET" != elsewhere ] || TARGET="$URL"
  REPLY="${TARGET#*://}"
  REPLY="${REPLY%%[/?#]*}"
  tell unreached "$1" "$REPLY"
}

unreachable() {
  tell_unreached "$1"
  [ "$#" -eq 1 ] || fail 15 "$2" "$3"
  fail 15 "$REPLY can't be reached: ${MESSAGE#curl: }" "check the network, then run again"
}

# Who may not have it yet is told what helps: the Hub's message alone tells why.
gate() {
  local tokens="https://huggingface.co/settings/tokens"
  [ "$ENDPOINT" = huggingface ] || tokens=''
  case "$A_SAID" in
  *'Invalid credentials'*)
    fail 10 "The token in ${TOKEN_IN:-your login} is refused" "set a valid one, made on $tokens, and run again"
    ;;
  *'awaiting a review'*)
    fail 11 "Your request for $NAME waits for its authors" "wait for their mail, see $PAGE and run again" pending
    ;;
  *'has been rejected'*)
    fail 11 "The authors of $NAME have rejected your request" "see $PAGE, or get it elsewhere: \`doit pin $NAME URL\`" refused
    ;;
  *'fine-grained token settings'*)
    fail 10 "Your token may not read gated repositories, and $NAME is in one" "allow it on $tokens, accept the licence on $PAGE and run again"
    ;;
  esac
  [ "$STATUS" = 403 ] || fail 10 "$NAME needs a token" "${PAGE:+accept the licence on $PAGE, }${tokens:+make a token on $tokens, }set ${TOKEN_IN:-a token} and run again"
  [ "$A_ERROR" != GatedRepo ] || fail 11 "The licence of $NAME is not accepted" "accept it on $PAGE${tokens:+ with the account of your token ($tokens)} and run again"
  A_SAID="${A_SAID:0:300}"
  fail 10 "Access to $NAME is refused${A_SAID:+ (${A_SAID//[! -~]/?})}" "check ${TOKEN_IN:-the address}${PAGE:+, and see $PAGE}"
}

# Seconds that the server asks us to wait: Retry-After as a number or a date, or RateLimit.
asked_to_wait() {
  local value="$A_RETRY"
  case "$value" in
  '') case "$A_LIMIT" in *'r=0'*'t='*) value="${A_LIMIT##*t=}" && value="${value%%[!0-9]*}" ;; esac ;;
  *[!0-9]*)
    value="$(date -d "$value" +%s 2>/dev/null || date -j -u -f '%a, %d %b %Y %T GMT' "$value" +%s 2>/dev/null)"
    [ -z "$value" ] || value=$((value - $(date +%s)))
    case "$value" in -*) value=0 ;; esac
    ;;
  esac
  case "$value" in
  ????*) value=300 ;; # an hour or a century: see again in 5 minutes
  ?*) value=$((10#$value)) ;;
  esac
  printf '%s' "$value"
}
