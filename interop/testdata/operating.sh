#!/bin/bash
# An operator's way through docs/OPERATING.md: from the Debian package to TLS by ACME, metrics in Prometheus, a trace,
# backup, restore, upgrade and removal. TestOperating runs it in the container of .ci/deb, with these files in
# /packages: old.deb, new.deb, pebble, collector.py, receiver.py and bellhop.rules.yaml.
set -euo pipefail
cd /packages

step() { echo "operating: $*"; }

fail() {
	echo "operating: FAILED: $*" >&2
	systemctl status --no-pager bellhop >&2 || true
	journalctl --no-pager -n 60 -u bellhop >&2 || true
	tail -n 20 /packages/*.log >&2 || true
	exit 1
}

# await COMMAND… runs the command until it succeeds.
await() {
	for _ in $(seq 300); do
		if "$@" >/packages/last 2>&1; then
			return
		fi
		sleep 0.1
	done
	fail "$* does not succeed: $(cat /packages/last)"
}

# holds TEXT COMMAND… succeeds once the command prints TEXT.
holds() {
	local want=$1
	shift
	"$@" 2>&1 | grep -F -e "$want"
}

# A command of the person who runs the server.
bh() { bellhop "$@" --data /var/lib/bellhop; }

ask() { curl --silent --show-error --fail --get http://127.0.0.1:9099/api/v1/query --data-urlencode "query=$1"; }

await systemctl is-system-running --wait

step "what is around it: a CA, a receiver, a collector of traces; hooks.example.com is this machine"
echo '127.0.0.1 hooks.example.com' >>/etc/hosts
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca \
	-addext subjectAltName=IP:127.0.0.1 -keyout ca.key -out ca.pem 2>/dev/null
cat >pebble.json <<'END'
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
  "certificate": "/packages/ca.pem", "privateKey": "/packages/ca.key", "httpPort": 80, "tlsPort": 443}}
END
PEBBLE_VA_NOSLEEP=1 ./pebble -config pebble.json >pebble.log 2>&1 &
secret=whsec_$(openssl rand -base64 32)
WEBHOOK_SECRET=$secret INBOX=/packages/inbox.db python3 receiver.py >receiver.log 2>&1 &
python3 collector.py >collector.log 2>&1 &
await curl --silent --cacert ca.pem https://127.0.0.1:14000/dir
curl --silent --show-error --cacert ca.pem https://127.0.0.1:15000/roots/0 >roots.pem

step "install"
apt-get install -y ./old.deb >apt.log 2>&1 || fail "apt"
systemd-analyze verify /lib/systemd/system/bellhop.service 2>&1 | grep bellhop && fail "systemd-analyze verify"
bh ready --wait 10s

step "TLS by ACME, metrics and traces"
cp ca.pem /etc/bellhop/ca.pem
chmod 644 /etc/bellhop/ca.pem
sed -i 's/^listen: .*/listen: :443/' /etc/bellhop/bellhop.yaml
cat >>/etc/bellhop/bellhop.yaml <<'END'
listen-http: :80
acme-domain: hooks.example.com
acme-agree: true
acme-directory: https://127.0.0.1:14000/dir
acme-root: /etc/bellhop/ca.pem
public-url: https://hooks.example.com
listen-metrics: 127.0.0.1:9090
otlp-endpoint: http://127.0.0.1:4318
allow: [localhost]
END
bellhop config check /etc/bellhop/bellhop.yaml
systemctl restart bellhop
bh ready --wait 10s
await curl --silent --show-error --fail --cacert roots.pem https://hooks.example.com/healthz

step "events flow: in by https, out to a receiver that verifies them"
bh sources create orders --provider standardwebhooks --key "$secret" >/dev/null
bh destinations create billing --url http://127.0.0.1:9000/ --source orders --secret "$secret" >/dev/null
trace=4bf92f3577b34da6a3ce929d0e0e4736
echo '{"type":"invoice.paid","data":{"id":17}}' >body
SSL_CERT_FILE=/packages/roots.pem bellhop send standardwebhooks --to https://hooks.example.com/in/orders \
	--key "$secret" --file body --header "traceparent: 00-$trace-00f067aa0ba902b7-01" >/dev/null
await grep -F '{"type":"invoice.paid","data":{"id":17}}' receiver.log
bh events --source orders --json >events.before
await holds '"state":"delivered"' bh deliveries --destination billing --json

step "Prometheus scrapes it, with the rules loaded and no alert"
cat >prometheus.yml <<'END'
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [/packages/bellhop.rules.yaml]
scrape_configs:
- job_name: bellhop
  static_configs: [{targets: ["127.0.0.1:9090"]}]
END
prometheus --config.file=prometheus.yml --storage.tsdb.path=/tmp/prometheus --web.listen-address=127.0.0.1:9099 \
	>prometheus.log 2>&1 &
await holds '"value":[' ask 'up{job="bellhop"} == 1'
await holds '"value":[' ask 'bellhop_ingest_events_total{source="orders"} == 1'
await holds 'BellhopDown' curl --silent http://127.0.0.1:9099/api/v1/rules
holds '"health":"err"' curl --silent http://127.0.0.1:9099/api/v1/rules && fail "a rule cannot be evaluated"
holds 'alertname="BellhopDown"' ask 'ALERTS{alertstate="firing"}' && fail "BellhopDown fires"

step "the trace of the event is at the collector"
await curl --silent --fail "http://127.0.0.1:4318/$trace"

step "back up, and restore on another port"
bh backup /packages/kept.tar.zst
bellhop restore kept.tar.zst --data /var/lib/restored
bellhop serve --data /var/lib/restored --listen 127.0.0.1:8090 --allow localhost >restored.log 2>&1 &
restored=$!
bellhop ready --data /var/lib/restored --wait 10s
bellhop events --source orders --json --data /var/lib/restored >events.restored
cmp events.before events.restored || fail "other events are restored"
bellhop resume --data /var/lib/restored
await curl --silent --show-error --fail http://127.0.0.1:8090/readyz
kill $restored
wait $restored || fail "the restored server did not stop cleanly"

step "upgrade: data, settings and certificate stay"
before=$(bellhop version | head -1)
dpkg-deb --fsys-tarfile new.deb | tar -xf - -O ./usr/bin/bellhop >next
chmod 755 next
./next upgrade-check --data /var/lib/bellhop
apt-get install -y ./new.deb >apt.log 2>&1 || fail "apt"
[ "$(bellhop version | head -1)" != "$before" ] || fail "the old version is still there"
bh ready --wait 1m
await curl --silent --show-error --fail --cacert roots.pem https://hooks.example.com/healthz
bh events --source orders --json >events.after
cmp events.before events.after || fail "other events after the upgrade"
echo '{"type":"invoice.paid","data":{"id":18}}' >body
SSL_CERT_FILE=/packages/roots.pem bellhop send standardwebhooks --to https://hooks.example.com/in/orders \
	--key "$secret" --file body >/dev/null
await grep -F '{"type":"invoice.paid","data":{"id":18}}' receiver.log
[ "$(grep -c 'Issued certificate' pebble.log)" = 1 ] || fail "another certificate was asked for"

step "remove: the data stays; purge: nothing is left"
apt-get remove -y bellhop >apt.log 2>&1 || fail "apt"
[ -e /var/lib/bellhop/bellhop.db ] || fail "the data is gone"
apt-get purge -y bellhop >apt.log 2>&1 || fail "apt"
[ ! -e /var/lib/bellhop ] && [ ! -e /etc/bellhop/bellhop.yaml ] || fail "something is left"
step "ok"
