# Fd 3 is where people read, also inside a function whose output goes to a file.
exec 3>&1
say() { printf '%s\n' "$*" >&3; }

fail() {
  local code="$1"
  shift
  say "$*"
  exit "$code"
}

# Where comfyfix has started this script it reads along and answers. By hand nobody is asked.
ask() {
  REPLY=''
  say "$*"
  read -r REPLY
}

size_of() {
  local bytes=0
  [ ! -f "$1" ] || bytes="$(wc -c <"$1")"
  printf '%s' "$((bytes))"
}

is_number() {
  case "$1" in '' | *[!0-9]* | ???????????????????*) return 1 ;; esac # 19 digits may not fit
}
