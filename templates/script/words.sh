# Fd 3 is where people read, also inside a function whose output goes to a file.
exec 3>&1
say() {
  local text="$*"
  printf '%s\n' "${text//[[:cntrl:]]/ }" >&3
}

# Where comfyfix has started this script it reads along: in fields, behind a word that only the two
# know. Whatever a file or a server has put into a text stays inside its field.
tell() {
  local field line="$ASKING"
  [ -n "$ASKING" ] || return 0
  for field in "$@"; do line="$line"$'\037'"${field//[[:cntrl:]]/ }"; done
  printf '%s\n' "$line" >&3
}

# It answers too. By hand nobody is asked.
ask() {
  REPLY=''
  tell "$@"
  read -r REPLY
}

note() {
  tell note "$*"
  say "$*"
}

# Exit code, what happened, what to do next, and a word where the code does not tell the kind.
fail() {
  tell fail "${4:-}" "$2" "$3"
  say "$2. Next: $3."
  exit "$1"
}

size_of() {
  local bytes=0
  [ ! -f "$1" ] || bytes="$(wc -c <"$1")"
  printf '%s' "$((bytes))"
}

is_number() {
  case "$1" in '' | *[!0-9]* | ???????????????????*) return 1 ;; esac # 19 digits may not fit
}
