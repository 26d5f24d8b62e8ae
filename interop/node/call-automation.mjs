// Call Automation: downloads a recording from the stand-in at settings.url with the package settings.module, and deletes
// it. settings.storage is the URL of the stand-in as the locations of the recording have it: of a name below
// asm.skype.com, which leads to this machine here. settings.openRange says that the client asks for an open range.

import assert from "node:assert/strict";
import dns from "node:dns";
import { createServer } from "node:http";
import { check, control, fails, settings } from "./lib.mjs";

const lookup = dns.lookup;
dns.lookup = (name, ...rest) => lookup(name.endsWith(".asm.skype.com") ? "127.0.0.1" : name, ...rest);

const { CallAutomationClient } = await import(settings.module);
const insecure = {
	name: "overHTTP",
	sendRequest: (request, next) => {
		request.allowInsecureConnection = true;
		return next(request);
	},
};

function recordings(key) {
	const options = { additionalPolicies: [{ policy: insecure, position: "perCall" }], retryOptions: { maxRetries: 0 } };
	return new CallAutomationClient(settings.url, { key }, options).getCallRecording();
}

// record lets a call be recorded, and returns the chunks that the event names.
function record(data) {
	return new Promise((resolve, reject) => {
		const server = createServer(async (request, response) => {
			let text = "";
			for await (const part of request) {
				text += part;
			}
			const event = JSON.parse(text)[0];
			const code = event.data.validationCode;
			response.end(code && JSON.stringify({ validationResponse: code }));
			if (!code) {
				server.close();
				resolve(event.data.recordingStorageInfo.recordingChunks);
			}
		});
		server.listen(0, "127.0.0.1", () => {
			const to = `http://127.0.0.1:${server.address().port}/`;
			fetch(`${settings.storage}/_control/event`, { method: "POST", body: JSON.stringify({ system: "acs", to, data }) }).then(
				async (answer) => answer.ok || reject(new Error(await answer.text())), reject);
		});
	});
}

async function read(stream) {
	const parts = [];
	for await (const part of stream) {
		parts.push(part);
	}
	return Buffer.concat(parts);
}

const client = recordings("c2VjcmV0");
let chunks = [];
await check("a recording is announced", async () => {
	chunks = await record({ bytes: 3_000_000, chunks: 2 });
	assert.equal(chunks.length, 2);
	assert.ok(chunks[0].contentLocation.startsWith(settings.storage));
});
const { contentLocation, deleteLocation } = chunks[0];
let whole;
await check("download of a whole file", async () => {
	whole = await read(await client.downloadStreaming(contentLocation));
	assert.equal(whole.length, 1_500_000);
	assert.equal(whole.toString("latin1", 4, 8), "ftyp");
});
await check("download from an offset on", async () => {
	const rest = await read(await client.downloadStreaming(contentLocation, { offset: 5 }));
	assert.deepEqual(rest, settings.openRange ? whole.subarray(5) : whole); // "bytes=5-", or "bytes=5", which is no range
});
await check("download of a range", async () => {
	const part = await read(await client.downloadStreaming(contentLocation, { offset: 5, length: 3 }));
	assert.deepEqual(part, whole.subarray(5, 8));
});
await check("a wrong key is refused", async () => {
	const error = await fails(() => recordings("d3Jvbmc=").downloadStreaming(contentLocation));
	assert.equal(error.status, 401);
	assert.match(error.message, /signature/);
});
await check("a file that is not there", async () => {
	const error = await fails(() => client.downloadStreaming(`${settings.storage}/v1/objects/none/content/video`));
	assert.equal(error.status, 404);
	assert.match(error.message, /retention/);
});
await check("deletion", async () => {
	await client.delete(deleteLocation);
	const error = await fails(() => client.downloadStreaming(contentLocation));
	assert.equal(error.status, 404);
});
await check("throttling", async () => {
	await control("fault", { fault: "throttle", system: "acs", value: "1", path: "/content/" });
	const other = await read(await client.downloadStreaming(chunks[1].contentLocation).catch((error) => {
		assert.equal(error.status, 429);
		return client.downloadStreaming(chunks[1].contentLocation);
	}));
	assert.equal(other.length, 1_500_000);
});
