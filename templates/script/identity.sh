# Who we are, for other processes: a process id means something only in one boot of one machine
# and in one container.
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
ME="$WHERE.$$"
