// @octokit/webhooks: with {secret} the script listens with the package's middleware; with {secret, to, name, id, body}
// it signs and posts.

import { Webhooks, createNodeMiddleware } from "@octokit/webhooks";
import { post, report, serve, settings } from "./lib.mjs";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const webhooks = new Webhooks({ secret: settings.secret, log: quiet });

if (settings.to) {
	await post(settings.to, {
		"content-type": "application/json",
		"x-github-event": settings.name,
		"x-github-delivery": settings.id,
		"x-hub-signature-256": await webhooks.sign(settings.body),
	}, settings.body);
} else {
	webhooks.onAny(({ id, name, payload }) => report({ id, name, payload }));
	serve(createNodeMiddleware(webhooks, { path: "/", log: quiet }));
}
