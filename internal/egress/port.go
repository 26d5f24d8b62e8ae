package egress

import "slices"

// DefaultPorts is the rule for ports where [Config] has none: 80, 443, and from 1024 up all but well-known
// services that act on what an HTTP request happens to say. 553 is where Event Grid's validation URLs are.
func DefaultPorts(port uint16) bool {
	switch {
	case port == 80, port == 443, port == 553:
		return true
	case port < 1024:
		return false
	}
	_, known := slices.BinarySearch(services, port)
	return !known
}

// services are ports at and above 1024 where something other than a web server usually listens, in order. The
// list joins the Fetch standard's blocked ports and the favourites of those who abuse other people's servers.
var services = []uint16{
	1080, 1433, 1434, 1521, 1719, 1720, 1723, 1883, // SOCKS, SQL Server, Oracle, H.323, PPTP, MQTT
	2049, 2181, 2375, 2376, 2379, 2380, // NFS, ZooKeeper, Docker, etcd
	3128, 3260, 3306, 3389, 3659, // Squid, iSCSI, MySQL, RDP, Apple SASL
	4045, 4190, 4369, // NFS lock, ManageSieve, Erlang
	5060, 5061, 5432, 5671, 5672, 5900, 5901, 5984, 5985, 5986, // SIP, PostgreSQL, AMQP, VNC, CouchDB, WinRM
	6000, 6379, 6380, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, // X11, Redis, Kubernetes, SANE, IRC
	7001, 7199, 7474, 7687, // WebLogic, Cassandra, Neo4j
	8086, 8200, 8300, 8301, 8302, 8500, 8501, // InfluxDB, Vault, Consul
	9042, 9092, 9160, 9200, 9300, // Cassandra, Kafka, Elasticsearch
	10080, 10248, 10249, 10250, 10255, 10256, 10257, 10259, // Amanda, Kubernetes nodes
	11211, 15672, 25672, 26379, 27017, 27018, 27019, 28015, // memcached, RabbitMQ, Redis Sentinel, MongoDB, RethinkDB
	50000, 50070, 61616, // Db2, HDFS, ActiveMQ
}
