package integration

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// rarely is an interval that no test waits for.
var rarely = &metav1.Duration{Duration: 10 * time.Hour}

func receiver(ns, kind string, resources ...v1beta1.ReceiverResource) *v1beta1.Receiver {
	return &v1beta1.Receiver{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: kind},
		Spec: v1beta1.ReceiverSpec{Type: kind, Resources: resources, SecretRef: local("hook")}}
}

// call calls a receiver and returns the status of the answer.
func call(t *testing.T, path, body string, header ...string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, world.controller.Hooks+path,
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// A push is applied immediately when the Git host calls, however long the interval is.
func TestAPushIsToldByACall(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	url, err := world.git.Create(ns)
	if err != nil {
		t.Fatal(err)
	}
	first := commit(t, ns, map[string]string{"a.yaml": settings("a", "one")})
	repository := &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet", Labels: map[string]string{"hook": "yes"}},
		Spec:       v1beta1.GitRepositorySpec{URL: url, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: rarely}}
	k := kustomization(ns, "apps", "")
	hub := receiver(ns, v1beta1.ReceiverGitHub,
		v1beta1.ReceiverResource{Kind: v1beta1.GitRepositoryKind, Name: "*", MatchLabels: map[string]string{"hook": "yes"}})
	hub.Spec.Events = []string{"push"}
	apply(t, repository, k, hub)
	awaitApplied(t, k, first)
	if ready := awaitNotReady(t, hub, v1beta1.AuthenticationFailedReason); !strings.Contains(ready.Message,
		"Secret "+ns+"/hook") {
		t.Errorf("the message does not say what is missing: %s", ready.Message)
	}
	token := []byte("a-token-that-nobody-guesses")
	secret := secretWith(ns, "hook", map[string][]byte{"token": token})
	apply(t, secret)
	awaitReady(t, hub)
	path := get(t, hub).Status.WebhookPath

	second := commit(t, ns, map[string]string{"a.yaml": settings("a", "two")})
	mac := hmac.New(sha256.New, token)
	mac.Write([]byte("{}"))
	signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	if got := call(t, path, "{}", "X-Hub-Signature-256", "sha256=00", "X-GitHub-Event",
		"push"); got != http.StatusNotFound {
		t.Errorf("a wrong signature is answered with %d", got)
	}
	if got := call(t, path, "{}", "X-Hub-Signature-256", signature, "X-GitHub-Event", "issues"); got != http.StatusOK {
		t.Errorf("an event that does not count is answered with %d", got)
	}
	if get(t, repository).Annotations[v1beta1.ReconcileRequestAnnotation] != "" {
		t.Error("a call that does not count has the repository looked at")
	}
	if got := call(t, path, "{}", "X-Hub-Signature-256", signature, "X-GitHub-Event", "push"); got != http.StatusOK {
		t.Errorf("the call is answered with %d", got)
	}
	awaitApplied(t, k, second)

	apply(t, secretWith(ns, "hook", map[string][]byte{"token": []byte("another-token-that-nobody-guesses")}))
	until(t, "the address changes with the token", func() bool {
		now := get(t, hub).Status.WebhookPath
		return now != "" && now != path
	})
	if got := call(t, path, "{}", "X-Hub-Signature-256", signature, "X-GitHub-Event", "push"); got != http.StatusNotFound {
		t.Errorf("the former address is answered with %d", got)
	}
	remove(t, secret)
	awaitNotReady(t, hub, v1beta1.AuthenticationFailedReason)
}

// A registry mentions a new version.
func TestANewVersionIsToldByTheRegistry(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	push(t, world.registry, ns, "sample", "1.0.0")
	repository := ociRepository(ns, "oci://"+world.registry.Host()+"/"+ns+"/sample",
		&v1beta1.OCIRepositoryRef{SemVer: "*"})
	repository.Spec.Interval = rarely
	hr := chartRef(ns, "web", v1beta1.OCIRepositoryKind, "sample")
	registry := receiver(ns, v1beta1.ReceiverRegistry,
		v1beta1.ReceiverResource{Kind: v1beta1.OCIRepositoryKind, Name: "sample"})
	apply(t, secretWith(ns, "hook", map[string][]byte{"token": []byte("a-token-that-nobody-guesses")}), repository, hr,
		registry)
	awaitVersion(t, hr, "1.0.0")
	awaitReady(t, registry)
	push(t, world.registry, ns, "sample", "1.1.0")
	path := get(t, registry).Status.WebhookPath
	notify := func(name string) {
		t.Helper()
		body := `{"events":[{"action":"push","target":{"repository":"` + name + `"}}]}`
		if got := call(t, path, body, "Authorization", "Bearer a-token-that-nobody-guesses"); got != http.StatusOK {
			t.Errorf("the notification is answered with %d", got)
		}
	}
	notify("somebody/else")
	if get(t, repository).Annotations[v1beta1.ReconcileRequestAnnotation] != "" {
		t.Error("news of another repository have this one looked at")
	}
	notify(ns + "/sample")
	awaitVersion(t, hr, "1.1.0")
}

// What a Receiver may not name.
func TestReceiversThatCannotBe(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	all := receiver(ns, v1beta1.ReceiverGeneric, v1beta1.ReceiverResource{Kind: v1beta1.GitRepositoryKind, Name: "*"})
	apply(t, secretWith(ns, "hook", map[string][]byte{"token": []byte("short")}), all)
	if ready := awaitNotReady(t, all, v1beta1.InvalidReferenceReason); !strings.Contains(ready.Message,
		"spec.resources[0]") {
		t.Errorf("message %s", ready.Message)
	}
	change(t, get(t, all), func(r *v1beta1.Receiver) { r.Spec.Resources[0].Name = "fleet" })
	if ready := awaitNotReady(t, get(t, all), v1beta1.AuthenticationFailedReason); !strings.Contains(ready.Message,
		"at least 16 characters") || strings.Contains(ready.Message, "short") {
		t.Errorf("message %s", ready.Message)
	}
}
