package bellhop

import (
	"strings"
	"testing"
)

func TestReservedHeader(t *testing.T) {
	for name, want := range map[string]bool{
		"Host": true, "transfer-encoding": true, "Proxy-Authorization": true, "X-Forwarded-For": true,
		"Metadata":                 true,
		"X-Aws-Ec2-Metadata-Token": true,
		"Webhook-Signature":        true, "Bellhop-Hops": true, "Cookie": true, "Content-Encoding": true,
		"X-Signature": false, "Authorization": false, "X-Metadata": false, "Hosts": false,
		"WebHook-Request-Origin": false,
		"":                       false,
	} {
		if got := ReservedHeader(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCheckHeader(t *testing.T) {
	for _, name := range []string{"Authorization", "X-Api-Key", "Content-Type", "User-Agent", "WebHook-Request-Origin",
		"X-Forwarded"} {
		if err := CheckHeader(name, "a b\tc"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "Host", "hOST", "Connection", "TE", "Keep-Alive", "Proxy-Connection",
		"X-Forwarded-For", "Svix-Id",
		"WEBHOOK-ID", "Webhook-Timestamp", "X-aws-ec2-metadata-token-ttl-seconds", "Metadata-Flavor", "a:b", "a\tb",
		"a\r\nb", "a\x00", "é"} {
		if err := CheckHeader(name, "x"); err == nil {
			t.Errorf("header %q is accepted", name)
		}
	}
	for _, value := range []string{"a\rb", "a\nb", "a\r\nHost: b", "\x00", "\x7f", "é",
		strings.Repeat("x", MaxHeaderValueBytes+1)} {
		if err := CheckHeader("X-A", value); err == nil {
			t.Errorf("value %.20q is accepted", value)
		} else if strings.Contains(err.Error(), value) {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
}
