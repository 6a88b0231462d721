{ set +x; } 2>/dev/null # a trace would print the token
set -u
export LC_ALL=C
