package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"

	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/manifests"
	"fairlead.dev/fairlead/helmops/worker"
)

// workerVerb starts this program as a child that renders untrusted input. It is for Fairlead itself and not in the help.
const workerVerb = "worker"

// workerJobs are what a child can do.
func workerJobs() worker.Jobs {
	jobs := rendering.Jobs()
	maps.Copy(jobs, manifests.Jobs())
	return jobs
}

// newPool returns the child processes of this process.
func newPool() *worker.Pool { return worker.NewPool(worker.Command(workerVerb)) }

// runWorker is the life of a child.
func runWorker(args []string) int {
	return worker.Serve(workerJobs(), args, os.Stdin, os.Stdout, os.Stderr)
}

var errDefaultTransport = errors.New("connections are made by clients that check addresses only; this one would be made by a library")

// refuseDefaultTransport makes clients fail that libraries bring along: what they connect to would not be checked. Fairlead's own clients
// have transports of their own.
func refuseDefaultTransport() {
	refusing := refusingTransport{}
	http.DefaultTransport = refusing
	http.DefaultClient = &http.Client{Transport: refusing}
}

type refusingTransport struct{}

// RoundTrip implements http.RoundTripper.
func (refusingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("connecting to %s: %w", request.URL.Host, errDefaultTransport)
}
