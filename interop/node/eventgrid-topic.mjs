// eventgrid-topic: publishes to the topic settings.endpoint of a stand-in with @azure/eventgrid, in settings.schema, with
// settings.key and with tokens that the key signs. Over https it publishes with settings.token of Microsoft Entra too.

import assert from "node:assert/strict";
import { AzureKeyCredential, AzureSASCredential, EventGridPublisherClient, generateSharedAccessSignature } from "@azure/eventgrid";
import { check, control, fails, inHours, settings } from "./lib.mjs";

const options = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
const publisher = (credential, more) => new EventGridPublisherClient(settings.endpoint, settings.schema, credential, { ...options, ...more });
const key = new AzureKeyCredential(settings.key);
const signed = async (expires, by) => new AzureSASCredential(await generateSharedAccessSignature(settings.endpoint, by, new Date(expires)));
let count = 0;
const event = () => {
	const id = `order-${++count}`;
	return settings.schema === "CloudEvent"
		? { id, source: "/orders", type: "Order.Made", subject: "Grüße", data: { n: count } }
		: { id, eventType: "Order.Made", subject: "Grüße", dataVersion: "1", data: { n: count } };
};

await check("key: two events", async () => publisher(key).send([event(), event()]));

await check("SAS token: an event", async () => publisher(await signed(inHours(1), key)).send([event()]));

await check("a wrong key, a SAS token of a wrong key, and an expired one: 401", async () => {
	const wrong = new AzureKeyCredential(Buffer.alloc(32, 7).toString("base64"));
	for (const credential of [wrong, await signed(inHours(1), wrong), await signed(inHours(-1), key)]) {
		const error = await fails(() => publisher(credential).send([event()]));
		assert.equal(error.statusCode, 401);
	}
});

if (settings.token) {
	await check("token of Microsoft Entra: an event", async () => {
		const credential = { getToken: async () => ({ token: settings.token, expiresOnTimestamp: Date.now() + 3600_000 }) };
		await publisher(credential).send([event()]);
	});
}

await check("429 with Retry-After: it waits and repeats", async () => {
	await control("fault", { fault: "throttle", value: "1", system: "eventgrid" });
	const before = Date.now();
	await publisher(key, { retryOptions: { maxRetries: 2 } }).send([event()]);
	assert.ok(Date.now() - before >= 900, "it did not wait");
});

await check("events of the other schema: 400", async () => {
	const other = settings.schema === "CloudEvent" ? "EventGrid" : "CloudEvent";
	const body = other === "EventGrid" ? { eventType: "a", subject: "b", dataVersion: "1", data: {} } : { source: "/a", type: "b" };
	const error = await fails(() => new EventGridPublisherClient(settings.endpoint, other, key, options).send([body]));
	assert.equal(error.statusCode, 400);
});
