// identity: gets tokens from the stand-in at settings.url with @azure/identity. settings.pem holds a certificate and its
// key.

import assert from "node:assert/strict";
import { ClientCertificateCredential, ClientSecretCredential, DeviceCodeCredential } from "@azure/identity";
import { bearer, check, fails, settings } from "./lib.mjs";

const tenant = "6f1d2c3b-8a47-4e5f-9b0a-2c7d41e8f930";
const scope = "https://graph.microsoft.com/.default";
const options = { authorityHost: settings.url, disableInstanceDiscovery: true };

await check("ClientSecretCredential: a token that Graph takes, with its expiry", async () => {
	const token = await new ClientSecretCredential(tenant, "bellhop", "secret", options).getToken(scope);
	const minutes = (token.expiresOnTimestamp - Date.now()) / 60_000;
	assert.ok(minutes > 55 && minutes < 65, `it lives for ${minutes} minutes`);
	assert.equal(await bearer("/v1.0/subscriptions", token.token), 200);
});

await check("ClientSecretCredential, wrong secret: AADSTS7000215", async () => {
	const error = await fails(() => new ClientSecretCredential(tenant, "bellhop", "wrong", options).getToken(scope));
	assert.match(error.message, /7000215/);
});

await check("ClientSecretCredential, unknown application: AADSTS700016", async () => {
	const error = await fails(() => new ClientSecretCredential(tenant, "nobody", "secret", options).getToken(scope));
	assert.match(error.message, /700016/);
});

await check("ClientCertificateCredential", async () => {
	const token = await new ClientCertificateCredential(tenant, "bellhop", { certificate: settings.pem }, options).getToken(scope);
	assert.equal(await bearer("/v1.0/subscriptions", token.token), 200);
});

await check("DeviceCodeCredential", async () => {
	let shown;
	const credential = new DeviceCodeCredential({
		...options,
		tenantId: tenant,
		clientId: "bellhop",
		userPromptCallback: (info) => (shown = info),
	});
	const token = await credential.getToken("https://graph.microsoft.com/Calendars.Read");
	assert.ok(shown.userCode && shown.verificationUri);
	assert.equal(await bearer("/v1.0/me/events", token.token), 200);
});
