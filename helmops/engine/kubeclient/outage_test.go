package kubeclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// A request is repeated when the way to the API server is broken, and when the server is busy. It is not when the
// server has refused it.
func TestOnlyAnOutageIsWaitedFor(t *testing.T) {
	t.Parallel()
	resource := schema.GroupResource{Resource: "configmaps"}
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	code := func(code int32) error { return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code}} }
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{name: "none"},
		{name: "a refused connection", err: fmt.Errorf("patch: %w", refused), want: true},
		{name: "a connection that ended", err: &url.Error{Op: "Patch", Err: io.ErrUnexpectedEOF}, want: true},
		{name: "a server that is not there yet", err: code(http.StatusServiceUnavailable), want: true},
		{name: "a load balancer without a server", err: code(http.StatusBadGateway), want: true},
		{name: "a server that is busy", err: apierrors.NewTooManyRequests("later", 1), want: true},
		{name: "a right that is missing", err: apierrors.NewForbidden(resource, "a", errors.New("no"))},
		{name: "a conflict", err: apierrors.NewConflict(resource, "a", errors.New("changed"))},
		{name: "the end of the time of a request", err: &url.Error{Op: "Patch", Err: context.DeadlineExceeded}},
		{name: "a fence", err: fmt.Errorf("patch: %w", cluster.ErrFenced)},
		{name: "anything else", err: errors.New("template is broken")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := isOutage(tt.err); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// While the API server does not answer, a write is repeated without holding the processor.
func TestAWriteIsRepeatedWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	refusals := 2
	s.answer = func(method, _ string) *metav1.Status {
		if method != http.MethodPatch || refusals == 0 {
			return nil
		}
		refusals--
		return refusalOf(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "starting")
	}
	c := s.client(t)
	if _, err := c.Create(c.build(t, settingsText)); err != nil {
		t.Fatal(err)
	}
	share := c.share.of.(*counted)
	if share.left != 2 || share.returned != 2 || s.get("settings") == nil {
		t.Errorf("the share was given back %d times and taken %d times", share.left, share.returned)
	}
}

// A pod keeps its StatefulSet from going back only when the set would replace it and waits for it.
func TestAPodOfAnotherRevisionKeepsAStatefulSetFromGoingBack(t *testing.T) {
	t.Parallel()
	set := func(change func(*appsv1.StatefulSet)) *appsv1.StatefulSet {
		out := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", UID: "set", Generation: 2}}
		out.Status = appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdateRevision: "new"}
		change(out)
		return out
	}
	same := func(*appsv1.StatefulSet) {}
	pod := func(revision, owner string) *corev1.Pod {
		yes := true
		out := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0"}}
		out.OwnerReferences = []metav1.OwnerReference{{UID: "set", Name: owner, Controller: &yes}}
		if owner != "db" {
			out.OwnerReferences[0].UID = "other"
		}
		if revision != "" {
			out.Labels = map[string]string{appsv1.ControllerRevisionHashLabelKey: revision}
		}
		return out
	}
	one := int32(1)
	for _, tt := range []struct {
		name string
		set  *appsv1.StatefulSet
		pod  *corev1.Pod
		want bool
	}{
		{name: "of another revision", set: set(same), pod: pod("old", "db"), want: true},
		{name: "of the wanted revision", set: set(same), pod: pod("new", "db")},
		{name: "without a revision", set: set(same), pod: pod("", "db")},
		{name: "of another set", set: set(same), pod: pod("old", "other")},
		{
			name: "the set was not looked at yet", pod: pod("old", "db"),
			set: set(func(s *appsv1.StatefulSet) { s.Status.ObservedGeneration = 1 }),
		},
		{
			name: "people replace the pods", pod: pod("old", "db"),
			set: set(func(s *appsv1.StatefulSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType }),
		},
		{
			name: "people decide how many are replaced", pod: pod("old", "db"),
			set: set(func(s *appsv1.StatefulSet) {
				s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &one}
			}),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := stuck(tt.set, tt.pod); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// What an object lacks is explained by its newest pod that does not run, else by what its controller says.
func TestAnObjectIsExplainedByItsPods(t *testing.T) {
	t.Parallel()
	const deploymentText = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: apps, generation: 1},
		spec: {replicas: 1, selector: {matchLabels: {app: web}}}, status: {observedGeneration: 1, conditions: [
		{type: ReplicaFailure, status: "True", reason: FailedCreate, message: exceeded quota}]}}`
	podText := func(name, created, state string) string {
		return `{apiVersion: v1, kind: Pod, metadata: {name: ` + name +
			`, namespace: apps, labels: {app: web}, creationTimestamp: "` + created +
			`"}, spec: {containers: [{name: main}]}, status: {phase: Pending, containerStatuses: [{name: main, state: ` + state +
			`}]}}`
	}
	pull := `{waiting: {reason: ImagePullBackOff, message: "image web:2 not found"}}`
	runs := `{running: {startedAt: "2026-01-01T00:00:00Z"}}`
	for _, tt := range []struct {
		name string
		pods []string
		want string
	}{
		{name: "no pod", want: "FailedCreate: exceeded quota"},
		{name: "a pod that runs", pods: []string{podText("web-1", "2026-01-01T00:00:00Z", runs)}, want: "FailedCreate"},
		{
			name: "a pod that cannot pull", pods: []string{podText("web-1", "2026-01-01T00:00:00Z", pull)},
			want: "pod web-1",
		},
		{
			name: "the newest one", want: "pod web-2",
			pods: []string{podText("web-1", "2026-01-01T00:00:00Z", pull), podText("web-2", "2026-01-02T00:00:00Z", pull)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.put(t, deploymentText)
			for _, pod := range tt.pods {
				s.put(t, pod)
			}
			c := s.client(t)
			ref := v1beta1.NewResourceRef("apps", "web", "apps", "Deployment", "v1")
			found := c.Explain([]v1beta1.ResourceRef{ref, v1beta1.NewResourceRef("apps", "gone", "apps", "Deployment", "v1")})
			if len(found) != 1 || !strings.Contains(found[0].Message, tt.want) {
				t.Errorf("found %+v, want %q", found, tt.want)
			}
		})
	}
}

// The inventory lists the objects of a manifest in order, those that were written with their ownership.
func TestReferencesHaveTheOwnershipOfWhatWasWritten(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	c := s.client(t)
	if _, err := c.Create(c.build(t, settingsText)); err != nil {
		t.Fatal(err)
	}
	refs, err := c.References(strings.Join([]string{settingsText, otherText, namespaceText}, "\n---\n"))
	if err != nil || len(refs) != 3 {
		t.Fatalf("error %v, references %v", err, refs)
	}
	for i, want := range []string{"_team__Namespace", "apps_other__ConfigMap", "apps_settings__ConfigMap"} {
		if refs[i].ID != want || (refs[i].Ownership != "") != (want == "apps_settings__ConfigMap") {
			t.Errorf("reference %d is %+v, want %s", i, refs[i], want)
		}
	}
	if _, err := c.References("{apiVersion: example.com/v1, kind: Gear, metadata: {name: one}}"); err == nil {
		t.Error("a kind that is not served is listed")
	}
}

// Before an update is made, the API server is asked about what it writes, and nothing is written.
func TestPreflightFindsWhatTheServerRefuses(t *testing.T) {
	t.Parallel()
	const deploymentText = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: apps}, spec: {replicas: 1}}`
	const elsewhere = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: team}, spec: {replicas: 1}}`
	forbidden := func(method, _ string) *metav1.Status {
		if method != http.MethodPatch {
			return nil
		}
		status := refusalOf(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "spec.selector: Required value")
		status.Details = &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Field: "spec.selector", Message: "Required value"}},
		}
		return status
	}
	lacks := func(method, _ string) *metav1.Status {
		if method != http.MethodPatch {
			return nil
		}
		status := refusalOf(http.StatusNotFound, metav1.StatusReasonNotFound, `namespaces "team" not found`)
		status.Details = &metav1.StatusDetails{Name: "team", Kind: "namespaces"}
		return status
	}
	for _, tt := range []struct {
		name     string
		proposal Proposal
		answer   func(method, path string) *metav1.Status
		want     string
	}{
		{name: "nothing is wrong", proposal: Proposal{Manifest: deploymentText}},
		{
			name: "a field is missing", proposal: Proposal{Manifest: deploymentText}, answer: forbidden,
			want: "Deployment apps/web",
		},
		{name: "what only holds data is not asked for", proposal: Proposal{Manifest: settingsText}, answer: forbidden},
		{
			name: "data that is no text", want: "data.a",
			proposal: Proposal{Manifest: strings.Replace(settingsText, "a: wanted", "a: 1", 1)},
		},
		{
			name: "a namespace that is made before", proposal: Proposal{Manifest: elsewhere, Namespaces: []string{"team"}},
			answer: lacks,
		},
		{
			name: "a namespace that the manifest brings", answer: lacks,
			proposal: Proposal{Manifest: elsewhere + "\n---\n" + namespaceText},
		},
		{
			name: "a namespace that nothing brings", proposal: Proposal{Manifest: elsewhere}, answer: lacks,
			want: "Deployment team/web",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.answer = tt.answer
			err := s.client(t).Preflight(tt.proposal)
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if s.get("web") != nil || s.get("settings") != nil {
				t.Error("it has written an object")
			}
		})
	}
}

// Drift reports what differs from the manifest, and corrects it when that is asked for.
func TestDriftIsCorrectedWhenThatIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, correct := range []bool{false, true} {
		s := newAPIServer(t)
		s.put(t, settingsText, ofRelease("web"), edited)
		c := s.client(t)
		found, err := c.Drift(settingsText+"\n---\n"+otherText, Inspection{Correct: correct})
		if err != nil || len(found) != 2 {
			t.Fatalf("error %v, found %+v", err, found)
		}
		if len(found[0].Fields) == 0 || found[0].Name != "settings" || !found[1].Missing {
			t.Errorf("found %+v", found)
		}
		value, _, _ := unstructured.NestedString(s.get("settings").Object, "data", "a")
		if (value == "wanted") != correct || (s.get("other") != nil) != correct {
			t.Errorf("correct %t: the object has %q", correct, value)
		}
	}
}

// Only the objects that are asked for are compared.
func TestDriftLooksAtTheObjectsThatAreAskedFor(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	c := s.client(t)
	only := []v1beta1.ResourceRef{v1beta1.NewResourceRef("apps", "other", "", "ConfigMap", "v1")}
	found, err := c.Drift(settingsText+"\n---\n"+otherText, Inspection{Objects: only})
	if err != nil || len(found) != 1 || found[0].Name != "other" {
		t.Errorf("error %v, found %+v", err, found)
	}
}
