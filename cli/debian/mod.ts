/**
 * A disk with a Debian root file system. As debootstrap does it there are two stages: packages are unpacked here, on the host, and
 * configured by their own scripts on the machine that they are for. That machine is the board itself: no binfmt, no chroot, no root.
 */
import { Apt, cacheDirectory, ImageCache, ImageError } from "../../plugins/images/mod.ts";
import { makeTree } from "./image.ts";
import type { TreeFile } from "./image.ts";
import { standardPackages } from "./packages.ts";

/** What is wanted. */
export interface DiskWish {
  /** The image's path; nothing may be there. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Packages over the standard ones. */
  readonly packages: readonly string[];
  readonly hostname: string;
  /** root is logged in at the console without being asked. */
  readonly autologin: boolean;
  /** The board's. */
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
}

/** Where the second stage's program lies on the disk while it is needed. */
export const SECOND_STAGE = "/var/lib/plugboard-second-stage";

/** What it prints when all went well. */
export const SECOND_STAGE_DONE = "plugboard: configured";

/** Runs as the guest's first process. */
const secondStage = `#!/bin/sh
# A file that is open when it is removed would keep the disk from being closed cleanly.
[ -n "$STAGE" ] || STAGE=2 exec /bin/sh -c "$(cat ${SECOND_STAGE})"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
cd /var/lib/dpkg/info
failed() { echo "plugboard: $1 failed"; sync; echo o > /proc/sysrq-trigger; sleep 60; }
# base-passwd's makes the users that the others' ask for.
for script in base-passwd.preinst *.preinst; do
  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=\${script%.preinst} DPKG_ROOT= "./$script" install || failed "$script"
done
dpkg --configure -a --force-confold || failed "dpkg --configure"
ldconfig
depmod -a "$(uname -r)" 2> /dev/null
passwd -d root
rm -f ${SECOND_STAGE} /var/log/*.log /var/lib/dpkg/*-old /var/cache/debconf/*-old
: > /etc/machine-id
echo "${SECOND_STAGE_DONE}"
umount /run /sys
mount -o remount,ro /dev/vda /
echo o > /proc/sysrq-trigger
sleep 60
`;

/** Settings that Debian's installer would have asked for. */
function settings({ hostname, autologin }: DiskWish): TreeFile[] {
  const login = autologin
    ? [{
      path: "/etc/systemd/system/serial-getty@.service.d/autologin.conf",
      content: "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200,57600,38400,9600 %I $TERM\n",
    }]
    : [];
  return [
    { path: "/etc/hostname", content: `${hostname}\n` },
    { path: "/etc/hosts", content: `127.0.0.1\tlocalhost\n127.0.1.1\t${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n` },
    { path: "/etc/fstab", content: "LABEL=debian / ext4 defaults 0 1\n" },
    { path: "/etc/resolv.conf", content: "" },
    ...login,
  ];
}

/** The kernel's release, from its own image. */
function releaseOf(kernel: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(kernel);
  return /Linux version (\d+\.\S+) \(/.exec(text)?.[1];
}

/** The first stage: packages, unpacked. Throws an {@linkcode ImageError}. Returns the time of the newest file in seconds. */
export async function firstStage(wish: DiskWish, progress: (line: string) => void): Promise<number> {
  const cache = new ImageCache(cacheDirectory());
  return await cache.temporary(async (directory) => {
    for (const name of ["packages", "kernel", "work"]) await Deno.mkdir(`${directory}/${name}`);
    const apt = new Apt(`${cache.root}/apt`, progress);
    const release = releaseOf(wish.kernel);
    const { packages, modules } = await cache.exclusively(async () => ({
      packages: await apt.downloadAll([...standardPackages, ...wish.packages], `${directory}/packages`),
      modules: release === undefined
        ? []
        : await apt.download(`linux-image-${release}`, `${directory}/kernel`).then((file) => [file], (error) => {
          if (!(error instanceof ImageError)) throw error;
          progress(`without the modules of Linux ${release}: ${error.message.split("\n")[0]}`);
          return [];
        }),
    }));
    progress(`unpacking ${packages.length + modules.length} packages`);
    const files: TreeFile[] = [
      ...settings(wish),
      { path: SECOND_STAGE, content: secondStage, mode: 0o755 },
      { path: "/boot/initrd.img", content: wish.initrd },
      // U-Boot's way to find what to boot.
      {
        path: "/boot/extlinux/extlinux.conf",
        content:
          `default debian\nlabel debian\n  kernel /boot/vmlinuz\n  initrd /boot/initrd.img\n  append console=ttyAMA0 root=/dev/vda rw\n`,
      },
      { path: "/boot/vmlinuz", content: wish.kernel },
    ];
    return await makeTree(wish.path, { packages, extracted: modules, files, sizeBytes: wish.sizeBytes }, `${directory}/work`);
  });
}
