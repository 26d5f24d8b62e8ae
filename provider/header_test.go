package provider

import "testing"

func TestReservedHeader(t *testing.T) {
	for name, want := range map[string]bool{
		"Host": true, "transfer-encoding": true, "Proxy-Authorization": true, "X-Forwarded-For": true, "Metadata": true, "X-Aws-Ec2-Metadata-Token": true,
		"Webhook-Signature": true, "Bellhop-Hops": true, "Cookie": true,
		"X-Signature": false, "Authorization": false, "X-Metadata": false, "Hosts": false, "": false,
	} {
		if got := ReservedHeader(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
