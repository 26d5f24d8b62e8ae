// msal: signs in at the stand-in at settings.url in each way that @azure/msal-node has, and calls Graph with the tokens.
// settings.certificate and settings.key are PEM; settings.thumbprint is the SHA-256 of the certificate in hex.

import assert from "node:assert/strict";
import { ConfidentialClientApplication, CryptoProvider, PublicClientApplication } from "@azure/msal-node";
import { bearer, check, control, fails, settings } from "./lib.mjs";

const tenant = "6f1d2c3b-8a47-4e5f-9b0a-2c7d41e8f930";
const scopes = ["https://graph.microsoft.com/Calendars.Read", "offline_access"];
const whole = ["https://graph.microsoft.com/.default"];
const auth = { clientId: "bellhop", authority: `${settings.url}/${tenant}`, knownAuthorities: [new URL(settings.url).host] };
const withSecret = (clientSecret) => new ConfidentialClientApplication({ auth: { ...auth, clientSecret } });

await check("client secret: a token that Graph takes", async () => {
	const result = await withSecret("secret").acquireTokenByClientCredential({ scopes: whole });
	assert.equal(result.tokenType, "Bearer");
	assert.equal(await bearer("/v1.0/subscriptions", result.accessToken), 200);
});

await check("wrong secret: invalid_client with AADSTS7000215", async () => {
	const error = await fails(() => withSecret("wrong").acquireTokenByClientCredential({ scopes: whole }));
	assert.equal(error.errorCode, "invalid_client");
	assert.match(error.message, /AADSTS7000215/);
});

await check("certificate (PS256, x5t#S256): a token that SharePoint takes too", async () => {
	const clientCertificate = { thumbprintSha256: settings.thumbprint, privateKey: settings.key };
	const app = new ConfidentialClientApplication({ auth: { ...auth, clientCertificate } });
	const graph = await app.acquireTokenByClientCredential({ scopes: whole });
	assert.equal(await bearer("/v1.0/subscriptions", graph.accessToken), 200);
	const site = await app.acquireTokenByClientCredential({ scopes: ["https://contoso.sharepoint.com/.default"] });
	assert.equal(await bearer("/_api/web", site.accessToken), 200);
});

await check("device code: code and URL are shown, and the token is the user's", async () => {
	const shown = [];
	const app = new PublicClientApplication({ auth });
	const result = await app.acquireTokenByDeviceCode({ scopes, deviceCodeCallback: (code) => shown.push(code) });
	assert.equal(shown.length, 1);
	assert.match(shown[0].message, new RegExp(shown[0].userCode));
	assert.equal(result.account.username, "ada@example.com");
	assert.equal(await bearer("/v1.0/me/events", result.accessToken), 200);
});

// signIn signs in by a code with PKCE, as a browser would be led.
async function signIn(app) {
	const redirectUri = "http://localhost:53682/connect";
	const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
	const address = await app.getAuthCodeUrl({ scopes, redirectUri, state: "s1", codeChallenge: challenge, codeChallengeMethod: "S256" });
	const led = new URL((await fetch(address, { redirect: "manual" })).headers.get("location"));
	assert.equal(led.searchParams.get("state"), "s1");
	return { redirectUri, verifier, code: led.searchParams.get("code") };
}

await check("authorization code with PKCE; a wrong verifier and a second use are refused", async () => {
	const app = withSecret("secret");
	const { redirectUri, verifier, code } = await signIn(app);
	const wrong = await fails(() => app.acquireTokenByCode({ scopes, redirectUri, code, codeVerifier: `${verifier}x` }));
	assert.equal(wrong.errorCode, "invalid_grant");
	const result = await app.acquireTokenByCode({ scopes, redirectUri, code, codeVerifier: verifier });
	assert.equal(await bearer("/v1.0/me/events", result.accessToken), 200);
	const again = await fails(() => app.acquireTokenByCode({ scopes, redirectUri, code, codeVerifier: verifier }));
	assert.match(again.message, /AADSTS54005/);
});

await check("refresh by its cache; after revocation AADSTS50173 asks for a new sign-in", async () => {
	const app = withSecret("secret");
	const { redirectUri, verifier, code } = await signIn(app);
	const first = await app.acquireTokenByCode({ scopes, redirectUri, code, codeVerifier: verifier });
	const silent = { scopes, account: first.account, forceRefresh: true };
	const second = await app.acquireTokenSilent(silent);
	assert.notEqual(second.accessToken, first.accessToken);
	assert.equal(await bearer("/v1.0/me/events", second.accessToken), 200);
	await control("fault", { fault: "revoke", system: "entra" });
	const error = await fails(() => app.acquireTokenSilent(silent));
	assert.equal(error.errorCode, "invalid_grant");
	assert.match(error.message, /AADSTS50173/);
	await control("reset", {});
});

await check("a second factor is wanted: interaction_required", async () => {
	const app = withSecret("secret");
	const { redirectUri, verifier, code } = await signIn(app);
	const first = await app.acquireTokenByCode({ scopes, redirectUri, code, codeVerifier: verifier });
	await control("fault", { fault: "error", value: "AADSTS50076", path: "/token" });
	const error = await fails(() => app.acquireTokenSilent({ scopes, account: first.account, forceRefresh: true }));
	assert.equal(error.name, "InteractionRequiredAuthError");
});
