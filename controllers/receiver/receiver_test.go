package receiver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/status"
)

const token = "a-token-that-is-long-enough"

// told is a set of receivers that records which objects are triggered.
type told struct {
	receiver *v1beta1.Receiver
	lost     error
	// claims and unproven are of the token of a call.
	claims   map[string]any
	unproven error
	news     []news
}

func (r *told) find(_ context.Context, path string) (*v1beta1.Receiver, error) {
	if r.receiver == nil || path != pathOf(r.receiver, []byte(token)) {
		return nil, nil
	}
	return r.receiver, nil
}

func (r *told) credentials(context.Context, *v1beta1.Receiver) (credentials, error) {
	return credentials{token: []byte(token)}, r.lost
}

func (r *told) identify(context.Context, *v1beta1.Receiver, credentials, http.Header) (map[string]any, error) {
	return r.claims, r.unproven
}

func (r *told) trigger(_ context.Context, _ *v1beta1.Receiver, n news) (int, error) {
	r.news = append(r.news, n)
	return 1, nil
}

func receiverOf(kind string, events ...string) *v1beta1.Receiver {
	return &v1beta1.Receiver{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "push", UID: types.UID(kind)}, Spec: v1beta1.ReceiverSpec{Type: kind, Events: events},
	}
}

func signed(with, body string) string {
	mac := hmac.New(sha256.New, []byte(with))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// weakly signs as Nexus does.
func weakly(with, body string) string {
	mac := hmac.New(sha1.New, []byte(with))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestCalls(t *testing.T) {
	t.Parallel()
	long := hmac.New(sha512.New, []byte(token))
	long.Write([]byte("body"))
	notification := `{"events":[{"action":"pull","target":{"repository":"charts/other"}},{"action":"push","target":{"repository":"charts/web","tag":"1.0.0"}},{"action":"push","target":{"repository":"charts/web"}}]}`
	for _, tt := range []struct {
		name   string
		kind   string
		events []string
		header http.Header
		body   string
		status int
		told   bool
	}{
		{"generic", v1beta1.ReceiverGeneric, nil, nil, "", 200, true},
		{"a signature", v1beta1.ReceiverHMAC, nil, http.Header{"X-Signature": {signed(token, "body")}}, "body", 200, true},
		{"a sha512 signature", v1beta1.ReceiverHMAC, nil, http.Header{"X-Signature": {"sha512=" + hex.EncodeToString(long.Sum(nil))}}, "body", 200, true},
		{"another body", v1beta1.ReceiverHMAC, nil, http.Header{"X-Signature": {signed(token, "body")}}, "other", 404, false},
		{"another token", v1beta1.ReceiverHMAC, nil, http.Header{"X-Signature": {signed("other", "body")}}, "body", 404, false},
		{"no signature", v1beta1.ReceiverHMAC, nil, nil, "body", 404, false},
		{"a weak algorithm", v1beta1.ReceiverHMAC, nil, http.Header{"X-Signature": {"sha1=00"}}, "body", 404, false},
		{"no hexadecimal", v1beta1.ReceiverHMAC, nil, http.Header{"X-Signature": {"sha256=hunter2"}}, "body", 404, false},
		{"GitHub", v1beta1.ReceiverGitHub, []string{"push"}, http.Header{"X-Hub-Signature-256": {signed(token, "{}")}, "X-Github-Event": {"push"}}, "{}", 200, true},
		{"GitHub greets", v1beta1.ReceiverGitHub, nil, http.Header{"X-Hub-Signature-256": {signed(token, "{}")}, "X-Github-Event": {"ping"}}, "{}", 200, false},
		{"another event of GitHub", v1beta1.ReceiverGitHub, []string{"push"}, http.Header{"X-Hub-Signature-256": {signed(token, "{}")}, "X-Github-Event": {"issues"}}, "{}", 200, false},
		{"GitHub unsigned", v1beta1.ReceiverGitHub, nil, http.Header{"X-Github-Event": {"push"}}, "{}", 404, false},
		{"GitLab", v1beta1.ReceiverGitLab, []string{"Push Hook"}, http.Header{"X-Gitlab-Token": {token}, "X-Gitlab-Event": {"Push Hook"}}, "{}", 200, true},
		{"GitLab with another token", v1beta1.ReceiverGitLab, nil, http.Header{"X-Gitlab-Token": {token + "x"}}, "{}", 404, false},
		{"Bitbucket", v1beta1.ReceiverBitbucket, []string{"repo:refs_changed"}, http.Header{"X-Hub-Signature": {signed(token, "{}")}, "X-Event-Key": {"repo:refs_changed"}}, "{}", 200, true},
		{"another event of Bitbucket", v1beta1.ReceiverBitbucket, []string{"repo:refs_changed"}, http.Header{"X-Hub-Signature": {signed(token, "{}")}, "X-Event-Key": {"pr:opened"}}, "{}", 200, false},
		{"Bitbucket with another token", v1beta1.ReceiverBitbucket, nil, http.Header{"X-Hub-Signature": {signed("other", "{}")}}, "{}", 404, false},
		{"Bitbucket unsigned", v1beta1.ReceiverBitbucket, nil, nil, "{}", 404, false},
		{"Nexus", v1beta1.ReceiverNexus, nil, http.Header{"X-Nexus-Webhook-Signature": {weakly(token, "{}")}}, "{}", 200, true},
		{"Nexus with another token", v1beta1.ReceiverNexus, nil, http.Header{"X-Nexus-Webhook-Signature": {weakly("other", "{}")}}, "{}", 404, false},
		{"Nexus unsigned", v1beta1.ReceiverNexus, nil, nil, "{}", 404, false},
		{"Harbor", v1beta1.ReceiverHarbor, nil, http.Header{"Authorization": {token}}, "{}", 200, true},
		{"Harbor with another token", v1beta1.ReceiverHarbor, nil, http.Header{"Authorization": {"other"}}, "{}", 404, false},
		{"Docker Hub", v1beta1.ReceiverDockerHub, nil, nil, `{"push_data":{"tag":"1.0.0"}}`, 200, true},
		{"Docker Hub with nonsense", v1beta1.ReceiverDockerHub, nil, nil, "[]", 400, false},
		{"Quay", v1beta1.ReceiverQuay, nil, nil, `{"updated_tags":["1.0.0"]}`, 200, true},
		{"ACR", v1beta1.ReceiverACR, nil, nil, `{"action":"push"}`, 200, true},
		{"a CDEvent", v1beta1.ReceiverCDEvents, []string{"dev.cdevents.change.merged.0.2.0"}, http.Header{"Ce-Type": {"dev.cdevents.change.merged.0.2.0"}}, "{}", 200, true},
		{"another CDEvent", v1beta1.ReceiverCDEvents, []string{"dev.cdevents.change.merged.0.2.0"}, http.Header{"Ce-Type": {"dev.cdevents.change.created.0.3.0"}}, "{}", 200, false},
		{"a CDEvent without a type", v1beta1.ReceiverCDEvents, nil, nil, "{}", 400, false},
		{"a type that is not supported", "other", nil, nil, "{}", 404, false},
		{"a registry", v1beta1.ReceiverRegistry, nil, http.Header{"Authorization": {"Bearer " + token}}, notification, 200, true},
		{"a registry that tells of a pull", v1beta1.ReceiverRegistry, nil, http.Header{"Authorization": {"Bearer " + token}}, `{"events":[{"action":"pull","target":{"repository":"x"}}]}`, 200, false},
		{"a registry that tells nonsense", v1beta1.ReceiverRegistry, nil, http.Header{"Authorization": {"Bearer " + token}}, "[", 400, false},
		{"a registry without a token", v1beta1.ReceiverRegistry, nil, nil, notification, 404, false},
		{"a registry with a password", v1beta1.ReceiverRegistry, nil, http.Header{"Authorization": {"Basic " + token}}, notification, 404, false},
		{"too much", v1beta1.ReceiverGeneric, nil, nil, strings.Repeat("x", maxBody+1), 413, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			known := &told{receiver: receiverOf(tt.kind, tt.events...)}
			s := newServer("", known)
			request := httptest.NewRequest(http.MethodPost, pathOf(known.receiver, []byte(token)), strings.NewReader(tt.body))
			for key, values := range tt.header {
				request.Header[key] = values
			}
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, request)
			if answer.Code != tt.status || len(known.news) > 0 != tt.told || answer.Body.Len() > 0 {
				t.Errorf("status %d, told %v, body %q", answer.Code, known.news, answer.Body)
			}
		})
	}
}

func TestWhoKnowsNothingLearnsNothing(t *testing.T) {
	t.Parallel()
	known := &told{receiver: receiverOf(v1beta1.ReceiverGeneric)}
	s := newServer("", known)
	good := pathOf(known.receiver, []byte(token))
	for _, tt := range []struct{ method, path string }{
		{http.MethodGet, good}, {http.MethodPost, "/"}, {http.MethodPost, "/hook/"}, {http.MethodPost, good + "/x"}, {http.MethodPost, strings.ToUpper(good)},
		{http.MethodPost, "/hook/" + strings.Repeat("0", 64)}, {http.MethodPost, pathOf(known.receiver, []byte("other"))},
	} {
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, httptest.NewRequest(tt.method, tt.path, nil))
		if answer.Code != http.StatusNotFound || answer.Body.Len() > 0 {
			t.Errorf("%s %s: %d", tt.method, tt.path, answer.Code)
		}
	}
	known.lost = errors.New("no token")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, good, nil))
	if answer.Code != http.StatusNotFound || len(known.news) > 0 {
		t.Errorf("without its token a receiver answers %d", answer.Code)
	}
}

func TestCallsAreLimited(t *testing.T) {
	t.Parallel()
	known := &told{receiver: receiverOf("generic")}
	s := newServer("", known)
	busy := 0
	for range 4 * atOnce {
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, pathOf(known.receiver, []byte(token)), nil))
		if answer.Code == http.StatusTooManyRequests && answer.Header().Get("Retry-After") != "" {
			busy++
		}
	}
	if busy == 0 || len(known.news) < atOnce {
		t.Errorf("%d calls are refused, %d accepted", busy, len(known.news))
	}
}

func TestWhatNewsAreAbout(t *testing.T) {
	t.Parallel()
	n := news{repositories: []string{"charts/web", "team/api"}}
	oci := func(url string) *v1beta1.OCIRepository {
		return &v1beta1.OCIRepository{Spec: v1beta1.OCIRepositorySpec{URL: url}}
	}
	helm := func(url string) *v1beta1.HelmRepository {
		return &v1beta1.HelmRepository{Spec: v1beta1.HelmRepositorySpec{URL: url}}
	}
	for _, tt := range []struct {
		object any
		want   bool
	}{
		{oci("oci://registry.example.com/charts/web"), true}, {oci("oci://registry.example.com/charts/web/"), true}, {oci("oci://registry.example.com/charts/other"), false},
		{oci("oci://registry.example.com/web"), false}, {helm("oci://registry.example.com/charts"), true}, {helm("oci://registry.example.com/chart"), false},
		{helm("oci://registry.example.com"), true}, {&v1beta1.GitRepository{}, true},
	} {
		if got := n.isAbout(tt.object); got != tt.want {
			t.Errorf("%+v: %v", tt.object, got)
		}
	}
	if !(news{}).isAbout(oci("oci://x/y")) {
		t.Error("a call that names nothing is about nothing")
	}
}

// A receiver whose callers cannot be checked as it says has no address.
func TestAnUnsupportedReceiverHasNoAddress(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*v1beta1.ReceiverSpec){
		"spec.type other": func(s *v1beta1.ReceiverSpec) { s.Type = "other" },
		"spec.resources[0].apiVersion": func(s *v1beta1.ReceiverSpec) {
			s.Resources = []v1beta1.ReceiverResource{{APIVersion: "apps/v1", Kind: v1beta1.GitRepositoryKind, Name: "web"}}
		},
	} {
		receiver := receiverOf(v1beta1.ReceiverGeneric)
		receiver.Status.WebhookPath = "/hook/before"
		change(&receiver.Spec)
		if _, err := (&handler{now: time.Now}).Reconcile(t.Context(), receiver); err != nil {
			t.Fatal(err)
		}
		if !status.IsStalled(receiver) || !strings.Contains(status.Message(receiver), want) || receiver.Status.WebhookPath != "" {
			t.Errorf("%s: stalled %t, at %q: %s", want, status.IsStalled(receiver), receiver.Status.WebhookPath, status.Message(receiver))
		}
	}
}

// Kinds of Flux that do not exist here are passed over.
func TestForeignKindsArePassedOver(t *testing.T) {
	t.Parallel()
	for _, kind := range v1beta1.ForeignKinds {
		objects, err := (&handler{}).objects(t.Context(), receiverOf(v1beta1.ReceiverGeneric), v1beta1.ReceiverResource{Kind: kind, Name: "web"})
		if err != nil || len(objects) > 0 {
			t.Errorf("%s: %d objects, error %v", kind, len(objects), err)
		}
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	known := &told{receiver: receiverOf(v1beta1.ReceiverGeneric)}
	s := newServer("127.0.0.1:0", known)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	cancel()
	select {
	case err := <-ended:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("it does not stop")
	}
}

// A call reaches any replica. One that is not the leader may write nothing but the request that it is about.
func TestAReplicaThatIsNotTheLeaderTakesCalls(t *testing.T) {
	t.Parallel()
	sent := 0
	standby := cluster.NewFence("fairlead-system", "fairlead", time.Minute, time.Now).Guard(roundTrips(func(*http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	write := func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPatch, "https://example.dev/apis/fairlead.dev/v1beta1/namespaces/apps/gitrepositories/web", nil)
		if err != nil {
			return err
		}
		response, err := standby.RoundTrip(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1beta1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	receiver := receiverOf(v1beta1.ReceiverGeneric)
	receiver.Spec.SecretRef = &v1beta1.LocalObjectReference{Name: "push"}
	receiver.Spec.Resources = []v1beta1.ReceiverResource{{Kind: v1beta1.GitRepositoryKind, Name: "web"}}
	receiver.Status.WebhookPath = pathOf(receiver, []byte(token))
	status.Ready(receiver, v1beta1.SucceededReason, "called", time.Now())
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "push"}, Data: map[string][]byte{tokenKey: []byte(token)}}
	web := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(receiver, secret, web).
		WithIndex(&v1beta1.Receiver{}, pathIndex, func(o client.Object) []string { return []string{o.(*v1beta1.Receiver).Status.WebhookPath} }).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
				if err := write(ctx); err != nil {
					return err
				}
				return c.Patch(ctx, o, p, options...)
			},
		}).Build()
	h := &handler{cached: api, live: api, now: time.Now}
	answer := httptest.NewRecorder()
	newServer("", h).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, receiver.Status.WebhookPath, nil))
	if answer.Code != http.StatusOK || sent != 1 {
		t.Errorf("the standby answers %d and sent %d writes", answer.Code, sent)
	}
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(web), web); err != nil || web.Annotations[v1beta1.ReconcileRequestAnnotation] == "" {
		t.Errorf("the object was not asked to reconcile: %v, %v", web.Annotations, err)
	}
	if err := write(t.Context()); !errors.Is(err, cluster.ErrFenced) {
		t.Errorf("another write of the standby gives %v", err)
	}
}

// roundTrips is a transport of one function.
type roundTrips func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAPanicWhileACallIsAnsweredIsAnInternalError(t *testing.T) {
	t.Parallel()
	answer := httptest.NewRecorder()
	newServer("", panicking{}).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, pathOf(receiverOf("generic"), []byte(token)), nil))
	if answer.Code != http.StatusInternalServerError || answer.Body.Len() > 0 {
		t.Errorf("status %d, body %q", answer.Code, answer.Body)
	}
}

// panicking are receivers with a fault.
type panicking struct{ receivers }

func FuzzNotification(f *testing.F) {
	f.Add([]byte(`{"events":[{"action":"push","target":{"repository":"charts/web"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if found, err := notified(body); err == nil && found.matters && len(found.repositories) == 0 {
			t.Error("it matters and is about nothing")
		}
		_ = prove(v1beta1.ReceiverHMAC, []byte(token), call{header: http.Header{"X-Signature": {string(body)}}, body: body})
		_, _ = io.Copy(io.Discard, bytes.NewReader(body))
	})
}
