/** `ps`, `pause`, `unpause`, `reboot` and `destroy`: the domains of a run that has a control socket. */
import { Command } from "@cliffy/command";
import { ControlClient, ControlError } from "./client.ts";
import { chooseSocket, ControlPathError } from "./place.ts";
import type { DomainVerb, PsResult } from "./protocol.ts";
import { EXIT } from "../exit_codes.ts";
import type { Done } from "../verb.ts";

/** Options of every verb that talks to a run. */
export interface ControlOptions {
  control?: string;
}

/** Adds them. */
export function addControlOption(command: unknown): Command {
  return (command as Command).option(
    "--control <path:file>",
    "The run's control socket, as run --control names it; without it, the only one under XDG_RUNTIME_DIR.",
  ) as unknown as Command;
}

/** Talks to a run; errors of its are printed. */
export async function withRun(options: ControlOptions, talk: (client: ControlClient) => Promise<number>): Promise<number> {
  let client: ControlClient | undefined;
  try {
    client = await ControlClient.connect(chooseSocket(options.control));
    return await talk(client);
  } catch (error) {
    if (!(error instanceof ControlError || error instanceof ControlPathError)) throw error;
    console.error(`error: ${error.message}`);
    return EXIT.usage;
  } finally {
    client?.close();
  }
}

const descriptions: Record<DomainVerb, string> = {
  pause: "Hold a domain of a run: its vCPUs stop, until it is unpaused.",
  unpause: "Let a paused domain go on.",
  reboot: "Make a domain start over, whatever it does: what its disks hold stays.",
  destroy: "End a domain and give back all that it holds.",
};

/** The command of a verb that acts on a domain. */
export function domainVerb(done: Done, verb: DomainVerb): Command {
  const command = new Command().description(descriptions[verb]).arguments("<domain:string>");
  return addControlOption(command).action(async (options: ControlOptions, domain: string) =>
    done(
      await withRun(options, async (client) => {
        console.log(await client.ask({ verb, domain }));
        return EXIT.ok;
      }),
    )
  ) as unknown as Command;
}

/** The command `ps`. */
export function ps(done: Done): Command {
  const command = new Command().description("Show the domains of a run: what they and their vCPUs do, and their share of the CPUs.")
    .option("--json", "Print what the run says as JSON.");
  return addControlOption(command).action(async (options: ControlOptions & { json?: boolean }) =>
    done(
      await withRun(options, async (client) => {
        const result = await client.ask({ verb: "ps" }) as PsResult;
        console.log(options.json ? JSON.stringify(result, null, 2) : psText(result));
        return EXIT.ok;
      }),
    )
  ) as unknown as Command;
}

/** A table for people. */
export function psText({ board, nowNs, domains }: PsResult): string {
  const rows = [["DOMAIN", "STATE", "CPU", "VCPUS", "PORTS"]];
  for (const { name, state, cpuShare, vcpus, ports } of domains) {
    const share = `${(100 * cpuShare).toFixed(1)} %`;
    vcpus.forEach(({ index, does }, n) =>
      rows.push([n === 0 ? name : "", n === 0 ? state : "", n === 0 ? share : "", `${index}: ${does}`, n === 0 ? ports.join(" ") : ""])
    );
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
  return [`${board}, ${(nowNs / 1e9).toFixed(3)} s of virtual time`, ...lines].join("\n");
}
