CURL=(curl --disable --globoff --silent --show-error --fail --location --connect-timeout 20 --speed-limit 1024
  --speed-time 60 --user-agent "$AGENT" --suppress-connect-headers)
case "$URL" in # only an endpoint of yours is plain http
http://*) CURL+=(--proto '=http,https') ;;
*) CURL+=(--proto '=https') ;;
esac

# An address that can be handed on as it is: nothing in it ends a line or a quotation, and no user
# stands before the host.
is_plain() {
  local rest="${1#*://}"
  case "$1" in *[!!-~]* | *['"\<>^`{|}']*) return 1 ;; esac
  case "${rest%%[/?#]*}" in '' | *@*) return 1 ;; esac
}

# The token stays in this shell and goes to curl through a pipe: it is in no list of arguments
# and in no file.
read_token() {
  local file
  TOKEN=''
  [ -n "$TOKEN_IN" ] || return 0
  TOKEN="$TOKEN_GIVEN"
  if [ -z "$TOKEN" ] && [ "$TOKEN_IN" = HF_TOKEN ]; then
    file="${HF_TOKEN_PATH:-${HF_HOME:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/huggingface}/token}"
    [ ! -f "$file" ] || [ ! -r "$file" ] || TOKEN="$(head -c 4096 <"$file" | tr -d ' \r\n')"
  fi
  case "$TOKEN" in
  *[!A-Za-z0-9._-]*)
    say "Ignoring $TOKEN_IN: it holds characters no token has"
    TOKEN=''
    ;;
  esac
}

request() {
  printf 'url = "%s"\n' "${TARGET//\"/%22}"
  [ -z "$PIN" ] || printf 'resolve = "%s"\n' "$PIN"
  [ "$1" = 0 ] || [ -z "$ETAG" ] || printf 'header = "If-Range: %s"\n' "${ETAG//\"/\\\"}"
  [ -z "$TOKEN" ] || [ -n "$STRAYED" ] || printf 'header = "Authorization: Bearer %s"\n' "$TOKEN"
}
