package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
)

const usage = `devcluster runs a real Kubernetes control plane on this machine, for tests, demos and benchmarks.

It starts etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok (found next to this program), each as a
process of its own, on 127.0.0.1. One simulated node runs the pods: nothing is pulled and no container is started. When
pods can be created it prints one line on stdout:

  ready kubeconfig=DIR/kubeconfig

Ctrl-C or SIGTERM ends it and every process it started. Starting it again with the same --dir resumes the same cluster:
same certificates, same objects, same port.

Usage:
  devcluster --dir DIR [flags]

Examples:
  # a cluster in a directory of its own
  devcluster --dir /tmp/dev &
  kubectl --kubeconfig /tmp/dev/kubeconfig get nodes

  # pods become ready 30 seconds after their start
  devcluster --dir /tmp/slow --pod-ready-delay 30s

  # a benchmark: durable writes, and every request in a file
  devcluster --dir /tmp/bench --fsync --audit-log /tmp/bench/audit.log

How a pod behaves:
  by default                                      Running and Ready at once
  an argument contains --unready                  Running, never Ready
  annotation sim.fairlead.dev/ready: "false"      Running, not Ready; readiness follows the annotation
  annotation sim.fairlead.dev/waiting: REASON     waits with that reason: ImagePullBackOff or CrashLoopBackOff
  restartPolicy Never or OnFailure                Succeeded; Failed when a command or argument contains "exit N";
                                                  keeps running when one contains "sleep infinity" or "while sleep"

Files in DIR: kubeconfig, pids.json (component to process id), port, logs/, and the state of the cluster.

Flags:
`

// options is what the command line asks for.
type options struct {
	dir           string
	port          int
	podReadyDelay time.Duration
	fsync         bool
	auditLog      string
	version       bool
}

// errHelp says that help was asked for and has been printed.
var errHelp = errors.New("help printed")

// parseOptions reads the command line (without the program's name). Paths come back absolute, because the components
// must not depend on a working directory. Help goes to out, and errHelp comes back.
func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	flags := pflag.NewFlagSet("devcluster", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.SortFlags = false
	flags.StringVar(&o.dir, "dir", "", "directory of the cluster; created when absent, resumed when present (required)")
	flags.IntVar(&o.port, "port", 0,
		"port of the API server on 127.0.0.1; 0 means the port used before, or else a free one")
	flags.DurationVar(&o.podReadyDelay, "pod-ready-delay", 0, "how long a started pod waits before it is Ready")
	flags.BoolVar(&o.fsync, "fsync", false,
		"let etcd sync every write to disk; the default is faster and loses data in a power cut")
	flags.StringVar(&o.auditLog, "audit-log", "", "file for one line per request to the API server (audit level Metadata)")
	flags.BoolVar(&o.version, "version", false, "print the Kubernetes version and exit")

	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(out, usage, flags.FlagUsages())
		return o, errHelp
	}
	if err != nil {
		return o, err
	}
	if o.version {
		return o, nil
	}
	return o, o.complete(flags.Args())
}

// complete checks the options against each other and makes the paths absolute.
func (o *options) complete(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: everything is a flag, see --help", rest[0])
	case o.dir == "":
		return errors.New("--dir is required: the directory that holds the cluster")
	case o.port < 0 || o.port > 65535:
		return fmt.Errorf("--port %d is not a port: use 0 to 65535", o.port)
	case o.podReadyDelay < 0:
		return fmt.Errorf("--pod-ready-delay %s is negative", o.podReadyDelay)
	}
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return fmt.Errorf("make --dir absolute: %w", err)
	}
	if o.auditLog == "" {
		return nil
	}
	if o.auditLog, err = filepath.Abs(o.auditLog); err != nil {
		return fmt.Errorf("make --audit-log absolute: %w", err)
	}
	return nil
}
