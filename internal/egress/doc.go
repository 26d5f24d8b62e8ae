// Package egress is the HTTP client for everything that leaves the building. It decides where connections may
// lead and by which route. The exchange itself, HTTP/1.1 over a connection, is package http1 below it.
//
// # What it promises
//
//   - The guard judges the address that is dialled, after the name was resolved, for every connection. [Config]
//     says which addresses it permits. If one address of a name is forbidden, no connection is made to any of them.
//   - One attempt has one deadline, which covers the lookup, the dial, the handshake, the request and the whole
//     reply. Memory for a reply is bounded whatever the server sends.
//   - Redirects are never followed, bodies never inflated, cookies never kept, proxies of the environment never
//     used, certificates always verified.
//   - Destinations whose routes differ ([Route]: a client certificate, certificate authorities, a proxy) share no
//     connection and no TLS session.
//   - An error has a class and a phase, and says whether the request may have arrived. No message holds a path, a
//     query or a secret.
//
// # Two clients
//
// [Client.Do] is for deliveries: one HTTP/1.1 exchange in the calling goroutine, on a pooled connection, with a
// request that was rendered in advance. [Client.HTTP] is a standard client behind the same guard, for
// everything that is not on the hot path: tokens, key sets, subscriptions, downloads. It uses no [Route].
//
// # Proxies
//
// A destination may use a proxy, but only one that the operator listed (Config.Proxies). A person who may make
// destinations must not choose the machine that makes the server's connections.
//
// Listing a proxy permits connections to it: to its address, if it is written as one, or to the public and
// private addresses of its name, at its port. The guard judges every such connection, and always refuses a
// metadata service.
//
// The scheme, literal address, name and port of the destination are judged as without a proxy. But the proxy
// looks the name up. Whether it leads to an address that we would not dial is for the operator of the proxy to
// prevent.
//
// For https the proxy opens a tunnel and cannot read the exchange; an http request it reads. Its answer to
// CONNECT is bounded as a reply's headers are. A failure of the proxy is [ClassProxy]. A proxy gets its own
// credentials, and never our client certificate.
//
// # What it does not do
//
// It does not retry a request (it only replaces a pooled connection that proves to be closed), limit rates,
// sign, or know what a delivery is. Loops through our own public host are stopped by the hop counter of
// deliveries.
package egress
