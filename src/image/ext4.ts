/**
 * The command that turns `root.tar` in a work folder into `root.img` (ext4, raw), `kernel`, `initrd` and `names`, and
 * removes the tar file. Without root it runs in a user namespace, where files may belong to any user; device nodes are
 * left out there and not missed, since the kernel supplies /dev. Pure: gives the program and its arguments.
 */
export function ext4Script(work: string, root: boolean): [string, ...string[]] {
  const shell: [string, ...string[]] = ['sh', '-c', script, 'ext4', work]
  return root ? shell : ['unshare', '--map-auto', '--map-root-user', ...shell]
}

// 256 MiB and an eighth beside the content: metadata, and room for what the first boot writes before the disk grows.
const script = `
set -eu
cd "$1"
trap 'rm -rf root root.tar' EXIT
mkdir root
tar -xf root.tar -C root --numeric-owner --exclude='./dev/*'
mv root/boot/tcolima-kernel kernel
mv root/boot/tcolima-initrd initrd
cp root/usr/lib/tcolima/names names
rm -rf root/boot/*
chmod 0644 kernel initrd names
used=$(du -sm root | cut -f1)
truncate -s $((used + used / 8 + 256))M root.img
mke2fs -q -F -t ext4 -m 0 -L tcolima-root -E lazy_itable_init=1 -d root root.img
chmod 0444 root.img
`
