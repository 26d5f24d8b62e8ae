// arm-eventgrid: manages event subscriptions and topics at the stand-in at settings.url with @azure/arm-eventgrid.
// settings.hook is the URL of a source with its secret, and settings.token a token for Azure Resource Manager.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { EventGridManagementClient } from "@azure/arm-eventgrid";
import { check, control, fails, inHours, settings } from "./lib.mjs";

const account = "5b4b650e-28b9-4790-b3ab-ddbd88d727c4";
const credential = { getToken: async () => ({ token: settings.token, expiresOnTimestamp: Date.now() + 3600_000 }) };
const client = new EventGridManagementClient(credential, account, { endpoint: settings.url });
const subscriptions = client.eventSubscriptions;
const scope = `subscriptions/${account}/resourceGroups/media/providers/Microsoft.Communication/communicationServices/calls`;
const recording = "Microsoft.Communication.RecordingFileStatusUpdated";
const quick = { updateIntervalInMs: 200 };
const wanted = (endpointUrl, more) => ({
	destination: { endpointType: "WebHook", endpointUrl, ...more?.destination },
	filter: { includedEventTypes: [recording] },
	...more?.properties,
});

await check("create: the handshake of a source, and the poller ends with Succeeded", async () => {
	const until = new Date(inHours(48));
	const made = await subscriptions.beginCreateOrUpdateAndWait(scope, "recordings", wanted(settings.hook, {
		properties: { labels: ["interop"], expirationTimeUtc: until },
	}), quick);
	assert.equal(made.provisioningState, "Succeeded");
	assert.equal(made.destination.endpointBaseUrl, settings.hook.split("?")[0]);
	assert.equal(made.destination.endpointUrl, undefined);
	assert.equal(made.eventDeliverySchema, "EventGridSchema");
	assert.equal(made.expirationTimeUtc.getTime(), until.getTime());
});

await check("create in the CloudEvents schema, with headers of which one is secret", async () => {
	const deliveryAttributeMappings = [
		{ type: "Static", name: "X-Site", value: "north", isSecret: false },
		{ type: "Static", name: "X-Hush", value: "hush-hush", isSecret: true },
		{ type: "Dynamic", name: "X-Type", sourceField: "type" },
	];
	const made = await subscriptions.beginCreateOrUpdateAndWait(scope, "cloud", wanted(settings.hook, {
		destination: { deliveryAttributeMappings, maxEventsPerBatch: 10 },
		properties: { eventDeliverySchema: "CloudEventSchemaV1_0" },
	}), quick);
	assert.equal(made.provisioningState, "Succeeded");
	assert.equal(made.eventDeliverySchema, "CloudEventSchemaV1_0");
	assert.equal(made.destination.maxEventsPerBatch, 10);
});

await check("read: no secret; getFullUrl and getDeliveryAttributes show them", async () => {
	const read = await subscriptions.get(scope, "cloud");
	assert.equal(read.destination.endpointUrl, undefined);
	const hidden = read.destination.deliveryAttributeMappings.find(({ name }) => name === "X-Hush");
	assert.ok(!hidden.value);
	assert.equal((await subscriptions.getFullUrl(scope, "cloud")).endpointUrl, settings.hook);
	const { value } = await subscriptions.getDeliveryAttributes(scope, "cloud");
	assert.deepEqual(value.map(({ name, type }) => [name, type]), [["X-Site", "Static"], ["X-Hush", "Static"], ["X-Type", "Dynamic"]]);
	assert.equal(value[1].value, "hush-hush");
});

await check("update: labels and expiry, whose final answer it reads at Location", async () => {
	const until = new Date(inHours(72));
	const changed = await subscriptions.beginUpdateAndWait(scope, "recordings", { labels: ["changed"], expirationTimeUtc: until }, quick);
	assert.deepEqual(changed.labels, ["changed"]);
	assert.equal(changed.expirationTimeUtc.getTime(), until.getTime());
	assert.equal((await subscriptions.getFullUrl(scope, "recordings")).endpointUrl, settings.hook);
});

await check("list: in pages, by name, of the group and of the Azure subscription", async () => {
	const names = async (list) => {
		const found = [];
		for await (const page of list.byPage()) {
			assert.ok(page.length <= 1);
			found.push(...page.map(({ name }) => name));
		}
		return found.sort();
	};
	const both = ["cloud", "recordings"];
	const calls = ["media", "Microsoft.Communication", "communicationServices", "calls"];
	assert.deepEqual(await names(subscriptions.listByResource(...calls, { top: 1 })), both);
	assert.deepEqual(await names(subscriptions.listByResource(...calls, { top: 1, filter: "name eq 'cloud'" })), ["cloud"]);
	assert.deepEqual(await names(subscriptions.listGlobalByResourceGroup("media", { top: 1 })), both);
	assert.deepEqual(await names(subscriptions.listGlobalBySubscription({ top: 1 })), both);
});

await check("a handshake that is refused: the failure at the status URL, which is answered 200", async () => {
	const wrong = settings.hook.replace(/code=.*/, "code=wrong");
	const error = await fails(() => subscriptions.beginCreateOrUpdateAndWait(scope, "refused", wanted(wrong), quick));
	assert.match(String(error), /Webhook validation handshake failed|ResourceOperationFailure|failed/);
	assert.equal((await subscriptions.get(scope, "refused")).provisioningState, "Failed");
	await subscriptions.beginDeleteAndWait(scope, "refused", quick);
});

await check("AwaitingManualAction: it polls until somebody opens the validation URL", async () => {
	let opened;
	const server = createServer(async (request, response) => {
		let body = "";
		for await (const chunk of request) {
			body += chunk;
		}
		response.end(); // 200 without the code
		const [{ eventType, data }] = JSON.parse(body);
		if (eventType === "Microsoft.EventGrid.SubscriptionDeletedEvent") {
			return;
		}
		setTimeout(async () => {
			try {
				const { provisioningState } = await subscriptions.get(scope, "manual");
				opened = [provisioningState, (await fetch(data.validationUrl)).status];
			} catch (error) {
				opened = String(error);
			}
		}, 500);
	});
	await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
	try {
		const url = `http://127.0.0.1:${server.address().port}/`;
		const made = await subscriptions.beginCreateOrUpdateAndWait(scope, "manual", wanted(url), quick);
		assert.equal(made.provisioningState, "Succeeded");
		assert.deepEqual(opened, ["AwaitingManualAction", 200]);
		await subscriptions.beginDeleteAndWait(scope, "manual", quick); // the server answers the notice of the deletion
	} finally {
		server.close();
		server.closeAllConnections();
	}
});

await check("400, 401, 403 and 404 with their codes", async () => {
	const past = wanted(settings.hook, { properties: { expirationTimeUtc: new Date(0) } });
	const error = await fails(() => subscriptions.beginCreateOrUpdateAndWait(scope, "past", past, quick));
	assert.equal(error.statusCode, 400);
	assert.match(error.message, /Invalid expiration time/);
	assert.equal((await fails(() => subscriptions.get(scope, "nobody"))).code, "ResourceNotFound");
	for (const [value, statusCode] of [["AuthorizationFailed", 403], ["ExpiredAuthenticationToken", 401], ["QuotaExceeded", 409]]) {
		await control("fault", { fault: "error", value, system: "eventgrid" });
		const error = await fails(() => subscriptions.get(scope, "cloud"));
		assert.deepEqual([error.statusCode, error.code], [statusCode, value]);
	}
});

await check("429 with Retry-After: it waits and repeats", async () => {
	await control("fault", { fault: "throttle", value: "1", system: "eventgrid" });
	const before = Date.now();
	await subscriptions.get(scope, "cloud");
	assert.ok(Date.now() - before >= 900, "it did not wait");
});

await check("topics: create, keys, another key, list, delete", async () => {
	const { topics } = client;
	const made = await topics.beginCreateOrUpdateAndWait("shop", "orders", { location: "westeurope", inputSchema: "CloudEventSchemaV1_0", tags: { of: "interop" } }, quick);
	assert.equal(made.endpoint, `${settings.url}/topics/orders/api/events`);
	assert.equal(made.inputSchema, "CloudEventSchemaV1_0");
	const keys = await topics.listSharedAccessKeys("shop", "orders");
	const after = await topics.beginRegenerateKeyAndWait("shop", "orders", { keyName: "key1" }, quick);
	assert.ok(keys.key1 && keys.key1 !== after.key1 && keys.key2 === after.key2);
	const found = [];
	for await (const { name } of topics.listByResourceGroup("shop")) {
		found.push(name);
	}
	assert.deepEqual(found, ["orders"]);
	await topics.beginDeleteAndWait("shop", "orders", quick);
	assert.equal((await fails(() => topics.get("shop", "orders"))).statusCode, 404);
});

await check("what happens in the resource is delivered in both schemas", async () => {
	const { notified } = await control("event", { system: "eventgrid", resource: `/${scope}`, change_type: "created" });
	assert.equal(notified, 2);
	await control("event", { system: "eventgrid", resource: `/${scope}`, change_type: "Microsoft.Communication.CallStarted" });
});

await check("delete: polled at Location; after that 404", async () => {
	for (const name of ["cloud", "recordings"]) {
		await subscriptions.beginDeleteAndWait(scope, name, quick);
		assert.equal((await fails(() => subscriptions.get(scope, name))).statusCode, 404);
	}
});
