#!/bin/sh
# Runs inside the image's root folder while it is built: services, clean-up, and the small initrd for direct kernel boot.
set -eu

# The compiler and what came with it alone go again.
tcc -shared -o /usr/lib/tcolima/sshfs-link.so /usr/lib/tcolima/sshfs-link/*.c
LD_PRELOAD=/usr/lib/tcolima/sshfs-link.so sshfs --version >/dev/null
rm -r /usr/lib/tcolima/sshfs-link
dpkg --purge tcc libtcc-dev libc6-dev libcrypt-dev libc-dev-bin rpcsvc-proto linux-libc-dev libnsl-dev libtirpc-dev
# Debian 12's server does not start with an option that it does not know, and has no penalties.
grep -qi persourcepenalties /usr/sbin/sshd || sed -i '/^PerSourcePenalties/d' /etc/ssh/sshd_config.d/tcolima.conf

# Nothing of these helps a machine that is made for containers, and each costs boot time.
systemctl mask --quiet \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer man-db.timer systemd-pcrphase.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service \
  systemd-timesyncd.service systemd-networkd.service systemd-resolved.service systemd-logind.service \
  getty@tty1.service serial-getty@ttyS0.service getty.target \
  rescue.service emergency.service keyboard-setup.service console-setup.service \
  systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-update-done.service \
  systemd-machine-id-commit.service ldconfig.service systemd-firstboot.service systemd-ask-password-wall.path \
  systemd-ask-password-console.path systemd-binfmt.service sys-kernel-debug.mount sys-kernel-tracing.mount \
  dev-mqueue.mount dev-hugepages.mount systemd-random-seed.service
systemctl enable --quiet tcolima-boot.service tcolima-guest.service tcolima-names.service \
  tcolima-binfmt.service tcolima-provision.service tcolima-ready.service k3s.service
: >>/etc/environment
# Each generator is a process at every boot; this machine has no use for these.
mkdir -p /etc/systemd/system-generators
for generator in ssh gpt-auto cryptsetup veritysetup integritysetup hibernate-resume tpm2 debug bless-boot rc-local; do
  ln -sf /dev/null "/etc/systemd/system-generators/systemd-$generator-generator"
done
# Rules without their interpreter: src/image/mmdebstrap.ts leaves most out. What users install is whole.
for rule in /usr/lib/binfmt.d/qemu-*.conf; do
  [ -e "$(cut -d: -f7 "$rule")" ] || rm "$rule"
done
sed -i '/qemu-/d' /etc/dpkg/dpkg.cfg.d/*
groupadd --system tcolima-admin
if [ -e /usr/lib/tcolima/engine-customize ]; then
  sh /usr/lib/tcolima/engine-customize
  rm /usr/lib/tcolima/engine-customize
fi
systemctl set-default --quiet multi-user.target
chmod 0755 /usr/lib/tcolima/*
chmod 0440 /etc/sudoers.d/tcolima

# Keys and the machine's name belong to the instance, not to the shared image.
rm -f /etc/ssh/ssh_host_* /etc/hostname
: >/etc/machine-id

kernel=$(ls /lib/modules | sort -V | tail -n 1)
depmod "$kernel"
work=$(mktemp -d)
mkdir -p "$work/bin" "$work/modules"
cp /bin/busybox "$work/bin/busybox"
cp /usr/lib/tcolima/init "$work/init"
rm /usr/lib/tcolima/init
chmod 0755 "$work/init"
: >"$work/modules/order"
for name in virtio_pci virtio_blk ext4 virtio_console virtio_net virtio_rng virtio_balloon; do
  modprobe --show-depends --set-version "$kernel" "$name" | while read -r verb path _; do
    [ "$verb" = insmod ] || continue
    file=$(basename "$path")
    file=${file%.xz}
    grep -qx "$file" "$work/modules/order" && continue
    case $path in
    *.xz) xz -dc "$path" >"$work/modules/$file" ;;
    *) cp "$path" "$work/modules/$file" ;;
    esac
    echo "$file" >>"$work/modules/order"
  done
done
(cd "$work" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -9) >/boot/tcolima-initrd
rm -rf "$work"
cp "/boot/vmlinuz-$kernel" /boot/tcolima-kernel

# Builds with the fix for CVE-2026-47187 refuse links with an absolute target or `..`, which every node_modules/.bin
# has; the links lead nowhere but to the guest's own files. Builds without it do not start with an unknown option.
sshfs --help 2>&1 | grep -o 'no_contain_symlinks' | head -n 1 >/usr/lib/tcolima/sshfs-options || true

# The names that a guest user must not take.
cut -d: -f1 /etc/passwd /etc/group | sort -u >/usr/lib/tcolima/names

# Not /tmp as a whole, nor apt's lists: mmdebstrap keeps its apt configuration there and cleans up itself afterwards.
rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /boot/initrd.img* /initrd.img* /vmlinuz* /var/log/*.log \
  /tmp/customize.sh
