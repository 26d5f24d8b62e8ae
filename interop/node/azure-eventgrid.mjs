// @azure/eventgrid: {schema} listens and reads deliveries, {schema, to, key, events} publishes.
// With {manual: true} a validation event is answered by a call to its validationUrl.

import { AzureKeyCredential, EventGridDeserializer, EventGridPublisherClient, isSystemEvent } from "@azure/eventgrid";
import { listen, report, settings } from "./lib.mjs";

const validation = "Microsoft.EventGrid.SubscriptionValidationEvent";
const reader = new EventGridDeserializer();

if (settings.to) {
	const credential = new AzureKeyCredential(settings.key);
	const client = new EventGridPublisherClient(settings.to, settings.schema, credential, { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } });
	const events = settings.events.map((e) => ({ ...e, ...(e.bytes && { data: Uint8Array.from(e.bytes), bytes: undefined }) }));
	await client.send(events, { onResponse: ({ status }) => report({ status }) }).catch(({ statusCode, message }) => statusCode || report({ error: message }));
} else {
	listen(async ({ method, headers, body }) => {
		if (method === "OPTIONS") { // the package leaves this to its user
			const origin = headers["webhook-request-origin"];
			return { status: 200, headers: { "webhook-allowed-origin": origin, "webhook-allowed-rate": "600" }, report: { origin } };
		}
		const text = body.toString();
		const events = await (settings.schema === "CloudEvent" ? reader.deserializeCloudEvents(text) : reader.deserializeEventGridEvents(text));
		const [first] = events;
		if (!isSystemEvent(validation, first)) {
			return { report: { events: events.map(readable), headers, body: text } };
		}
		const { validationCode, validationUrl } = first.data;
		if (settings.manual) {
			setTimeout(async () => report({ called: (await fetch(validationUrl)).status }), 100);
			return { status: 200, report: { validationUrl } };
		}
		return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ validationResponse: validationCode }), report: { validationCode, headers } };
	});
}

// readable is an event with its bytes as a list, so that they can be reported.
function readable(event) {
	return event.data instanceof Uint8Array ? { ...event, bytes: [...event.data], data: undefined } : event;
}
