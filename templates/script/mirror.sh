# A mirror has files by their sha256 alone: it is asked first, and whatever it gives counts only once
# it has been hashed. That goes into a part of its own, so that nothing of it is ever continued by what
# comes from the address of the script. No token goes there.

# Brings the part from the first mirror that has it. Which one is told by its place in the list: an
# address may be signed, and that is a secret.
from_mirror() {
  local each code number=-1
  [ -n "$MIRRORS" ] || return 1
  MIRROR_HAVE="${MIRROR_PART%.part}.have"
  set -f # an address may hold `?`
  for each in $MIRRORS; do
    set +f
    number=$((number + 1))
    in_mirror "$each" || continue
    case "$PLACE" in
    /*) (copied) </dev/null & ;; # the answers on our own input are not for it
    *)
      [ -z "$OFFLINE" ] || continue
      (mirrored) </dev/null &
      ;;
    esac
    WORKER=$!
    wait "$WORKER"
    code=$?
    WORKER=''
    if [ "$code" = 0 ]; then
      tell mirror "$number" brought
      say "Fetched from mirror $((number + 1))"
      rm -f -- "$PART" "$HAVE"
      PART="$MIRROR_PART" HAVE="$MIRROR_HAVE" HASH="$SHA256"
      return
    fi
    left_mirror "$number" "$code"
  done
  set +f
  return 1
}

# Why it goes on without a mirror; nothing of what that has sent stays.
left_mirror() {
  local slot
  rm -f -- "$MIRROR_PART" "$MIRROR_HAVE"
  case "$2" in
  12) tell mirror "$1" absent ;;
  14)
    tell mirror "$1" wrong
    say "Mirror $(($1 + 1)) has other bytes under this hash"
    ;;
  13) ;; # there may be room once the part of the mirror has gone
  17)
    tell mirror "$1" unreached
    say "Mirror $(($1 + 1)) can't be reached"
    ;;
  *)
    tell mirror "$1" failed
    say "Mirror $(($1 + 1)) does not give it"
    ;;
  esac
  # What its connections have told is not for those that come.
  [ -n "$EVENTS" ] || return 0
  printf 'last\n' >&7
  while read -r slot _ <&7 && [ "$slot" != last ]; do :; done
}

# Sets PLACE to where a mirror has the file: `sha256/ab/abcdef…` below its folder or address, before
# the query of one that is signed. Fails for the address of one single file that is another.
in_mirror() {
  local query='' file="sha256/${SHA256:0:2}/$SHA256"
  PLACE="$1"
  case "$PLACE" in
  file:///*)
    PLACE="${PLACE#file://}"
    printf -v PLACE '%b' "${PLACE//%/\\x}"
    ;;
  https://* | http://*)
    case "$PLACE" in *'?'*) query="?${PLACE#*\?}" PLACE="${PLACE%%\?*}" ;; esac
    case "$PLACE" in
    */"$file")
      PLACE="$PLACE$query"
      return
      ;;
    */sha256/??/????????????????????????????????????????????????????????????????) return 1 ;;
    esac
    ;;
  /*) ;;
  *) return 1 ;; # only comfyfix can ask a bucket by its name
  esac
  PLACE="${PLACE%/}/$file$query"
}

# Below here is a process of its own: what goes wrong ends it, and is no failure of the script.
as_mirror() {
  trap - INT TERM HUP
  ASKING='' # who reads along answers the script alone
  PART="$MIRROR_PART" HAVE="$MIRROR_HAVE" UNREACHED='' TOKEN='' TOKEN_IN='' KEEPING='' TRIED='' FAILED='' NEXT='' LED=''
  # shellcheck disable=SC2317
  tell() { [ "$1" != unreached ] || UNREACHED=1; }
  # shellcheck disable=SC2317
  fail() {
    local slot
    [ "${BUSY:-0}" = 0 ] || for slot in "${!FROM[@]}"; do end_connection "$slot"; done
    [ -z "$HASHER" ] || printf 'quit\n' >&8
    wait
    case "$1$REACHED" in 15) exit 17 ;; esac
    [ -z "$UNREACHED" ] || exit 17
    exit "$1"
  }
}

# It is an endpoint of yours, as the others are: it may be near, and plain http.
mirrored() {
  as_mirror
  is_plain "$PLACE" || exit 1
  URL="$PLACE" ENDPOINT=mirror
  REST="${URL#*://}"
  ORIGIN="${URL%%"$REST"}${REST%%[/?#]*}"
  case "$URL" in http://*) CURL+=(--proto '=http,https') ;; *) CURL+=(--proto '=https') ;; esac
  fetch_whole
}

# Somebody else may be changing what lies there, so it is only ever opened by what can be ended: a
# pipe would never begin. What counts is the hash of what has been written here.
copied() {
  local kind='' size='' child now='' last='' still="$SECONDS"
  WHOLE=1
  as_mirror
  read -r kind _ _ _ size _ < <(ls -lnd -- "$PLACE" 2>/dev/null)
  case "$kind" in -*) ;; '') exit 12 ;; *) exit 14 ;; esac
  is_number "$size" && [ "$size" = "${SIZE:-$size}" ] || exit 14
  rm -f -- "$PART" "$HAVE"
  LOW=0
  need_space
  : >"$PART" || exit 1 # so that its permissions are those of this folder
  [ -z "$EVENTS" ] || begin_hash
  (
    no_more_than "${SIZE:-$ROOM}"
    noted "$WORK/0.pid" cp -- "$PLACE" "$PART"
  ) >/dev/null 2>&1 </dev/null 3>&- 7>&- 8>&- &
  child=$!
  while lives "$child"; do
    nap
    last="$now" now="$(size_of "$PART")"
    mark_hash "$now"
    [ "$now" = "$last" ] || still="$SECONDS"
    if [ $((SECONDS - still)) -gt "$LOCK_STILL" ]; then
      end_connection 0
      [ -z "$HASHER" ] || printf 'quit\n' >&8
      exit 17
    fi
  done
  wait "$child" || fail 1
  if [ -n "$HASHER" ]; then end_hash; else hash_of "$PART"; fi
  is_right "$PART" "$HASH" || exit 14
}

# A moment; of a large file its clock tells how long, which must be heard all the same.
nap() {
  if [ -n "$EVENTS" ]; then
    read -r _ <&7
  else
    sleep 0.02 2>/dev/null || sleep 1
  fi
}
