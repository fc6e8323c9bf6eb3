/** A major frame: windows of time, one after the other on each physical CPU, repeated for ever. ARINC 653, "Partition management". */
import { nearest, parseDuration } from "../../../core/mod.ts";
import type { Board, CpuPool, Place, ResourceFinding } from "../../../core/mod.ts";

/** A window as a manifest says it. */
export interface Window {
  /** Absent: the CPU idles. */
  readonly domain?: string;
  /** Within the domain. */
  readonly vcpu: number;
  /** Physical CPU; absent: the first one of the pool. */
  readonly cpu?: number;
  /** Nanoseconds. */
  readonly time: number;
}

/** A window in its frame. */
export interface PlacedWindow extends Window {
  readonly cpu: number;
  /** From the beginning of the frame, in nanoseconds. */
  readonly startNs: number;
  readonly endNs: number;
  /** In the manifest's list. */
  readonly index: number;
}

/** A whole frame. */
export interface Schedule {
  readonly frameNs: number;
  readonly windows: readonly PlacedWindow[];
}

/** No frame of sense has more. */
const MOST_WINDOWS = 1024;
const names = ["domain", "vcpu", "cpu", "time"];

/** Reads a list of windows. Throws a `RangeError` that says what is wrong. */
export function readWindows(said: unknown): Window[] {
  if (!Array.isArray(said) || said.length === 0) throw new RangeError("want a list of windows such as { domain: rtos, time: 5ms }");
  if (said.length > MOST_WINDOWS) throw new RangeError(`these are ${said.length} windows; want ${MOST_WINDOWS} at most`);
  return said.map((window, index): Window => {
    const fail = (what: string): never => {
      throw new RangeError(`window ${index}: ${what}`);
    };
    if (typeof window !== "object" || window === null || Array.isArray(window)) return fail("want { domain, vcpu, cpu, time }");
    for (const name of Object.keys(window)) if (!names.includes(name)) fail(`there is no ${name}; there is ${names.join(", ")}`);
    const { domain, vcpu = 0, cpu, time } = window as Record<string, unknown>;
    const ns = typeof time === "number" && time !== 0 ? undefined : parseDuration(time);
    if (ns === undefined) return fail(`the time is ${JSON.stringify(time)}; want one with its unit, such as 5ms`);
    if (!(ns > 0)) return fail("the time is 0; want more");
    if (domain !== undefined && typeof domain !== "string") return fail("the domain is no text");
    if (typeof vcpu !== "number" || !Number.isInteger(vcpu) || vcpu < 0) return fail("vcpu is no index of a vCPU");
    if (cpu !== undefined && !(typeof cpu === "number" && Number.isInteger(cpu) && cpu >= 0)) return fail("cpu is no physical CPU");
    return { domain, vcpu, cpu: cpu as number | undefined, time: ns };
  });
}

/** Puts windows one after the other, on each CPU. `frame`: the length of the frame; absent, that of its longest list. Throws a `RangeError`. */
export function placeWindows(windows: readonly Window[], frame: number | undefined, firstCpu: number): Schedule {
  const ends = new Map<number, number>();
  const placed = windows.map((window, index): PlacedWindow => {
    const cpu = window.cpu ?? firstCpu;
    const startNs = ends.get(cpu) ?? 0;
    const endNs = startNs + window.time;
    ends.set(cpu, endNs);
    return { ...window, cpu, startNs, endNs, index };
  });
  const longest = Math.max(...ends.values());
  const frameNs = frame ?? longest;
  if (!Number.isSafeInteger(longest)) throw new RangeError("the windows are longer than 104 days");
  for (const [cpu, endNs] of ends) {
    if (endNs > frameNs) throw new RangeError(`the windows of CPU ${cpu} take ${endNs} ns; the frame has ${frameNs} ns`);
  }
  return { frameNs, windows: placed };
}

/** Mistakes that show only beside the board. `at`: where the manifest says a window. */
export function scheduleFindings({ windows }: Schedule, pool: CpuPool, board: Board, at: (index: number) => Place): ResourceFinding[] {
  const found: ResourceFinding[] = [];
  const scheduled = new Set<string>();
  for (const { domain, vcpu, cpu, index } of windows) {
    if (!pool.cpus.includes(cpu)) {
      const wanted = `CPU ${pool.cpus.join(", ")}`;
      found.push({
        title: `a window is on CPU ${cpu}, which isn't in the scheduler's pool`,
        found: `CPU ${cpu}`,
        wanted,
        places: [at(index)],
      });
      continue;
    }
    if (domain === undefined) continue;
    const place = board.domains.findIndex(({ name }) => name === domain);
    if (place < 0) {
      const close = nearest(domain, board.domains.map(({ name }) => name));
      const help = close && `did you mean ${close}?`;
      found.push({ title: `there is no domain ${JSON.stringify(domain)}`, found: domain, help, places: [at(index)] });
      continue;
    }
    const { vcpus } = board.domains[place];
    scheduled.add(`${domain} ${vcpu}`);
    if (vcpu >= vcpus) {
      const title = `a window is for vCPU ${vcpu} of ${domain}, which has ${vcpus}`;
      found.push({ title, found: String(vcpu), places: [at(index), { path: ["domains", place, "vcpus"] }] });
    } else if (!pool.has(domain)) {
      found.push({ title: `domain ${domain} is in another scheduler's pool`, places: [at(index), { path: ["domains", place, "name"] }] });
    } else if (!pool.cpusOf(domain, vcpu).includes(cpu)) {
      const places = [at(index), { path: [...pool.use.path, "affinity", domain] }];
      found.push({ title: `a window is on CPU ${cpu}, where vCPU ${vcpu} of ${domain} may not run`, places });
    }
  }
  for (const [a, b] of twoAtOnce(windows)) {
    const title = `vCPU ${a.vcpu} of ${a.domain} has windows on CPU ${a.cpu} and CPU ${b.cpu} at the same time`;
    found.push({ title, places: [at(b.index), at(a.index)] });
  }
  for (const [index, { name, vcpus }] of board.domains.entries()) {
    for (let vcpu = 0; pool.has(name) && vcpu < vcpus; vcpu++) {
      if (scheduled.has(`${name} ${vcpu}`)) continue;
      const title = `vCPU ${vcpu} of ${name} has no window: it never runs`;
      found.push({ severity: "warning", title, places: [{ path: ["domains", index, "name"] }, { path: [...pool.use.path, "windows"] }] });
    }
  }
  return found;
}

/** A vCPU runs on one CPU at a time. */
function* twoAtOnce(windows: readonly PlacedWindow[]): Generator<[PlacedWindow, PlacedWindow]> {
  const last = new Map<string, PlacedWindow>();
  for (const window of windows.toSorted((a, b) => a.startNs - b.startNs || a.index - b.index)) {
    if (window.domain === undefined) continue;
    const key = `${window.domain} ${window.vcpu}`;
    const earlier = last.get(key);
    if (earlier && window.startNs < earlier.endNs) yield [earlier, window];
    if (!earlier || window.endNs > earlier.endNs) last.set(key, window);
  }
}
