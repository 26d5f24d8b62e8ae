// Package http1 is the wire of the HTTP client: HTTP/1.1 exchanges over connections that somebody else opens.
//
// A [Transport] writes a request whose head was rendered in advance, reads a bounded reply, and keeps the
// connection for the next request with the same key. The exchange runs in the calling goroutine. [Connect] asks
// a proxy for a tunnel.
//
// # What it promises
//
//   - Memory and time for a reply are bounded whatever the server sends: by the request's deadline and KeepBytes, and
//     by limits for headers, interim replies, chunk overhead and drained bytes.
//   - A reply that a mainstream client reads is read here too. A header line that no reader should have to accept
//     costs the connection, not the reply. Where two readers could disagree about the end of a reply, its status is
//     the answer, no more of it is read, and the connection is closed.
//   - A connection is used again only if the whole reply was read and nothing followed it, in the socket or in TLS. A
//     system without MSG_PEEK (Windows) cannot see the socket; there only the bytes that were read are checked.
//   - A request is never sent twice. Only a pooled connection that turns out to be closed before any byte of the
//     request was sent is replaced by a new one.
//
// # What it does not do
//
// It does not decide where connections may lead, and does not resolve, dial, retry, follow redirects or inflate
// bodies. The caller hands it a function that opens connections, chooses the settings of TLS ([Secure]), and
// classifies its errors.
package http1
