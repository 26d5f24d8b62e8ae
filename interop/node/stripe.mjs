// stripe: {secret} listens and verifies, {secret, to, body, at} signs and posts.

import Stripe from "stripe";
import { listen, post, refuses, settings } from "./lib.mjs";

const stripe = new Stripe("sk_test_none");

if (settings.to) {
	const signed = stripe.webhooks.generateTestHeaderString({ payload: settings.body, secret: settings.secret, timestamp: settings.at });
	const signature = [signed, ...(settings.others ?? [])].join(",");
	await post(settings.to, { "content-type": "application/json; charset=utf-8", "stripe-signature": signature }, settings.body);
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
