package integration

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// The commands against a real API server; their output in all its forms is tested beside them.
func TestCommands(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	out, errs, code := command(t, "fairlead", "get", "releases", "-n", ns)
	if code != 0 || out != "" || !strings.Contains(errs, ns) {
		t.Errorf("an empty list: exit code %d, stdout %q, stderr %q", code, out, errs)
	}
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitReady(t, hr)

	if out := mustRun(t, "fairlead", "get", "releases", "-n", ns); !strings.Contains(out, "web") ||
		!strings.Contains(out, "Ready") {
		t.Errorf("get releases prints\n%s", out)
	}
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(mustRun(t, "fairlead", "get", "sources", "-n", ns, "-o", "json")),
		&list); err != nil || len(list.Items) != 1 {
		t.Errorf("get sources -o json gives %d items, %v", len(list.Items), err)
	}
	if out := mustRun(t, "fairlead", "status", "release", "web", "-n", ns); !strings.Contains(out, "sample 1.0.0") {
		t.Errorf("status prints\n%s", out)
	}
	if out := mustRun(t, "fairlead", "history", "release", "web", "-n", ns); !strings.Contains(out, "deployed") {
		t.Errorf("history prints\n%s", out)
	}

	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	if !get(t, hr).Spec.Suspend {
		t.Error("suspend did not set spec.suspend")
	}
	mustRun(t, "fairlead", "resume", "hr", "web", "-n", ns, "--wait")
	if get(t, hr).Spec.Suspend {
		t.Error("resume did not unset spec.suspend")
	}

	mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns, "--with-source", "--wait")
	token := get(t, hr).Annotations[v1beta1.ReconcileRequestAnnotation]
	if token == "" || hr.Status.LastHandledReconcileAt != token {
		t.Errorf("requested at %q, handled %q", token, hr.Status.LastHandledReconcileAt)
	}

	broken := release(ns, "broken", "sample", ">9", "charts", "")
	apply(t, broken)
	awaitNotReady(t, broken, v1beta1.NoMatchReason)
	if out, errs, code := command(t, "fairlead", "reconcile", "release", "broken", "-n", ns, "--wait"); code != 1 ||
		!strings.Contains(out+errs, ">9") {
		t.Errorf("reconcile of a broken release: exit code %d\n%s%s", code, out, errs)
	}
	if _, _, code := command(t, "fairlead", "status", "release", "broken", "-n", ns); code != 1 {
		t.Errorf("status of a broken release: exit code %d, want 1", code)
	}
	if _, errs, code := command(t, "fairlead", "status", "release", "wbe", "-n", ns); code != 2 ||
		!strings.Contains(errs, "web") {
		t.Errorf("status of a misspelt name: exit code %d, stderr %q", code, errs)
	}
}

// kubectl understands our conditions.
func TestKubectlWait(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	mustRun(t, "kubectl", "wait", "hr/web", "-n", ns, "--for=condition=Ready", "--timeout=2m")
	if out := mustRun(t, "kubectl", "get", "hr,helmrepo", "-n", ns); !strings.Contains(out, "1.0.0") ||
		!strings.Contains(out, "True") {
		t.Errorf("kubectl get prints\n%s", out)
	}
	out := mustRun(t, "kubectl", "get", "fairlead", "-n", ns, "-o", "name")
	out = regexp.MustCompile(`releasefreeze\S+\n`).ReplaceAllString(out, "") // of other tests: they have no namespace
	if strings.Count(out, "\n") != 2 {
		t.Errorf("the category lists\n%s", out)
	}
	// A request for a reconciliation that is set with plain kubectl.
	mustRun(t, "kubectl", "annotate", "hr/web", "-n", ns, v1beta1.ReconcileRequestAnnotation+"=now")
	until(t, "the request is handled", func() bool { return get(t, hr).Status.LastHandledReconcileAt == "now" })
	if ready := condition(t, hr, v1beta1.ReadyCondition); ready.Status != metav1.ConditionTrue {
		t.Errorf("Ready is %s after a request", ready.Status)
	}
}
