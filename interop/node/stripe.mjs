// stripe: with {secret, thin} the script listens and verifies; with {secret, to, body, at, others} it signs and posts.
// With thin it expects thin events. others are signatures that the header lists after the script's own.

import Stripe from "stripe";
import { listen, post, refuses, settings } from "./lib.mjs";

const stripe = new Stripe("sk_test_none");

if (settings.to) {
	const { to, body, secret, at, others } = settings;
	const signed = stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: at });
	const signature = [signed, ...(others ?? [])].join(",");
	await post(to, { "content-type": "application/json; charset=utf-8", "stripe-signature": signature }, body);
} else {
	listen(async ({ headers, body }) => {
		const signature = headers["stripe-signature"];
		const read = settings.thin
			? (payload) => stripe.parseEventNotification(payload, signature, settings.secret)
			: (payload) => stripe.webhooks.constructEvent(payload, signature, settings.secret);
		const { id, type, data, related_object } = read(body);
		return {
			report: {
				event: { id, type, data, related_object },
				body: body.toString(),
				signature,
				refusesTampered: await refuses(() => read(body + " ")),
			},
		};
	});
}
