// Package egress is the one HTTP client of the program that may leave the building.
//
// # What it promises
//
//   - Where a connection goes is judged on the address that is dialled, after the name was resolved, for every
//     connection (see [Config] for what is permitted). One forbidden answer condemns the whole name.
//   - One attempt has one deadline, which covers the lookup, the dial, the handshake, the request and the reply
//     to its last byte. Memory for a reply is bounded whatever the server sends.
//   - Redirects are never followed, bodies never inflated, cookies never kept, proxies of the environment never
//     used, certificates always verified.
//   - Destinations that are reached in different ways ([Route]: a certificate of ours, authorities of theirs, a proxy)
//     share no connection and no TLS session.
//   - An error says in one word what went wrong, where in the exchange, and whether the request may have
//     arrived. No message holds a path, a query or a secret.
//
// # Two ways out
//
// [Client.Do] is the way of deliveries: one HTTP/1.1 exchange, wholly in the calling goroutine, on a pooled
// connection, with a request that was rendered beforehand. [Client.HTTP] is a standard client behind the same
// guard, for all that is not on the hot path, and goes the plain way: tokens, key sets, subscriptions, downloads.
//
// # Proxies
//
// A destination may go through a proxy, but only through one of those that the operator listed (Proxies of [Config]): whoever
// may make destinations must not choose by whom the server's connections are made. To list a proxy is to permit what it
// leads to: its address, if it is written as one, or the public and private addresses of its name, at its port; that is
// judged for every connection, and a metadata service is refused in any case. Of the destination itself its
// scheme, literal address, name and port are judged as ever, but its name is looked up by the proxy: whether that leads
// to an address that we would not dial is for whoever runs the proxy to prevent, since nobody else can. For https the
// proxy opens a tunnel, through which it sees nothing; an http request it reads. Its answer to CONNECT is bounded like a
// reply's headers, and what it does wrong is [ClassProxy]. A proxy gets its own credentials and no certificate of ours.
//
// # What it does not do
//
// It does not retry (save on a new connection, when one from the pool proves to be closed), limit rates, sign, or
// know what a delivery is. Loops through our own public host are stopped by the hop counter of deliveries.
package egress
