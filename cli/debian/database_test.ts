/** dpkg's database as the first stage writes it; dpkg itself reads it. */
import { assertEquals, assertMatch } from "@std/assert";
import { dpkgDatabase } from "./database.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const packages = [
  {
    control: "Package: one\nVersion: 1.0-1\nArchitecture: arm64\nMaintainer: Nobody <nobody@example.org>\nDescription: the first\n of two",
    scripts: new Map([
      ["conffiles", bytes("/etc/one\n")],
      ["postinst", bytes("#!/bin/sh\n")],
      ["triggers", bytes("# Comment\ninterest-noawait /usr/share/one\ninterest-await two-trigger\nactivate-noawait ldconfig\n")],
    ]),
    paths: ["/.", "/etc", "/etc/one"],
  },
  {
    control:
      "Package: libtwo\nVersion: 2:2.0\nArchitecture: arm64\nMulti-Arch: same\nDepends: one\nMaintainer: Nobody <nobody@example.org>\nDescription: the second\n",
    scripts: new Map([["shlibs", bytes("libtwo 2 libtwo\n")]]),
    paths: ["/.", "/usr", "/usr/lib"],
  },
];
const files = new Map(dpkgDatabase(packages, () => bytes("content\n")).map((file) => [file.path, file]));
const text = (path: string) => new TextDecoder().decode(files.get(path)!.content);

Deno.test("dpkg's database: unpacked packages, their scripts, their triggers", () => {
  assertEquals([...files.keys()].toSorted(), [
    "available",
    "info/format",
    "info/libtwo:arm64.list",
    "info/libtwo:arm64.shlibs",
    "info/one.conffiles",
    "info/one.list",
    "info/one.postinst",
    "info/one.triggers",
    "status",
    "triggers/File",
    "triggers/Unincorp",
    "triggers/two-trigger",
  ]);
  assertEquals(text("info/one.list"), "/.\n/etc\n/etc/one\n");
  assertEquals([...files.values()].filter(({ executable }) => executable).map(({ path }) => path), ["info/one.postinst"]);
  assertEquals([text("triggers/File"), text("triggers/two-trigger")], ["/usr/share/one one/noawait\n", "one\n"]);
  // The MD5 of "content" and a line's end.
  assertMatch(
    text("status"),
    /^Package: one\nStatus: install ok unpacked\n[^]*\nConffiles:\n \/etc\/one f75b8179e4bbe7e2b4a074dcef62de95\n\nPackage: libtwo\n/,
  );
});

Deno.test({
  name: "dpkg's database: dpkg reads it, and knows what is to be configured",
  ignore: await new Deno.Command("dpkg", { args: ["--version"], stdout: "null" }).output().then(() => false, () => true),
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "plugboard-dpkg-" });
    try {
      for (const { path, content } of files.values()) {
        await Deno.mkdir(`${directory}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
        await Deno.writeFile(`${directory}/${path}`, content);
      }
      const dpkg = async (...args: string[]) => {
        const { stdout, stderr } = await new Deno.Command("dpkg-query", { args: [`--admindir=${directory}`, ...args] }).output();
        return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      };
      assertEquals(await dpkg("-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n"), "libtwo 2:2.0 iU \none 1.0-1 iU \n");
      assertEquals(await dpkg("-L", "one"), "/.\n/etc\n/etc/one\n");
      assertEquals(await dpkg("-S", "/usr/lib"), "libtwo:arm64: /usr/lib\n");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
