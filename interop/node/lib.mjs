// What the scripts have in common. Each is run as `node SCRIPT.mjs SETTINGS`, with settings in JSON, and prints a JSON
// object a line. Run by hand, it needs nothing else.

import { createServer } from "node:http";

export const settings = JSON.parse(process.argv[2] ?? "{}");

export function report(object) {
	console.log(JSON.stringify(object));
}

// listen starts a server on loopback and says where. handle gets {method, url, headers, body}, the body as a Buffer,
// and returns {status, headers, body, report}; what it throws is answered 400 and reported as error.
export function listen(handle) {
	serve(async (request, response) => {
		const chunks = [];
		for await (const chunk of request) {
			chunks.push(chunk);
		}
		let answer;
		try {
			answer = await handle({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks) });
		} catch (error) {
			answer = { status: 400, report: { error: String(error) } };
		}
		response.writeHead(answer.status ?? 204, answer.headers).end(answer.body);
		report(answer.report ?? {});
	});
}

// serve starts a server on loopback with a handler of Node's own kind.
export function serve(handler) {
	const server = createServer(handler);
	server.listen(0, "127.0.0.1", () => report({ listening: `http://127.0.0.1:${server.address().port}/` }));
}

// post posts and reports the answer.
export async function post(to, headers, body) {
	const answer = await fetch(to, { method: "POST", headers, body });
	report({ status: answer.status, body: await answer.text() });
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
