#!/bin/sh
# The inner half of run_sealed.sh, in namespaces of its own: IMAGE ROOT FOLDER PLACE USER COMMAND …
set -eu

image=$1 root=$2 folder=$3 place=$4 user=$5
shift 5
mount --make-rprivate /
mount --bind "$image" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount --bind "$folder" "$root$place"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
[ ! -e "$root/etc/resolv.conf" ] || mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
# Its own name leads to it, as in Docker and Kubernetes: torchrun asks for it.
hostname sealed
{ cat /etc/hosts; echo "127.0.0.1 sealed"; } >"$root.hosts"
[ ! -e "$root/etc/hosts" ] || mount --bind "$root.hosts" "$root/etc/hosts"
[ "${NETWORK:-}" != none ] || ip link set lo up
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \
  --inh-caps=-all --bounding-set=-all env --chdir="$place" "$@"
