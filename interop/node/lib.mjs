// Functions that the scripts share. A script is run as `node SCRIPT.mjs SETTINGS`, where SETTINGS is a JSON object, and
// prints one JSON object per line. It can be run by hand as well.

import { createServer } from "node:http";

export const settings = JSON.parse(process.argv[2] ?? "{}");

// report prints an object as one line of JSON.
export function report(object) {
	console.log(JSON.stringify(object));
}

// listen starts a server on loopback and reports its address. handle is called with {method, url, headers, body}, where
// body is a Buffer, and returns {status, headers, body, report}. If it throws, the server answers 400 and reports the
// error.
export function listen(handle) {
	serve(async (request, out) => {
		const chunks = [];
		for await (const chunk of request) {
			chunks.push(chunk);
		}
		let response;
		try {
			const { method, url, headers } = request;
			response = await handle({ method, url, headers, body: Buffer.concat(chunks) });
		} catch (error) {
			response = { status: 400, report: { error: String(error) } };
		}
		out.writeHead(response.status ?? 204, response.headers).end(response.body);
		report(response.report ?? {});
	});
}

// serve starts a server on loopback with a request listener of node:http, and reports its address.
export function serve(handler) {
	const server = createServer(handler);
	server.listen(0, "127.0.0.1", () => report({ listening: `http://127.0.0.1:${server.address().port}/` }));
}

// post posts a body and reports the response.
export async function post(to, headers, body) {
	const response = await fetch(to, { method: "POST", headers, body });
	report({ status: response.status, body: await response.text() });
}

// refuses reports whether f throws.
export async function refuses(f) {
	try {
		await f();
		return false;
	} catch {
		return true;
	}
}
