package microsoft

import (
	"strconv"

	"github.com/bellhop-gateway/bellhop/provider"
)

// remedies say what the error numbers of Microsoft Entra mean, and what to do.
// Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
var remedies = map[int]string{
	7000215: "the client secret is wrong: set client_secret to the Value of a secret of the app registration, " +
		"not to its Secret ID",
	7000216: "the application has to prove itself: set client_secret, or certificate and private_key",
	7000218: "the application has to prove itself: set client_secret, or certificate and private_key, or allow " +
		"public client flows in the app registration",
	7000222: "the client secret has expired: make a new one in the app registration and set client_secret, or " +
		"use a certificate, which lasts longer",
	700027: "the assertion's signature was refused: upload the certificate to the app registration, and check " +
		"that it is the one in the setting certificate",
	700024: "the assertion is outside of its time: the clocks differ; set the clock of this machine",
	700021: "the assertion is for another application: check client_id",
	50012: "the assertion or its certificate was refused: check certificate and private_key, and the clock of " +
		"this machine",
	50027: "the assertion could not be read: check certificate and private_key",
	700016: "the application is not known in this tenant: check client_id and tenant, and that an administrator " +
		"has added the application there",
	7000112: "the application is disabled in this tenant: an administrator can enable it under Enterprise " +
		"applications",
	90002:  "there is no such tenant: check tenant, and authority for the cloud that the tenant is in",
	90019:  "no tenant was given: set tenant to the directory's id or domain",
	90038:  "the tenant is in another cloud: set cloud, or authority and api_url",
	50001:  "the tenant does not know the API: check resource, and that the tenant has a licence for it",
	500011: "the tenant does not know the API: check resource and scopes, and that the tenant has a licence for it",
	70011:  "a scope is wrong: check scopes; an application can only ask for .default",
	700022: "the scopes are of several APIs: leave those of one in scopes",
	700023: "a scope names no API: write scopes as API/NAME",
	901002: "the endpoint of version 2 takes no resource: set version to v1, or use scopes",
	65001: "nobody has agreed that the application may do this: sign in again, or have an administrator grant " +
		"consent in the app registration",
	65004:   "the user did not agree: sign in again and accept",
	90094:   "an administrator has to agree: have one grant consent in the app registration, then sign in again",
	70000:   "the refresh token is not valid any more: sign in again",
	70008:   "the refresh token or the code has expired: sign in again",
	700082:  "the refresh token was not used for too long: sign in again",
	9002313: "the refresh token is not one of this authority: sign in again",
	50173:   "the sign-in was revoked, as by a new password: sign in again",
	50076:   "a second factor is asked for: sign in again",
	50079:   "the user has to register a second factor: sign in again",
	50078:   "the second factor has expired: sign in again",
	53000: "a policy asks for a managed device: sign in again from one, or have an administrator change the " +
		"policy",
	53001: "a policy asks for a device of the domain: sign in again from one, or have an administrator change " +
		"the policy",
	53002: "a policy asks for an approved application: have an administrator change the policy",
	53003: "a policy of the tenant refuses the sign-in: have an administrator change it",
	50011: "the redirect URI is not registered: add it to the app registration, under Authentication, letter for " +
		"letter as 'bellhop connections show' prints it",
	50020:  "the user is of another tenant: invite the user, or sign in with an account of this tenant",
	50034:  "the user is not known in this tenant: sign in with an account of it",
	50057:  "the account is disabled: an administrator can enable it",
	50105:  "the user has not been assigned to the application: an administrator can assign the user",
	50147:  "the code challenge has a wrong length",
	50148:  "the code was asked for by another sign-in: sign in again",
	54005:  "the code was used before: sign in again",
	50196:  "the authority saw too many equal requests and refuses them for some minutes",
	90055:  "the tenant makes too many requests and is throttled",
	50033:  "the authority has a passing trouble",
	90006:  "the authority has a passing trouble",
	90024:  "the authority has a passing trouble",
	90033:  "the authority has a passing trouble",
	70016:  "the user has not signed in yet",
	70017:  "the user declined",
	70018:  "the device code is not valid any more: begin again",
	70020:  "the device code has expired: begin again",
	900561: "the token endpoint was not asked by POST: check authority",
}

// explainEntra says in words what a refusal of Microsoft Entra means: its first number that is known.
func explainEntra(r provider.TokenRefusal) string {
	for _, n := range r.Numbers {
		if text := remedies[n]; text != "" {
			return "AADSTS" + strconv.Itoa(n) + ": " + text
		}
	}
	if len(r.Numbers) > 0 {
		return "AADSTS" + strconv.Itoa(r.Numbers[0]) + ": see https://login.microsoftonline.com/error?code=" +
			strconv.Itoa(r.Numbers[0])
	}
	return ""
}
