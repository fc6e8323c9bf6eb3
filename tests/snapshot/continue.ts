/** A process of its own that goes on from a snapshot: board, file and what is typed come as arguments, the outcome goes out as JSON. */
import { Machine, readSnapshot } from "../../mod.ts";
import { debianBoard } from "../guests/debian_images.ts";
import { checkBoard } from "../../core/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { goOn } from "./outcome.ts";

const [name, file, typed] = Deno.args;
const { manifest, images } = await debianBoard(name);
const { board } = await checkBoard(manifest, "board.yaml", { plugins });
using snapshot = readSnapshot(file);
let console_ = "";
const machine = await Machine.restore(board!, {
  images: images!,
  bootTimeSeconds: board!.bootTimeSeconds,
  onSerial: (_port, bytes) => void (console_ += new TextDecoder("latin1").decode(bytes)),
}, snapshot);
console.log(JSON.stringify({ ...goOn(machine, typed), console: console_ }));
machine.dispose();
