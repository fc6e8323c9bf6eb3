/** Ports of three domains: what binds, what is refused, what is left when one goes; the manifest's channels; the doorbell. */
import { assertEquals, assertMatch } from "@std/assert";
import { checkBoard, Machine } from "../../core/mod.ts";
import { bench, fakeBoard, uses } from "../../core/testing.ts";
import { Random } from "../../tests/support/random.ts";
import { Errno, PortKind } from "./contract.ts";
import { Doorbell } from "./doorbell.ts";
import { EventChannels, eventChannels, eventDoorbell } from "./mod.ts";
import { Ports } from "./ports.ts";

/** Three domains without a machine. */
function world(limit = 63): { of: (name: string) => Ports; denied: Set<string> } {
  const denied = new Set<string>();
  const all = new Map<string, Ports>();
  const host = { of: (name: string) => all.get(name), allows: (subject: string, object: string) => !denied.has(`${subject} ${object}`) };
  ["a", "b", "c"].forEach((name, index) => {
    const state = { channels: new Map(), plain: { pending: new Set<number>(), masked: new Set<number>() } };
    all.set(name, new Ports(name, index + 1, 2, limit, state, host));
  });
  return { of: (name) => all.get(name)!, denied };
}

Deno.test("unbound, bound, closed from either end; events go both ways", () => {
  const { of } = world();
  const [a, b, c] = ["a", "b", "c"].map(of);
  const port = a.allocateUnbound("b");
  assertEquals(c.bindInterdomain("a", port), Errno.EINVAL); // it is offered to b
  assertEquals(b.bindInterdomain("nobody", port), Errno.ESRCH);
  const peer = b.bindInterdomain("a", port);
  assertEquals([port, peer, b.bindInterdomain("a", port)], [1, 1, Errno.EINVAL]);
  assertEquals(b.delivery.isPending(peer), true); // what was sent before isn't lost
  assertEquals([a.send(port), b.send(peer), a.delivery.isPending(port)], [0, 0, true]);
  assertEquals(a.status(port), { kind: PortKind.interdomain, vcpu: 0, remote: "b", remotePort: peer, virq: undefined });
  assertEquals([a.bindVcpu(port, 1), a.status(port)?.vcpu, a.bindVcpu(port, 2)], [0, 1, Errno.ENOENT]);
  assertEquals(b.close(peer), 0);
  assertEquals([a.status(port)?.kind, a.status(port)?.remote, a.send(port)], [PortKind.unbound, "b", 0]);
  assertEquals(b.bindInterdomain("a", port), 1);
  a.destroy();
  assertEquals([b.status(1)?.kind, b.status(1)?.remote, b.send(1)], [PortKind.unbound, "a", 0]);
});

Deno.test("IPIs, virtual interrupts, the hypervisor's channels", () => {
  const { of } = world();
  const a = of("a");
  const ipi = a.bindIpi(1);
  assertEquals([a.send(ipi), a.delivery.isPending(ipi), a.bindVcpu(ipi, 0)], [0, true, Errno.EINVAL]);
  const virq = a.bindVirq(5, 1);
  a.raiseVirq(5, 0);
  assertEquals(a.delivery.isPending(virq), false);
  a.raiseVirq(5, 1);
  assertEquals([a.delivery.isPending(virq), a.send(virq)], [true, Errno.EINVAL]);
  let sent = 0;
  const host = a.open("console", 0, () => sent++)!;
  assertEquals([a.send(host.port), sent], [0, 1]);
  a.reset();
  assertEquals([a.count, a.status(host.port)?.kind], [1, PortKind.interdomain]);
  a.close(host.port);
  host.notify();
  host.close();
  assertEquals([a.count, a.delivery.isPending(host.port)], [0, false]);
  // A guest that closed it and got the port again for something else: the hypervisor's hand is off it.
  const again = [1, 2, 3].map(() => a.bindIpi(0))[2];
  host.notify();
  assertEquals([again, a.delivery.isPending(again)], [host.port, false]);
});

Deno.test("a policy that says no, and ports that run out", () => {
  const { of, denied } = world(4);
  const [a, b] = ["a", "b"].map(of);
  const port = a.allocateUnbound("b");
  denied.add("b a").add("a b");
  assertEquals([a.allocateUnbound("b"), b.bindInterdomain("a", port)], [Errno.EPERM, Errno.EPERM]);
  assertEquals(Array.from({ length: 4 }, () => b.bindIpi(0)), [1, 2, 3, 4]);
  assertEquals([b.bindIpi(0), b.open("x", 0, () => {}), b.status(5)], [Errno.ENOSPC, undefined, undefined]);
});

Deno.test("50,000 random operations: both ends agree, always", () => {
  const { of } = world(20);
  const random = new Random("ports");
  const names = ["a", "b", "c"];
  for (let round = 0; round < 50_000; round++) {
    const ports = of(names[random.below(3)]), other = names[random.below(3)], port = random.below(23) - 1;
    switch (random.below(9)) {
      case 0:
        ports.allocateUnbound(other);
        break;
      case 1:
      case 2:
        ports.bindInterdomain(other, port);
        break;
      case 3:
        ports.close(port);
        break;
      case 4:
        ports.send(port);
        break;
      case 5:
        ports.bindIpi(random.below(3));
        break;
      case 6:
        ports.bindVirq(random.below(30), random.below(3));
        break;
      case 7:
        if (random.chance(0.02)) ports.reset();
        break;
      default:
        if (random.chance(0.01)) ports.destroy();
    }
    if (round % 16 > 0) continue;
    for (const name of names) {
      for (const [at, channel] of of(name).state.channels) {
        if (channel.kind !== PortKind.interdomain) continue;
        const peer = of(channel.remote!).state.channels.get(channel.remotePort!);
        assertEquals([peer?.kind, peer?.remote, peer?.remotePort], [PortKind.interdomain, name, at]);
      }
    }
  }
});

Deno.test("the manifest's channels: bound when both live, also after a reboot; a guest can't close them", async () => {
  const { board } = fakeBoard({ domains: [{ name: "left" }, { name: "right", memory: [{ at: 0x4000_0000, size: 4096 }] }] });
  let channels!: EventChannels;
  const spy = uses({ name: "spy", doc: "", options: {}, attach: ({ find }) => void (channels = find(EventChannels)!) });
  const use = { plugin: eventChannels, options: { channels: [{ left: 10, right: 3 }], max_port: 1023 }, path: ["plugins", 9] };
  const machine = await Machine.create({ ...board, plugins: [...board.plugins, use, ...spy] }, { images: new Map(), onSerial: () => {} });
  const check = () => {
    const [left, right] = ["left", "right"].map((name) => channels.of(name)!);
    assertEquals([left.status(10)?.remotePort, right.status(3)?.remotePort], [3, 10]);
    right.delivery.clear(3);
    assertEquals([left.send(10), right.delivery.isPending(3)], [0, true]);
    assertEquals([left.close(10), left.status(10)?.kind, left.reset(), left.status(10)?.kind], [0, 2, 0, 2]);
    assertEquals([left.bindIpi(0), left.id, right.id, channels.nameOf(2)], [1, 1, 2, "right"]);
  };
  check();
  await machine.reboot("right");
  channels.of("left")!.close(1);
  check();
  await machine.reboot("left");
  check();
  machine.dispose();
});

Deno.test("check finds channels of nobody, ports beyond the last, ends of two channels, entries of another shape", async () => {
  const text = (entries: string) =>
    `board: test
memory: [{ at: 0x4000_0000, size: 64MiB }]
plugins:
  - use: event_channels
    max_port: 100
    channels:
${entries}
domains: [{ name: a, memory: [{ at: 0x4000_0000, size: 4MiB }] }, { name: b, memory: [{ at: 0x4000_0000, size: 4MiB }] }]
`;
  const lines = async (entries: string) => {
    const { findings } = await checkBoard(text(entries), "board.yaml", { plugins: [eventChannels] });
    return findings.filter(({ code }) => code !== "M0301" && !/provides/.test(code)).map(({ title, spans, wanted }) =>
      `${spans.map(({ line }) => line).join(",")}: ${title} (${wanted ?? ""})`
    ).filter((line) => /channel|port/.test(line));
  };
  const found = await lines("      - { a: 1, c: 2 }\n      - { a: 101, b: 2 }\n      - { a: 2, b: 2 }");
  assertEquals(found, [
    "7: the channel is of c, which isn't a domain of this board (a or b)",
    "8: port 101 of a is beyond the last one (1 to 100)",
    "9,8: port 2 of b is an end of two channels ()",
  ]);
  for (const [entry, why] of [["{ a: 1 }", "there is one"], ["{ a: 0, b: 1 }", "a port from 1"], ["7", "two domains"]]) {
    assertMatch((await lines(`      - ${entry}`)).join(), new RegExp(why));
  }
});

Deno.test("the doorbell: oldest first, level while something waits, masks, errors that are read back", async () => {
  const kit = bench();
  const at = 0x090b_0000;
  await kit.attach(eventChannels, {} as never, { boardScope: true });
  await kit.attach(eventDoorbell, { at, interrupt: 46 });
  const ports = kit.get(EventChannels).of("guest")!;
  const [first, second] = [ports.bindIpi(0), ports.bindIpi(0)];
  assertEquals([kit.interrupts.level(46), kit.read32(at + Doorbell.NEXT)], [false, 0]);
  kit.write32(at + Doorbell.SEND, second);
  kit.write32(at + Doorbell.SEND, first);
  kit.write32(at + Doorbell.SEND, second);
  assertEquals([kit.interrupts.level(46), kit.read32(at + Doorbell.RESULT)], [true, 0]);
  kit.write32(at + Doorbell.MASK, second);
  assertEquals([kit.read32(at + Doorbell.NEXT), kit.interrupts.level(46)], [first, false]);
  kit.write32(at + Doorbell.UNMASK, second);
  assertEquals([kit.interrupts.level(46), kit.read32(at + Doorbell.NEXT), kit.interrupts.level(46)], [true, second, false]);
  for (const port of [0, 3, 1023, 1024, 0xffff_ffff]) {
    for (const register of [Doorbell.SEND, Doorbell.MASK, Doorbell.UNMASK]) {
      kit.write32(at + register, port);
      assertEquals(kit.read32(at + Doorbell.RESULT) | 0, Errno.EINVAL);
    }
  }
  for (let offset = 0; offset < 4096; offset += 4) kit.read32(at + offset);
  kit.close();
});
