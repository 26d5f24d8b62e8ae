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

// check runs one check of a stand-in's client and reports its name, with the error if it fails.
export async function check(name, run) {
	try {
		await run();
		report({ check: name });
	} catch (error) {
		report({ check: name, failed: String(error?.stack ?? error).slice(0, 2000) });
	}
}

// fails returns the error that f throws, and throws if it throws none.
export async function fails(f) {
	let result;
	try {
		result = await f();
	} catch (error) {
		return error;
	}
	throw new Error(`it does not fail; it returns ${JSON.stringify(result)?.slice(0, 300)}`);
}

// control calls the control API of the stand-in at settings.url.
export async function control(path, body) {
	const response = await fetch(`${settings.url}/_control/${path}`, { method: body ? "POST" : "GET", body: body && JSON.stringify(body) });
	const answer = await response.json();
	if (!response.ok) {
		throw new Error(`${path}: ${answer.error}`);
	}
	return answer;
}

// inHours returns the time that many hours from now, in ISO form.
export const inHours = (hours) => new Date(Date.now() + hours * 3600_000).toISOString();

// bearer calls the stand-in with a token and returns the status.
export async function bearer(path, token) {
	const response = await fetch(settings.url + path, { headers: { authorization: `Bearer ${token}`, accept: "application/json" } });
	return response.status;
}
