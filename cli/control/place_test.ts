import { assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { plugboard } from "../in_process.ts";
import { ControlPathError, socketPath } from "./place.ts";

Deno.test("control socket: a path is as given, when a socket can have it", () => {
  assertEquals(socketPath("/run/x", "b"), "/run/x");
  assertThrows(() => socketPath("", "b"), ControlPathError, "want a path");
  assertEquals(socketPath("a".repeat(107), "b").length, 107);
  assertThrows(() => socketPath("ä".repeat(54), "b"), ControlPathError, "108 bytes");
});

Deno.test("control socket: what the host refuses is said, and nothing starts", async () => {
  const tour = fromFileUrl(new URL("../../boards/tour.yaml", import.meta.url));
  for (const path of ["", "/dev/null/x", "/nonexistent/x/y", "/dev/null", "x".repeat(200)]) {
    const { code, stderr } = await plugboard("run", tour, "-q", "--control", path);
    assertEquals([code, stderr.split(": ")[0], stderr.split("\n").length], [2, "error", 1], stderr);
  }
});
