// pnp-sp: manages list webhooks and reads changes at the stand-in at settings.url with @pnp/sp. With settings.key and
// settings.thumbprint it gets its tokens from the stand-in too, by a certificate.

import assert from "node:assert/strict";
import { spfi } from "@pnp/sp";
import { SPDefault } from "@pnp/nodejs";
import "@pnp/sp/webs/index.js";
import "@pnp/sp/lists/index.js";
import "@pnp/sp/items/index.js";
import "@pnp/sp/subscriptions/index.js";
import { check, control, fails, inHours, settings } from "./lib.mjs";

const tenant = "6f1d2c3b-8a47-4e5f-9b0a-2c7d41e8f930";
const msal = settings.key && {
	config: {
		auth: {
			clientId: "bellhop",
			authority: `${settings.url}/${tenant}`,
			knownAuthorities: [new URL(settings.url).host],
			clientCertificate: { thumbprintSha256: settings.thumbprint, privateKey: settings.key },
		},
	},
	scopes: ["https://contoso.sharepoint.com/.default"],
};
let sp = spfi(settings.url).using(SPDefault({ baseUrl: settings.url, msal }));
if (!msal) {
	sp = sp.using((instance) => {
		instance.on.auth.replace(async (url, init) => {
			init.headers = { ...init.headers, Authorization: `Bearer ${settings.token}` };
			return [url, init];
		});
		return instance;
	});
}
const list = sp.web.lists.getByTitle("Documents");
const query = (token) => ({
	Item: true,
	Add: true,
	Update: true,
	DeleteObject: true,
	...(token && { ChangeTokenStart: { StringValue: token } }),
});
let made;

await check("a list is found by its title", async () => {
	const found = await list.select("Title", "Id")();
	assert.equal(found.Title, "Documents");
	assert.match(found.Id, /^[0-9a-f-]{36}$/);
});

await check("subscriptions: add, with a relative resource", async () => {
	made = await list.subscriptions.add(settings.hook, inHours(24 * 179), settings.clientState);
	assert.equal(made.notificationUrl, settings.hook);
	assert.match(made.resource, /^[0-9a-f-]{36}$/);
});

await check("subscriptions: list, with a foreign one, and read one", async () => {
	const all = await list.subscriptions();
	assert.ok(all.some((s) => s.id === made.id) && all.some((s) => s.notificationUrl.includes("pushnp.svc.ms")));
	assert.equal((await list.subscriptions.getById(made.id)()).id, made.id);
});

await check("subscriptions: update, answered 204", async () => {
	const until = inHours(24 * 30);
	await list.subscriptions.getById(made.id).update(until);
	const { expirationDateTime } = await list.subscriptions.getById(made.id)();
	assert.equal(Math.floor(Date.parse(expirationDateTime) / 1000), Math.floor(Date.parse(until) / 1000));
});

await check("subscriptions: beyond 180 days is 400 with SharePoint's text", async () => {
	const error = await fails(() => list.subscriptions.add(settings.hook, inHours(24 * 181), settings.clientState));
	assert.equal(error.status, 400);
	assert.match(error.message, /within 6 months/);
});

await check("getChanges: by token, in order, and nothing after the last", async () => {
	const { CurrentChangeToken } = await list.select("CurrentChangeToken")();
	for (const change_type of ["created", "updated", "deleted"]) {
		const { notified } = await control("event", { system: "sharepoint", resource: "Documents", change_type });
		assert.equal(notified, 1);
	}
	const changes = await list.getChanges(query(CurrentChangeToken.StringValue));
	assert.deepEqual(changes.map((c) => c.ChangeType), [1, 2, 3]);
	assert.deepEqual(await list.getChanges(query(changes[2].ChangeToken.StringValue)), []);
	const bad = await fails(() => list.getChanges(query("1;3;00000000-0000-4000-8000-000000000000;1;1")));
	assert.ok(bad.status >= 400);
});

await check("an item is read by its id", async () => {
	await control("event", { system: "sharepoint", resource: "Documents", change_type: "created", data: { Id: 7, Title: "Plan" } });
	assert.equal((await list.items.getById(7)()).Title, "Plan");
});

await check("429 and 503 with Retry-After: it waits and repeats", async () => {
	for (const fault of [{ fault: "throttle", value: "1" }, { fault: "error", value: "503" }]) {
		await control("fault", { ...fault, system: "sharepoint" });
		const before = Date.now();
		await list.select("Id")();
		assert.ok(Date.now() - before >= 900, "it did not wait");
	}
});

await check("subscriptions: delete, answered 204; after that 404", async () => {
	await list.subscriptions.getById(made.id).delete();
	const error = await fails(() => list.subscriptions.getById(made.id)());
	assert.equal(error.status, 404);
});
