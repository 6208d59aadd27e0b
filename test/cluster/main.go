// Command devcluster runs a real Kubernetes control plane on this machine for tests, demos and benchmarks. It runs on
// Linux only: it relies on the kernel to end the components when it is killed.
//
//	devcluster (lock, ports, certificates, node, volumes)
//	   ├── etcd                      ┐
//	   ├── kube-apiserver            │ this binary again, each
//	   ├── kube-controller-manager   │ with its own log file
//	   ├── kube-scheduler            ┘
//	   └── kwok                        the binary beside this one; plays the node and its pods by stages/*.yaml
//
// A test starts it with --dir, reads "ready kubeconfig=..." from its stdout, creates a Deployment, and sees it become
// available: the real controllers make its pods, and kwok says what a kubelet would say about them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"k8s.io/component-base/version"
)

// errSignal ends a cluster that was asked to end.
var errSignal = errors.New("asked to end")

func main() {
	if len(os.Args) > 1 {
		if name, found := strings.CutPrefix(os.Args[1], componentArg); found {
			os.Exit(runComponent(name, os.Args[2:]))
		}
	}
	os.Exit(runParent(os.Args[1:]))
}

func runComponent(name string, args []string) int {
	run, known := embedded[name]
	if !known {
		fmt.Fprintf(os.Stderr, "devcluster: no component %q\n", name)
		return 2
	}
	return run(args)
}

// runParent is devcluster as its user sees it. It returns the exit code: 2 for a command line that makes no sense, 1
// for a cluster that could not start or broke, 0 for one that was asked to end.
func runParent(args []string) int {
	o, err := parseOptions(args, os.Stdout)
	switch {
	case errors.Is(err, errHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		return 2
	case o.version:
		fmt.Println("Kubernetes", version.Get().GitVersion)
		return 0
	}
	if err := runCluster(o); err != nil {
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		return 1
	}
	return 0
}

// runCluster holds the directory while it brings the cluster up, keeps it until it is asked to end or a component dies,
// and takes it down.
func runCluster(o options) error {
	// The kernel ends a component when the thread that started it ends. Locked to this goroutine, which starts them all,
	// the thread lives as long as the process.
	runtime.LockOSThread()

	self, kwokPath, err := executables()
	if err != nil {
		return err
	}
	dir := workdir(o.dir)
	if err := dir.create(); err != nil {
		return err
	}
	release, err := dir.lock()
	if err != nil {
		return err
	}
	defer release()
	ports, err := choosePorts(dir, o.port)
	if err != nil {
		return err
	}

	ctx, end := context.WithCancelCause(context.Background())
	endOnSignal(end)
	c := &cluster{options: o, dir: dir, ports: ports, self: self, kwokPath: kwokPath, progress: os.Stderr}
	c.children = newChildren(dir, end)
	defer c.children.stop()
	if err := c.start(ctx); err != nil {
		return unlessAsked(err)
	}
	fmt.Printf("ready kubeconfig=%s\n", dir.kubeconfig())
	<-ctx.Done()
	return unlessAsked(context.Cause(ctx))
}

// endOnSignal ends the cluster on the first signal; a second one kills immediately, and the kernel ends the components.
func endOnSignal(end context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		end(errSignal)
	}()
}

// unlessAsked drops the reason for an end that was asked for.
func unlessAsked(err error) error {
	if errors.Is(err, errSignal) {
		return nil
	}
	return err
}
