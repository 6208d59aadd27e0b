package main

import (
	"maps"
	"os"

	"fairlead.dev/fairlead/helmops/engine/rendering"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// workerVerb starts this program as a child that renders untrusted input. It is for Fairlead itself and not in the help.
const workerVerb = "worker"

// workerJobs are what a child can do.
func workerJobs() worker.Jobs {
	jobs := rendering.Jobs()
	maps.Copy(jobs, build.Jobs())
	return jobs
}

// newPool returns the child processes of this process.
func newPool() *worker.Pool { return worker.NewPool(worker.Command(workerVerb)) }

// runWorker is the life of a child.
func runWorker(args []string) int {
	return worker.Serve(workerJobs(), args, os.Stdin, os.Stdout, os.Stderr)
}
