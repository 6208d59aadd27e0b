package loop

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"regexp"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"fairlead.dev/fairlead/helmops/process/guard"
)

// maxStacks bounds the stacks that are remembered as logged. After so many distinct ones no more are logged: the log
// must not grow with what a tenant makes panic.
const maxStacks = 64

var panics = sync.OnceValue(func() *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_panics_total",
		Help: "Panics that were caught in the controller and in its rendering processes, by what was being done.",
	}, []string{"where"})
	metrics.Registry.MustRegister(counter)
	return counter
})

// CatchFaults has every panic that is caught counted, and its stack logged once. Panics in the goroutines of client-go
// are caught, too, instead of ending the process: they begin in the answers of API servers, which can be a tenant's. It
// is for setting up.
func CatchFaults() {
	seen := &stacks{}
	guard.OnFault(func(fault guard.Fault) {
		panics().WithLabelValues(fault.Where).Inc()
		if seen.isNew(fault.Stack) {
			ctrl.Log.WithName("fault").Error(nil, "a panic was caught; it is a fault of the controller, please report it",
				"while", fault.Where, "type", fault.Type, "stack", string(fault.Stack))
		}
	})
	utilruntime.ReallyCrash = false
	// The handlers that are there by default log the value of a panic, which can quote an object.
	utilruntime.PanicHandlers = []func(context.Context, any){func(_ context.Context, recovered any) {
		if err, ok := recovered.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			return
		}
		_ = guard.Caught("reading the answers of an API server", recovered) // reported by being caught
	}}
}

// stacks remembers which stacks were logged.
type stacks struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool
}

// varying is what differs between two stacks that lead to the same place: numbers of goroutines, arguments and offsets.
var varying = regexp.MustCompile(`goroutine \d+|0x[0-9a-f]+\??|\{[^}]*\}|\([^()]*\)$`)

// isNew returns whether a stack has not been there before, and remembers it.
func (s *stacks) isNew(stack []byte) bool {
	digest := sha256.Sum256(varying.ReplaceAll(stack, nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[digest] || len(s.seen) >= maxStacks {
		return false
	}
	if s.seen == nil {
		s.seen = map[[sha256.Size]byte]bool{}
	}

	s.seen[digest] = true
	return true
}
