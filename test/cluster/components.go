package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics on /metrics of each component
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info on /metrics of each component
	apiserverapp "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanagerapp "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	schedulerapp "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// Names of the components: of their processes, their log files and their entries in pids.json.
const (
	etcd              = "etcd"
	apiserver         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kwok              = "kwok"
)

// Addresses inside the simulated cluster. None of them is reachable: no traffic ever flows to a simulated pod.
const (
	serviceRange = "10.96.0.0/16"
	serviceIP    = "10.96.0.1" // of the Service "kubernetes", the first of the range
	podRange     = "10.244.0.0/16"
	nodeIP       = "10.250.0.1"
	// The API server needs an address to advertise that is not a loopback one. It is never published (the endpoint
	// reconciler is off), so it is one of those reserved for documentation.
	advertisedIP = "192.0.2.1"
)

// clientQPS is how many requests per second a component may make: enough for thousands of objects at the same time.
const clientQPS = 500

// componentArg marks the first argument of a process that is a component and not the parent.
const componentArg = "component:"

// embedded are the components inside this binary. They return the exit code of their process.
var embedded = map[string]func(args []string) int{
	etcd:      runEtcd,
	apiserver: func(args []string) int { return runCobra(apiserverapp.NewAPIServerCommand(), args) },
	controllerManager: func(args []string) int {
		return runCobra(controllermanagerapp.NewControllerManagerCommand(), args)
	},
	scheduler: func(args []string) int { return runCobra(schedulerapp.NewSchedulerCommand(), args) },
}

func runCobra(command *cobra.Command, args []string) int {
	command.SetArgs(args)
	return cli.Run(command)
}

// selfCommand runs an embedded component as a process of its own: their global flags and metrics would collide in one.
func selfCommand(self, name string, args []string) command {
	return command{name: name, path: self, args: append([]string{componentArg + name}, args...)}
}

func etcdArgs(d workdir, p ports, o options) []string {
	return []string{
		"--data-dir=" + d.etcd(),
		"--port=" + strconv.Itoa(p.etcd),
		"--fsync=" + strconv.FormatBool(o.fsync),
	}
}

func apiserverArgs(d workdir, p ports, o options) []string {
	args := []string{
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(p.apiserver),
		"--advertise-address=" + advertisedIP,
		"--endpoint-reconciler-type=none",
		"--etcd-servers=http://" + loopback(p.etcd),
		"--client-ca-file=" + d.pki(authorityFile+".crt"),
		"--tls-cert-file=" + d.pki(servingFile+".crt"),
		"--tls-private-key-file=" + d.pki(servingFile+".key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + d.pki(serviceAccountFile+".key"),
		"--service-account-signing-key-file=" + d.pki(serviceAccountFile+".key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		// Tests want to see the limits of what they test, not those of the defaults (400 and 200).
		"--max-requests-inflight=2000",
		"--max-mutating-requests-inflight=1000",
		// The node's host name is localhost: a request for logs is refused immediately there, and waits 30 seconds at its IP.
		"--kubelet-preferred-address-types=Hostname",
	}
	if o.auditLog == "" {
		return args
	}
	return append(args,
		"--audit-policy-file="+d.conf("audit-policy.yaml"),
		"--audit-log-path="+o.auditLog,
		// In megabytes: rotation would hide requests from tests that count lines.
		"--audit-log-maxsize=100000",
	)
}

func controllerManagerArgs(d workdir, p ports) []string {
	return append(controllerServingArgs(d, controllerManager, p.controllerManager),
		"--kubeconfig="+d.kubeconfigOf(controllerManager),
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+d.pki(serviceAccountFile+".key"),
		"--root-ca-file="+d.pki(authorityFile+".crt"),
		"--cluster-signing-cert-file="+d.pki(authorityFile+".crt"),
		"--cluster-signing-key-file="+d.pki(authorityFile+".key"),
		fmt.Sprintf("--kube-api-qps=%d", clientQPS),
		fmt.Sprintf("--kube-api-burst=%d", 2*clientQPS),
		// The default is a system directory, which it would create.
		"--flex-volume-plugin-dir="+d.file("flexvolume"),
		// On an overloaded machine a heartbeat can be late by more than the default 50 seconds, and pods would be evicted.
		"--node-monitor-grace-period=5m",
	)
}

func schedulerArgs(d workdir, p ports) []string {
	return append(controllerServingArgs(d, scheduler, p.scheduler), "--config="+d.conf("scheduler.yaml"))
}

// controllerServingArgs are how the controller manager and the scheduler serve health and metrics: like the API server
// to clients with a certificate of its authority, and metrics to all clients, since benchmarks read them.
func controllerServingArgs(d workdir, name string, port int) []string {
	return []string{
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + d.pki(servingFile+".crt"),
		"--tls-private-key-file=" + d.pki(servingFile+".key"),
		"--authentication-kubeconfig=" + d.kubeconfigOf(name),
		// Otherwise it asks the API server which authorities to trust, and complains until it knows all of them.
		"--authentication-skip-lookup=true",
		"--client-ca-file=" + d.pki(authorityFile+".crt"),
		"--authorization-kubeconfig=" + d.kubeconfigOf(name),
		"--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
	}
}

// kwokCommand runs kwok, given the range that new pods get their addresses from.
func kwokCommand(d workdir, path, cidr string) command {
	return command{
		name: kwok,
		path: path,
		args: []string{
			"--kubeconfig=" + d.kubeconfigOf(kwok),
			"--config=" + d.conf("simulation.yaml"),
			"--manage-all-nodes=true",
			"--cidr=" + cidr,
			"--node-ip=" + nodeIP,
		},
		// kwok also reads a kwok.yaml in its work directory, by default the user's: that must not change our nodes.
		env: []string{"KWOK_WORKDIR=" + d.file("kwok")},
	}
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
# One line per request: the stage at which a request arrives says nothing that its end does not.
omitStages: [RequestReceived]
rules:
- level: Metadata
`

const schedulerConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: %q
  qps: %d
  burst: %d
`

// writeComponentFiles writes the configuration that components read from files.
func writeComponentFiles(d workdir, p ports, o options) error {
	simulation, err := simulationConfig(o.podReadyDelay)
	if err != nil {
		return err
	}
	files := map[string]string{
		"audit-policy.yaml": auditPolicy,
		"scheduler.yaml":    fmt.Sprintf(schedulerConfig, d.kubeconfigOf(scheduler), clientQPS, 2*clientQPS),
		"simulation.yaml":   simulation,
	}
	for name, content := range files {
		if err := os.WriteFile(d.conf(name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	for _, who := range []string{ownFile, kwokFile, controllerManager, scheduler} {
		if err := writeKubeconfig(d, d.kubeconfigOf(who), who, p.apiserver); err != nil {
			return err
		}
	}
	return writeKubeconfig(d, d.kubeconfig(), adminFile, p.apiserver)
}
