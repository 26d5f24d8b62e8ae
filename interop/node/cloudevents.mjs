// cloudevents: {} listens and reads, {to, mode, event, headers} sends. An event's bytes are a list.

import { CloudEvent, HTTP, Mode, emitterFor, httpTransport } from "cloudevents";
import { listen, report, settings } from "./lib.mjs";

if (settings.to) {
	const { bytes, ...attributes } = settings.event;
	const event = new CloudEvent({ ...attributes, ...(bytes && { data: Uint8Array.from(bytes) }) });
	const emit = emitterFor(httpTransport(settings.to), { mode: settings.mode === "binary" ? Mode.BINARY : Mode.STRUCTURED });
	try {
		await emit(event, { headers: settings.headers }); // does not tell the status
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
				events: events.map((event) => ({ ...event.toJSON(), bytes: ArrayBuffer.isView(event.data) ? [...event.data] : undefined })),
			},
		};
	});
}
