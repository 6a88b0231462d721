# What a server has said last: redirects and interim answers come before it.
read_answer() {
  local line value
  STATUS='' A_ETAG='' A_RANGE='' A_PACKED='' A_LENGTH='' A_RETRY='' A_LIMIT='' A_ERROR='' A_SAID='' A_WHOLE='' A_PAGE=''
  shopt -s nocasematch
  while IFS= read -r line; do
    line="${line%$'\r'}"
    value="${line#*:}"
    value="${value#"${value%%[! ]*}"}"
    value="${value%"${value##*[! ]}"}"
    case "$line" in
    HTTP/*)
      STATUS="${line#* }" A_ETAG='' A_RANGE='' A_PACKED='' A_LENGTH='' A_RETRY='' A_LIMIT='' A_ERROR='' A_SAID='' A_WHOLE='' A_PAGE=''
      STATUS="${STATUS%% *}"
      ;;
    '') A_WHOLE=1 ;;
    etag:*) A_ETAG="$value" ;;
    content-type:*text/html*) A_PAGE=html ;;
    content-type:*text/xml* | content-type:*application/xml*) A_PAGE=xml ;; # what stores tell errors in
    content-range:*) A_RANGE="$value" ;;
    content-encoding:*) [[ "$value" == identity ]] || A_PACKED="$value" ;;
    content-length:*) A_LENGTH="$value" ;;
    retry-after:*) A_RETRY="$value" ;;
    ratelimit:*) A_LIMIT="$value" ;;
    x-error-code:*) A_ERROR="$value" ;;
    x-error-message:*) A_SAID="$value" ;;
    esac
  done <"$1"
  shopt -u nocasematch
  is_mark "$A_ETAG" || A_ETAG=''
}

# Only a strong mark of plain characters can be sent back as a condition.
is_mark() {
  local value="${1#\"}"
  value="${value%\"}"
  [ "$1" = "\"$value\"" ] || return 1
  case "$value" in '' | *[!A-Za-z0-9._:+/=-]*) return 1 ;; esac
}

# An address is fetched only after every address of its host has been looked at, and curl is told
# to use these and no others: a name may lead elsewhere the next time it is asked for.
visit() {
  local url="$1" rest authority host port found
  is_plain "$url" || return 1
  case "$url" in
  https://*) port=443 ;;
  http://*)
    case "$URL" in http://*) port=80 ;; *) return 1 ;; esac # only an endpoint of yours is plain
    ;;
  *) return 1 ;;
  esac
  rest="${url#*://}"
  authority="${rest%%[/?#]*}"
  host="$authority"
  case "$authority" in
  \[*\]) ;;
  *:*)
    port="${authority##*:}"
    host="${authority%:*}"
    ;;
  esac
  is_number "$port" || return 1
  TARGET="$url"
  PIN=''
  [ "${url%%"$rest"}$authority" = "$ORIGIN" ] || STRAYED=1
  if [ -n "$ENDPOINT" ] && [ -z "$STRAYED" ]; then return 0; fi # where you have sent us
  host="${host#\[}"
  host="${host%\]}"
  found="$(addresses "$host")"
  if [ -z "$found" ]; then return 0; fi # curl will say so, or a proxy knows it
  # shellcheck disable=SC2086 # addresses, one a word
  may_be_asked $found || return 1
  case "$host" in *:*) ;; *) PIN="$host:$port:${found// /,}" ;; esac
}

addresses() {
  local found=''
  case "$1" in
  *:*) found="$1" ;;
  *)
    if command -v getent >/dev/null 2>&1; then
      found="$(getent ahosts "$1" 2>/dev/null | awk '{ print $1 }' | sort -u)"
    elif command -v dscacheutil >/dev/null 2>&1; then
      found="$(dscacheutil -q host -a name "$1" 2>/dev/null | awk '/address: / { print $2 }' | sort -u)"
    elif [ -z "${https_proxy:-${HTTPS_PROXY:-${all_proxy:-${ALL_PROXY:-}}}}" ]; then
      fail 1 "Can't look up $1" "install getent or dscacheutil"
    fi
    ;;
  esac
  found="${found//$'\n'/ }"
  printf '%s' "$found"
}

# A file of a stranger's address is on a public machine; one that your endpoint sends us to may be
# near you, but never link-local, where clouds keep their keys.
may_be_asked() {
  local address
  for address in "$@"; do
    case "$address" in
    169.254.* | [Ff][Ee][89AaBb]?:* | ::[Ff][Ff][Ff][Ff]:169.254.*) return 1 ;;
    esac
    [ -z "$ENDPOINT" ] || continue
    case "$address" in
    0.* | 10.* | 127.* | 100.6[4-9].* | 100.[7-9]?.* | 100.1[01]?.* | 100.12[0-7].* | 172.1[6-9].* | \
      172.2?.* | 172.3[01].* | 192.168.* | 192.0.0.* | 192.0.2.* | 198.1[89].* | 198.51.100.* | \
      203.0.113.* | 22[4-9].* | 2[345]?.*) return 1 ;;
    *:*.* | 2001:db8:* | 2001:DB8:* | 2001:0:* | 2001::* | 2002:*) return 1 ;;
    [23]???:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) ;;
    *) return 1 ;;
    esac
  done
}
