// Receives Bellhop's deliveries: verifies each, stores each event once, answers, and works on it afterwards.
//
//   npm install && WEBHOOK_SECRET=whsec_… node receiver.mjs
//
// The inbox is a folder: a file for each event, named by its id, and an empty ID.done once the work is done.
import { createServer } from "node:http";
import { link, mkdir, open, readdir, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";

const { WEBHOOK_SECRET, HOST = "127.0.0.1", PORT = "9000", INBOX = "inbox" } = process.env;
const webhook = new Webhook(WEBHOOK_SECRET);
const maxBytes = 1 << 20;
let parts = 0;

// keep stores an event before it is answered. It returns false for a repeat: only one file can have the name.
async function keep(id, body) {
  const part = join(INBOX, `.part-${process.pid}-${parts++}`);
  const file = await open(part, "wx");
  try {
    await file.writeFile(body);
    await file.sync();
    await link(part, join(INBOX, id));
    return true;
  } catch (err) {
    if (err.code === "EEXIST") return false;
    throw err;
  } finally {
    await file.close();
    await unlink(part);
  }
}

// work does what an event asks for. It may be done twice, if the program ends in between.
async function work(id) {
  const body = await readFile(join(INBOX, id), "utf8");
  console.log("new", id, body);
  await writeFile(join(INBOX, `${id}.done`), "");
}

async function receive(request) {
  if (request.method !== "POST") return 405;
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    if ((size += chunk.length) > maxBytes) return 413;
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks); // the bytes as they came: the signature covers them
  try {
    webhook.verify(body, request.headers);
  } catch {
    return 401;
  }
  const id = request.headers["webhook-id"];
  if (!/^[\w-]{1,100}$/.test(id)) return 400; // it becomes the name of a file
  if (await keep(id, body)) setImmediate(() => work(id).catch((err) => console.error(id, err)));
  else console.log("repeat", id);
  return 204;
}

await mkdir(INBOX, { recursive: true });
const names = await readdir(INBOX);
for (const name of names.filter((n) => n.startsWith(".part-"))) await unlink(join(INBOX, name));
for (const id of names.filter((n) => !n.includes(".") && !names.includes(`${n}.done`))) await work(id);

createServer(async (request, response) => {
  const status = await receive(request).catch((err) => (console.error(err), 503)); // it is tried again
  response.writeHead(status, { "content-length": 0 }).end();
}).listen(Number(PORT), HOST, () => console.log(`receiving on http://${HOST}:${PORT}`));
