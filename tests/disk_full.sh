#!/usr/bin/env bash
# disk_full.sh PROGRAM: a training (a built killable_training) on a disk too small for it ends with one error that says so and keeps its
# checkpoints; given room it goes on to the bits of an uninterrupted training. Needs a right to mount; ends with status 77 without.
set -euo pipefail
program=$1

if [[ ${2:-} != mounted ]]; then
  as_root=()
  ((EUID == 0)) || as_root=(--map-root-user)
  if ! unshare --mount "${as_root[@]}" mount -t tmpfs none /mnt 2>/dev/null; then
    echo "skipped: no right to mount a small disk here"
    exit 77
  fi
  exec unshare --mount "${as_root[@]}" "$0" "$program" mounted
fi

work=$(mktemp -d)
trap 'umount "$work/disk"; rm -rf "$work"' EXIT
mkdir "$work/disk"
"$program" "$work/whole"
mount -t tmpfs -o size=104k none "$work/disk"
if "$program" "$work/disk/run" 2>"$work/message"; then
  echo "the disk was large enough: nothing was tested" >&2
  exit 1
fi
cat "$work/message"
grep -q "No space left on device" "$work/message"
[[ $(wc -l <"$work/message") == 1 ]]
compgen -G "$work/disk/run/run/step-*" >/dev/null
if compgen -G "$work/disk/run/run/*.partial" >/dev/null; then
  echo "remains of a failed write are left" >&2
  exit 1
fi
mount -o remount,size=1m "$work/disk"
"$program" "$work/disk/run"
diff -r --exclude=.lock "$work/whole" "$work/disk/run"
