/** Whoever connects may send anything: the guests may suffer, the host doesn't. */
import { assert, assertEquals } from "@std/assert";
import { History } from "../../cli/gdb/history.ts";
import { packet, PACKET_LIMIT, PacketReader } from "../../cli/gdb/packets.ts";
import { Session } from "../../cli/gdb/session.ts";
import { boot } from "../../mod.ts";
import { Random } from "../support/random.ts";

const board = new URL("../../boards/tour.yaml", import.meta.url).pathname;

async function connect() {
  const machine = await boot(board, { onSerial() {} });
  const history = new History(machine, () => {});
  const reader = new PacketReader();
  const answers: string[] = [];
  let quits = 0;
  const session = new Session({
    history,
    send(bytes) {
      for (const one of reader.push(bytes)) if (one.kind === "packet") answers.push(one.body);
    },
    wake() {},
    quit: () => quits++,
  });
  return {
    machine,
    history,
    session,
    answers,
    ask(body: string): string | undefined {
      answers.length = 0;
      session.receive(packet(body));
      return answers[0];
    },
    run: () => session.look(history.machine.runFor(1e6, 20)),
    [Symbol.dispose]: () => history.machine.dispose(),
  };
}

Deno.test("what isn't there is an error, not a zero; what can't be is refused", async () => {
  using peer = await connect();
  const { ask } = peer;
  const cases: Record<string, string | RegExp> = {
    "m0,4": "E14",
    "m40000000,4": /^[0-9a-f]{8}$/,
    "mffffffffffffffff,8": "E14",
    "m40000000,fffffffffffffff": "E22",
    "m40000000": "E22",
    "M0,1:00": "E14",
    "M40000000,2:00": "E22",
    "X40000000,4:ab": "E22",
    "p0": /^[0-9a-f]{16}$/,
    "pffff": "E01",
    "p": "E01",
    "P0=00": "E22",
    // PSTATE of EL2, and of AArch32.
    "P21=c9030000": "E22",
    "P21=d0030000": "E22",
    "P21=c5030000": "OK",
    "G00": "E22",
    "Hgp7.1": "E01",
    "Hgp1.9": "E01",
    "Hgp1.1": "OK",
    Hg: "E01",
    "Tp1.4": "OK",
    "Tp1.5": "E01",
    "Z9,0,4": "",
    "Z0,xyz,4": "E22",
    "Z2,40000000,fffffff": "E22",
    "vAttach;9": "E01",
    "vKill;9": "E01",
    "D;9": "E01",
    "qXfer:features:read:other.xml:0,100": "E00",
    "qXfer:features:read:target.xml:x,y": "E22",
    "qXfer:nothing:read::0,100": "",
    "qRcmd,zz": "E22",
    "vFile:open:2f6574632f706173737764,0,0": "F-1,2",
    "vFile:pread:3,10,0": "F-1,9",
    "vFile:unlink:00": "",
    "Qqemu.PhyMemMode:2": "E22",
    "": "",
    "@": "",
  };
  for (const [body, expected] of Object.entries(cases)) {
    const answer = ask(body);
    if (typeof expected === "string") assertEquals(answer, expected, body);
    else assert(expected.test(answer ?? ""), `${body}: ${answer}`);
  }
});

Deno.test("EL2's registers are the hypervisor's; EL1's can be written", async () => {
  using peer = await connect();
  const index = (name: string) => peer.session.registers.findIndex((one) => one.name === name).toString(16);
  assertEquals(peer.ask(`P${index("HCR_EL2")}=0000000000000000`), "E22");
  assertEquals(peer.ask(`P${index("TPIDR_EL1")}=8877665544332211`), "OK");
  assertEquals(peer.machine.domains[0].vcpus[0].state.read("TPIDR_EL1"), 0x1122334455667788n);
});

Deno.test("a thousand breakpoints are enough", async () => {
  using peer = await connect();
  const answers = Array.from({ length: 1200 }, (_, n) => peer.ask(`Z0,${(0x4100_0000 + 4 * n).toString(16)},4`));
  assertEquals(answers.filter((answer) => answer === "OK").length, 1000);
  assertEquals(answers.at(-1), "E28");
});

Deno.test("whatever comes in, nothing throws, answers are bounded, and the guests go on afterwards", async () => {
  const words = ("? g G p P m M x X Z0 Z1 Z2 Z3 Z4 z0 z2 H Hg Hc T c s vCont; vCont;s:p1.1 vCont;r40000000,40000010:p1.1 vAttach; " +
    "vFile:open: vFile:pread: vFile:fstat: vFile:close: D D;1 ! qSupported:multiprocess+ " +
    "qXfer:features:read:target.xml: qXfer:threads:read:: qXfer:memory-map:read:: qXfer:exec-file:read:1: qRcmd, " +
    "qThreadExtraInfo, qfThreadInfo qC Qqemu.PhyMemMode: vKill; QStartNoAckMode b bx").split(" ");
  const parts = "0 1 -1 p1.1 p-1.-1 p0.0 , ; : = 40000000 4 ffffffffffffffff 8 7265677 7073 6d6170 \x00 } # $ 7fffffff".split(" ");
  for (let seed = 1; seed <= 6; seed++) {
    using peer = await connect();
    const random = new Random(`packets ${seed}`);
    for (let n = 0; n < 400; n++) {
      let body = random.pick(words);
      for (let count = random.below(6); count > 0; count--) {
        body += random.chance(1 / 5) ? String.fromCharCode(random.below(256)) : random.pick(parts);
      }
      const raw = random.chance(1 / 8);
      peer.answers.length = 0;
      peer.session.receive(raw ? Uint8Array.from(body, (one) => one.charCodeAt(0) & 0xff) : packet(body));
      for (const answer of peer.answers) assert(answer.length <= PACKET_LIMIT + 64, `${answer.length} characters for ${body}`);
      if (random.chance(1 / 16)) peer.run();
    }
    peer.session.leave();
    const { machine } = peer.history;
    assertEquals(machine.debugger.isHalted, false);
    const before = machine.nowNs;
    const reason = machine.runFor(1e6, 1000);
    assert(machine.nowNs > before || reason !== undefined || machine.waiting, `seed ${seed}: nothing runs`);
  }
});
