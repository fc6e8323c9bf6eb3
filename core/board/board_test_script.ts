/** What a manifest says of its own test: what is to come on the console, and what to type. */

/** The key `test` of a manifest. Texts between slashes are regular expressions. */
export interface BoardTest {
  /** In this order: text that must come, or text that is typed. */
  readonly steps?: readonly ({ readonly expect: string } | { readonly send: string })[];
  /** Texts that must not come. */
  readonly fail?: readonly string[];
  /** Virtual time within which all must have come: `30s`. */
  readonly timeout?: string;
}

const WANTED = "want { steps: [{ expect: TEXT }, { send: TEXT }], fail: [TEXT], timeout: 30s }";
const KEYS = ["steps", "fail", "timeout"];

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

/** What is wrong with one. `isDuration`: says whether a text is a time. */
export function testProblem(value: unknown, isDuration: (text: unknown) => boolean): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return WANTED;
  const { steps = [], fail = [], timeout, ...others } = value as Record<string, unknown>;
  if (Object.keys(others).length > 0) return `there is no ${Object.keys(others)[0]}, but ${KEYS.join(", ")}`;
  const isStep = (step: unknown) => {
    const entries = typeof step === "object" && step !== null ? Object.entries(step) : [];
    return entries.length === 1 && ["expect", "send"].includes(entries[0][0]) && isText(entries[0][1]);
  };
  if (!Array.isArray(steps) || !steps.every(isStep)) return WANTED;
  if (!Array.isArray(fail) || !fail.every(isText)) return WANTED;
  if (timeout !== undefined && !isDuration(timeout)) return "want a timeout with its unit, such as 30s";
  for (const text of [...steps.flatMap((step) => "expect" in step ? [step.expect] : []), ...fail]) {
    const problem = expressionProblem(text);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function expressionProblem(text: string): string | undefined {
  const [, source, flags] = text.match(/^\/(.+)\/([a-z]*)$/s) ?? [];
  if (source === undefined) return undefined;
  try {
    new RegExp(source, flags);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
