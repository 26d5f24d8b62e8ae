// standardwebhooks: with {secret, fail} the script listens and verifies;
// with {secret, to, body, id, at, others} it signs and posts.
// It answers 500 to the first fail requests. others are signatures that the header lists before the script's own.

import { Webhook } from "standardwebhooks";
import { listen, post, refuses, settings } from "./lib.mjs";

const webhook = new Webhook(settings.secret);

if (settings.to) {
	const own = webhook.sign(settings.id, new Date(settings.at * 1000), settings.body);
	await post(settings.to, {
		"content-type": "application/json",
		"webhook-id": settings.id,
		"webhook-timestamp": String(settings.at),
		"webhook-signature": [...(settings.others ?? []), own].join(" "),
	}, settings.body);
} else {
	let left = settings.fail ?? 0;
	listen(async ({ headers, body }) => {
		const data = webhook.verify(body, headers);
		return {
			status: left-- > 0 ? 500 : 204,
			report: {
				data,
				body: body.toString(),
				id: headers["webhook-id"],
				signature: headers["webhook-signature"],
				refusesTampered: await refuses(() => webhook.verify(body + " ", headers)),
			},
		};
	});
}
