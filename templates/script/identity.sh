# Who we are, for other processes: a process id means something only in one boot of one machine
# and in one container, and only while its process lives. Then another may get it, which began at
# another time.
BOOT="${HOSTNAME:-}"
[ ! -r /proc/sys/kernel/random/boot_id ] || read -r BOOT </proc/sys/kernel/random/boot_id
REALM=''
# The kernel tells the number of the container among what it tells of an open file; older ones only
# as where a link leads to, and to ask for that takes a process.
{ while read -r REALM MARK && [ "$REALM" != ino: ]; do :; done </proc/self/fdinfo/9; } 2>/dev/null 9</proc/self/ns/pid
if [ "$REALM" = ino: ]; then REALM="$MARK"; else REALM="$(exec readlink /proc/self/ns/pid 2>/dev/null)"; fi
WHERE="${BOOT:0:8}${REALM//[!0-9]/}"
WHERE="${WHERE//[!A-Za-z0-9]/}"
WHERE="${WHERE:-here}"
# Sets BEGAN to when a process began: in ticks since the machine did, or as ps writes the date; to
# nothing where neither tells.
began() {
  local line
  BEGAN=''
  { while read -r line; do BEGAN="$line"; done <"/proc/$1/stat"; } 2>/dev/null
  if [ -n "$BEGAN" ]; then
    # shellcheck disable=SC2086 # letters and numbers, once the name is away
    set -- ${BEGAN##*)}
    BEGAN="${20:+t${20}}"
  else
    read -r BEGAN < <(TZ=UTC0 exec ps -o lstart= -p "$1" 2>/dev/null)
    case "$BEGAN" in [A-Z]*) BEGAN="d${BEGAN//[!A-Za-z0-9]/}" ;; *) BEGAN='' ;; esac
  fi
}
began "$$"
ME="$WHERE$BEGAN.$$"
