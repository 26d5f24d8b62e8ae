// pnp-graph: manages subscriptions at the stand-in at settings.url with @pnp/graph, over plain http.

import assert from "node:assert/strict";
import { graphfi } from "@pnp/graph";
import { GraphDefault } from "@pnp/nodejs";
import "@pnp/graph/subscriptions/index.js";
import { check, control, fails, inHours, settings } from "./lib.mjs";

const graph = graphfi().using(GraphDefault({ baseUrl: `${settings.url}/v1.0` }), (instance) => {
	instance.on.auth.replace(async (url, init) => {
		init.headers = { ...init.headers, Authorization: `Bearer ${settings.token}` };
		return [url, init];
	});
	return instance;
});
let made;

await check("add: the handshake happens meanwhile", async () => {
	const { data } = await graph.subscriptions.add("created", settings.hook, "me/events", new Date(inHours(24)), { clientState: settings.clientState });
	assert.equal(data.clientState, settings.clientState);
	made = data;
});

await check("list, read, update", async () => {
	assert.deepEqual((await graph.subscriptions()).map((s) => s.id), [made.id]);
	const one = graph.subscriptions.getById(made.id);
	await one.update({ expirationDateTime: inHours(48) });
	assert.ok(Date.parse((await one()).expirationDateTime) > Date.parse(made.expirationDateTime));
});

await check("429 with Retry-After: it waits and repeats", async () => {
	await control("fault", { fault: "throttle", value: "1", system: "graph" });
	const before = Date.now();
	await graph.subscriptions.getById(made.id)();
	assert.ok(Date.now() - before >= 900, "it did not wait");
});

await check("delete; after that 404", async () => {
	await graph.subscriptions.getById(made.id).delete();
	const error = await fails(() => graph.subscriptions.getById(made.id)());
	assert.equal(error.status, 404);
	assert.match(error.message, /ResourceNotFound/);
});
