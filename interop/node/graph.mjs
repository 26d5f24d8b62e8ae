// graph: manages subscriptions and reads changes at the stand-in at settings.url with @microsoft/microsoft-graph-client.
// settings.token is a bearer token; settings.hook is a URL that answers handshakes, and clientState its secret.

import assert from "node:assert/strict";
import { Client, PageIterator } from "@microsoft/microsoft-graph-client";
import { check, control, fails, inHours, settings } from "./lib.mjs";

const client = Client.init({
	baseUrl: `${settings.url}/`,
	customHosts: new Set([new URL(settings.url).hostname]),
	authProvider: (done) => done(null, settings.token),
});
const wanted = (more) => ({
	changeType: "created,updated",
	notificationUrl: settings.hook,
	resource: "me/events",
	clientState: settings.clientState,
	expirationDateTime: inHours(24),
	...more,
});
let id;

await check("create: the handshake happens meanwhile", async () => {
	const made = await client.api("/subscriptions").post(wanted());
	assert.equal(made.clientState, settings.clientState);
	id = made.id;
});

await check("list and read one", async () => {
	const { value } = await client.api("/subscriptions").get();
	assert.deepEqual(value.map((s) => s.id), [id]);
	assert.equal((await client.api(`/subscriptions/${id}`).get()).notificationUrl, settings.hook);
});

await check("renew by PATCH, and reauthorize with its body {}", async () => {
	const until = inHours(48);
	const renewed = await client.api(`/subscriptions/${id}`).patch({ expirationDateTime: until });
	assert.equal(Date.parse(renewed.expirationDateTime), Date.parse(until));
	await client.api(`/subscriptions/${id}/reauthorize`).post({});
});

await check("an event happens, and its resource is read", async () => {
	const { notified } = await control("event", { system: "graph", resource: "/me/events", change_type: "created", data: { id: "AAMk1", subject: "Lens" } });
	assert.equal(notified, 1);
	const item = await client.api("/me/events/AAMk1").select("subject").get();
	assert.equal(item.subject, "Lens");
});

await check("an expiry that is too late: 400 ExtensionError", async () => {
	const error = await fails(() => client.api("/subscriptions").post(wanted({ expirationDateTime: inHours(24 * 8) })));
	assert.equal(error.statusCode, 400);
	assert.equal(error.code, "ExtensionError");
});

await check("a URL that does not validate: 400 ValidationError", async () => {
	const error = await fails(() => client.api("/subscriptions").post(wanted({ notificationUrl: `${settings.hook}-nobody` })));
	assert.equal(error.statusCode, 400);
	assert.equal(error.code, "ValidationError");
});

await check("the same subscription to a drive again: 409 names the first", async () => {
	const drive = wanted({ resource: "drives/b!9/root", changeType: "updated" });
	const first = await client.api("/subscriptions").post(drive);
	const error = await fails(() => client.api("/subscriptions").post(drive));
	assert.equal(error.statusCode, 409);
	assert.equal(error.code, "ObjectIdentifierInUse");
	assert.match(error.message, new RegExp(first.id));
	await client.api(`/subscriptions/${first.id}`).delete();
});

await check("429 with Retry-After: it waits and repeats", async () => {
	await control("fault", { fault: "throttle", value: "1", system: "graph" });
	const before = Date.now();
	await client.api(`/subscriptions/${id}`).get();
	assert.ok(Date.now() - before >= 900, "it did not wait");
});

await check("delta in pages by nextLink, then the changes by deltaLink, then 410", async () => {
	const folder = "/me/mailFolders/inbox/messages";
	const happen = (change_type, number) => control("event", { system: "graph", resource: folder, change_type, data: { id: `m${number}` } });
	for (const number of [1, 2, 3, 4, 5]) {
		await happen("created", number);
	}
	const headers = { Prefer: "odata.maxpagesize=2" };
	const seen = [];
	const first = await client.api(`${folder}/delta`).headers(headers).get();
	assert.ok(first["@odata.nextLink"] && !first["@odata.deltaLink"]);
	const pages = new PageIterator(client, first, (item) => seen.push(item.id) > 0, { headers });
	await pages.iterate();
	assert.deepEqual(seen, ["m1", "m2", "m3", "m4", "m5"]);
	await happen("deleted", 2);
	const changes = await client.api(pages.getDeltaLink()).get();
	assert.deepEqual(changes.value.map((item) => [item.id, item["@removed"]?.reason]), [["m2", "deleted"]]);
	await control("fault", { fault: "expire", value: "delta", system: "graph" });
	const error = await fails(() => client.api(changes["@odata.deltaLink"]).get());
	assert.equal(error.statusCode, 410);
	assert.equal(error.code, "resyncRequired");
});

await check("a token that is refused: 401 InvalidAuthenticationToken", async () => {
	await control("fault", { fault: "error", value: "401", system: "graph" });
	const error = await fails(() => client.api(`/subscriptions/${id}`).get());
	assert.equal(error.statusCode, 401);
	assert.equal(error.code, "InvalidAuthenticationToken");
});

await check("delete; after that 404 ResourceNotFound", async () => {
	await client.api(`/subscriptions/${id}`).delete();
	const error = await fails(() => client.api(`/subscriptions/${id}`).get());
	assert.equal(error.statusCode, 404);
	assert.equal(error.code, "ResourceNotFound");
});
