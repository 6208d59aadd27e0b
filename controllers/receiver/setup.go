package receiver

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/sources/oidc"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=receivers,verbs=get;list;watch
// +kubebuilder:rbac:groups=fairlead.dev,resources=receivers/status,verbs=patch
// +kubebuilder:rbac:groups=fairlead.dev,resources=gitrepositories;buckets;helmrepositories;ocirepositories;helmcharts;artifactgenerators;externalartifacts;kustomizations;helmreleases,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch

const secretIndex = "fairlead.secret"

// Options of the receivers.
type Options struct {
	// Address that is listened on.
	Address string
	// Concurrency is the number of workers.
	Concurrency int
	Now         func() time.Time
	// NoCrossNamespaceRefs refuses objects in other namespaces.
	NoCrossNamespaceRefs bool
	// Issuers returns the client by which the issuers are asked that a namespace names.
	Issuers func(namespace string) *http.Client
}

var calls = sync.OnceValue(func() *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_receiver_requests_total",
		Help: "Calls of receivers, by their type and how they ended: accepted, refused, busy or failed.",
	}, []string{"type", "result"})
	metrics.Registry.MustRegister(counter)
	return counter
})

// observe counts a call.
func observe(kind string, code int) {
	result := "refused"
	switch {
	case code == http.StatusOK:
		result = "accepted"
	case code == http.StatusTooManyRequests:
		result = "busy"
	case code >= http.StatusInternalServerError:
		result = "failed"
	}

	calls().WithLabelValues(kind, result).Inc()
}

// Setup adds the receivers to the manager.
func Setup(ctx context.Context, manager ctrl.Manager, o Options) error {
	indexer := manager.GetFieldIndexer()
	err := indexer.IndexField(ctx, &v1beta1.Receiver{}, pathIndex, func(object client.Object) []string {
		if path := object.(*v1beta1.Receiver).Status.WebhookPath; path != "" {
			return []string{path}
		}
		return nil
	})
	if err == nil {
		err = indexer.IndexField(ctx, &v1beta1.Receiver{}, secretIndex, func(object client.Object) []string {
			if ref := object.(*v1beta1.Receiver).Spec.SecretRef; ref != nil {
				return []string{ref.Name}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("indexing Receivers: %w", err)
	}

	compiled, err := newFilters()
	if err != nil {
		return err
	}

	rules, err := newClaimRules()
	if err != nil {
		return err
	}

	h := &handler{
		cached: manager.GetClient(), live: manager.GetAPIReader(), now: o.Now, ownNamespace: o.NoCrossNamespaceRefs,
		filters: compiled, rules: rules, verifier: oidc.New(o.Issuers, o.Now), google: googleIssuer,
	}
	if err := manager.Add(newServer(o.Address, h)); err != nil {
		return err
	}

	return loop.Setup(manager, loop.Controller[*v1beta1.Receiver]{
		Name: v1beta1.ReceiverKind, Empty: func() *v1beta1.Receiver {
			return &v1beta1.Receiver{}
		}, Handler: h, Waker: loop.NewWaker(), Concurrency: o.Concurrency,
		Watches: []loop.Watch{{Object: &corev1.Secret{}, MetadataOnly: true, Affects: h.bySecret}},
	})
}

// bySecret finds the receivers that name a Secret.
func (h *handler) bySecret(ctx context.Context, secret client.Object) []reconcile.Request {
	list := &v1beta1.ReceiverList{}
	if err := h.cached.List(ctx, list, client.InNamespace(secret.GetNamespace()),
		client.MatchingFields{secretIndex: secret.GetName()}); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}
	found := make([]reconcile.Request, len(list.Items))
	for i := range list.Items {
		found[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
	}
	return found
}
