// wasip1.mjs PROGRAM [ARGUMENT...]: runs a WASI program under node. It is for test-anywhere.
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const args = process.argv.slice(2);
const wasi = new WASI({
  version: "preview1",
  args,
  env: { ...process.env, PWD: process.cwd() },
  preopens: { "/": "/" },
  returnOnExit: false, // the process ends with the program's exit status
});
const module = await WebAssembly.compile(await readFile(args[0]));
wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
