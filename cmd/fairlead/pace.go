package main

import (
	"runtime"
	"time"

	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/controllers/loop"
	target "fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// paced returns the shares of what works on the own cluster, and a copy of its config whose clients tell them how it
// answers.
func paced(config *rest.Config, now func() time.Time) (*fair.Shares, *rest.Config) {
	shares := fair.NewPaced(runtime.GOMAXPROCS(0))
	loop.PublishShares(shares.Count)
	timed := rest.CopyConfig(config)
	timed.Wrap(target.Timed(shares.Answered, now))
	return shares.Shares, timed
}
