import { assertEquals } from "@std/assert";
import { FunctionBuilder, type I32, i32, LOCAL_SET, LOCAL_TEE, ModuleBuilder } from "./mod.ts";

/** A function of one number, and the bytes of its body. */
function compile(build: (f: FunctionBuilder, n: I32) => void): { run: (n: number) => number; body: Uint8Array } {
  const module = new ModuleBuilder({ minimum: 1, maximum: 1 });
  const f = new FunctionBuilder(["i32"], "i32");
  build(f, f.params[0].value as I32);
  const body = f.finish();
  const callee = module.finished(["i32"], "i32", body, f.hints);
  module.function(["i32"], "i32", (g) => g.returnCall(callee, g.params[0].value), "run");
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { env: { memory } });
  return { run: exports.run as (n: number) => number, body };
}

const count = (bytes: Uint8Array, code: number) => bytes.filter((byte) => byte === code).length;

Deno.test("a local that is read where it was set is both by one instruction, but not where something comes between", () => {
  const near = compile((f, given) => {
    const n = f.let(i32.add(given, i32.const(1)));
    f.return(i32.mul(n, n));
  });
  assertEquals([near.run(4), count(near.body, LOCAL_SET), count(near.body, LOCAL_TEE)], [25, 0, 1]);
  const divided = compile((f, given) => {
    const n = f.local("i32");
    f.set(n, given);
    f.later(() => f.set(n, i32.const(7)));
    f.return(n.value);
  });
  assertEquals([divided.run(4), count(divided.body, LOCAL_TEE)], [7, 0]);
  const looped = compile((f, given) => {
    const n = f.local("i32");
    f.set(n, given);
    f.loop((again) => {
      f.set(n, i32.add(n.value, i32.const(3)));
      f.if(i32.lt_s(n.value, i32.const(10)), () => f.br(again));
    });
    f.return(n.value);
  });
  assertEquals(looped.run(2), 11);
});

Deno.test("what is kept in a local isn't put into another one; what may change is", () => {
  const { run } = compile((f, given) => {
    const n = f.local("i32");
    f.set(n, given);
    const before = f.let(n.value), same = f.let(before);
    assertEquals(same, before);
    f.set(n, i32.const(100));
    f.return(i32.add(i32.mul(before, i32.const(1000)), n.value));
  });
  assertEquals(run(5), 5100);
});

Deno.test("a block is left with a number, from any depth; else what follows is executed", () => {
  const { run } = compile((f, given) => {
    const code = f.local("i32");
    f.blockOf(code, (end) => {
      f.brWith(end, i32.const(1), i32.eq(given, i32.const(10)));
      f.block(() => {
        f.if(i32.eq(given, i32.const(20)), () => f.brWith(end, i32.const(2)));
      });
      f.brWith(end, i32.const(3), i32.eq(given, i32.const(30)));
      f.return(i32.const(-1));
      f.unreachable();
    });
    f.return(code.value);
  });
  assertEquals([10, 20, 30, 40].map(run), [1, 2, 3, -1]);
});
