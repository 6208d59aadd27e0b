package loop

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// queues count the actions that wait for their turn before they ask for a share.
type queues struct {
	mu     sync.Mutex
	counts []func() int
}

var waitingElsewhere queues //nolint:gochecknoglobals // as the registry of metrics is

// CountWaiting has a number of actions added to those that wait for their turn.
func CountWaiting(count func() int) {
	waitingElsewhere.mu.Lock()
	defer waitingElsewhere.mu.Unlock()
	waitingElsewhere.counts = append(waitingElsewhere.counts, count)
}

func (q *queues) sum() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	sum := 0
	for _, count := range q.counts {
		sum += count()
	}
	return sum
}

// PublishShares publishes how many actions work, how many wait for their turn, and how many may work at the same
// time. Only the first call of a process does.
func PublishShares(count func() (working, waiting, limit int)) {
	publish := func(options prometheus.GaugeOpts, value func() int) {
		_ = metrics.Registry.Register(prometheus.NewGaugeFunc(options, func() float64 { return float64(value()) }))
	}
	publish(prometheus.GaugeOpts{
		Name: "fairlead_actions_working",
		Help: "Actions that work on the own cluster, without those that wait for objects.",
	}, func() int {
		working, _, _ := count()
		return working
	})
	publish(prometheus.GaugeOpts{
		Name: "fairlead_actions_waiting",
		Help: "Actions that wait for their turn to work.",
	}, func() int {
		_, waiting, _ := count()
		return waiting + waitingElsewhere.sum()
	})
	publish(prometheus.GaugeOpts{
		Name: "fairlead_actions_limit",
		Help: "How many actions may work on the own cluster at the same time.",
	}, func() int {
		_, _, limit := count()
		return limit
	})
}
