// @azure/eventgrid: with {schema} the script listens and reads deliveries; with {schema, to, key, events} it publishes.
// With {manual: true} it validates by a call to the validationUrl of the validation event.

import { AzureKeyCredential, EventGridDeserializer, EventGridPublisherClient, isSystemEvent } from "@azure/eventgrid";
import { listen, report, settings } from "./lib.mjs";

const validation = "Microsoft.EventGrid.SubscriptionValidationEvent";
const reader = new EventGridDeserializer();

if (settings.to) {
	const credential = new AzureKeyCredential(settings.key);
	const options = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
	const client = new EventGridPublisherClient(settings.to, settings.schema, credential, options);
	const events = settings.events.map((event) => {
		const { bytes, ...rest } = event;
		return bytes ? { ...rest, data: Uint8Array.from(bytes) } : event;
	});
	await client.send(events, { onResponse: ({ status }) => report({ status }) })
		.catch(({ statusCode, message }) => statusCode || report({ error: message })); // onResponse reports a status
} else {
	listen(async ({ method, headers, body }) => {
		if (method === "OPTIONS") { // the package does not implement the OPTIONS handshake
			const origin = headers["webhook-request-origin"];
			const consent = { "webhook-allowed-origin": origin, "webhook-allowed-rate": "600" };
			return { status: 200, headers: consent, report: { origin } };
		}
		const text = body.toString();
		const events = settings.schema === "CloudEvent"
			? await reader.deserializeCloudEvents(text)
			: await reader.deserializeEventGridEvents(text);
		const [first] = events;
		if (!isSystemEvent(validation, first)) {
			return { report: { events: events.map(readable), headers, body: text } };
		}
		const { validationCode, validationUrl } = first.data;
		if (settings.manual) {
			setTimeout(async () => report({ called: (await fetch(validationUrl)).status }), 100);
			return { status: 200, report: { validationUrl } };
		}
		return {
			status: 200,
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ validationResponse: validationCode }),
			report: { validationCode, headers },
		};
	});
}

// readable returns the event with binary data as a list of numbers, so that it can be reported as JSON.
function readable(event) {
	return event.data instanceof Uint8Array ? { ...event, bytes: [...event.data], data: undefined } : event;
}
