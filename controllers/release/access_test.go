package release

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/process/memory"
	"fairlead.dev/fairlead/helmops/status"
)

const kubeconfig = `{"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": "https://remote"}}],
"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {"token": "hunter2"}}]}`

func as(name string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.ServiceAccountName = name }
}

func remote(key string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) {
		hr.Spec.KubeConfig = &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "db", Key: key}}
	}
}

func byToken(hr *v1beta1.HelmRelease) {
	hr.Spec.KubeConfig = &v1beta1.KubeConfigReference{ConfigMapRef: &v1beta1.LocalObjectReference{Name: "cloud"}}
}

func TestAccess(t *testing.T) {
	deployer := &corev1.ServiceAccount{ObjectMeta: named("deployer")}
	tests := []struct {
		name       string
		release    *v1beta1.HelmRelease
		fallback   string
		objects    []client.Object
		user       string
		kubeconfig string
	}{
		{name: "the controller itself", release: helmRelease("web")},
		{name: "a ServiceAccount", release: helmRelease("web", as("deployer")), objects: []client.Object{deployer}, user: "system:serviceaccount:apps:deployer"},
		{name: "the default one", release: helmRelease("web"), fallback: "deployer", objects: []client.Object{deployer}, user: "system:serviceaccount:apps:deployer"},
		{name: "its own before the default one", release: helmRelease("web", as("deployer")), fallback: "other", objects: []client.Object{deployer},
			user: "system:serviceaccount:apps:deployer"},
		{name: "a remote cluster", release: helmRelease("web", remote("")), objects: []client.Object{secret(map[string]string{"value": kubeconfig})}, kubeconfig: kubeconfig},
		{name: "the second key", release: helmRelease("web", remote("")), objects: []client.Object{secret(map[string]string{"value.yaml": kubeconfig})}, kubeconfig: kubeconfig},
		{name: "a key by name", release: helmRelease("web", remote("k")), objects: []client.Object{secret(map[string]string{"k": kubeconfig, "value": "x"})}, kubeconfig: kubeconfig},
		{name: "a ServiceAccount of a remote cluster, which is not looked for here", release: helmRelease("web", remote(""), as("there")),
			objects: []client.Object{secret(map[string]string{"value": kubeconfig})}, user: "system:serviceaccount:apps:there", kubeconfig: kubeconfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, nil, tt.objects...)
			h.defaultServiceAccount = tt.fallback
			got, err := h.gather(t.Context(), tt.release)
			if err != nil {
				t.Fatal(err)
			}
			if got.Access.User != tt.user || string(got.Access.Kubeconfig) != tt.kubeconfig {
				t.Errorf("as %q on %q", got.Access.User, got.Access.Kubeconfig)
			}
		})
	}
}

func TestAccessSaysWhatIsMissing(t *testing.T) {
	forbidden := func(o client.Object) error {
		if o.GetObjectKind().GroupVersionKind().Kind == "ServiceAccount" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts"}, "deployer", errSentinel)
		}
		return nil
	}
	long := strings.Repeat("# hunter2\n", 1<<20/10+1) + kubeconfig
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		get     func(client.Object) error
		content map[string]string
		reason  string
		message string
	}{
		{name: "a ServiceAccount that does not exist", release: helmRelease("web", as("deployer")), reason: v1beta1.AccessDeniedReason,
			message: "ServiceAccount apps/deployer does not exist; the controller continues when it is created"},
		{name: "a ServiceAccount that may not be read", release: helmRelease("web", as("deployer")), get: forbidden, reason: v1beta1.AccessDeniedReason,
			message: "Fairlead may not read ServiceAccount apps/deployer, as whom the object is worked on"},
		{name: "no Secret", release: helmRelease("web", remote("")), reason: v1beta1.KubeConfigInvalidReason,
			message: "Secret apps/db of spec.kubeConfig does not exist; the controller continues when it is created"},
		{name: "no key", release: helmRelease("web", remote("")), content: map[string]string{"config": kubeconfig}, reason: v1beta1.KubeConfigInvalidReason,
			message: `Secret apps/db of spec.kubeConfig has no key "value", it has config` +
				`; the controller continues when it has`},
		{name: "nothing", release: helmRelease("web", remote("")), content: map[string]string{"value": ""}, reason: v1beta1.KubeConfigInvalidReason,
			message: "Secret apps/db of spec.kubeConfig, key value, is empty" +
				"; the controller continues when that changes"},
		{name: "no kubeconfig", release: helmRelease("web", remote("")), content: map[string]string{"value": "clusters: hunter2"}, reason: v1beta1.KubeConfigInvalidReason,
			message: "Secret apps/db of spec.kubeConfig, key value, is not a kubeconfig" +
				"; the controller continues when that changes"},
		{name: "no cluster", release: helmRelease("web", remote("")), content: map[string]string{"value": "kind: Config"}, reason: v1beta1.KubeConfigInvalidReason,
			message: "Secret apps/db of spec.kubeConfig, key value, is a kubeconfig without a cluster" +
				"; the controller continues when that changes"},
		{name: "no context", release: helmRelease("web", remote("")), reason: v1beta1.KubeConfigInvalidReason,
			content: map[string]string{"value": strings.Replace(kubeconfig, `"current-context": "c"`, `"current-context": "hunter2"`, 1)},
			message: "Secret apps/db of spec.kubeConfig, key value, is a kubeconfig whose current context " +
				"does not exist" +
				"; the controller continues when that changes"},
		{name: "too much", release: helmRelease("web", remote("")), content: map[string]string{"value": long}, reason: v1beta1.KubeConfigInvalidReason,
			message: "more than 1048576; the controller continues when that changes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var objects []client.Object
			if tt.content != nil {
				objects = append(objects, secret(tt.content))
			}
			_, err := newHandler(t, tt.get, objects...).gather(t.Context(), tt.release)
			var known *refs.ObstacleError
			if !errors.As(err, &known) {
				t.Fatalf("error = %v, want an obstacle", err)
			}
			if known.Reason != tt.reason || known.Final || !strings.Contains(known.Message, tt.message) || strings.Contains(known.Message, "hunter2") {
				t.Errorf("%s (final %v): %s; want %s: %s", known.Reason, known.Final, known.Message, tt.reason, tt.message)
			}
		})
	}
}

func TestDeparture(t *testing.T) {
	there := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps"}}
	ending := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps", Finalizers: []string{"kubernetes"}}}
	at := metav1.NewTime(now)
	ending.DeletionTimestamp = &at
	tests := []struct {
		name        string
		release     *v1beta1.HelmRelease
		objects     []client.Object
		user        string
		obstacle    bool
		terminating bool
		asked       int // for the Namespace
	}{
		{name: "the controller itself keeps its rights", release: helmRelease("web"), objects: []client.Object{ending}},
		{name: "a ServiceAccount may lose them before it goes", release: helmRelease("web", as("deployer")), terminating: true, asked: 1,
			objects: []client.Object{&corev1.ServiceAccount{ObjectMeta: named("deployer")}, ending}, user: "system:serviceaccount:apps:deployer"},
		{name: "without it, it does", release: helmRelease("web", as("deployer")), objects: []client.Object{there}, obstacle: true, asked: 1},
		{name: "it is being deleted", release: helmRelease("web", as("deployer")), objects: []client.Object{ending}, obstacle: true, terminating: true, asked: 1},
		{name: "without a kubeconfig too", release: helmRelease("web", remote("")), objects: []client.Object{ending}, obstacle: true, terminating: true, asked: 1},
		{name: "what is left alone needs nobody", objects: []client.Object{there},
			release: helmRelease("web", as("deployer"), func(hr *v1beta1.HelmRelease) { hr.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan })},
		{name: "nor does what is suspended", objects: []client.Object{there},
			release: helmRelease("web", as("deployer"), func(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = true })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			h := newHandler(t, func(o client.Object) error {
				if o.GetObjectKind().GroupVersionKind().Kind == "Namespace" {
					asked++
				}
				return nil
			}, tt.objects...)
			got, err := h.planDeletion(t.Context(), tt.release)
			if err != nil {
				t.Fatal(err)
			}
			if got.access.User != tt.user || (got.obstacle != nil) != tt.obstacle || got.terminating != tt.terminating || asked != tt.asked {
				t.Errorf("%+v after %d questions for the namespace, want %+v", got, asked, tt)
			}
		})
	}
}

func TestAStrandedReleaseIsLetGoOrTold(t *testing.T) {
	tests := []struct {
		name        string
		terminating bool
		revisions   []v1beta1.Snapshot
		reason      string
		done        bool
	}{
		{name: "with its namespace", terminating: true, revisions: []v1beta1.Snapshot{{Version: 1}}, done: true},
		{name: "one that never came to be", done: true},
		{name: "one that never came to be, on a cluster that cannot be reached as it says", reason: v1beta1.UnsupportedReason, done: true},
		{name: "one whose cluster does not answer, so that nobody knows", reason: v1beta1.ClusterUnreachableReason},
		{name: "otherwise it waits", revisions: []v1beta1.Snapshot{{Version: 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, nil)
			h.events, h.jitter = events.NewFakeRecorder(1), func(d time.Duration, _ float64) time.Duration { return d }
			hr := helmRelease("web", as("deployer"))
			hr.Status.History = tt.revisions
			missing := refs.RetryableObstacle(cmp.Or(tt.reason, v1beta1.AccessDeniedReason),
				"ServiceAccount apps/deployer does not exist; the controller continues when it is created")
			done, again, err := h.unreachable(t.Context(), hr, deletionPlan{obstacle: missing, terminating: tt.terminating})
			if err != nil || done != tt.done {
				t.Fatalf("done %v, error %v", done, err)
			}
			if done {
				return
			}
			want := "cannot uninstall apps/web: ServiceAccount apps/deployer does not exist" +
				"; the controller continues when it is created; " +
				"to keep the Helm release, set spec.deletionPolicy to Orphan"
			if got := status.Message(hr); got != want || again != time.Minute {
				t.Errorf("looks again after %s and says %q, want %q", again, got, want)
			}
		})
	}
}

func TestWhyRecordsCannotBeRead(t *testing.T) {
	t.Parallel()
	reading := func(err error) error { return fmt.Errorf("reading the history of release apps/web: %w", err) }
	away := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		err     error
		reason  string
		says    string
		again   time.Duration
	}{
		{name: "nothing is wrong", release: helmRelease("web")},
		{name: "no rights", release: helmRelease("web"), reason: v1beta1.AccessDeniedReason, again: refs.ForbiddenRetry, says: "secrets is forbidden",
			err: reading(apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", nil))},
		{name: "a kubeconfig that is refused", release: helmRelease("web", remote("")), reason: v1beta1.KubeConfigInvalidReason,
			err: reading(&cluster.KubeconfigError{Problem: "its user runs a program (exec)", Fix: "use a token"}),
			says: "Secret apps/db of spec.kubeConfig: the kubeconfig is refused: its user runs a program (exec); " +
				"use a token; " +
				"the controller continues when that changes"},
		{name: "a remote cluster that does not answer", release: helmRelease("web", remote("")), err: reading(away), again: refs.UnreachableRetry,
			reason: v1beta1.ClusterUnreachableReason, says: "the cluster of Secret apps/db of spec.kubeConfig does not answer: dial tcp: connection refused"},
		{name: "a remote cluster that says too much", release: helmRelease("web", remote("")), again: refs.UnreachableRetry,
			err:    reading(&memory.ExceededError{Namespace: "apps", Bounds: memory.Clusters}),
			reason: v1beta1.ClusterUnreachableReason, says: "the cluster of Secret apps/db of spec.kubeConfig is not watched: the clusters that namespace apps names"},
		{name: "the own cluster does not answer, so it cannot be told either", release: helmRelease("web"), err: reading(away)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := unreadable(tt.release, tt.err)
			var known *refs.ObstacleError
			if !errors.As(got, &known) {
				if tt.reason != "" || !errors.Is(got, tt.err) {
					t.Errorf("got %v, want reason %q", got, tt.reason)
				}
				return
			}
			if known.Reason != tt.reason || !strings.Contains(known.Message, tt.says) || known.After != tt.again {
				t.Errorf("got %s again after %s: %s", known.Reason, known.After, known.Message)
			}
		})
	}
}
