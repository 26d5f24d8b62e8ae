// standardwebhooks: {secret} listens and verifies, {secret, to, body, id, at} signs and posts.

import { Webhook } from "standardwebhooks";
import { listen, post, refuses, settings } from "./lib.mjs";

const webhook = new Webhook(settings.secret);

if (settings.to) {
	await post(settings.to, {
		"content-type": "application/json",
		"webhook-id": settings.id,
		"webhook-timestamp": String(settings.at),
		"webhook-signature": [...(settings.others ?? []), webhook.sign(settings.id, new Date(settings.at * 1000), settings.body)].join(" "),
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
