# Who we are, for other processes: a process id means something only in one boot of one machine
# and in one container.
BOOT="${HOSTNAME:-}"
[ ! -r /proc/sys/kernel/random/boot_id ] || read -r BOOT </proc/sys/kernel/random/boot_id
REALM="$(exec readlink /proc/self/ns/pid 2>/dev/null)"
WHERE="${BOOT:0:8}${REALM//[!0-9]/}"
WHERE="${WHERE//[!A-Za-z0-9]/}"
WHERE="${WHERE:-here}"
ME="$WHERE.$$"
