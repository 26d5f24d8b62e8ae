// @slack/webhook: with {to, message} the script posts a message and reports the client's result.

import { IncomingWebhook } from "@slack/webhook";
import { report, settings } from "./lib.mjs";

try {
	const { text } = await new IncomingWebhook(settings.to).send(settings.message);
	report({ ok: true, text });
} catch (error) {
	const { code, statusCode } = error;
	report({ ok: false, code, statusCode, reason: String(error) });
}
