// cloudevents: with {} the script listens and reads deliveries; with {to, mode, event, headers} it sends an event.
// The bytes of an event are a list of numbers.

import { CloudEvent, HTTP, Mode, emitterFor, httpTransport } from "cloudevents";
import { listen, report, settings } from "./lib.mjs";

if (settings.to) {
	const { bytes, ...attributes } = settings.event;
	const event = new CloudEvent({ ...attributes, ...(bytes && { data: Uint8Array.from(bytes) }) });
	const mode = settings.mode === "binary" ? Mode.BINARY : Mode.STRUCTURED;
	const emit = emitterFor(httpTransport(settings.to), { mode });
	try {
		await emit(event, { headers: settings.headers }); // emit does not return the status
		report({ sent: true });
	} catch (error) {
		report({ sent: false, reason: String(error) });
	}
} else {
	listen(({ headers, body }) => {
		const type = headers["content-type"];
		const events = [HTTP.toEvent({ headers, body: /json|text/.test(type) ? body.toString() : body })].flat();
		events.forEach((event) => event.validate());
		return {
			report: {
				contentType: type,
				events: events.map(readable),
			},
		};
	});
}

// readable returns the event's attributes and data, with binary data also as a list of numbers.
function readable(event) {
	return { ...event.toJSON(), bytes: ArrayBuffer.isView(event.data) ? [...event.data] : undefined };
}
