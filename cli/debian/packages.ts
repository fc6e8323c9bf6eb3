/** Which Debian packages a root file system is made of. */

/** What a disk has: Debian's required packages, systemd as init, and what people look for at a prompt. */
export const standardPackages: readonly string[] = [
  ...[
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "dpkg",
    "findutils",
    "grep",
    "gzip",
    "hostname",
  ],
  ...["init", "init-system-helpers", "libc-bin", "libpam-runtime", "login", "mount", "ncurses-base", "ncurses-bin", "passwd", "perl-base"],
  // Without it apt takes usrmerge, and all of perl with it.
  ...["sed", "sysvinit-utils", "tar", "util-linux", "usr-is-merged"],
  ...["dbus", "e2fsprogs", "iproute2", "kmod", "less", "libpam-systemd", "netbase", "procps", "systemd", "systemd-sysv", "udev"],
];
